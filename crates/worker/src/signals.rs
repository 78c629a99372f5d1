//! Signals as events on a descriptor.
//!
//! Handlers, not a blocked mask: programs that an application starts inherit a mask and would then not
//! hear SIGTERM, but never a handler. A handler writes the signal's number to a pipe that the main thread polls.

use nix::fcntl::OFlag;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

static PIPE: AtomicI32 = AtomicI32::new(-1);

/// The process that [`PIPE`] belongs to.
static OWNER: AtomicI32 = AtomicI32::new(0);

extern "C" fn on_signal(signal: libc::c_int) {
    let byte = u8::try_from(signal).unwrap_or(0);
    // SAFETY: all of these may be called in a handler; the byte lives for the call. The error number of whatever was
    // interrupted is put back.
    unsafe {
        let errno = libc::__errno_location();
        let saved = *errno;
        if libc::getpid() == OWNER.load(SeqCst) {
            libc::write(PIPE.load(SeqCst), (&raw const byte).cast(), 1);
        } else {
            // A process that the application forked: the signal is for it, not for us.
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
        *errno = saved;
    }
}

/// The receiving end.
#[derive(Debug)]
pub(crate) struct Signals {
    receiver: OwnedFd,
}

/// Those that leader and workers listen to.
pub(crate) const HEARD: [Signal; 8] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGUSR1,
    Signal::SIGCHLD,
    Signal::SIGHUP,
    Signal::SIGUSR2,
    Signal::SIGXCPU,
    Signal::SIGQUIT,
];

/// Holds signals back while a process is forked: until the child has its own [`Signals`], one that is meant for it
/// would be written to its parent's pipe.
pub(crate) fn hold(back: bool) {
    let set: SigSet = HEARD.into_iter().collect();
    // Cannot fail for signals that exist.
    let _ = if back { set.thread_block() } else { set.thread_unblock() };
}

impl Signals {
    /// Starts to receive `signals` in this process, from now on and here only: after a fork the child calls this again.
    pub(crate) fn receive(signals: &[Signal]) -> io::Result<Self> {
        let (receiver, sender) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        let previous = PIPE.swap(sender.into_raw_fd(), SeqCst);
        OWNER.store(nix::unistd::getpid().as_raw(), SeqCst);
        if previous >= 0 {
            // Of the process this one was forked from.
            let _ = nix::unistd::close(previous);
        }
        let action =
            SigAction::new(SigHandler::Handler(on_signal), SaFlags::SA_RESTART, SigSet::empty());
        for &signal in signals {
            // SAFETY: the handler only does what a handler may.
            unsafe { sigaction(signal, &action)? };
        }
        Ok(Self { receiver })
    }

    /// Leaves a signal to its default from now on, as a process that was forked from one that heard it must.
    pub(crate) fn leave(signal: Signal) -> io::Result<()> {
        let action = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        // SAFETY: no handler is installed.
        unsafe { sigaction(signal, &action)? };
        Ok(())
    }

    /// Becomes readable with a signal.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }

    /// The signals that came since the last call.
    pub(crate) fn take(&self) -> Vec<Signal> {
        let mut bytes = [0; 64];
        let count = nix::unistd::read(&self.receiver, &mut bytes).unwrap_or(0);
        bytes
            .iter()
            .take(count)
            .filter_map(|&byte| Signal::try_from(i32::from(byte)).ok())
            .collect()
    }
}
