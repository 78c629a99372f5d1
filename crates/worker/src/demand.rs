//! How many workers a group of `processes=MIN..MAX` is to have: more when requests wait, fewer when some have long not been
//! needed.
//!
//! Pure arithmetic over what the leader sees. It grows quickly and shrinks slowly: a wait counts after a tenth of a second,
//! and a worker goes only when all of `shrink-timeout` long the others would have been enough with a quarter to spare.

use daemon_abi::launch::Launch;
use std::time::{Duration, Instant};

/// A request that waits no longer than this is no reason for another worker.
const PATIENCE: Duration = Duration::from_millis(100);

/// Between two looks while requests wait.
const PACE: Duration = Duration::from_millis(50);

/// The longest time between two looks at how busy the workers are.
const SLOW_PACE: Duration = Duration::from_secs(1);

/// What the leader sees of its group.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sight {
    /// Requests that wait for a worker.
    pub(crate) waiting: usize,
    /// Requests that the workers answer.
    pub(crate) running: usize,
    /// Workers there are or are being started.
    pub(crate) workers: usize,
    /// How many of them do not take requests yet.
    pub(crate) starting: usize,
}

/// The demand for workers of a group.
#[derive(Debug)]
pub(crate) struct Demand {
    least: usize,
    most: usize,
    threads: usize,
    shrink_after: Duration,
    /// Since when requests have waited all the time.
    waiting_since: Option<Instant>,
    /// Since when nobody has waited and the number of workers is what it is.
    quiet_since: Instant,
    /// The most requests that were seen to run since then.
    peak: usize,
}

impl Demand {
    /// The demand for workers, if it may change.
    pub(crate) fn new(launch: &Launch, now: Instant) -> Option<Self> {
        launch.is_elastic().then(|| Self {
            least: launch.least_processes as usize,
            most: launch.processes(),
            threads: launch.threads.max(1) as usize,
            shrink_after: Duration::from_millis(launch.shrink_timeout),
            waiting_since: None,
            quiet_since: now,
            peak: 0,
        })
    }

    /// How many workers there shall be, and when to look again if nothing happens before.
    pub(crate) fn look(&mut self, now: Instant, sight: Sight) -> (usize, Option<Duration>) {
        if sight.waiting > 0 {
            return (self.while_waiting(now, sight), Some(PACE));
        }
        if self.waiting_since.take().is_some() {
            self.settle(now);
        }
        if sight.workers <= self.least || self.shrink_after.is_zero() {
            self.settle(now);
            return (sight.workers, None);
        }
        self.peak = self.peak.max(sight.running);
        let mut workers = sight.workers;
        if now.saturating_duration_since(self.quiet_since) >= self.shrink_after {
            let others = workers.saturating_sub(1);
            if self.peak * 4 <= others * self.threads * 3 {
                workers = others;
            }
            self.settle(now);
        }
        (workers, Some((self.shrink_after / 10).clamp(PACE, SLOW_PACE)))
    }

    fn while_waiting(&mut self, now: Instant, sight: Sight) -> usize {
        let since = *self.waiting_since.get_or_insert(now);
        if now.saturating_duration_since(since) < PATIENCE {
            return sight.workers;
        }
        let missing = sight.waiting.div_ceil(self.threads).saturating_sub(sight.starting);
        sight.workers.saturating_add(missing).min(self.most.max(sight.workers))
    }

    /// What was seen before says nothing of the present workers.
    fn settle(&mut self, now: Instant) {
        self.quiet_since = now;
        self.peak = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn demand(now: Instant) -> Demand {
        let launch = Launch {
            listeners: vec![3; 8],
            least_processes: 2,
            threads: 4,
            shrink_timeout: 10_000,
            ..Launch::default()
        };
        Demand::new(&launch, now).unwrap()
    }

    fn sight(workers: usize, waiting: usize, running: usize) -> Sight {
        Sight { waiting, running, workers, starting: 0 }
    }

    #[test]
    fn a_group_of_a_fixed_number_has_no_demand() {
        let launch =
            Launch { listeners: vec![3; 2], least_processes: 2, threads: 1, ..Launch::default() };
        assert!(Demand::new(&launch, Instant::now()).is_none());
    }

    #[test]
    fn a_short_wait_starts_nothing_and_a_longer_one_as_many_as_are_needed() {
        let now = Instant::now();
        let mut demand = demand(now);
        assert_eq!(demand.look(now, sight(2, 9, 8)), (2, Some(PACE)));
        assert_eq!(demand.look(now + PATIENCE / 2, sight(2, 0, 8)), (2, None));
        assert_eq!(demand.look(now + PATIENCE, sight(2, 9, 8)).0, 2, "it began anew");
        let later = now + PATIENCE * 2;
        assert_eq!(demand.look(later, sight(2, 9, 8)).0, 5);
        assert_eq!(demand.look(later, Sight { starting: 2, ..sight(4, 9, 8) }).0, 5);
        assert_eq!(demand.look(later, Sight { starting: 3, ..sight(5, 9, 8) }).0, 5);
        assert_eq!(demand.look(later, sight(5, 900, 8)).0, 8, "never more than the most");
    }

    #[test]
    fn one_worker_goes_at_a_time_and_only_if_the_others_have_room_to_spare() {
        let now = Instant::now();
        let mut demand = demand(now);
        // 4 x 4 threads; three of them with a quarter to spare answer 9.
        for (peak, left) in [(10, 4), (9, 3)] {
            demand.settle(now);
            assert_eq!(demand.look(now + SECOND, sight(4, 0, peak)), (4, Some(SLOW_PACE)));
            assert_eq!(demand.look(now + SECOND * 10, sight(4, 0, 0)).0, left, "{peak}");
        }
        assert_eq!(demand.look(now + SECOND * 19, sight(3, 0, 0)).0, 3);
        assert_eq!(demand.look(now + SECOND * 20, sight(3, 0, 0)).0, 2);
        assert_eq!(demand.look(now + SECOND * 99, sight(2, 0, 0)), (2, None));
    }

    #[test]
    fn a_wait_keeps_all_workers_for_another_while() {
        let now = Instant::now();
        let mut demand = demand(now);
        demand.look(now + SECOND * 9, sight(4, 1, 16));
        assert_eq!(demand.look(now + SECOND * 10, sight(4, 0, 0)).0, 4);
        assert_eq!(demand.look(now + SECOND * 19, sight(4, 0, 0)).0, 4);
        assert_eq!(demand.look(now + SECOND * 20, sight(4, 0, 0)).0, 3);
    }
}
