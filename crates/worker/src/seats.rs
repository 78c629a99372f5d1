//! The book of the requests that a worker answers: for each of its threads since when, and of which application.
//!
//! A thread writes its own seat; the monitor in the main thread reads all of them, and marks the one whose request
//! it has interrupted. Locks are held for moments.

use engine::Engine;
use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

thread_local! {
    static OWN: Cell<Option<usize>> = const { Cell::new(None) };
}

/// A thread that answers requests.
#[derive(Debug, Default)]
struct Seat {
    /// When its request began.
    since: Option<Instant>,
    /// The number by which Python knows the thread.
    thread: u64,
    application_group: Vec<u8>,
    /// When `mod_wsgi.RequestTimeout` was raised in its request.
    interrupted: Option<Instant>,
    /// Its request counts as activity.
    counts: bool,
    /// When a request that counts began or ended.
    active: Option<Instant>,
}

impl Seat {
    fn note_activity(&mut self, now: Instant) {
        if self.counts {
            self.active = Some(now);
        }
    }
}

/// A request that is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Running {
    /// The place of its thread.
    pub(crate) seat: usize,
    pub(crate) since: Instant,
    pub(crate) interrupted: Option<Instant>,
}

/// The seats of all threads.
#[derive(Debug)]
pub(crate) struct Seats {
    seats: Vec<Mutex<Seat>>,
    /// When the first request came.
    first: OnceLock<Instant>,
}

fn lock(seat: &Mutex<Seat>) -> MutexGuard<'_, Seat> {
    seat.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The current thread takes this seat, for ever.
pub(crate) fn sit(at: usize) {
    OWN.set(Some(at));
}

impl Seats {
    pub(crate) fn new(threads: u32) -> Self {
        Self { seats: (0..threads).map(|_| Mutex::default()).collect(), first: OnceLock::new() }
    }

    fn own(&self) -> Option<MutexGuard<'_, Seat>> {
        self.seats.get(OWN.get()?).map(lock)
    }

    /// A request begins on this thread; whether it counts as activity.
    pub(crate) fn begin(&self, application_group: &[u8], counts: bool) {
        let now = Instant::now();
        self.first.get_or_init(|| now);
        let Some(mut seat) = self.own() else { return };
        seat.since = Some(now);
        seat.counts = counts;
        seat.note_activity(now);
        seat.thread = engine::current_thread();
        seat.application_group.clear();
        seat.application_group.extend_from_slice(application_group);
        seat.interrupted = None;
    }

    /// The request of this thread is over; an exception that was meant for it must not meet the next one.
    pub(crate) fn end(&self, engine: &Engine) {
        let Some(mut seat) = self.own() else { return };
        seat.since = None;
        seat.note_activity(Instant::now());
        if seat.interrupted.take().is_some() {
            let (thread, group) = (seat.thread, std::mem::take(&mut seat.application_group));
            drop(seat);
            engine.calm(&group, thread);
        }
    }

    /// When the first request came.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.first.get().copied()
    }

    /// When the last request that counts began or ended.
    pub(crate) fn last(&self) -> Option<Instant> {
        self.seats.iter().filter_map(|seat| lock(seat).active).max()
    }

    /// The requests that are running.
    pub(crate) fn running(&self) -> Vec<Running> {
        let running = |(at, seat): (usize, &Mutex<Seat>)| {
            let seat = lock(seat);
            Some(Running { seat: at, since: seat.since?, interrupted: seat.interrupted })
        };
        self.seats.iter().enumerate().filter_map(running).collect()
    }

    /// How many requests run for longer than `limit`.
    pub(crate) fn longer_than(&self, limit: Duration) -> usize {
        self.running().iter().filter(|it| it.since.elapsed() > limit).count()
    }

    /// Marks a request as interrupted; `false` if it does not run any more, or was marked before.
    pub(crate) fn mark(&self, running: &Running) -> bool {
        let Some(mut seat) = self.seats.get(running.seat).map(lock) else { return false };
        let first = seat.since == Some(running.since) && seat.interrupted.is_none();
        if first {
            seat.interrupted = Some(Instant::now());
        }
        first
    }

    /// Where a request runs, if it still does: the thread's number and the application group.
    pub(crate) fn target(&self, running: &Running) -> Option<(u64, Vec<u8>)> {
        let seat = self.seats.get(running.seat).map(lock)?;
        let runs = seat.since == Some(running.since);
        runs.then(|| (seat.thread, seat.application_group.clone()))
    }

    /// Whether this very request still runs.
    pub(crate) fn still_runs(&self, running: &Running) -> bool {
        self.seats.get(running.seat).is_some_and(|seat| lock(seat).since == Some(running.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_marked_once_and_only_while_it_runs() {
        let seats = Seats::new(2);
        sit(1);
        assert_eq!((seats.first(), seats.last()), (None, None));
        seats.begin(b"group", true);
        let running = seats.running();
        assert_eq!(running.iter().map(|it| it.seat).collect::<Vec<_>>(), [1]);
        assert!(seats.first().is_some() && seats.last() == seats.first());
        assert_eq!(seats.longer_than(Duration::from_secs(9)), 0);
        assert_eq!(seats.target(&running[0]).unwrap().1, b"group");
        assert!(seats.mark(&running[0]));
        assert!(!seats.mark(&running[0]));
        assert!(seats.still_runs(&running[0]));
        std::thread::sleep(Duration::from_millis(2));
        seats.begin(b"group", true);
        assert!(!seats.still_runs(&running[0]));
        assert!(seats.target(&running[0]).is_none() && !seats.mark(&running[0]));
    }

    #[test]
    fn a_request_that_does_not_count_is_running_and_no_activity() {
        let seats = Seats::new(1);
        sit(0);
        seats.begin(b"", false);
        assert_eq!((seats.running().len(), seats.last()), (1, None));
        seats.begin(b"", true);
        let last = seats.last();
        assert!(last.is_some());
        std::thread::sleep(Duration::from_millis(2));
        seats.begin(b"", false);
        assert_eq!(seats.last(), last);
    }
}
