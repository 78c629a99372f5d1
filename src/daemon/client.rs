//! The front's end of a FastCGI connection to a worker.
//!
//! Owned by the httpd thread that serves a request, and by the pool of its group in between. The socket blocks, with the group's
//! socket-timeout, so that an ordinary request takes one call to send and one to receive.

use fastcgi::{Frames, HEADER_LEN};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, connect, recvmsg,
    sendmsg, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// What went wrong on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The worker closed it after it had taken all we sent.
    Closed,
    /// The worker closed it before it had taken all we sent.
    Reset,
    /// Nothing came, or went, for too long.
    TimedOut,
    /// Anything else.
    Error(Errno),
}

impl From<Errno> for Broken {
    fn from(errno: Errno) -> Self {
        match errno {
            // A unix socket says these of a peer that closed with something unread, or before we wrote.
            Errno::ECONNRESET | Errno::EPIPE => Self::Reset,
            Errno::EAGAIN => Self::TimedOut,
            other => Self::Error(other),
        }
    }
}

/// Open files that wait to be used; a worker has no reason to send more for one request.
const MOST_FILES: usize = 4;

/// What waiting came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// It took too long.
    Nothing,
    /// The worker can be read from or written to.
    Worker,
    /// The client can be read from, and perhaps the worker too.
    Client,
}

/// A connection to one worker process.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
    /// What came from the worker.
    pub frames: Frames,
    /// Files that came with it.
    files: VecDeque<OwnedFd>,
    /// Where the kernel puts what comes beside the bytes.
    beside: Vec<u8>,
    /// Which process it goes to; see `Scoreboard::generation`.
    pub generation: u32,
}

impl Connection {
    /// Connects to a socket. It is named by a descriptor of it (`O_PATH`), so the path may be gone already.
    pub fn open(
        path: BorrowedFd<'_>,
        generation: u32,
        connect_timeout: Duration,
        timeout: Duration,
    ) -> Result<Self, Errno> {
        let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &time_value(timeout))?;
        // Of all calls that send, `connect` waits for a place in the worker's queue.
        setsockopt(&socket, sockopt::SendTimeout, &time_value(connect_timeout))?;
        let address = UnixAddr::new(format!("/proc/self/fd/{}", path.as_raw_fd()).as_str())?;
        loop {
            match connect(socket.as_raw_fd(), &address) {
                Ok(()) => break,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
        setsockopt(&socket, sockopt::SendTimeout, &time_value(timeout))?;
        Ok(Self {
            socket,
            frames: Frames::new(),
            files: VecDeque::new(),
            beside: nix::cmsg_space!([RawFd; 1]),
            generation,
        })
    }

    /// Sends all of these parts.
    pub fn send(&mut self, parts: &mut [IoSlice<'_>]) -> Result<(), Broken> {
        let mut left = parts;
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            match sendmsg::<()>(self.socket.as_raw_fd(), left, &[], MsgFlags::MSG_NOSIGNAL, None) {
                Ok(count) => IoSlice::advance_slices(&mut left, count),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Sends as much of a record as the socket takes at once; how many bytes.
    pub fn send_some(&mut self, header: &[u8], content: &[u8]) -> Result<usize, Broken> {
        let parts = [IoSlice::new(header), IoSlice::new(content)];
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        loop {
            match sendmsg::<()>(self.socket.as_raw_fd(), &parts, &[], flags, None) {
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(0),
                result => return result.map_err(Broken::from),
            }
        }
    }

    /// Receives what there is, waiting for it if `wait`; whether anything came.
    pub fn receive(&mut self, wait: bool) -> Result<bool, Broken> {
        let wait_or_not = if wait { MsgFlags::empty() } else { MsgFlags::MSG_DONTWAIT };
        let flags = wait_or_not | MsgFlags::MSG_CMSG_CLOEXEC;
        loop {
            let mut parts = [IoSliceMut::new(self.frames.spare(HEADER_LEN))];
            let socket = self.socket.as_raw_fd();
            match recvmsg::<()>(socket, &mut parts, Some(&mut self.beside), flags) {
                Ok(message) => {
                    let count = message.bytes;
                    for beside in message.cmsgs()? {
                        if let ControlMessageOwned::ScmRights(files) = beside {
                            // SAFETY: the kernel has just made these descriptors for us, and nobody else knows them.
                            let owned =
                                files.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
                            self.files.extend(owned);
                        }
                    }
                    self.files.truncate(MOST_FILES);
                    if count == 0 {
                        return Err(Broken::Closed);
                    }
                    self.frames.advance(count);
                    return Ok(true);
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) if !wait => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Forgets what came for a request that is over.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.files.clear();
    }

    /// The file that came first and was not taken yet.
    pub fn take_file(&mut self) -> Option<OwnedFd> {
        self.files.pop_front()
    }

    /// Waits until the worker can be read from or (`write`) written to, or until `client` has something to
    /// read; what came in time.
    pub fn wait(&self, write: bool, client: Option<BorrowedFd<'_>>, time: Duration) -> Ready {
        let events = if write { PollFlags::POLLIN | PollFlags::POLLOUT } else { PollFlags::POLLIN };
        let timeout = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
        let own = PollFd::new(self.socket.as_fd(), events);
        let mut both = [own, PollFd::new(client.unwrap_or(self.socket.as_fd()), PollFlags::POLLIN)];
        let count = if client.is_some() { 2 } else { 1 };
        loop {
            match poll(both.get_mut(..count).unwrap_or_default(), timeout) {
                Err(Errno::EINTR) => {}
                Ok(0) | Err(_) => return Ready::Nothing,
                Ok(_) if client.is_some() && both[1].any().unwrap_or(true) => return Ready::Client,
                Ok(_) => return Ready::Worker,
            }
        }
    }
}

/// A time for the kernel, where none means for ever.
fn time_value(time: Duration) -> TimeVal {
    let time = time.max(Duration::from_millis(1));
    TimeVal::new(time.as_secs().try_into().unwrap_or(i64::MAX), time.subsec_micros().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::unix::fs::OpenOptionsExt;
    use std::os::unix::net::UnixListener;

    const SOON: Duration = Duration::from_secs(5);

    fn pair() -> (Connection, std::os::unix::net::UnixStream) {
        let directory = std::env::temp_dir().join(format!(
            "wsgi-client-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("socket");
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let handle = File::options().read(true).custom_flags(libc::O_PATH).open(&path).unwrap();
        // The name is gone before anybody connects, as after a restart.
        std::fs::remove_dir_all(&directory).unwrap();
        let connection = Connection::open(handle.as_fd(), 1, SOON, SOON).unwrap();
        (connection, listener.accept().unwrap().0)
    }

    #[test]
    fn a_socket_whose_name_is_gone_is_connected_to() {
        let (mut front, mut worker) = pair();
        front.send(&mut [IoSlice::new(b"he"), IoSlice::new(b""), IoSlice::new(b"llo")]).unwrap();
        let mut text = [0; 5];
        worker.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"hello");
    }

    #[test]
    fn a_worker_that_closes_without_reading_is_told_from_one_that_read() {
        let (mut front, worker) = pair();
        front.send(&mut [IoSlice::new(b"unread")]).unwrap();
        drop(worker);
        assert_eq!(front.receive(true), Err(Broken::Reset));

        let (mut front, mut worker) = pair();
        front.send(&mut [IoSlice::new(b"read")]).unwrap();
        let mut text = [0; 4];
        worker.read_exact(&mut text).unwrap();
        drop(worker);
        assert_eq!(front.receive(true), Err(Broken::Closed));
    }

    #[test]
    fn a_worker_that_is_gone_is_told_before_anything_is_sent() {
        let (mut front, worker) = pair();
        drop(worker);
        assert_eq!(front.send(&mut [IoSlice::new(b"late")]), Err(Broken::Reset));
    }

    #[test]
    fn what_is_there_is_received_without_waiting() {
        let (mut front, mut worker) = pair();
        assert_eq!(front.receive(false), Ok(false));
        worker.write_all(b"x").unwrap();
        assert_eq!(front.wait(false, None, Duration::from_secs(5)), Ready::Worker);
        assert_eq!(front.receive(false), Ok(true));
        assert_eq!(front.frames.buffered(), 1);
    }

    #[test]
    fn a_file_comes_with_the_bytes_it_was_sent_with_and_not_into_other_programs() {
        let (mut front, worker) = pair();
        let file = File::open("/dev/null").unwrap();
        let (descriptor, parts) = ([file.as_raw_fd()], [IoSlice::new(b"x")]);
        let rights = [nix::sys::socket::ControlMessage::ScmRights(&descriptor)];
        for _ in 0..MOST_FILES + 1 {
            let flags = MsgFlags::empty();
            sendmsg::<()>(worker.as_raw_fd(), &parts, &rights, flags, None).unwrap();
            assert_eq!(front.receive(true), Ok(true));
        }
        let taken = front.take_file().unwrap();
        let flags = nix::fcntl::fcntl(&taken, nix::fcntl::FcntlArg::F_GETFD).unwrap();
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        assert_eq!(front.files.len(), MOST_FILES - 1, "more than anybody needs are closed");
        front.clear();
        assert!(front.take_file().is_none());
    }
}
