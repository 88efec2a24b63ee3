//! The smallest HTTP client that does: one GET a connection, no crate between
//! the load generator and the socket.

use crate::patience::patient;
use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpStream},
    time::Duration,
};

/// Generous, as all limits here.
const LIMIT: Duration = Duration::from_secs(120);

/// What uWSGI answered.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header lines, names as sent.
    pub headers: Vec<(String, String)>,
    /// The body; what is not UTF-8 is replaced.
    pub body: String,
}

impl Response {
    /// The first header of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// One GET request to this machine.
///
/// # Errors
/// If the connection fails or is cut before an answer's header is whole.
pub fn get(port: u16, path: &str) -> io::Result<Response> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(patient(LIMIT)))?;
    stream.set_write_timeout(Some(patient(LIMIT)))?;
    // HTTP/1.0: the answer ends where the connection does.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&String::from_utf8_lossy(&answer))
        .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "no whole HTTP answer"))
}

fn parse(answer: &str) -> Option<Response> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    Some(Response {
        status,
        headers,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn an_answer_is_taken_apart() {
        let answer = parse("HTTP/1.1 404 Not Found\r\nX-A: b\r\n\r\none\r\n\r\ntwo").unwrap();
        assert_eq!(answer.status, 404);
        assert_eq!(answer.header("x-a"), Some("b"));
        assert_eq!(answer.body, "one\r\n\r\ntwo");
    }

    #[test]
    fn a_cut_answer_is_none() {
        assert!(parse("").is_none());
        assert!(parse("HTTP/1.1 200 OK\r\nX-A: b").is_none());
    }
}
