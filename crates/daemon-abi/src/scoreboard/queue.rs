//! How a request gets a slot of a worker, and waits for one.
//!
//! Requests that find every worker full wait on one futex word, which whoever frees a slot or brings a worker up
//! moves on. Any thread of an httpd child.

use super::{OVER, Scoreboard, State};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Why a request got no worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// All workers were busy until the deadline.
    Busy,
    /// No worker was ready until the deadline.
    NoWorker,
    /// Workers were getting ready until the deadline.
    Loading,
    /// The group cannot be started; waiting is no use.
    Failed,
    /// The group has come to its end; waiting is no use.
    Over,
    /// As many requests wait already as may.
    QueueFull,
}

/// Until when to wait, by what there is to wait for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a worker to be ready, from the moment that none is.
    pub ready: Duration,
    /// The same while there are processes that get ready: they load scripts, which may take its time.
    pub loaded: Instant,
    /// For a free slot, when workers are ready and full.
    pub free: Instant,
    /// How many requests may wait at once; 0: any number.
    pub queue: u32,
}

/// The row of one httpd child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Child(pub(super) usize);

/// A request that waits is counted, for its child and for all.
pub(super) struct Waiting<'b> {
    board: &'b Scoreboard,
    child: Child,
    /// How many wait with this one, when it began to.
    number: u32,
}

impl<'b> Waiting<'b> {
    pub(super) fn begin(board: &'b Scoreboard, child: Child) -> Self {
        if let Some(waiting) = board.waiting_of(child) {
            waiting.fetch_add(1, SeqCst);
        }
        let number = board.header().waiting.fetch_add(1, SeqCst).saturating_add(1);
        board.ring();
        Self { board, child, number }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let own = self.board.waiting_of(self.child);
        for count in own.into_iter().chain([&self.board.header().waiting]) {
            let _ = count.fetch_update(SeqCst, SeqCst, |count| count.checked_sub(1));
        }
    }
}

/// The right to have one request in flight to a worker; given back when dropped.
#[derive(Debug)]
pub struct Slot<'b> {
    board: &'b Scoreboard,
    child: Child,
    /// The worker.
    pub worker: usize,
    /// The process it was when the slot was taken.
    pub pid: i32,
    /// Which process that was, counted.
    pub generation: u32,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.board.release(self.worker, self.generation, self.child);
    }
}

impl Scoreboard {
    /// Takes a slot of the least busy worker that is ready, waiting for one as long as `patience` lasts.
    pub fn acquire(&self, child: Child, patience: Patience) -> Result<Slot<'_>, Refused> {
        let mut none_since = None;
        // Counted once, however often it looks again: nobody who waits is sent away for those who come later.
        let mut place: Option<Waiting<'_>> = None;
        loop {
            let turn = self.header().turn.load(SeqCst);
            if let Some(slot) = self.try_acquire(child) {
                return Ok(slot);
            }
            let place = place.get_or_insert_with(|| Waiting::begin(self, child));
            // Look once more: a slot given back before this one was counted as waiting woke nobody.
            if let Some(slot) = self.try_acquire(child) {
                return Ok(slot);
            }
            match self.header().failed.load(SeqCst) {
                0 => {}
                OVER => return Err(Refused::Over),
                _ => return Err(Refused::Failed),
            }
            if patience.queue != 0 && place.number > patience.queue {
                return Err(Refused::QueueFull);
            }
            let ready = (0..self.workers).any(|worker| self.state(worker) == State::Ready);
            let (deadline, refused) = if ready {
                none_since = None;
                (patience.free, Refused::Busy)
            } else {
                let since = *none_since.get_or_insert_with(Instant::now);
                match self.is_loading() {
                    true => (patience.loaded, Refused::Loading),
                    false => (since + patience.ready, Refused::NoWorker),
                }
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(refused);
            }
            futex_wait(&self.header().turn, turn, left);
        }
    }

    fn try_acquire(&self, child: Child) -> Option<Slot<'_>> {
        let (worker, generation, _) = (0..self.workers)
            .filter(|&worker| self.state(worker) == State::Ready)
            .map(|worker| (worker, self.generation(worker)))
            .map(|(worker, generation)| (worker, generation, self.load_of(worker, generation)))
            .filter(|&(_, _, load)| load < self.capacity)
            .min_by_key(|&(_, _, load)| load)?;
        let pid = self.pid(worker);
        self.count(worker, generation, child)?.fetch_add(1, SeqCst);
        let slot = Slot { board: self, worker, pid, generation, child };
        // Somebody else may have claimed the same slot: whoever then sees too many gives it back.
        let good = self.in_flight_to(worker, generation) <= self.capacity
            && self.generation(worker) == generation
            && self.state(worker) == State::Ready;
        good.then_some(slot)
    }

    fn release(&self, worker: usize, generation: u32, child: Child) {
        if let Some(count) = self.count(worker, generation, child) {
            // Not below zero, should the memory have been spoilt.
            let _ = count.fetch_update(SeqCst, SeqCst, |count| count.checked_sub(1));
        }
        self.wake_one();
    }

    /// A slot may be free: one of those that wait looks again.
    pub(super) fn wake_one(&self) {
        if self.header().waiting.load(SeqCst) != 0 {
            self.header().turn.fetch_add(1, SeqCst);
            futex_wake(&self.header().turn, 1);
        }
    }

    pub(super) fn wake_all(&self) {
        self.header().turn.fetch_add(1, SeqCst);
        futex_wake(&self.header().turn, i32::MAX);
    }
}

/// Waits until the word is not `seen` any more, for `time` at most. May return early.
fn futex_wait(word: &AtomicU32, seen: u32, time: Duration) {
    let time = libc::timespec {
        tv_sec: time.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: time.subsec_nanos().into(),
    };
    // SAFETY: the word and the time live for the call; the kernel reads both and writes neither.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, seen, &raw const time);
    }
}

fn futex_wake(word: &AtomicU32, how_many: i32) {
    // SAFETY: only the address of the word is used.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, how_many);
    }
}
