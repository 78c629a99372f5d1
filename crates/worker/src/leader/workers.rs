//! The life of the workers as their leader sees it: they are forked, follow each other, and end.

use super::Leader;
use crate::log::line;
use crate::preloading::{Preloading, Source};
use crate::process::{self, CANNOT_LOAD, Order};
use crate::report::{Report, SeenScript};
use crate::signals;
use daemon_abi::ending::Ending;
use daemon_abi::scoreboard::{Death, State};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io;
use std::time::{Duration, Instant};

/// How long a worker may load scripts that is to follow another one, if `startup-timeout` does not say. Until then the other
/// one answers requests.
const LOADING: Duration = Duration::from_secs(300);

impl Leader {
    /// Fills the empty places.
    pub(super) fn fill(mut self, now: Instant) -> Self {
        while let Some(worker) = self.offspring.due(now) {
            if self.source() == Source::Nobody {
                break;
            }
            let order = Order { worker, follows: false, scripts: self.roll.scripts() };
            self = self.start(order);
        }
        self
    }

    /// Starts a worker that is to follow one with old code, if there is one and no other is being started.
    pub(super) fn roll(mut self, now: Instant) -> Self {
        if self.roll.is_overdue(now) {
            if let Some(pid) = self.offspring.successor() {
                line!(
                    Warning,
                    "WRS5027: worker process {pid} of process group '{}' did not load its scripts in time and is killed",
                    self.group()
                );
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
        let next = self.roll.next(|worker| self.offspring.is_filled(worker));
        let may = self.preloading.as_ref().is_none_or(|it| it.may_roll(self.roll.code()));
        let Some(worker) = next.filter(|_| may) else { return self };
        self.roll.begins(worker, now + self.time_to_load());
        let order = Order { worker, follows: true, scripts: self.roll.scripts() };
        self.start(order)
    }

    /// How long scripts may be loaded that nobody waits for.
    pub(super) fn time_to_load(&self) -> Duration {
        match self.launch.startup_timeout {
            0 => LOADING,
            time => Duration::from_millis(time),
        }
    }

    /// Makes a worker.
    fn start(mut self, order: Order) -> Self {
        let forked = match self.source() {
            Source::Preloader => {
                let code = self.preloading.as_ref().and_then(|it| it.loaded()).map(|it| it.code);
                self.fork_from_preloader(&order).map(|pid| (pid, code.unwrap_or_default()))
            }
            Source::Leader | Source::Nobody => {
                self.preloading.iter_mut().for_each(Preloading::does_without);
                let (leader, forked) = self.fork(&order);
                self = leader;
                forked.map(|pid| (pid, self.roll.code()))
            }
        };
        self.started(&order, forked);
        self
    }

    /// Forks a worker. The child never comes back; it takes what it needs out of the leader.
    fn fork(self, order: &Order) -> (Self, io::Result<i32>) {
        // The worker lets them go when it can hear them itself.
        signals::hold(true);
        let forked = engine::fork();
        if !matches!(forked, Ok(engine::Fork::Child)) {
            signals::hold(false);
        }
        match forked {
            Ok(engine::Fork::Child) => process::main(self.bequeath(), order.clone()),
            Ok(engine::Fork::Parent(pid)) => (self, Ok(pid)),
            Err(error) => (self, Err(error)),
        }
    }

    /// A worker was made, or could not be.
    fn started(&mut self, order: &Order, forked: io::Result<(i32, u64)>) {
        let now = Instant::now();
        match forked {
            Ok((pid, _)) if order.follows => self.offspring.successor_started(order.worker, pid),
            Ok((pid, code)) => {
                self.offspring.started(order.worker, pid, now);
                self.roll.started(order.worker, code);
            }
            Err(error) => {
                line!(
                    Critical,
                    "WRS5004: a worker of process group '{}' cannot be forked: {error}",
                    self.group()
                );
                if order.follows {
                    self.roll.failed();
                } else {
                    self.offspring.not_started(order.worker, now);
                }
            }
        }
    }

    pub(super) fn read_reports(&mut self) {
        while let Some(report) = self.reports.next() {
            let now = Instant::now();
            match report {
                Report::Leaves { pid, ending } => {
                    if ending == Ending::ScriptChanged {
                        self.refused(pid);
                    }
                    self.offspring.leaves(pid, now, self.kill_at(now));
                }
                Report::Ready { pid } => {
                    if !self.preloader_ready(pid) {
                        self.take_over(pid, now);
                    }
                }
                Report::Changed { pid, scripts } => self.changed(pid, scripts),
            }
        }
    }

    /// All code is to be loaded anew.
    pub(super) fn renew(&mut self) {
        if self.launch.rolling {
            line!(
                Info,
                "the processes of process group '{}' are followed by new ones, one after the other (SIGUSR1)",
                self.group()
            );
            self.roll.renew();
            return;
        }
        self.roll.renew_all();
        if let Some(preloading) = &mut self.preloading {
            preloading.forget();
        }
    }

    /// A worker has seen that a script changed, and takes no more requests.
    fn refused(&mut self, pid: i32) {
        let (Some(preloading), Some(worker)) =
            (self.preloading.as_mut(), self.offspring.place_of(pid))
        else {
            return;
        };
        if self.roll.refused(worker) {
            preloading.forget();
        }
    }

    /// A worker has seen that a script changed.
    fn changed(&mut self, pid: i32, scripts: Vec<SeenScript>) {
        let Some(worker) = self.offspring.place_of(pid) else { return };
        if self.roll.heard(worker, scripts) {
            line!(
                Info,
                "a script of process group '{}' changed: its processes are followed by new ones, one after the other \
                 (reload=rolling)",
                self.group()
            );
        }
    }

    /// A worker that was started to follow another one is ready: it gets the requests from now on.
    fn take_over(&mut self, pid: i32, now: Instant) {
        let Some((worker, former)) = self.offspring.take_over(pid, now, self.kill_at(now)) else {
            return;
        };
        let generation = self.board.generation(worker);
        self.board.worker_started(worker, pid);
        self.board.set_state(worker, pid, State::Ready);
        self.roll.took_over();
        if let Some(former) = former {
            self.board.set_ending(worker, generation, former, Ending::ScriptChanged);
            let _ = kill(Pid::from_raw(former), Signal::SIGTERM);
        }
    }

    pub(super) fn reap(&mut self) {
        let mut status = 0;
        loop {
            // SAFETY: waits for children of this process only; `status` lives for the call.
            let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
            if pid <= 0 {
                return;
            }
            // What it told before it ended comes first: that it leaves, or that it was ready.
            self.read_reports();
            self.ended(Death { pid, status });
        }
    }

    fn ended(&mut self, death: Death) {
        let Death { pid, status } = death;
        if self.preloader_ended(death, Instant::now()) {
            return;
        }
        let group = self.group();
        if self.offspring.successor_ended(pid) {
            self.roll.failed();
            let how = match libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == CANNOT_LOAD {
                true => "cannot load them, the lines before this one say why".to_owned(),
                false => death.to_string(),
            };
            line!(
                Error,
                "WRS5026: the scripts of process group '{group}' changed, but worker process {pid} that was to run them \
                 {how}: the others go on with the old ones until there is another change (reload=rolling)"
            );
            return;
        }
        let well = libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0;
        // A service script that is done at once, however well, must not be started in a tight loop.
        let stays = well && self.launch.threads != 0;
        // What ended it after it had answered will not keep the next one from starting.
        let answered = |worker| self.board.answered(worker, pid) > 0;
        let well_begun = stays || self.offspring.place_of(pid).is_some_and(answered);
        let Some(ended) = self.offspring.ended(pid, well_begun, Instant::now()) else { return };
        self.board.worker_ended(ended.worker, death);
        let pause = match ended.pause {
            Some(pause) if !pause.is_zero() => {
                format!("; it could not stay up, the next one starts in {pause:?}")
            }
            _ => String::new(),
        };
        let ending = self.board.ending(ended.worker, pid).filter(|_| !death.is_crash());
        if let Some(ending) = ending {
            line!(Info, "worker process {pid} of process group '{group}' was ended by {ending}");
        } else if well {
            line!(Info, "worker process {pid} of process group '{group}' ended{pause}");
        } else {
            line!(Error, "WRS5005: worker process {pid} of process group '{group}' {death}{pause}");
        }
    }
}
