//! The book of the code that the workers of a group run, with `reload=rolling`: which workers are to be followed by new ones.
//!
//! Pure bookkeeping of the leader. Code is counted: each change of a script that is heard of makes a newer one. One place
//! after the other gets a worker that has loaded the newest; one that cannot be loaded is not tried again before the
//! next change. A worker tells of each change once, so what it told is kept.

use crate::report::SeenScript;
use daemon_abi::launch::Preload;
use std::time::{Duration, Instant};

/// So many scripts of a group are known at most; the others are loaded with their first request.
const MOST_SCRIPTS: usize = 256;

/// A worker that is to follow the one in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pending {
    worker: usize,
    code: u64,
    give_up_at: Instant,
}

/// Which code is where.
#[derive(Debug)]
pub(crate) struct Roll {
    /// The newest code.
    code: u64,
    /// The code of the worker in each place.
    places: Vec<u64>,
    /// The scripts that workers have loaded.
    scripts: Vec<SeenScript>,
    /// The newest code that could not be loaded.
    failed: u64,
    pending: Option<Pending>,
}

impl Roll {
    pub(crate) fn new(places: usize) -> Self {
        let scripts = Vec::new();
        Self { code: 1, places: vec![1; places], scripts, failed: 0, pending: None }
    }

    /// The newest code.
    pub(crate) fn code(&self) -> u64 {
        self.code
    }

    /// A place was filled with a worker of this code.
    pub(crate) fn started(&mut self, worker: usize, code: u64) {
        if let Some(place) = self.places.get_mut(worker) {
            *place = code;
        }
    }

    /// There is newer code than any worker has; its number.
    pub(crate) fn renew(&mut self) -> u64 {
        self.code += 1;
        self.code
    }

    /// There is newer code, and all workers are told to end: none is to be followed before it does.
    pub(crate) fn renew_all(&mut self) {
        let code = self.renew();
        self.places.fill(code);
    }

    /// What could not be loaded can be now.
    pub(crate) fn forgive(&mut self) {
        self.failed = 0;
    }

    /// The worker in a place refuses what it has loaded; whether that is news.
    pub(crate) fn refused(&mut self, worker: usize) -> bool {
        let news = self.places.get(worker) == Some(&self.code);
        self.code += u64::from(news);
        news
    }

    /// The worker in a place tells of its scripts; whether that is news.
    pub(crate) fn heard(&mut self, worker: usize, scripts: Vec<SeenScript>) -> bool {
        let mut news = self.places.get(worker) == Some(&self.code);
        for (script, seen) in scripts {
            if let Some((_, before)) = self.scripts.iter_mut().find(|(it, _)| *it == script) {
                news |= std::mem::replace(before, seen) != seen;
            } else if self.scripts.len() < MOST_SCRIPTS {
                news = true;
                self.scripts.push((script, seen));
            }
        }
        self.code += u64::from(news);
        news
    }

    /// The scripts that workers have loaded.
    pub(crate) fn scripts(&self) -> Vec<Preload> {
        self.scripts.iter().map(|(script, _)| script.clone()).collect()
    }

    /// The place whose worker is to be followed now, of those that `is_filled` says are filled: the one with the oldest code.
    pub(crate) fn next(&self, is_filled: impl Fn(usize) -> bool) -> Option<usize> {
        if self.pending.is_some() || self.failed >= self.code {
            return None;
        }
        let old = self.places.iter().enumerate().filter(|(_, code)| **code < self.code);
        old.filter(|(worker, _)| is_filled(*worker))
            .min_by_key(|(_, code)| **code)
            .map(|(it, _)| it)
    }

    /// A worker was started that is to follow the one in a place.
    pub(crate) fn begins(&mut self, worker: usize, give_up_at: Instant) {
        self.pending = Some(Pending { worker, code: self.code, give_up_at });
    }

    /// When the one that was started had its time.
    pub(crate) fn give_up_at(&self) -> Option<Instant> {
        self.pending.map(|pending| pending.give_up_at)
    }

    /// Whether the one that was started had its time; told once in a while.
    pub(crate) fn is_overdue(&mut self, now: Instant) -> bool {
        /// Until it is killed again, if that did not help.
        const AGAIN: Duration = Duration::from_secs(30);
        let overdue = self.pending.as_mut().filter(|pending| pending.give_up_at <= now);
        overdue.map(|pending| pending.give_up_at = now + AGAIN).is_some()
    }

    /// The one that was started has taken the place.
    pub(crate) fn took_over(&mut self) {
        let Some(pending) = self.pending.take() else { return };
        if let Some(place) = self.places.get_mut(pending.worker) {
            *place = pending.code;
        }
    }

    /// The one that was started cannot take the place.
    pub(crate) fn failed(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.failed = pending.code;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(name: &[u8], at: i64) -> Vec<SeenScript> {
        vec![(Preload { filename: name.to_vec(), ..Preload::default() }, at)]
    }

    fn all(_: usize) -> bool {
        true
    }

    #[test]
    fn a_change_that_all_workers_tell_of_is_rolled_out_once_one_by_one() {
        let now = Instant::now();
        let mut roll = Roll::new(2);
        assert_eq!(roll.next(all), None);
        assert!(roll.heard(0, seen(b"a", 1)));
        assert!(!roll.heard(1, seen(b"a", 1)));
        assert_eq!(
            roll.next(|worker| worker > 0),
            Some(1),
            "a place that is empty is filled anyway"
        );
        assert_eq!(roll.next(all), Some(0));
        roll.begins(0, now);
        assert_eq!((roll.next(all), roll.give_up_at()), (None, Some(now)));
        assert!(roll.is_overdue(now) && !roll.is_overdue(now));
        roll.took_over();
        assert_eq!((roll.next(all), roll.give_up_at()), (Some(1), None));
        roll.started(1, roll.code());
        assert_eq!(roll.next(all), None);
        assert_eq!(roll.scripts().len(), 1);
    }

    #[test]
    fn where_all_workers_end_only_one_that_starts_with_old_code_is_followed() {
        let mut roll = Roll::new(2);
        let old = roll.code();
        roll.renew_all();
        assert_eq!(roll.next(all), None);
        roll.started(0, old);
        roll.started(1, roll.code());
        assert_eq!(roll.next(all), Some(0));
    }

    #[test]
    fn a_change_during_a_roll_is_rolled_out_after_it() {
        let mut roll = Roll::new(2);
        roll.heard(0, seen(b"a", 1));
        roll.begins(0, Instant::now());
        assert!(roll.heard(1, seen(b"a", 2)));
        roll.took_over();
        assert_eq!(roll.next(all), Some(1), "the oldest first");
        roll.started(1, roll.code());
        assert_eq!(roll.next(all), Some(0));
    }

    #[test]
    fn code_that_cannot_be_loaded_is_not_tried_again_before_the_next_change() {
        let mut roll = Roll::new(2);
        roll.heard(0, seen(b"a", 1));
        roll.begins(0, Instant::now());
        roll.failed();
        assert_eq!(roll.next(all), None);
        assert!(!roll.heard(1, seen(b"a", 1)));
        assert_eq!(roll.next(all), None);
        roll.forgive();
        assert_eq!(roll.next(all), Some(0));
        assert!(roll.heard(1, seen(b"a", 2)));
        assert_eq!(roll.next(all), Some(0));
        // The news came while the broken code was tried.
        roll.begins(0, Instant::now());
        assert!(roll.heard(1, seen(b"a", 3)));
        roll.failed();
        assert_eq!(roll.next(all), Some(0));
    }

    #[test]
    fn code_that_all_workers_refuse_is_made_new_once() {
        let mut roll = Roll::new(2);
        assert!(roll.refused(1) && !roll.refused(0));
        assert_eq!(roll.code(), 2);
        roll.started(1, 2);
        assert_eq!(roll.next(all), Some(0));
        assert!(roll.refused(1));
        assert_eq!((roll.renew(), roll.next(all)), (4, Some(0)));
    }

    #[test]
    fn a_worker_with_the_newest_code_that_wants_another_is_followed() {
        let mut roll = Roll::new(1);
        assert!(roll.heard(0, seen(b"a", 1)));
        roll.begins(0, Instant::now());
        roll.took_over();
        assert!(roll.heard(0, seen(b"a", 1)));
        assert_eq!(roll.next(all), Some(0));
    }
}
