//! The leader of a process group: starts the workers, replaces them, and ends them.
//!
//! It is `<python-home>/bin/python`, executed by the httpd parent without privileges. It has one
//! thread, which holds the GIL, and runs nothing of the application. Its life hangs on two pipes:
//! *control* ends when the parent retires the group, *lifeline* when no httpd process is left that could
//! send requests. So a graceful restart loses nothing, and no process is ever left behind.

use crate::limits;
use crate::log::{self, line};
use crate::offspring::Offspring;
use crate::process::{self, Inheritance};
use crate::signals::{self, Signals};
use crate::title;
use daemon_abi::ending::Ending;
use daemon_abi::launch::Launch;
use daemon_abi::scoreboard::{Death, Scoreboard};
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
        let offspring = Offspring::new(launch.processes(), Instant::now());
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
            let wake = [self.offspring.next(), retired_until].into_iter().flatten().min();
            // A process that was just killed is reaped by SIGCHLD; do not spin until then.
            let wake = wake.map(|at| at.max(now + Duration::from_millis(20)));
            let [signalled, lifeline, reported, control] =
                self.wait(wake, retired_until.is_some())?;
            if signalled {
                let signals = self.signals.take();
                self.reap();
                if signals.iter().any(|signal| *signal != Signal::SIGCHLD) {
                    return self.stop("the leader was told to by a signal");
                }
            }
            if reported {
                self.read_reports();
            }
            if control && retired_until.is_none() {
                line!(
                    Info,
                    "process group '{}' is retired: it ends when the httpd processes that use it have ended",
                    self.group()
                );
                retired_until =
                    Some(Instant::now() + Duration::from_millis(self.launch.graceful_timeout));
            }
            if lifeline {
                return self.stop("no httpd process uses it any more");
            }
            if retired_until.is_some_and(|until| until <= Instant::now()) {
                return self.stop("graceful-timeout is over");
            }
        }
    }

    /// Waits for an event: a signal, the end of the lifeline, a report, the end of control (told once).
    fn wait(&self, wake: Option<Instant>, retired: bool) -> io::Result<[bool; 4]> {
        let poll_fd = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds = [
            poll_fd(self.signals.fd()),
            poll_fd(self.lifeline.as_fd()),
            poll_fd(self.reports.reader.as_fd()),
            poll_fd(self.control.as_fd()),
        ];
        let [watched @ .., _] = &mut fds;
        let timeout = wake.map_or(PollTimeout::NONE, timeout_until);
        match if retired { poll(watched, timeout) } else { poll(&mut fds, timeout) } {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(fds.map(|fd| fd.any().unwrap_or(false)))
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
            let patience = self.launch.graceful_timeout.max(self.launch.eviction_timeout)
                + self.launch.shutdown_timeout;
            let kill_at = now + Duration::from_millis(patience) + REAPING;
            self.offspring.leaves(i32::from_ne_bytes(pid), now, kill_at);
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
