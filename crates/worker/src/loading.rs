//! The watch over a worker while it loads scripts before its first request.
//!
//! The main thread loads them and hears nothing meanwhile. A thread hears for it: SIGQUIT shows where the scripts are, and
//! a process whose leader dies, or that is told to end, does not wait for them longer than `shutdown-timeout`.

use crate::log::line;
use crate::signals::Signals;
use crate::stacks;
use daemon_abi::launch::Launch;
use engine::Engine;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{Signal, kill};
use nix::unistd::getpid;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// What the watch hears by.
struct Ears<'a> {
    signals: &'a Signals,
    /// End of file: the leader died.
    leash: &'a OwnedFd,
    /// The scripts are loaded.
    done: EventFd,
}

/// Loads by `load`, under watch. On the main thread, without the GIL.
pub(crate) fn watched<R>(
    engine: &'static Engine,
    launch: &Launch,
    signals: &Signals,
    leash: &OwnedFd,
    load: impl FnOnce() -> R,
) -> io::Result<R> {
    let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
    let ears = Ears { signals, leash, done: EventFd::from_flags(flags)? };
    let group = String::from_utf8_lossy(&launch.group).into_owned();
    let patience = Duration::from_millis(launch.shutdown_timeout);
    let loaded = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = std::thread::Builder::new().name("wsgi-loading".to_owned());
        watch.spawn_scoped(scope, || ears.watch(engine, &group, patience, &loaded))?;
        let _over = Over { ears: &ears, loaded: &loaded };
        Ok(load())
    })
}

/// Ends the watch, also if loading ends in a panic.
struct Over<'a> {
    ears: &'a Ears<'a>,
    loaded: &'a AtomicBool,
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.loaded.store(true, SeqCst);
        // Cannot fail: the counter is far from full.
        let _ = self.ears.done.write(1);
    }
}

impl Ears<'_> {
    fn watch(&self, engine: &'static Engine, group: &str, patience: Duration, loaded: &AtomicBool) {
        let mut heard = Vec::new();
        let mut end: Option<Instant> = None;
        while !loaded.load(SeqCst) {
            let poll_fd = |fd| PollFd::new(fd, PollFlags::POLLIN);
            let mut fds = [
                poll_fd(self.done.as_fd()),
                poll_fd(self.signals.fd()),
                poll_fd(self.leash.as_fd()),
            ];
            // The end of the leader is seen once; it stays readable.
            let [watched @ .., _] = &mut fds;
            let timeout = end.map_or(PollTimeout::NONE, |at| {
                let left = at.saturating_duration_since(Instant::now());
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
            });
            let polled =
                if end.is_some() { poll(watched, timeout) } else { poll(&mut fds, timeout) };
            if !matches!(polled, Ok(_) | Err(Errno::EINTR)) {
                break;
            }
            let [_, _, leader] = &fds;
            let mut ends = end.is_none() && leader.any().unwrap_or(false);
            for signal in self.signals.take() {
                match signal {
                    Signal::SIGQUIT => stacks::show(engine, group, false),
                    signal => {
                        ends |= !matches!(signal, Signal::SIGHUP | Signal::SIGUSR2);
                        heard.push(signal);
                    }
                }
            }
            if ends {
                end.get_or_insert_with(|| Instant::now() + patience);
            }
            if end.is_some_and(|at| at <= Instant::now()) && !loaded.load(SeqCst) {
                line!(
                    Warning,
                    "WRS5031: a worker of process group '{group}' was to end while it loaded a script, which took too \
                     long, and is ended"
                );
                // SAFETY: ends the process.
                unsafe { libc::_exit(1) }
            }
        }
        // They are for the main thread, which listens again from now on.
        for signal in heard {
            let _ = kill(getpid(), signal);
        }
    }
}
