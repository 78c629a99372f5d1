//! The book of the processes that have loaded the scripts of a group for all its workers (`preload=On`).
//!
//! Pure bookkeeping of the leader, with the time passed in. There is one process that workers are forked from, and while newer
//! code is loaded another one that is to follow it. Where there is none workers are forked from the leader and load for
//! themselves, until a later try succeeds.

use crate::offspring::pause;
use crate::preloader::Preloader;
use std::time::{Duration, Instant};

/// Who makes a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nobody for the moment: the scripts are being loaded.
    Nobody,
    /// The leader: the worker loads its scripts.
    Leader,
    /// The process that has loaded them.
    Preloader,
}

/// Which process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// One that was loading scripts, while another one has loaded older ones.
    Newer,
    /// One that was loading scripts.
    First,
    /// The one that workers are forked from.
    Loaded,
}

/// Such processes of a group.
#[derive(Debug, Default)]
pub(crate) struct Preloading {
    loaded: Option<Preloader>,
    loading: Option<Preloader>,
    give_up_at: Option<Instant>,
    /// The newest code that was tried.
    tried: u64,
    /// When it is tried again, if it failed.
    again: Option<Instant>,
    failures: u32,
    /// Workers have loaded for themselves since there was such a process.
    was_without: bool,
}

impl Preloading {
    /// Who makes workers now.
    pub(crate) fn source(&self) -> Source {
        if self.loaded.is_some() {
            Source::Preloader
        } else if self.loading.is_some() || self.tried == 0 {
            Source::Nobody
        } else {
            Source::Leader
        }
    }

    /// The process that workers are forked from.
    pub(crate) fn loaded(&self) -> Option<&Preloader> {
        self.loaded.as_ref()
    }

    /// Whether scripts are to be loaded now, when `code` is the newest.
    pub(crate) fn is_due(&self, now: Instant, code: u64) -> bool {
        let stale = self.loaded.as_ref().is_none_or(|it| it.code < code);
        let again = self.again.is_some_and(|at| at <= now);
        self.loading.is_none() && stale && (self.tried < code || again)
    }

    /// A process begins to load them.
    pub(crate) fn begins(&mut self, preloader: Preloader, give_up_at: Instant) {
        self.tried = preloader.code;
        self.again = None;
        self.give_up_at = Some(give_up_at);
        self.loading = Some(preloader);
    }

    /// There cannot be such a process now.
    pub(crate) fn cannot_begin(&mut self, now: Instant, code: u64) {
        self.tried = code;
        self.try_again(now);
    }

    fn try_again(&mut self, now: Instant) {
        self.failures += 1;
        self.again = Some(now + pause(self.failures));
    }

    /// A process has loaded them: workers are forked from it, and the one before it ends.
    pub(crate) fn ready(&mut self, pid: i32) -> bool {
        let Some(loading) = self.loading.take_if(|it| it.pid == pid) else { return false };
        (self.loaded, self.give_up_at, self.failures) = (Some(loading), None, 0);
        true
    }

    /// The newest code has another number now, because workers with the same number have loaded for themselves.
    pub(crate) fn renumber(&mut self, renew: impl FnOnce() -> u64) {
        if std::mem::take(&mut self.was_without) {
            let code = renew();
            self.tried = code;
            self.loaded.iter_mut().for_each(|it| it.code = code);
        }
    }

    /// A worker loads for itself.
    pub(crate) fn does_without(&mut self) {
        self.was_without = true;
    }

    /// What was loaded is too old for another worker.
    pub(crate) fn forget(&mut self) {
        self.loaded = None;
        // Also what is just being loaded may be too old, and will be found to be when it is used.
    }

    /// A process ended; `None`: it is none of these. `hopeless`: it will be the same with the next try.
    pub(crate) fn ended(&mut self, pid: i32, hopeless: bool, now: Instant) -> Option<Lost> {
        if self.loaded.take_if(|it| it.pid == pid).is_some() {
            if self.loading.is_none() && !hopeless {
                self.try_again(now);
            }
            return Some(Lost::Loaded);
        }
        self.loading.take_if(|it| it.pid == pid)?;
        self.give_up_at = None;
        if self.loaded.is_some() {
            return Some(Lost::Newer);
        }
        if !hopeless {
            self.try_again(now);
        }
        Some(Lost::First)
    }

    /// Whether workers with older code may be followed by others, when `code` is the newest.
    pub(crate) fn may_roll(&self, code: u64) -> bool {
        match &self.loaded {
            Some(loaded) => loaded.code == code,
            // Workers will go on loading for themselves.
            None => self.loading.is_none() && self.again.is_none() && self.tried == code,
        }
    }

    /// A process that did not load in time.
    pub(crate) fn overdue(&mut self, now: Instant) -> Option<i32> {
        /// Until it is killed again, if that did not help.
        const AGAIN: Duration = Duration::from_secs(30);
        let at = self.give_up_at.as_mut().filter(|at| **at <= now)?;
        *at = now + AGAIN;
        self.loading.as_ref().map(|it| it.pid)
    }

    /// When something is to be done next.
    pub(crate) fn next(&self) -> Option<Instant> {
        let again = self.again.filter(|_| self.loading.is_none());
        again.into_iter().chain(self.give_up_at).min()
    }

    /// Every process there is.
    pub(crate) fn pids(&self) -> impl Iterator<Item = i32> {
        self.loaded.iter().chain(&self.loading).map(|it| it.pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, code: u64) -> Preloader {
        Preloader::new(pid, std::fs::File::open("/dev/null").unwrap().into(), code)
    }

    #[test]
    fn workers_wait_for_the_first_load_and_are_then_forked_from_it() {
        let now = Instant::now();
        let mut preloading = Preloading::default();
        assert_eq!((preloading.source(), preloading.is_due(now, 1)), (Source::Nobody, true));
        preloading.begins(process(7, 1), now);
        assert_eq!((preloading.source(), preloading.is_due(now, 1)), (Source::Nobody, false));
        assert!(!preloading.ready(8) && preloading.ready(7));
        assert_eq!(preloading.source(), Source::Preloader);
        assert!(preloading.may_roll(1) && preloading.next().is_none());
    }

    #[test]
    fn where_it_fails_workers_load_for_themselves_until_it_succeeds() {
        let now = Instant::now();
        let mut preloading = Preloading::default();
        preloading.begins(process(7, 1), now);
        assert_eq!(preloading.ended(7, false, now), Some(Lost::First));
        assert_eq!((preloading.source(), preloading.is_due(now, 1)), (Source::Leader, false));
        assert!(!preloading.may_roll(1));
        preloading.does_without();
        let later = preloading.next().unwrap();
        assert!(later > now && preloading.is_due(later, 1));
        preloading.begins(process(8, 1), later + Duration::from_secs(9));
        preloading.ready(8);
        preloading.renumber(|| 2);
        assert_eq!(preloading.loaded().unwrap().code, 2);
        assert!(!preloading.is_due(later, 2), "it is the same code");
        preloading.renumber(|| 3);
        assert_eq!(preloading.loaded().unwrap().code, 2);
    }

    #[test]
    fn what_is_hopeless_is_tried_again_with_the_next_change() {
        let now = Instant::now();
        let mut preloading = Preloading::default();
        preloading.begins(process(7, 1), now);
        preloading.ended(7, true, now);
        assert_eq!((preloading.source(), preloading.next()), (Source::Leader, None));
        assert!(preloading.may_roll(1));
        assert!(preloading.is_due(now, 2) && !preloading.may_roll(2));
    }

    #[test]
    fn newer_code_that_fails_leaves_the_older_in_place() {
        let now = Instant::now();
        let mut preloading = Preloading::default();
        preloading.begins(process(7, 1), now);
        preloading.ready(7);
        assert!(preloading.is_due(now, 2));
        preloading.begins(process(8, 2), now);
        assert_eq!(preloading.pids().collect::<Vec<_>>(), [7, 8]);
        assert_eq!((preloading.overdue(now), preloading.overdue(now)), (Some(8), None));
        assert_eq!(preloading.ended(8, false, now), Some(Lost::Newer));
        assert_eq!((preloading.source(), preloading.next()), (Source::Preloader, None));
        assert!(!preloading.may_roll(2) && !preloading.is_due(now, 2));
        preloading.forget();
        assert_eq!(preloading.source(), Source::Leader);
    }

    #[test]
    fn one_that_dies_is_replaced_after_a_pause() {
        let now = Instant::now();
        let mut preloading = Preloading::default();
        preloading.begins(process(7, 1), now);
        preloading.ready(7);
        assert_eq!(preloading.ended(9, false, now), None);
        assert_eq!(preloading.ended(7, false, now), Some(Lost::Loaded));
        assert!(preloading.is_due(preloading.next().unwrap(), 1));
    }
}
