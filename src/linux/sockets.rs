//! Listening sockets that another opened.

/// A connection waits on one of the listening sockets of these numbers. Waits for none itself; a number
/// that is no open descriptor has none.
pub fn connection_waits(sockets: &[i32]) -> bool {
    let mut polled: Vec<libc::pollfd> = sockets
        .iter()
        .map(|&fd| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    // SAFETY: poll(2) reads and writes as many entries as there are; a timeout of 0 does not wait.
    let ready = unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, 0) };
    ready > 0 && polled.iter().any(|one| one.revents & libc::POLLIN != 0)
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        os::fd::AsRawFd,
    };

    use super::*;

    #[test]
    fn a_waiting_connection_is_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sockets = [listener.as_raw_fd()];
        assert!(!connection_waits(&sockets));
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(connection_waits(&sockets));
        assert!(!connection_waits(&[]) && !connection_waits(&[1_000_000]));
    }
}
