//! How a process of a group asks httpd something: one end of a pair of sockets goes to whichever child of httpd takes it, and an
//! anonymous file with the answer comes back by the other end.
//!
//! Asked from any thread of a worker, which waits for a while; answered by a thread of each httpd child, which never waits for who
//! asks: that is the code of an application, which may send anything or nothing.

use nix::cmsg_space;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::spawn::{memory_file, read_memory_file};

/// How long httpd has for an answer, in milliseconds: it is busy, or its children are just being replaced.
const PATIENCE: u16 = 1000;

/// Two connected sockets. Each message is whole, and comes to one reader.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?)
}

/// Asks; `None`: there is no answer.
pub fn ask(socket: BorrowedFd<'_>) -> Option<Vec<u8>> {
    let (mine, theirs) = pair().ok()?;
    send(socket, theirs.as_fd()).ok()?;
    drop(theirs);
    let mut fds = [PollFd::new(mine.as_fd(), PollFlags::POLLIN)];
    if poll(&mut fds, PollTimeout::from(PATIENCE)).ok()? == 0 {
        return None;
    }
    let answer = receive(mine.as_fd()).ok()??;
    read_memory_file(&answer).ok()
}

/// Answers one question, if there still is one and it is well-formed.
///
/// # Errors
/// Who asked is gone, or the answer cannot be made.
pub fn answer(socket: BorrowedFd<'_>, content: impl FnOnce() -> Vec<u8>) -> io::Result<()> {
    match receive(socket)? {
        Some(back) => send(back.as_fd(), memory_file(c"wsgi-answer", &content())?.as_fd()),
        None => Ok(()),
    }
}

/// Sends a descriptor, if that can be done at once.
fn send(socket: BorrowedFd<'_>, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let rights = [descriptor.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&rights)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(b"?")], &rights, flags, None)?;
    Ok(())
}

/// Receives a descriptor, if one is there.
fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let mut beside = cmsg_space!([RawFd; 1]);
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut beside), flags)?;
    let mut found = None;
    for beside in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(files) = beside {
            for file in files {
                // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
                found = Some(unsafe { OwnedFd::from_raw_fd(file) });
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_question_is_answered() {
        let (asking, answering) = pair().unwrap();
        let large = vec![7; 1 << 20];
        let answerer = thread::spawn(move || {
            let mut fds = [PollFd::new(answering.as_fd(), PollFlags::POLLIN)];
            poll(&mut fds, PollTimeout::from(10_000_u16)).unwrap();
            answer(answering.as_fd(), || vec![7; 1 << 20]).unwrap();
        });
        assert_eq!(ask(asking.as_fd()), Some(large));
        answerer.join().unwrap();
    }

    #[test]
    fn nobody_who_could_answer_is_no_answer() {
        let (asking, answering) = pair().unwrap();
        drop(answering);
        assert_eq!(ask(asking.as_fd()), None);
    }

    #[test]
    fn what_is_no_question_or_comes_from_somebody_who_left_does_no_harm() {
        let (asking, answering) = pair().unwrap();
        nix::unistd::write(&asking, b"no descriptor").unwrap();
        assert!(answer(answering.as_fd(), || panic!("nobody asked")).is_ok());
        let (mine, theirs) = pair().unwrap();
        send(asking.as_fd(), theirs.as_fd()).unwrap();
        drop((mine, theirs));
        assert!(answer(answering.as_fd(), Vec::new).is_err());
        let file = memory_file(c"no socket", b"").unwrap();
        send(asking.as_fd(), file.as_fd()).unwrap();
        assert!(answer(answering.as_fd(), Vec::new).is_err());
        assert!(answer(answering.as_fd(), Vec::new).is_err());
    }
}
