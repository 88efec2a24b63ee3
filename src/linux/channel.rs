//! A way for forked processes to hand a file descriptor to the process that forked them.
//!
//! Who holds a descriptor of `/proc/self/smaps_rollup` may read it, whoever opened it: so a master
//! that has dropped its privileges reads its workers' memory (proc(5); unix(7), `SCM_RIGHTS`).

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
};

use rustix::net::{
    recvmsg, sendmsg, socketpair, AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage,
    RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

/// Bytes of one message.
pub const MESSAGE: usize = 16;

/// Both ends of a socket of whole messages. Neither ever blocks, neither survives exec(2).
#[derive(Debug)]
pub struct Channel {
    near: OwnedFd,
    far: OwnedFd,
}

impl Channel {
    /// Two descriptors more in this process, and in all that it forks until they drop theirs.
    pub fn new() -> io::Result<Self> {
        // A datagram socket would hold net.unix.max_dgram_qlen messages only, which is 10.
        let (near, far) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        Ok(Self { near, far })
    }

    /// Hands `descriptor` over, with a message. An error is that of sendmsg(2): full, or closed.
    pub fn send(&self, message: &[u8; MESSAGE], descriptor: impl AsFd) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors = [descriptor.as_fd()];
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        let parts = [io::IoSlice::new(message)];
        sendmsg(&self.far, &parts, &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// The next message and its descriptor; none if nothing waits, or if it came without one.
    pub fn receive(&self) -> Option<([u8; MESSAGE], OwnedFd)> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut message = [0; MESSAGE];
        let mut parts = [io::IoSliceMut::new(&mut message)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let got = recvmsg(&self.near, &mut parts, &mut ancillary, flags).ok()?;
        let descriptor = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        (got.bytes == MESSAGE).then_some(message).zip(descriptor)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Read};

    use super::*;

    #[test]
    fn a_descriptor_arrives_with_its_message() {
        let channel = Channel::new().unwrap();
        assert!(channel.receive().is_none());
        let file = File::open("/proc/self/comm").unwrap();
        channel.send(&[7; MESSAGE], &file).unwrap();
        drop(file);
        let (message, descriptor) = channel.receive().unwrap();
        assert_eq!(message, [7; MESSAGE]);
        let mut name = String::new();
        File::from(descriptor).read_to_string(&mut name).unwrap();
        assert!(!name.is_empty());
        assert!(channel.receive().is_none());
    }

    #[test]
    fn a_full_channel_is_an_error_and_no_wait() {
        let channel = Channel::new().unwrap();
        let file = File::open("/proc/self/comm").unwrap();
        let sent = (0..100_000).take_while(|_| channel.send(&[0; MESSAGE], &file).is_ok());
        assert!((64..100_000).contains(&sent.count()));
    }
}
