//! Ports: one that nobody else is given between our choice and uWSGI's bind, and one that answers nothing.

use rustix::{
    io,
    net::{
        bind, getsockname, ipproto, socket_with, sockopt::set_socket_reuseaddr, AddressFamily,
        SocketFlags, SocketType,
    },
};
use std::{
    io::Read,
    net::{Ipv4Addr, SocketAddrV4, TcpListener},
    os::fd::OwnedFd,
    thread,
};

/// A port of the loopback interface, ours while this lives.
///
/// It is bound but never listened on. Linux gives such a port to nobody who
/// asks for any port, and lets a server that asks for this one bind it as well,
/// if both sides set SO_REUSEADDR: uWSGI does, and so do programs in Go.
#[derive(Debug)]
pub struct Port {
    /// Its number.
    pub number: u16,
    _socket: OwnedFd,
}

impl Port {
    /// Any that is free.
    ///
    /// # Errors
    /// What Linux says, if there is none.
    pub fn reserve() -> io::Result<Self> {
        let (family, kind) = (AddressFamily::INET, SocketType::STREAM);
        let socket = socket_with(family, kind, SocketFlags::CLOEXEC, Some(ipproto::TCP))?;
        set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
        let number = SocketAddrV4::try_from(getsockname(&socket)?)?.port();
        Ok(Self {
            number,
            _socket: socket,
        })
    }
}

/// The port of a server that takes connections and keeps them until the other end closes.
///
/// # Panics
/// If there is no free port.
pub fn silent_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || stream.unwrap().read_to_end(&mut Vec::new()));
        }
    });
    port
}
