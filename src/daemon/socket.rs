//! The unix sockets of a group's workers, made by the httpd parent before it starts the leader.
//!
//! Each worker has one of its own, so that the module chooses the worker. The leader inherits the listening
//! end; httpd's children connect by a descriptor of the socket's name, which stays good when the name is removed.

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::socket::sockopt::{RcvBuf, SndBuf};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, setsockopt, socket,
};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, fchownat};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The longest path of a unix socket (`sun_path` less its zero byte).
pub const LONGEST_PATH: usize = 107;

/// One worker's socket.
#[derive(Debug)]
pub struct WorkerSocket {
    path: PathBuf,
    name: OwnedFd,
}

impl WorkerSocket {
    /// Makes the socket and listens; only `owner` may connect. What is left there from an earlier life is replaced.
    pub fn listen(
        path: &[u8],
        backlog: u32,
        (send, receive): (u32, u32),
        owner: Option<u32>,
    ) -> io::Result<(Self, OwnedFd)> {
        let path = Path::new(OsStr::from_bytes(path));
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        // Nobody else may connect, not even for a moment. The parent has one thread.
        let usual = umask(Mode::from_bits_truncate(0o177));
        let bound = UnixAddr::new(path).and_then(|address| bind(listener.as_raw_fd(), &address));
        umask(usual);
        bound?;
        // As mod_wsgi does; the workers set them for each connection too, which inherits them on no unix socket of Linux.
        if send > 0 {
            setsockopt(&listener, SndBuf, &(send as usize))?;
        }
        if receive > 0 {
            setsockopt(&listener, RcvBuf, &(receive as usize))?;
        }
        let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
        listen(&listener, Backlog::new(backlog).unwrap_or(Backlog::MAXCONN))?;
        if let Some(owner) = owner {
            // Not through a link that somebody who may write there has put in its place.
            let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
            fchownat(AT_FDCWD, path, Some(Uid::from_raw(owner)), None::<Gid>, flags)?;
        }
        let flags = libc::O_PATH | libc::O_NOFOLLOW;
        let name = File::options().read(true).custom_flags(flags).open(path)?.into();
        Ok((Self { path: path.to_path_buf(), name }, listener))
    }

    /// The descriptor to connect by.
    pub fn name(&self) -> BorrowedFd<'_> {
        self.name.as_fd()
    }

    /// Removes the name. Who has the descriptor can still connect.
    pub fn unlink(&self) {
        // It may have been removed by somebody who cleans up; that is as good.
        let _ = std::fs::remove_file(&self.path);
    }
}
