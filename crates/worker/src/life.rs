//! The life of a worker as its main thread sees it: it waits for a reason to end, and then ends.
//!
//! The reason is a signal, the death of the leader, a thread that found one, or a timer. The main thread never waits
//! for the GIL before it has decided, so a process whose Python is stuck is replaced like any other.

use crate::log::line;
use crate::memory;
use crate::messenger::Messenger;
use crate::monitor::{Due, Sight, Timers};
use crate::process::Worker;
use crate::pulse::Pulse;
use crate::report::Report;
use crate::seats::Running;
use crate::signals::Signals;
use daemon_abi::ending::Ending;
use daemon_abi::launch::{FOREVER, Launch};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Time for the end of Python when nothing is waited for any more.
const MOMENT: Duration = Duration::from_millis(10);

/// The main thread's own.
pub(crate) struct Life<'w> {
    worker: &'w Arc<Worker>,
    launch: &'w Launch,
    signals: Signals,
    /// End of file: the leader died.
    leash: OwnedFd,
    timers: Timers,
    pulse: Pulse,
    started: Instant,
}

impl<'w> Life<'w> {
    pub(crate) fn begin(
        worker: &'w Arc<Worker>,
        launch: &'w Launch,
        signals: Signals,
        leash: OwnedFd,
    ) -> Self {
        let timers = Timers::new(launch);
        let pulse = Pulse::start(worker, timers.needs_pulse());
        let started = Instant::now();
        Self { worker, launch, signals, leash, timers, pulse, started }
    }

    /// Waits until this process is to end.
    pub(crate) fn wait(&self) -> io::Result<Ending> {
        let mut messenger = Messenger::default();
        loop {
            let wake = match self.timers.look(Instant::now(), &self.sight()) {
                Due::Wait(wake) => wake,
                Due::End(ending) => return Ok(ending),
                Due::Interrupt(running) => {
                    self.interrupt(running);
                    continue;
                }
            };
            if self.timers.memory > 0 && memory::exceeds(self.timers.memory) {
                return Ok(Ending::MemoryRestart);
            }
            let [signalled, leader, wish] = self.poll(wake)?;
            if signalled {
                for signal in self.signals.take() {
                    match signal {
                        Signal::SIGHUP | Signal::SIGUSR2 => {
                            messenger.deliver(self.worker.engine, signal);
                        }
                        Signal::SIGQUIT => self.pulse.log_stacks(self.worker),
                        signal => return Ok(self.ending_by(signal)),
                    }
                }
            }
            if leader {
                return Ok(Ending::LeaderGone);
            }
            if wish {
                return Ok(self.worker.ending().unwrap_or(Ending::Broken));
            }
        }
    }

    /// Waits for a signal, the end of the leader, or a wish of a thread.
    fn poll(&self, wake: Option<Duration>) -> io::Result<[bool; 3]> {
        let mut fds = [
            PollFd::new(self.signals.fd(), PollFlags::POLLIN),
            PollFd::new(self.leash.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.worker.wish.as_fd(), PollFlags::POLLIN),
        ];
        let timeout = wake.map_or(PollTimeout::NONE, |wake| {
            PollTimeout::try_from(wake + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(fds.map(|fd| fd.any().unwrap_or(false)))
    }

    fn sight(&self) -> Sight {
        let seats = &self.worker.seats;
        Sight {
            started: self.started,
            first: seats.first(),
            last: seats.last(),
            loaded: self.worker.engine.has_loaded(),
            gil_awaited: self.pulse.awaited(),
            running: seats.running(),
        }
    }

    fn interrupt(&self, running: Running) {
        if !self.worker.seats.mark(&running) {
            return;
        }
        line!(
            Warning,
            "WRS5023: a request in process group '{}' runs for {:.1} s now (request-timeout), so \
             mod_wsgi.RequestTimeout is raised in it",
            self.worker.group,
            running.since.elapsed().as_secs_f64()
        );
        self.pulse.log_stacks(self.worker);
        self.pulse.interrupt(running);
    }

    /// What a signal means.
    fn ending_by(&self, signal: Signal) -> Ending {
        match signal {
            Signal::SIGUSR1 if self.launch.eviction_timeout > 0 => Ending::EvictionSignal,
            Signal::SIGUSR1 => Ending::GracefulSignal,
            Signal::SIGXCPU => Ending::CpuTimeLimit,
            Signal::SIGINT => Ending::Interrupted,
            // The leader says why before it tells.
            _ => self.worker.told_by_leader().unwrap_or(Ending::Terminated),
        }
    }

    /// How long running requests are waited for.
    fn patience(&self, ending: Ending) -> Duration {
        let launch = self.launch;
        Duration::from_millis(match ending {
            Ending::EvictionSignal => launch.eviction_timeout,
            // Without an end to the patience, the request that is the reason would keep the process for ever.
            Ending::RequestTimeout if launch.graceful_timeout >= FOREVER => 0,
            Ending::StartupTimeout
            | Ending::DeadlockTimeout
            | Ending::Broken
            | Ending::Terminated
            | Ending::Interrupted
            | Ending::GroupEnds => launch.shutdown_timeout,
            _ => launch.graceful_timeout,
        })
    }

    /// Ends this process, but for its exit; the exit status.
    pub(crate) fn end(&self, ending: Ending) -> i32 {
        let worker = self.worker;
        let shutdown = Duration::from_millis(self.launch.shutdown_timeout);
        let patience = self.patience(ending);
        worker.begins_to_end(ending);
        // A thread, or the leader, may have been quicker with a reason of its own.
        let ending = worker.ending().unwrap_or(ending);
        self.tell(ending);
        set_limit(worker, patience.saturating_add(shutdown).saturating_add(Duration::from_secs(1)));
        // Before there is another one: what comes for it must not be accepted here.
        worker.connections.drain();
        if ending.is_replaced() {
            // The new worker listens on the same socket: nothing that waits there is lost.
            worker.tell(&Report::Leaves { pid: worker.pid, ending });
        }
        if ending.is_fault() {
            self.pulse.log_stacks(worker);
        }
        let started = Instant::now();
        let given_up = || self.timers.stale().map_or(0, |stale| worker.seats.longer_than(stale));
        if ending == Ending::DeadlockTimeout {
            // Nothing that needs Python can be done. If it comes back, the requests may still finish.
            let idle = worker.connections.busy.wait_idle(patience, given_up);
            return i32::from(!idle);
        }
        worker.engine.announce_stop(ending.event());
        worker.connections.busy.wait_idle(patience, given_up);
        worker.connections.stop();
        let left = patience.saturating_sub(started.elapsed()).min(shutdown);
        // Those that were not waited for are no reason to wait now.
        let left = if given_up() > 0 { MOMENT } else { left.max(MOMENT) };
        worker.engine.stop(left);
        0
    }

    fn tell(&self, ending: Ending) {
        let group = &self.worker.group;
        if ending.is_fault() {
            line!(
                Warning,
                "WRS5022: a worker of process group '{group}' finishes what it can and is replaced: {ending}"
            );
        } else {
            line!(
                Info,
                "a worker of process group '{group}' finishes its requests and ends: {ending}"
            );
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
