//! The leader's book of its workers: which process is in which place, and when a place is filled again.
//!
//! Pure bookkeeping with the time passed in; [`crate::leader`] forks and kills.

use std::time::{Duration, Instant};

/// The first pause before a place whose worker could not start is filled again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A worker that lived this long has started well, and the next one starts without a pause.
const GOOD_LIFE: Duration = Duration::from_secs(10);

/// One worker's place.
#[derive(Debug)]
struct Place {
    pid: Option<i32>,
    started: Instant,
    failures: u32,
    /// When an empty place is to be filled.
    due: Instant,
}

/// A process that left its place and finishes its requests.
#[derive(Debug)]
struct Leaving {
    pid: i32,
    worker: usize,
    kill_at: Instant,
}

/// All processes of a group.
#[derive(Debug)]
pub(crate) struct Offspring {
    places: Vec<Place>,
    leaving: Vec<Leaving>,
}

/// A process that ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Its place.
    pub worker: usize,
    /// The pause before the place is filled again; `None` when another process has it already.
    pub pause: Option<Duration>,
}

impl Offspring {
    pub(crate) fn new(workers: usize, now: Instant) -> Self {
        let place = || Place { pid: None, started: now, failures: 0, due: now };
        Self { places: (0..workers).map(|_| place()).collect(), leaving: Vec::new() }
    }

    /// A place that should be filled now.
    pub(crate) fn due(&self, now: Instant) -> Option<usize> {
        self.places.iter().position(|place| place.pid.is_none() && place.due <= now)
    }

    pub(crate) fn started(&mut self, worker: usize, pid: i32, now: Instant) {
        if let Some(place) = self.places.get_mut(worker) {
            place.pid = Some(pid);
            place.started = now;
        }
    }

    /// The fork itself failed: try again after a pause.
    pub(crate) fn not_started(&mut self, worker: usize, now: Instant) {
        if let Some(place) = self.places.get_mut(worker) {
            place.failures += 1;
            place.due = now + pause(place.failures);
        }
    }

    /// A worker asked to be replaced: its place is free at once, it is killed at `kill_at`.
    pub(crate) fn leaves(&mut self, pid: i32, now: Instant, kill_at: Instant) {
        let found = self.places.iter_mut().enumerate().find(|(_, place)| place.pid == Some(pid));
        if let Some((worker, place)) = found {
            place.pid = None;
            place.failures = 0;
            place.due = now;
            self.leaving.push(Leaving { pid, worker, kill_at });
        }
    }

    /// A process was reaped. `well`: it ended because it was meant to.
    pub(crate) fn ended(&mut self, pid: i32, well: bool, now: Instant) -> Option<Ended> {
        if let Some(index) = self.leaving.iter().position(|it| it.pid == pid) {
            let worker = self.leaving.swap_remove(index).worker;
            return Some(Ended { worker, pause: None });
        }
        let found = self.places.iter_mut().enumerate().find(|(_, place)| place.pid == Some(pid));
        let (worker, place) = found?;
        place.pid = None;
        let good = well || now.duration_since(place.started) >= GOOD_LIFE;
        place.failures = if good { 0 } else { place.failures + 1 };
        // One crash is no reason to make requests wait; a second in a row is.
        let pause = pause(place.failures.saturating_sub(1));
        place.due = now + pause;
        Some(Ended { worker, pause: Some(pause) })
    }

    /// When something is to be done next.
    pub(crate) fn next(&self) -> Option<Instant> {
        let places = self.places.iter().filter(|place| place.pid.is_none()).map(|place| place.due);
        places.chain(self.leaving.iter().map(|it| it.kill_at)).min()
    }

    /// Processes that took too long to leave, to be killed; and killed again if that does not help.
    pub(crate) fn overdue(&mut self, now: Instant) -> Vec<i32> {
        let overdue = self.leaving.iter_mut().filter(|it| it.kill_at <= now);
        overdue
            .map(|it| {
                it.kill_at = now + LONGEST_PAUSE;
                it.pid
            })
            .collect()
    }

    /// Every process there is.
    pub(crate) fn pids(&self) -> impl Iterator<Item = i32> + '_ {
        let leaving = self.leaving.iter().map(|it| it.pid);
        self.places.iter().filter_map(|place| place.pid).chain(leaving)
    }
}

fn pause(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        many => FIRST_PAUSE.saturating_mul(1 << (many - 1).min(10)).min(LONGEST_PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_filled_at_once() {
        let now = Instant::now();
        let mut offspring = Offspring::new(2, now);
        assert_eq!(offspring.due(now), Some(0));
        offspring.started(0, 10, now);
        assert_eq!(offspring.due(now), Some(1));
        offspring.started(1, 11, now);
        assert_eq!((offspring.due(now), offspring.next()), (None, None));
    }

    #[test]
    fn one_crash_is_made_good_at_once_and_more_after_growing_pauses() {
        let now = Instant::now();
        let mut offspring = Offspring::new(1, now);
        let mut pauses = Vec::new();
        for pid in 1..=12 {
            offspring.started(0, pid, now);
            pauses.push(offspring.ended(pid, false, now).unwrap().pause.unwrap());
        }
        assert_eq!(pauses[0], Duration::ZERO);
        assert_eq!(pauses[1], FIRST_PAUSE);
        assert_eq!(pauses[2], FIRST_PAUSE * 2);
        assert_eq!(pauses[11], LONGEST_PAUSE);
        assert_eq!(offspring.due(now), None);
        assert_eq!(offspring.due(now + LONGEST_PAUSE), Some(0));
    }

    #[test]
    fn a_long_life_forgives_earlier_failures() {
        let now = Instant::now();
        let mut offspring = Offspring::new(1, now);
        for pid in 1..=3 {
            offspring.started(0, pid, now);
            offspring.ended(pid, false, now);
        }
        offspring.started(0, 4, now);
        let ended = offspring.ended(4, false, now + GOOD_LIFE).unwrap();
        assert_eq!(ended.pause, Some(Duration::ZERO));
    }

    #[test]
    fn a_worker_that_leaves_is_replaced_while_it_finishes() {
        let now = Instant::now();
        let later = now + Duration::from_secs(5);
        let mut offspring = Offspring::new(1, now);
        offspring.started(0, 1, now);
        offspring.leaves(1, now, later);
        assert_eq!(offspring.due(now), Some(0));
        offspring.started(0, 2, now);
        assert_eq!(offspring.overdue(later), [1]);
        assert_eq!(offspring.ended(1, true, now), Some(Ended { worker: 0, pause: None }));
        assert_eq!(offspring.pids().collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_stranger_that_ended_changes_nothing() {
        let now = Instant::now();
        assert_eq!(Offspring::new(1, now).ended(99, true, now), None);
    }
}
