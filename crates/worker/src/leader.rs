//! The leader of a process group: starts the workers, replaces them, and ends them.
//!
//! It is `<python-home>/bin/python`, executed by the httpd parent without privileges. It has one
//! thread, which holds the GIL, and runs nothing of the application. Its life hangs on two pipes:
//! *control* ends when the parent retires the group, *lifeline* when no httpd process is left that could
//! send requests. So a graceful restart loses nothing, and no process is ever left behind.

use crate::demand::{Demand, Sight};
use crate::limits;
use crate::log::{self, line};
use crate::offspring::{Offspring, Spare};
use crate::process::{self, Inheritance};
use crate::signals::{self, Signals};
use crate::title;
use daemon_abi::ending::Ending;
use daemon_abi::launch::Launch;
use daemon_abi::scoreboard::{Death, Scoreboard, State};
use daemon_abi::{privileges, spawn};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Exit status of a leader that cannot start its group at all.
const CANNOT_START: i32 = 3;

/// Time for a killed process to be reaped.
const REAPING: Duration = Duration::from_secs(1);

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
    writer: OwnedFd,
}

impl Pipe {
    fn new(flags: OFlag) -> io::Result<Self> {
        let (reader, writer) = nix::unistd::pipe2(flags)?;
        Ok(Self { reader, writer })
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
    /// Workers write their process id here when they want to be replaced.
    reports: Pipe,
    offspring: Offspring,
    /// How many workers there shall be, where that changes, and what is readable when a request has begun to wait.
    demand: Option<(Demand, OwnedFd)>,
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
        let signals = Signals::receive(&[Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD])?;
        let engine = engine::open(process::start_up(&launch)).map_err(io::Error::other)?;
        // Threads of a worker use it until the process ends, and so does Python.
        let engine: &'static engine::Engine = Box::leak(Box::new(engine));
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
        Ok(Self {
            engine,
            board: Arc::new(board),
            signals,
            control,
            lifeline,
            listeners,
            leash: Pipe::new(OFlag::O_CLOEXEC)?,
            reports: Pipe::new(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?,
            offspring,
            demand,
            launch,
        })
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
            while let Some(worker) = self.offspring.due(now) {
                self = self.start(worker);
            }
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
            let wake = [self.offspring.next(), retired_until, look_again, idle_look];
            let wake = wake.into_iter().flatten().min();
            // A process that was just killed is reaped by SIGCHLD; do not spin until then.
            let wake = wake.map(|at| at.max(now + Duration::from_millis(20)));
            let events = self.wait(wake, retired_until.is_some())?;
            if events.signalled {
                let signals = self.signals.take();
                self.reap();
                if signals.iter().any(|signal| *signal != Signal::SIGCHLD) {
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
        let mut fds = [signals, lifeline, self.reports.reader.as_fd(), control, bell].map(poll_fd);
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

    /// Has as many workers as are needed, where that changes; when to look again if nothing happens before.
    fn follow_demand(&mut self, now: Instant) -> Option<Instant> {
        let workers = self.offspring.wanted();
        let (demand, _) = self.demand.as_mut()?;
        let starts = |worker: &usize| self.board.state(*worker) != State::Ready;
        let sight = Sight {
            waiting: self.board.waiting() as usize,
            running: (0..workers).map(|worker| self.board.load(worker) as usize).sum(),
            workers,
            starting: (0..workers).filter(starts).count(),
        };
        let (wanted, again) = demand.look(now, sight);
        if wanted > workers && !self.offspring.is_troubled() {
            line!(
                Info,
                "process group '{}' has {} requests that wait, and gets {wanted} processes instead of {workers}",
                self.group(),
                sight.waiting
            );
            self.offspring.grow(wanted, now);
        } else if wanted < workers {
            line!(
                Info,
                "process group '{}' needs no more than {wanted} of its {workers} processes",
                self.group()
            );
            self.shrink(now);
        }
        again.map(|again| now + again)
    }

    /// Gives up a worker. It gets no more requests from here on, and ends when it has answered those that are on their way:
    /// one that connects to its socket later would not be heard.
    fn shrink(&mut self, now: Instant) {
        let Some((worker, Some(pid))) = self.offspring.shrink() else { return };
        let generation = self.board.generation(worker);
        self.board.set_state(worker, pid, State::Draining);
        let until = now + Duration::from_millis(self.launch.graceful_timeout);
        self.offspring.spare(Spare { pid, worker, generation, until });
    }

    /// Ends the workers without a place that have nothing to do any more.
    fn end_spare(&mut self, now: Instant) {
        let board = Arc::clone(&self.board);
        let is_idle = |it: &Spare| board.in_flight_to(it.worker, it.generation) == 0;
        for spare in self.offspring.take_idle(now, is_idle) {
            self.board.set_ending(spare.worker, spare.generation, spare.pid, Ending::NotNeeded);
            let _ = kill(Pid::from_raw(spare.pid), Signal::SIGTERM);
            self.offspring.told(&spare, self.kill_at(now));
        }
    }

    /// When a worker is killed that begins to finish its requests now.
    fn kill_at(&self, now: Instant) -> Instant {
        let patience = self.launch.graceful_timeout.max(self.launch.eviction_timeout)
            + self.launch.shutdown_timeout;
        now + Duration::from_millis(patience) + REAPING
    }

    /// Forks a worker. The child never comes back; it takes what it needs out of the leader.
    fn start(mut self, worker: usize) -> Self {
        // The worker lets them go when it can hear them itself.
        signals::hold(true);
        let forked = engine::fork();
        if !matches!(forked, Ok(engine::Fork::Child)) {
            signals::hold(false);
        }
        match forked {
            Ok(engine::Fork::Child) => {
                let Self { launch, engine, board, listeners, leash, reports, .. } = self;
                let (Pipe { reader: leash, writer }, Pipe { reader, writer: report }) =
                    (leash, reports);
                drop((writer, reader, self.control, self.lifeline, self.signals));
                process::main(Inheritance {
                    launch,
                    engine,
                    board,
                    worker,
                    listeners,
                    leash,
                    report,
                })
            }
            Ok(engine::Fork::Parent(pid)) => self.offspring.started(worker, pid, Instant::now()),
            Err(error) => {
                line!(
                    Critical,
                    "WRS5004: a worker of process group '{}' cannot be forked: {error}",
                    self.group()
                );
                self.offspring.not_started(worker, Instant::now());
            }
        }
        self
    }

    fn read_reports(&mut self) {
        let mut pid = [0; 4];
        while let Ok(4) = nix::unistd::read(&self.reports.reader, &mut pid) {
            let now = Instant::now();
            self.offspring.leaves(i32::from_ne_bytes(pid), now, self.kill_at(now));
        }
    }

    fn reap(&mut self) {
        // Before the reaping, so that a worker which reported and left at once is known as one that left.
        self.read_reports();
        let mut status = 0;
        loop {
            // SAFETY: waits for children of this process only; `status` lives for the call.
            let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
            if pid <= 0 {
                return;
            }
            let well = libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0;
            // A service script that is done at once, however well, must not be started in a tight loop.
            let stays = well && self.launch.threads != 0;
            let Some(ended) = self.offspring.ended(pid, stays, Instant::now()) else { continue };
            let death = Death { pid, status };
            self.board.worker_ended(ended.worker, death);
            let group = self.group();
            let pause = match ended.pause {
                Some(pause) if !pause.is_zero() => {
                    format!("; it could not stay up, the next one starts in {pause:?}")
                }
                _ => String::new(),
            };
            let ending = self.board.ending(ended.worker, pid).filter(|_| !death.is_crash());
            if let Some(ending) = ending {
                line!(
                    Info,
                    "worker process {pid} of process group '{group}' was ended by {ending}"
                );
            } else if well {
                line!(Info, "worker process {pid} of process group '{group}' ended{pause}");
            } else {
                line!(
                    Error,
                    "WRS5005: worker process {pid} of process group '{group}' {death}{pause}"
                );
            }
        }
    }

    /// Ends all workers: politely, and by force when their time is over.
    fn stop(mut self, why: &str) -> io::Result<()> {
        line!(Info, "process group '{}' ends: {why}", self.group());
        self.board.set_all_ending(Ending::GroupEnds);
        for pid in self.offspring.pids() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
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
