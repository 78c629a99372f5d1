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
    /// The process that is to take the place of the other one when it is ready.
    successor: Option<i32>,
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

/// A process whose place is given up: it gets no more requests, and is told to end when it has answered those it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spare {
    pub pid: i32,
    pub worker: usize,
    /// Its own in the scoreboard.
    pub generation: u32,
    /// When it is told to end in any case.
    pub until: Instant,
}

/// All processes of a group.
#[derive(Debug)]
pub(crate) struct Offspring {
    places: Vec<Place>,
    /// How many of the places are in use, counted from the first.
    wanted: usize,
    spare: Vec<Spare>,
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

impl Place {
    /// Whether it is to be filled. A process that is to follow another one does that too.
    fn is_empty(&self) -> bool {
        self.pid.is_none() && self.successor.is_none()
    }
}

impl Offspring {
    /// Nobody yet, with places for `most` of which the first `wanted` are in use.
    pub(crate) fn new(most: usize, wanted: usize, now: Instant) -> Self {
        let place = || Place { pid: None, successor: None, started: now, failures: 0, due: now };
        let places = (0..most).map(|_| place()).collect();
        Self { places, wanted, spare: Vec::new(), leaving: Vec::new() }
    }

    /// The places in use.
    fn in_use(&self) -> impl Iterator<Item = &Place> {
        self.places.iter().take(self.wanted)
    }

    /// A place that should be filled now.
    pub(crate) fn due(&self, now: Instant) -> Option<usize> {
        self.in_use().position(|place| place.is_empty() && place.due <= now)
    }

    /// How many places are in use.
    pub(crate) fn wanted(&self) -> usize {
        self.wanted
    }

    /// Whether workers cannot stay up: more of them would not help.
    pub(crate) fn is_troubled(&self) -> bool {
        self.in_use().any(|place| place.failures > 0)
    }

    /// Uses more places.
    pub(crate) fn grow(&mut self, wanted: usize, now: Instant) {
        let more = self.places.iter_mut().take(wanted).skip(self.wanted);
        more.for_each(|place| place.due = now);
        self.wanted = wanted.min(self.places.len()).max(self.wanted);
    }

    /// Gives up the last place in use; the place, and its process if there is one.
    pub(crate) fn shrink(&mut self) -> Option<(usize, Option<i32>)> {
        let worker = self.wanted.checked_sub(1)?;
        let place = self.places.get_mut(worker).filter(|place| place.successor.is_none())?;
        let pid = place.pid.take();
        self.wanted = worker;
        Some((worker, pid))
    }

    /// A process has no place any more.
    pub(crate) fn spare(&mut self, spare: Spare) {
        self.spare.push(spare);
    }

    /// Takes out those that need not be waited for: they have nothing to do, or had their time.
    pub(crate) fn take_idle(
        &mut self,
        now: Instant,
        is_idle: impl Fn(&Spare) -> bool,
    ) -> Vec<Spare> {
        let (idle, busy) =
            self.spare.iter().partition(|spare| spare.until <= now || is_idle(spare));
        self.spare = busy;
        idle
    }

    /// Whether processes without a place are waited for.
    pub(crate) fn has_spare(&self) -> bool {
        !self.spare.is_empty()
    }

    /// A process without a place was told to end.
    pub(crate) fn told(&mut self, spare: &Spare, kill_at: Instant) {
        self.leaving.push(Leaving { pid: spare.pid, worker: spare.worker, kill_at });
    }

    pub(crate) fn started(&mut self, worker: usize, pid: i32, now: Instant) {
        if let Some(place) = self.places.get_mut(worker) {
            place.pid = Some(pid);
            place.started = now;
        }
    }

    /// The place of a process.
    pub(crate) fn place_of(&self, pid: i32) -> Option<usize> {
        self.places.iter().position(|place| place.pid == Some(pid))
    }

    /// Whether there is a process in a place.
    pub(crate) fn is_filled(&self, worker: usize) -> bool {
        self.in_use().nth(worker).is_some_and(|place| place.pid.is_some())
    }

    /// A process was started that is to follow the one in a place. There is one at a time.
    pub(crate) fn successor_started(&mut self, worker: usize, pid: i32) {
        if let Some(place) = self.places.get_mut(worker) {
            place.successor = Some(pid);
        }
    }

    /// The process that is to follow another one.
    pub(crate) fn successor(&self) -> Option<i32> {
        self.places.iter().find_map(|place| place.successor)
    }

    /// It ended before it could; `false`: it is another process that ended.
    pub(crate) fn successor_ended(&mut self, pid: i32) -> bool {
        let place = self.places.iter_mut().find(|place| place.successor == Some(pid));
        place.map(|place| place.successor = None).is_some()
    }

    /// It takes its place; the place, and the process that was there if there still is one, which is killed at `kill_at`.
    pub(crate) fn take_over(
        &mut self,
        pid: i32,
        now: Instant,
        kill_at: Instant,
    ) -> Option<(usize, Option<i32>)> {
        let worker = self.places.iter().position(|place| place.successor == Some(pid))?;
        let place = self.places.get_mut(worker)?;
        place.successor = None;
        place.started = now;
        place.failures = 0;
        let former = place.pid.replace(pid);
        self.leaving.extend(former.map(|pid| Leaving { pid, worker, kill_at }));
        Some((worker, former))
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
        } else if let Some(at) = self.spare.iter().position(|spare| spare.pid == pid) {
            let spare = self.spare.swap_remove(at);
            self.told(&spare, kill_at);
        }
    }

    /// A process was reaped. `well`: it ended because it was meant to, or had answered requests before.
    pub(crate) fn ended(&mut self, pid: i32, well: bool, now: Instant) -> Option<Ended> {
        if let Some(index) = self.leaving.iter().position(|it| it.pid == pid) {
            let worker = self.leaving.swap_remove(index).worker;
            return Some(Ended { worker, pause: None });
        }
        if let Some(index) = self.spare.iter().position(|it| it.pid == pid) {
            let worker = self.spare.swap_remove(index).worker;
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

    /// When something is to be done next. `fills`: places that are due can be filled.
    pub(crate) fn next(&self, fills: bool) -> Option<Instant> {
        let places = self.in_use().filter(|place| fills && place.is_empty()).map(|place| place.due);
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
        let spare = self.spare.iter().map(|it| it.pid);
        let successor = self.successor();
        self.places
            .iter()
            .filter_map(|place| place.pid)
            .chain(successor)
            .chain(spare)
            .chain(leaving)
    }
}

/// The pause after so many failures in a row.
pub(crate) fn pause(failures: u32) -> Duration {
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
        let mut offspring = Offspring::new(2, 2, now);
        assert_eq!(offspring.due(now), Some(0));
        offspring.started(0, 10, now);
        assert_eq!(offspring.due(now), Some(1));
        offspring.started(1, 11, now);
        assert_eq!((offspring.due(now), offspring.next(true)), (None, None));
    }

    #[test]
    fn one_crash_is_made_good_at_once_and_more_after_growing_pauses() {
        let now = Instant::now();
        let mut offspring = Offspring::new(1, 1, now);
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
        let mut offspring = Offspring::new(1, 1, now);
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
        let mut offspring = Offspring::new(1, 1, now);
        offspring.started(0, 1, now);
        offspring.leaves(1, now, later);
        assert_eq!(offspring.due(now), Some(0));
        offspring.started(0, 2, now);
        assert_eq!(offspring.overdue(later), [1]);
        assert_eq!(offspring.ended(1, true, now), Some(Ended { worker: 0, pause: None }));
        assert_eq!(offspring.pids().collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn places_come_into_use_and_are_given_up_from_the_end() {
        let now = Instant::now();
        let mut offspring = Offspring::new(3, 1, now);
        offspring.started(0, 10, now);
        assert_eq!((offspring.due(now), offspring.next(true)), (None, None));
        offspring.grow(9, now);
        assert_eq!((offspring.wanted(), offspring.due(now)), (3, Some(1)));
        offspring.started(1, 11, now);
        assert_eq!(offspring.shrink(), Some((2, None)));
        assert_eq!(offspring.shrink(), Some((1, Some(11))));
        assert_eq!((offspring.wanted(), offspring.due(now), offspring.next(true)), (1, None, None));

        let until = now + Duration::from_secs(5);
        let spare = Spare { pid: 11, worker: 1, generation: 1, until };
        offspring.spare(spare);
        assert!(offspring.has_spare() && offspring.take_idle(now, |_| false).is_empty());
        assert_eq!(offspring.take_idle(until, |_| false), [spare]);
        offspring.told(&spare, until);
        offspring.grow(2, now);
        offspring.started(1, 12, now);
        assert_eq!(offspring.pids().collect::<Vec<_>>(), [10, 12, 11]);
        assert_eq!(offspring.ended(11, true, now), Some(Ended { worker: 1, pause: None }));
    }

    #[test]
    fn a_process_that_follows_another_takes_its_place_when_it_is_ready() {
        let now = Instant::now();
        let later = now + Duration::from_secs(5);
        let mut offspring = Offspring::new(2, 2, now);
        offspring.started(0, 10, now);
        offspring.started(1, 11, now);
        offspring.successor_started(1, 12);
        assert_eq!((offspring.successor(), offspring.shrink()), (Some(12), None));
        assert_eq!(offspring.pids().collect::<Vec<_>>(), [10, 11, 12]);
        assert_eq!(offspring.take_over(11, now, later), None);
        assert_eq!(offspring.take_over(12, now, later), Some((1, Some(11))));
        assert_eq!((offspring.place_of(12), offspring.place_of(11)), (Some(1), None));
        assert_eq!(offspring.overdue(later), [11]);
        assert_eq!(offspring.ended(11, true, now), Some(Ended { worker: 1, pause: None }));
    }

    #[test]
    fn a_place_whose_process_ends_is_left_to_the_one_that_follows_unless_that_fails() {
        let now = Instant::now();
        for ready in [true, false] {
            let mut offspring = Offspring::new(1, 1, now);
            offspring.started(0, 10, now);
            offspring.successor_started(0, 11);
            offspring.ended(10, true, now);
            assert_eq!((offspring.due(now), offspring.is_filled(0)), (None, false));
            if ready {
                assert_eq!(offspring.take_over(11, now, now), Some((0, None)));
                assert_eq!((offspring.due(now), offspring.is_filled(0)), (None, true));
            } else {
                assert!(offspring.successor_ended(11) && !offspring.successor_ended(11));
                assert_eq!(offspring.due(now), Some(0));
            }
        }
    }

    #[test]
    fn a_process_without_a_place_may_leave_or_end_by_itself() {
        let now = Instant::now();
        for leaves in [true, false] {
            let mut offspring = Offspring::new(2, 2, now);
            offspring.started(1, 11, now);
            offspring.shrink();
            offspring.spare(Spare { pid: 11, worker: 1, generation: 1, until: now });
            if leaves {
                offspring.leaves(11, now, now);
                assert_eq!(offspring.overdue(now), [11]);
            }
            assert_eq!(offspring.ended(11, false, now), Some(Ended { worker: 1, pause: None }));
            assert!(!offspring.has_spare() && offspring.pids().next().is_none());
        }
    }

    #[test]
    fn a_stranger_that_ended_changes_nothing() {
        let now = Instant::now();
        assert_eq!(Offspring::new(1, 1, now).ended(99, true, now), None);
    }
}
