//! How many workers there are, where that follows the demand.

use super::Leader;
use crate::demand::Sight;
use crate::log::line;
use crate::offspring::Spare;
use daemon_abi::ending::Ending;
use daemon_abi::scoreboard::State;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Leader {
    /// Has as many workers as are needed, where that changes; when to look again if nothing happens before.
    pub(super) fn follow_demand(&mut self, now: Instant) -> Option<Instant> {
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
    pub(super) fn end_spare(&mut self, now: Instant) {
        let board = Arc::clone(&self.board);
        let is_idle = |it: &Spare| board.in_flight_to(it.worker, it.generation) == 0;
        for spare in self.offspring.take_idle(now, is_idle) {
            self.board.set_ending(spare.worker, spare.generation, spare.pid, Ending::NotNeeded);
            let _ = kill(Pid::from_raw(spare.pid), Signal::SIGTERM);
            self.offspring.told(&spare, self.kill_at(now));
        }
    }
}
