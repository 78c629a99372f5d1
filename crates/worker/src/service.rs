//! `threads=0`: a worker that serves no requests and runs the import scripts of its group in its main thread.
//!
//! SIGTERM and SIGINT raise `SystemExit` there; other signals are the scripts' own. When the scripts are done the
//! process ends, and the leader starts another one.

use crate::log::line;
use crate::{limits, signals, title};
use daemon_abi::launch::{Launch, Preload};
use engine::{Engine, Script};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::getpid;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// The script that a process loads before its first request, or runs. It is only executed: nothing calls its callable.
pub(crate) fn script(preload: &Preload) -> Script<'_> {
    Script {
        filename: &preload.filename,
        application_group: &preload.application_group,
        callable: b"application",
        reloading: false,
    }
}

/// Runs the scripts. On the main thread, with the GIL, and with the signals held that the leader hears.
pub(crate) fn run(launch: &Launch, engine: &'static Engine, leash: OwnedFd) -> io::Result<i32> {
    // What the leader hears is not ours any more; the engine then takes what ends a script.
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT] {
        signals::Signals::leave(signal)?;
    }
    // The process begins to end only when these scripts can say so themselves.
    let _gil = engine::release_gil();
    engine.serve_scripts();
    signals::hold(false);
    title::set(&launch.title);
    limits::set(launch);
    watch(leash, launch)?;
    let group = String::from_utf8_lossy(&launch.group).into_owned();
    line!(Info, "a process of process group '{group}' runs its scripts");
    for preload in &launch.preloads {
        let done = engine.preload(&script(preload));
        if done.is_err() {
            // What went wrong is in the log, unless it was told to end.
            break;
        }
    }
    line!(Info, "a process of process group '{group}' is done with its scripts and ends");
    engine.stop(Duration::ZERO);
    Ok(0)
}

/// Ends the process when its leader dies: as a signal would, and by force if that does not help.
fn watch(leash: OwnedFd, launch: &Launch) -> io::Result<()> {
    let shutdown = Duration::from_millis(launch.shutdown_timeout);
    let run = move || {
        let mut fds = [PollFd::new(leash.as_fd(), PollFlags::POLLIN)];
        while poll(&mut fds, PollTimeout::NONE) == Err(Errno::EINTR) {}
        // The system hands it to the main thread, which is where Python looks for it.
        let _ = kill(getpid(), Signal::SIGTERM);
        std::thread::sleep(shutdown);
        line!(
            Warning,
            "WRS5025: a service script did not end in time after its leader, and is ended"
        );
        // SAFETY: ends the process.
        unsafe { libc::_exit(1) }
    };
    std::thread::Builder::new().name("wsgi-leash".to_owned()).spawn(run).map(drop)
}
