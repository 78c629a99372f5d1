//! `threads=0`: a worker that serves no requests and runs the import scripts of its group in its main thread.
//!
//! SIGTERM and SIGINT raise `SystemExit` there, SIGQUIT shows the stacks; other signals are the scripts' own. When the
//! scripts are done the process ends, and the leader starts another one.

use crate::log::line;
use crate::{limits, signals, stacks, title};
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
        modified: None,
    }
}

/// Runs the scripts. On the main thread, without the GIL, and with the signals held that the leader hears.
pub(crate) fn run(launch: &Launch, engine: &'static Engine, leash: OwnedFd) -> io::Result<i32> {
    // What the leader hears is not ours any more; the engine then takes what ends a script.
    for signal in signals::HEARD {
        signals::Signals::leave(signal)?;
    }
    let signals = signals::Signals::receive(&[Signal::SIGQUIT])?;
    // The process begins to end only when these scripts can say so themselves.
    engine.serve_scripts();
    engine.prepare_stacks();
    signals::hold(false);
    title::set(&launch.title);
    limits::set(launch);
    let group = String::from_utf8_lossy(&launch.group).into_owned();
    watch(leash, signals, launch, engine)?;
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

/// Shows the stacks on SIGQUIT. Ends the process when its leader dies: as a signal would, and by force if that does not
/// help.
fn watch(
    leash: OwnedFd,
    signals: signals::Signals,
    launch: &Launch,
    engine: &'static Engine,
) -> io::Result<()> {
    let shutdown = Duration::from_millis(launch.shutdown_timeout);
    let group = String::from_utf8_lossy(&launch.group).into_owned();
    let run = move || {
        loop {
            let poll_fd = |fd| PollFd::new(fd, PollFlags::POLLIN);
            let mut fds = [poll_fd(leash.as_fd()), poll_fd(signals.fd())];
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) if fds[0].any().unwrap_or(true) => break,
                Ok(_) if !signals.take().is_empty() => stacks::show(engine, &group, false),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => break,
            }
        }
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
