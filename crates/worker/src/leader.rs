//! The leader of a process group: starts the workers, replaces them, and ends them.
//!
//! It is `<python-home>/bin/python`, executed by the httpd parent without privileges. It has one
//! thread, which holds the GIL, and runs nothing of the application. Its life hangs on two pipes:
//! *control* ends when the parent retires the group, *lifeline* when no httpd process is left that could
//! send requests. So a graceful restart loses nothing, and no process is ever left behind.

use crate::demand::Demand;
use crate::limits;
use crate::locale;
use crate::log::{self, line};
use crate::offspring::Offspring;
use crate::preloading::{Preloading, Source};
use crate::process;
use crate::report::{self, Reports};
use crate::roll::Roll;
use crate::server;
use crate::signals::Signals;
use crate::title;
use daemon_abi::ending::Ending;
use daemon_abi::launch::Launch;
use daemon_abi::scoreboard::Scoreboard;
use daemon_abi::{privileges, spawn};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

mod number;
mod preload;
mod workers;

/// Exit status of a leader that cannot start its group at all.
const CANNOT_START: i32 = 3;

/// Threads of a worker use it until the process ends, and so does Python.
static ENGINE: OnceLock<engine::Engine> = OnceLock::new();

/// Time for a killed process to be reaped.
const REAPING: Duration = Duration::from_secs(1);

/// What these mean is said to a worker; the leader hands them to all of its workers.
const HANDED_ON: [Signal; 4] = [Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGHUP];

/// Runs a group until it ends; the exit status. `fd` has the launch data. The caller holds the GIL.
pub fn main(fd: RawFd) -> i32 {
    let leader = match Leader::open(fd) {
        Ok(leader) => leader,
        Err(error) => {
            line!(Critical, "WRS5001: a process group cannot be started: {error}");
            return CANNOT_START;
        }
    };
    match leader.run() {
        Ok(()) => 0,
        Err(error) => {
            line!(Critical, "WRS5002: the leader of a process group broke off: {error}");
            1
        }
    }
}

/// Between two looks whether a worker that gets no more requests has answered those it had.
const IDLE_PACE: Duration = Duration::from_millis(50);

/// Both ends of a pipe.
struct Pipe {
    reader: OwnedFd,
    /// Only held.
    _writer: OwnedFd,
}

impl Pipe {
    fn new(flags: OFlag) -> io::Result<Self> {
        let (reader, writer) = nix::unistd::pipe2(flags)?;
        Ok(Self { reader, _writer: writer })
    }
}

struct Leader {
    launch: Launch,
    engine: &'static engine::Engine,
    board: Arc<Scoreboard>,
    signals: Signals,
    control: OwnedFd,
    lifeline: OwnedFd,
    listeners: Vec<OwnedFd>,
    /// Workers hold the reading end and see its end when this process dies.
    leash: Pipe,
    /// What workers tell this process by, and where it hears of it.
    report: OwnedFd,
    reports: Reports,
    offspring: Offspring,
    /// Which of them are to be followed by others with new code.
    roll: Roll,
    /// How many workers there shall be, where that changes, and what is readable when a request has begun to wait.
    demand: Option<(Demand, OwnedFd)>,
    /// The processes that load the scripts for all workers, if there are to be any.
    preloading: Option<Preloading>,
}

/// What came while the leader waited.
#[derive(Debug, Default)]
struct Events {
    signalled: bool,
    /// No httpd process is left that could send requests.
    lifeline: bool,
    reported: bool,
    /// The group is retired.
    control: bool,
}

/// Takes over a descriptor the parent left open for this process.
fn inherit(fd: RawFd) -> io::Result<OwnedFd> {
    nix::fcntl::fcntl(
        // SAFETY: only borrowed for this call, which fails if the descriptor is not open.
        unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) },
        nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC),
    )?;
    // SAFETY: it is open, and the launch data gives each descriptor to one owner.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

impl Leader {
    fn open(fd: RawFd) -> io::Result<Self> {
        let launch =
            Launch::decode(&spawn::read_memory_file(&inherit(fd)?)?).map_err(io::Error::other)?;
        log::set_level(launch.log_level);
        privileges::verify(launch.uid)?;
        title::set(&launch.title);
        limits::check_priority(&launch);
        locale::set(&launch);
        // Workers hold a connection for each thread of every httpd child; the limit they inherit is often small.
        if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
        }
        let board = Scoreboard::open(inherit(launch.scoreboard)?.as_fd())?;
        if board.workers() != launch.processes() {
            return Err(io::Error::other("the scoreboard is of another group"));
        }
        let listeners = launch.listeners.iter().map(|&fd| inherit(fd)).collect::<Result<_, _>>()?;
        let (control, lifeline) = (inherit(launch.control)?, inherit(launch.lifeline)?);
        if launch.server_metrics != 0 {
            server::set_socket(inherit(launch.server_metrics)?);
        }
        let own = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD];
        let signals = Signals::receive(&[&own[..], &HANDED_ON].concat())?;
        let engine = engine::open(process::start_up(&launch)).map_err(io::Error::other)?;
        let engine = ENGINE.get_or_init(|| engine);
        let now = Instant::now();
        let mut places = launch.processes();
        let mut demand = None;
        if let Some(follows) = Demand::new(&launch, now) {
            let bell = inherit(launch.bell)?;
            board.bell_was_heard(&bell);
            demand = Some((follows, bell));
            // Those of a leader that died are filled again: a request may be on its way to each of them.
            let used = (0..places).rev().find(|&worker| board.pid(worker) != 0);
            places = used.map_or(0, |last| last + 1).max(launch.least_processes as usize);
        }
        let offspring = Offspring::new(launch.processes(), places, now);
        if launch.preload {
            // The workers are forked by another process, and become this one's children when that process lets them go.
            set_child_subreaper(true)?;
        }
        let (report, reports) = report::channel()?;
        Ok(Self {
            engine,
            board: Arc::new(board),
            signals,
            control,
            lifeline,
            listeners,
            leash: Pipe::new(OFlag::O_CLOEXEC)?,
            report,
            reports,
            offspring,
            roll: Roll::new(launch.processes()),
            demand,
            preloading: launch.preload.then(Preloading::default),
            launch,
        })
    }

    /// Whether a worker was forked that has not said so in the scoreboard yet, as far as was seen.
    fn has_newborn(&self) -> bool {
        (0..self.launch.processes())
            .any(|worker| self.offspring.is_filled(worker) && self.board.pid(worker) == 0)
    }

    fn group(&self) -> String {
        String::from_utf8_lossy(&self.launch.group).into_owned()
    }

    fn run(mut self) -> io::Result<()> {
        let mut retired_until: Option<Instant> = None;
        loop {
            let now = Instant::now();
            let look_again = self.follow_demand(now);
            self.end_spare(now);
            self = self.preload(now).fill(now).roll(now);
            self.board.set_coming(self.source() == Source::Nobody || self.has_newborn());
            for pid in self.offspring.overdue(now) {
                line!(
                    Warning,
                    "WRS5003: worker process {pid} of process group '{}' did not finish its requests \
                     in time and is killed",
                    self.group()
                );
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            let idle_look = self.offspring.has_spare().then(|| now + IDLE_PACE);
            let places = self.offspring.next(self.source() != Source::Nobody);
            let preload = self.preloading.as_ref().and_then(Preloading::next);
            let loading = [self.roll.give_up_at(), preload];
            let wake = [places, retired_until, look_again, idle_look].into_iter().chain(loading);
            let wake = wake.flatten().min();
            // A process that was just killed is reaped by SIGCHLD; do not spin until then.
            let wake = wake.map(|at| at.max(now + Duration::from_millis(20)));
            let events = self.wait(wake, retired_until.is_some())?;
            if events.signalled {
                let signals = self.signals.take();
                self.reap();
                for signal in signals.iter().filter(|it| HANDED_ON.contains(it)) {
                    self.hand_on(*signal);
                }
                if signals.iter().any(|it| matches!(it, Signal::SIGTERM | Signal::SIGINT)) {
                    return self.stop("the leader was told to by a signal");
                }
            }
            if events.reported {
                self.read_reports();
            }
            if events.control && retired_until.is_none() {
                line!(
                    Info,
                    "process group '{}' is retired: it ends when the httpd processes that use it have ended",
                    self.group()
                );
                retired_until =
                    Some(Instant::now() + Duration::from_millis(self.launch.graceful_timeout));
            }
            if events.lifeline {
                return self.stop("no httpd process uses it any more");
            }
            if retired_until.is_some_and(|until| until <= Instant::now()) {
                // Nobody starts it again: its requests that still wait would wait in vain.
                self.board.set_over();
                return self.stop("graceful-timeout is over");
            }
        }
    }

    /// Waits for an event. That the group is retired is told once.
    fn wait(&self, wake: Option<Instant>, retired: bool) -> io::Result<Events> {
        let poll_fd = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let (signals, lifeline) = (self.signals.fd(), self.lifeline.as_fd());
        // What is not watched is another one twice.
        let bell = self.demand.as_ref().map_or(lifeline, |(_, bell)| bell.as_fd());
        let control = if retired { lifeline } else { self.control.as_fd() };
        let mut fds = [signals, lifeline, self.reports.fd(), control, bell].map(poll_fd);
        match poll(&mut fds, wake.map_or(PollTimeout::NONE, timeout_until)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [signalled, lifeline, reported, control, rung] =
            fds.map(|fd| fd.any().unwrap_or(false));
        if let Some((_, bell)) = self.demand.as_ref().filter(|_| rung) {
            self.board.bell_was_heard(bell);
        }
        Ok(Events { signalled, lifeline, reported, control })
    }

    /// When a worker is killed that begins to finish its requests now.
    fn kill_at(&self, now: Instant) -> Instant {
        let patience = self.launch.graceful_timeout.max(self.launch.eviction_timeout)
            + self.launch.shutdown_timeout;
        now + Duration::from_millis(patience) + REAPING
    }

    /// Hands a signal on to the workers. The one by which all are replaced means new code too.
    fn hand_on(&mut self, signal: Signal) {
        if signal == Signal::SIGUSR1 {
            self.renew();
            if self.launch.rolling {
                return;
            }
        }
        self.tell_workers(signal);
    }

    fn tell_workers(&self, signal: Signal) {
        for pid in self.offspring.pids() {
            // One that has just ended does not hear it.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Ends all workers: politely, and by force when their time is over.
    fn stop(mut self, why: &str) -> io::Result<()> {
        line!(Info, "process group '{}' ends: {why}", self.group());
        self.board.set_all_ending(Ending::GroupEnds);
        self.end_preloading();
        self.tell_workers(Signal::SIGTERM);
        let deadline =
            Instant::now() + Duration::from_millis(self.launch.shutdown_timeout) + REAPING;
        self.reap();
        while self.offspring.pids().next().is_some() && Instant::now() < deadline {
            let mut fds = [PollFd::new(self.signals.fd(), PollFlags::POLLIN)];
            let _ = poll(&mut fds, timeout_until(deadline));
            self.signals.take();
            self.reap();
        }
        for pid in self.offspring.pids() {
            line!(
                Warning,
                "WRS5003: worker process {pid} of process group '{}' did not finish its requests in \
                 time and is killed",
                self.group()
            );
            let pid = Pid::from_raw(pid);
            let _ = kill(pid, Signal::SIGKILL);
            let _ = waitpid(pid, None::<WaitPidFlag>);
        }
        Ok(())
    }
}

fn timeout_until(at: Instant) -> PollTimeout {
    let left = at.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
    PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
}
