//! A way for forked processes to hand file descriptors to the process that forked them.
//!
//! Who holds a descriptor of `/proc/self/smaps_rollup` may read it, whoever opened it: so a master
//! that has dropped its privileges reads its workers' memory (proc(5); unix(7), `SCM_RIGHTS`).

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{BorrowedFd, OwnedFd},
};

use rustix::io::fcntl_dupfd_cloexec;
use rustix::net::{
    recvmsg, sendmsg, socketpair, AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage,
    RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

/// Bytes of one message.
pub const MESSAGE: usize = 16;
/// Descriptors of one message at most.
const MOST: usize = 2;

/// So many descriptors are left to the rest of the process: for a reload, for clients, for files.
const SPARE: usize = 32;

/// Both ends of a socket of whole messages. Neither ever blocks, neither survives exec(2).
#[derive(Debug)]
pub struct Channel {
    near: OwnedFd,
    far: OwnedFd,
}

impl Channel {
    /// Two descriptors more in this process, and in all that it forks until they drop theirs. `EMFILE`: too
    /// few would be left.
    pub fn new() -> io::Result<Self> {
        // A datagram socket would hold net.unix.max_dgram_qlen messages only, which is 10.
        let (near, far) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        spare(&near)?;
        Ok(Self { near, far })
    }

    /// Hands descriptors over, at most two, with a message. An error is that of sendmsg(2): full, or closed.
    pub fn send(&self, message: &[u8; MESSAGE], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        let parts = [io::IoSlice::new(message)];
        sendmsg(&self.far, &parts, &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// The next message and its descriptors; none if nothing waits. It comes without, if this process would
    /// have too few left.
    pub fn receive(&self) -> Option<([u8; MESSAGE], Vec<OwnedFd>)> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut message = [0; MESSAGE];
        let mut parts = [io::IoSliceMut::new(&mut message)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let got = recvmsg(&self.near, &mut parts, &mut ancillary, flags).ok()?;
        let descriptors = ancillary.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        let mut descriptors: Vec<OwnedFd> = descriptors.flatten().collect();
        if spare(&self.near).is_err() {
            descriptors.clear();
        }
        (got.bytes == MESSAGE).then_some((message, descriptors))
    }
}

/// Whether as many descriptors are left as there should be.
fn spare(any: &OwnedFd) -> io::Result<()> {
    // There is no call that tells how many: it is tried.
    let mut tried = [const { None }; SPARE];
    for one in &mut tried {
        *one = Some(fcntl_dupfd_cloexec(any, 0)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Read, os::fd::AsFd};

    use super::*;

    #[test]
    fn descriptors_arrive_with_their_message() {
        let channel = Channel::new().unwrap();
        assert!(channel.receive().is_none());
        let file = File::open("/proc/self/comm").unwrap();
        let second = File::open("/proc/self/stat").unwrap();
        let both = [file.as_fd(), second.as_fd()];
        channel.send(&[7; MESSAGE], &both).unwrap();
        channel.send(&[8; MESSAGE], &both[..1]).unwrap();
        drop((file, second));
        let (message, descriptors) = channel.receive().unwrap();
        assert_eq!((message, descriptors.len()), ([7; MESSAGE], 2));
        let texts = descriptors.into_iter().map(|descriptor| {
            let mut text = String::new();
            File::from(descriptor).read_to_string(&mut text).unwrap();
            text
        });
        let texts: Vec<_> = texts.collect();
        assert!(texts[1].contains(texts[0].trim()), "{texts:?}");
        assert_eq!(channel.receive().unwrap().1.len(), 1);
        assert!(channel.receive().is_none());
    }

    #[test]
    fn a_full_channel_is_an_error_and_no_wait() {
        let channel = Channel::new().unwrap();
        let file = File::open("/proc/self/comm").unwrap();
        let sent =
            (0..100_000).take_while(|_| channel.send(&[0; MESSAGE], &[file.as_fd()]).is_ok());
        assert!((64..100_000).contains(&sent.count()));
    }
}
