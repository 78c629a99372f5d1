//! Descriptors that a process which an application forks does not keep.
//!
//! A copy of a connection or of the listening socket would outlive this process in a child of the application's: httpd
//! would not see that a worker died. So the child of any `fork` closes them, before anything else runs in it. It only
//! closes: what a socket does meanwhile is its other owner's matter.

use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

const WORDS: usize = 1024;

/// A bit for each descriptor that is to be closed; read in a child of `fork`, which must not wait for a lock. Those with
/// larger numbers stay open there.
static OWN: [AtomicU64; WORDS] = [const { AtomicU64::new(0) }; WORDS];

/// The word and the bit of a descriptor.
fn place(fd: RawFd) -> Option<(&'static AtomicU64, u64)> {
    let fd = usize::try_from(fd).ok()?;
    Some((OWN.get(fd / 64)?, 1 << (fd % 64)))
}

/// An open descriptor of this process only.
#[derive(Debug)]
pub(crate) struct Own(OwnedFd);

impl Own {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        if let Some((word, bit)) = place(fd.as_raw_fd()) {
            word.fetch_or(bit, SeqCst);
        }
        Self(fd)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // Before it is closed: its number may be another's right after.
        if let Some((word, bit)) = place(self.0.as_raw_fd()) {
            word.fetch_and(!bit, SeqCst);
        }
    }
}

impl Deref for Own {
    type Target = OwnedFd;

    fn deref(&self) -> &OwnedFd {
        &self.0
    }
}

impl AsFd for Own {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Own {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// From now on children of `fork` close what is [`Own`].
pub(crate) fn close_in_children() -> io::Result<()> {
    static ONCE: Once = Once::new();
    let mut result = 0;
    // SAFETY: the function does what may be done there; the engine is never unloaded.
    ONCE.call_once(|| result = unsafe { libc::pthread_atfork(None, None, Some(in_child)) });
    if result == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(result)) }
}

unsafe extern "C" fn in_child() {
    for (at, word) in (0..).zip(&OWN) {
        let mut bits = word.swap(0, SeqCst);
        while bits != 0 {
            let fd = at * 64 + bits.trailing_zeros() as RawFd;
            // SAFETY: this process's copy; nobody uses it here, as the engine answers nothing in such a process.
            unsafe { libc::close(fd) };
            bits &= bits - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_marked(fd: RawFd) -> bool {
        place(fd).is_some_and(|(word, bit)| word.load(SeqCst) & bit != 0)
    }

    #[test]
    fn a_descriptor_is_marked_as_long_as_it_is_open() {
        let (one, other) = nix::unistd::pipe().unwrap();
        let (raw, other_raw) = (one.as_raw_fd(), other.as_raw_fd());
        let own = Own::new(one);
        assert!(is_marked(raw) && !is_marked(other_raw));
        drop(own);
        assert!(!is_marked(raw));
        assert!(place(-1).is_none() && place(RawFd::MAX).is_none());
    }
}
