//! A worker process: forked from the leader, it prepares, takes requests, and ends when it is told to.
//!
//! The main thread holds the GIL when it comes here and gives it back before the first request. From then
//! on it only waits: for a signal, for the death of the leader, or for a thread that found a reason to end.

use crate::connections::Connections;
use crate::limits;
use crate::log::{self, line};
use crate::messenger::Messenger;
use crate::signals::{self, Signals};
use crate::threads;
use crate::title;
use daemon_abi::launch::Launch;
use daemon_abi::scoreboard::{Scoreboard, State};
use engine::Outcome;
use engine::{Call, Engine, Exchange, Reload, Script, ServerWords, StartUp};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::Signal;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// What the leader leaves to a worker.
pub(crate) struct Inheritance {
    pub(crate) launch: Launch,
    pub(crate) engine: &'static Engine,
    pub(crate) board: Arc<Scoreboard>,
    pub(crate) worker: usize,
    /// The sockets of all workers; the others' are closed.
    pub(crate) listeners: Vec<OwnedFd>,
    /// End of file: the leader died.
    pub(crate) leash: OwnedFd,
    /// Where a worker that wants to be replaced writes its process id.
    pub(crate) report: OwnedFd,
}

/// Why a worker ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Reason {
    None,
    ScriptChanged,
    MaximumRequests,
    Broken,
}

/// What the threads of a worker share.
pub(crate) struct Worker {
    pub(crate) engine: &'static Engine,
    pub(crate) connections: Connections,

    pub(crate) group: String,
    pub(crate) threads: u32,
    pub(crate) socket_timeout: Duration,
    board: Arc<Scoreboard>,
    place: usize,
    pid: i32,
    requests: AtomicU64,
    maximum_requests: u64,
    reason: AtomicU8,
    wish: EventFd,
}

impl Worker {
    /// Has the engine answer a request, and sees whether the worker should end after it.
    pub(crate) fn call(&self, call: &Call<'_>, exchange: &mut dyn Exchange) -> Outcome {
        self.board.begin_request(self.place, self.pid);
        let outcome = self.engine.call(call, exchange);
        self.board.end_request(self.place, self.pid);
        match outcome {
            Outcome::Reload => self.end_because(Reason::ScriptChanged),
            Outcome::Stopping => {}
            _ => {
                let count = self.requests.fetch_add(1, SeqCst) + 1;
                if self.maximum_requests > 0 && count == self.maximum_requests {
                    self.end_because(Reason::MaximumRequests);
                }
            }
        }
        outcome
    }

    /// This worker can take no more requests.
    pub(crate) fn give_up(&self) {
        self.end_because(Reason::Broken);
    }

    /// Takes no more requests from now on; the main thread does the rest.
    fn end_because(&self, reason: Reason) {
        let set = self.reason.compare_exchange(Reason::None as u8, reason as u8, SeqCst, SeqCst);
        if set.is_ok() {
            self.set_state(State::Draining);
            // Cannot fail: the counter is far from full.
            let _ = self.wish.write(1);
        }
    }

    /// Says in the scoreboard what this process does.
    fn set_state(&self, state: State) {
        self.board.set_state(self.place, self.pid, state);
    }

    fn reason(&self) -> Reason {
        match self.reason.load(SeqCst) {
            1 => Reason::ScriptChanged,
            2 => Reason::MaximumRequests,
            3 => Reason::Broken,
            _ => Reason::None,
        }
    }
}

fn pid() -> i32 {
    nix::unistd::getpid().as_raw()
}

/// What the engine of this group is started with.
pub(crate) fn start_up(launch: &Launch) -> StartUp {
    StartUp {
        executable: None,
        python_path: launch.python_path.clone(),
        home: launch.home.clone(),
        process_group: launch.group.clone(),
        multithread: launch.threads != 1,
        multiprocess: launch.multiprocess,
        threads: launch.threads,
        processes: u32::try_from(launch.processes()).unwrap_or(u32::MAX),
        server_version: launch.server_version,
        run_once: launch.threads == 1 && launch.maximum_requests == 1,
        restrict_stdin: false,
        restrict_stdout: false,
        restrict_signal: true,
        python_eggs: launch.python_eggs.clone(),
        switch_interval: (launch.switch_interval > 0)
            .then(|| Duration::from_micros(launch.switch_interval).as_secs_f64()),
        server: ServerWords {
            description: launch.server_description.clone(),
            mpm_name: launch.server_mpm.clone(),
            build_date: launch.server_built.clone(),
        },
        reload: Reload::Refuse,
        log: log::write,
    }
}

/// Runs a worker to its end. Called in the child of a fork, on its only thread, with the GIL held.
pub(crate) fn main(inheritance: Inheritance) -> ! {
    let status = match run(inheritance) {
        Ok(()) => 0,
        Err(error) => {
            line!(Critical, "WRS5006: a worker process cannot start: {error}");
            1
        }
    };
    // No destructors and no atexit handlers: threads may be in the middle of anything (and in Python).
    // SAFETY: ends the process.
    unsafe { libc::_exit(status) }
}

fn run(inheritance: Inheritance) -> io::Result<()> {
    let Inheritance { launch, engine, board, worker: place, mut listeners, leash, report } =
        inheritance;
    if place >= listeners.len() {
        return Err(io::Error::other("there is no socket for it"));
    }
    board.worker_started(place, pid());
    let listener = listeners.swap_remove(place);
    drop(listeners);
    let signals = Signals::receive(&[
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGUSR1,
        Signal::SIGHUP,
        Signal::SIGUSR2,
        Signal::SIGXCPU,
    ])?;
    // The application's own children are not ours to hear of.
    Signals::leave(Signal::SIGCHLD)?;
    signals::hold(false);
    title::set(&launch.title);
    limits::set(&launch);
    // Kept to the end of the process, which does not take it again.
    let _gil = engine::release_gil();
    for preload in &launch.preloads {
        // What went wrong is in the log; the next request tries again.
        let _ = engine.preload(&Script {
            filename: &preload.filename,
            application_group: &preload.application_group,
            callable: b"application",
            reloading: false,
        });
    }
    let worker = Arc::new(Worker {
        engine,
        connections: Connections::new(listener, [launch.send_buffer, launch.receive_buffer])?,
        group: String::from_utf8_lossy(&launch.group).into_owned(),
        threads: launch.threads,
        socket_timeout: Duration::from_millis(launch.socket_timeout),
        board: Arc::clone(&board),
        place,
        pid: pid(),
        requests: AtomicU64::new(0),
        maximum_requests: launch.maximum_requests,
        reason: AtomicU8::new(Reason::None as u8),
        wish: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
    });
    threads::start(&worker, launch.stack_size)?;
    worker.set_state(State::Ready);
    line!(Info, "a worker of process group '{}' is ready for requests", worker.group);
    let why = wait(&worker, &signals, &leash)?;
    end(&worker, &launch, &report, &why);
    Ok(())
}

/// Why the main thread stopped waiting.
enum Why {
    /// The leader or an administrator said so; the leader knows.
    Signal(Signal),
    /// The leader is gone.
    Leader,
    /// This process wants to be replaced.
    Wish(Reason),
}

impl Why {
    /// What an application is told: `shutdown_reason` of the event `process_stopping`.
    fn reason(&self) -> &'static str {
        match self {
            Self::Signal(Signal::SIGUSR1) => "graceful_signal",
            Self::Signal(Signal::SIGXCPU) => "cpu_time_limit",
            Self::Signal(_) | Self::Leader => "shutdown_signal",
            Self::Wish(Reason::ScriptChanged) => "script_reload",
            Self::Wish(Reason::MaximumRequests) => "maximum_requests",
            Self::Wish(_) => "signal_pipe_error",
        }
    }
}

fn wait(worker: &Worker, signals: &Signals, leash: &OwnedFd) -> io::Result<Why> {
    let mut messenger = Messenger::default();
    loop {
        let mut fds = [
            PollFd::new(signals.fd(), PollFlags::POLLIN),
            PollFd::new(leash.as_fd(), PollFlags::POLLIN),
            PollFd::new(worker.wish.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
        let [signalled, leader, wish] = fds.map(|fd| fd.any().unwrap_or(false));
        if signalled {
            for signal in signals.take() {
                match signal {
                    Signal::SIGHUP | Signal::SIGUSR2 => messenger.deliver(worker.engine, signal),
                    signal => return Ok(Why::Signal(signal)),
                }
            }
        }
        if leader {
            return Ok(Why::Leader);
        }
        if wish {
            return Ok(Why::Wish(worker.reason()));
        }
    }
}

/// Ends the process after `time`, whatever it still does: threads of the application, or a thread that keeps the GIL.
fn set_limit(worker: &Arc<Worker>, time: Duration) {
    let worker = Arc::clone(worker);
    let limit = std::thread::Builder::new().name("wsgi-limit".to_owned()).spawn(move || {
        std::thread::sleep(time);
        line!(
            Warning,
            "WRS5007: a worker of process group '{}' could not end its Python in time and is ended without that",
            worker.group
        );
        // SAFETY: ends the process.
        unsafe { libc::_exit(1) }
    });
    if limit.is_err() {
        let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        // SAFETY: SIGALRM has its default, which ends the process.
        unsafe { libc::alarm(seconds) };
    }
}

fn end(worker: &Arc<Worker>, launch: &Launch, report: &OwnedFd, why: &Why) {
    let group = &worker.group;
    let shutdown = Duration::from_millis(launch.shutdown_timeout);
    let graceful = Duration::from_millis(launch.graceful_timeout);
    // An administrator's SIGUSR1 means: finish what you have, and be replaced.
    let (text, patience, replace) = match why {
        Why::Signal(Signal::SIGUSR1) => ("SIGUSR1", graceful, true),
        Why::Signal(Signal::SIGXCPU) => ("cpu-time-limit is reached", graceful, true),
        Why::Signal(signal) => (signal.as_str(), shutdown, false),
        Why::Leader => ("its leader is gone", graceful, false),
        Why::Wish(Reason::ScriptChanged) => ("the script changed", graceful, true),
        Why::Wish(Reason::MaximumRequests) => ("maximum-requests is reached", graceful, true),
        Why::Wish(_) => ("it cannot wait for requests", shutdown, true),
    };
    line!(Info, "a worker of process group '{group}' finishes its requests and ends: {text}");
    set_limit(worker, patience.saturating_add(shutdown).saturating_add(Duration::from_secs(1)));
    worker.set_state(State::Draining);
    if replace {
        // The new worker listens on the same socket: nothing that waits there is lost.
        let _ = nix::unistd::write(report, &pid().to_ne_bytes());
    }
    worker.connections.drain();
    let started = Instant::now();
    worker.engine.announce_stop(why.reason());
    worker.connections.busy.wait_idle(patience);
    worker.connections.stop();
    let left = patience.saturating_sub(started.elapsed());
    worker.engine.stop(left.min(shutdown).max(Duration::from_millis(10)));
}
