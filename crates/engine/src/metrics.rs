//! What is counted of the requests of this process, for the metrics functions of the module `mod_wsgi`.
//!
//! One for the process, because its interpreters share its threads; plain numbers, without the GIL or any
//! Python object. A few atomic counters are always kept; phases and histograms only once an application asked
//! for them with `start_recording_metrics()`.
//! See <https://modwsgi.readthedocs.io/en/master/user-guides/event-system.html>.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::clock::{self, Cpu};
use crate::request::lock;

/// The counters of this process.
pub(crate) static METRICS: Metrics = Metrics::new();

/// Requests of threads beyond this many are counted together with those of the last.
pub(crate) const THREADS: usize = 256;

/// 16 octaves of 4 steps from 1 ms on, and one for what took longer than 65.536 s.
pub(crate) const BUCKETS: usize = 65;

/// The parts of a request's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Server,
    Queue,
    Daemon,
    Application,
    Request,
    GilWait,
    InputRead,
    OutputWrite,
}

/// The phases by the names they have in `request_metrics()`.
pub(crate) const PHASES: [(Phase, &str); 8] = [
    (Phase::Server, "server"),
    (Phase::Queue, "queue"),
    (Phase::Daemon, "daemon"),
    (Phase::Application, "application"),
    (Phase::Request, "request"),
    (Phase::GilWait, "gil_wait"),
    (Phase::InputRead, "input_read"),
    (Phase::OutputWrite, "output_write"),
];

/// Times of one phase, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Distribution {
    pub(crate) count: u64,
    pub(crate) sum: u64,
    pub(crate) least: u64,
    pub(crate) most: u64,
    pub(crate) buckets: [u32; BUCKETS],
}

impl Distribution {
    const EMPTY: Self = Self { count: 0, sum: 0, least: 0, most: 0, buckets: [0; BUCKETS] };

    /// The mean, in microseconds.
    pub(crate) fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }

    fn add(&mut self, time: u64) {
        self.least = if self.count == 0 { time } else { self.least.min(time) };
        self.most = self.most.max(time);
        self.count += 1;
        self.sum = self.sum.saturating_add(time);
        if let Some(bucket) = self.buckets.get_mut(bucket(time)) {
            *bucket = bucket.saturating_add(1);
        }
    }
}

/// The bucket of a time in microseconds. What is faster than a millisecond is in the first.
fn bucket(time: u64) -> usize {
    let mut start = 1000_u64;
    for octave in 0..16_usize {
        if time < start * 2 {
            let step = time.saturating_sub(start) * 4 / start;
            return octave * 4 + usize::try_from(step).unwrap_or(0);
        }
        start *= 2;
    }
    BUCKETS - 1
}

/// One thread that serves requests.
#[derive(Debug)]
struct Slot {
    /// Its number, and whether it has served anything.
    number: AtomicU32,
    seen: AtomicBool,
    requests: AtomicU64,
    /// Microseconds in requests that are done.
    busy: AtomicU64,
    /// When the request it serves began, by the monotonic clock; 0: it is idle.
    since: AtomicU64,
}

/// What one thread did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thread {
    pub(crate) number: u32,
    pub(crate) requests: u64,
    /// Microseconds, with the request that is running.
    pub(crate) busy: u64,
    /// Microseconds of the request that is running.
    pub(crate) elapsed: u64,
}

/// What is known of a request that is over.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    pub(crate) status: u16,
    /// Microseconds, in the order of [`Phase`]; `None`: there was no such phase.
    pub(crate) phases: [Option<u64>; PHASES.len()],
    pub(crate) cpu: Cpu,
    /// Microseconds.
    pub(crate) gil_wait: u64,
    pub(crate) gil_waits: u64,
    pub(crate) input_bytes: u64,
    pub(crate) input_reads: u64,
    pub(crate) output_bytes: u64,
    pub(crate) output_writes: u64,
}

/// What is counted of one thread between two samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadWindow {
    pub(crate) completed: u64,
    pub(crate) cpu: f64,
    /// Microseconds.
    pub(crate) longest: u64,
    /// Microseconds it was busy altogether when the window began.
    busy_before: u64,
}

/// What is counted between two samples.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) start: f64,
    pub(crate) cpu: Cpu,
    pub(crate) phases: [Distribution; PHASES.len()],
    /// By the first digit of the status.
    pub(crate) statuses: [u64; 5],
    pub(crate) requests: u64,
    pub(crate) gil_waits: u64,
    pub(crate) input_bytes: u64,
    pub(crate) input_reads: u64,
    pub(crate) output_bytes: u64,
    pub(crate) output_writes: u64,
    pub(crate) threads: [ThreadWindow; THREADS],
}

impl Window {
    const NEW: Self = Self {
        start: 0.0,
        cpu: Cpu { user: 0.0, system: 0.0 },
        phases: [Distribution::EMPTY; PHASES.len()],
        statuses: [0; 5],
        requests: 0,
        gil_waits: 0,
        input_bytes: 0,
        input_reads: 0,
        output_bytes: 0,
        output_writes: 0,
        threads: [ThreadWindow { completed: 0, cpu: 0.0, longest: 0, busy_before: 0 }; THREADS],
    };
}

/// The counters of a process.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// When the process began, in microseconds since 1970.
    began: AtomicU64,
    threads: AtomicU32,
    requests: AtomicU64,
    active: AtomicU32,
    slots: [Slot; THREADS],
    timing: AtomicBool,
    recording: AtomicBool,
    given_away: AtomicBool,
    window: Mutex<Window>,
}

/// A request that is running.
pub(crate) struct Working {
    slot: &'static Slot,
    at: usize,
    since: u64,
    counts: bool,
}

impl Drop for Working {
    fn drop(&mut self) {
        let slot = self.slot;
        slot.busy.fetch_add(self.elapsed(), Relaxed);
        slot.since.store(0, Relaxed);
        let count = u64::from(self.counts);
        slot.requests.fetch_add(count, Relaxed);
        METRICS.requests.fetch_add(count, Relaxed);
        METRICS.active.fetch_sub(1, Relaxed);
    }
}

impl Working {
    /// It was not begun here after all.
    pub(crate) fn does_not_count(&mut self) {
        self.counts = false;
    }

    /// Which place among the threads it has.
    pub(crate) fn place(&self) -> usize {
        self.at
    }

    /// When it began, by the monotonic clock.
    pub(crate) fn since(&self) -> u64 {
        self.since
    }

    /// Microseconds since it began.
    pub(crate) fn elapsed(&self) -> u64 {
        clock::monotonic().saturating_sub(self.since)
    }

    /// Records what became of the request.
    pub(crate) fn record(&self, done: &Done) {
        let longest = self.elapsed();
        let mut window = lock(&METRICS.window);
        for (distribution, time) in window.phases.iter_mut().zip(done.phases) {
            if let Some(time) = time {
                distribution.add(time);
            }
        }
        let class = usize::from(done.status / 100).wrapping_sub(1);
        if let Some(count) = window.statuses.get_mut(class) {
            *count += 1;
        }
        window.requests += 1;
        window.gil_waits += done.gil_waits;
        window.input_bytes += done.input_bytes;
        window.input_reads += done.input_reads;
        window.output_bytes += done.output_bytes;
        window.output_writes += done.output_writes;
        if let Some(thread) = window.threads.get_mut(self.at) {
            thread.completed += 1;
            thread.cpu += done.cpu.total();
            thread.longest = thread.longest.max(longest);
        }
    }
}

impl Metrics {
    const fn new() -> Self {
        Self {
            began: AtomicU64::new(0),
            threads: AtomicU32::new(1),
            requests: AtomicU64::new(0),
            active: AtomicU32::new(0),
            slots: [const {
                Slot {
                    number: AtomicU32::new(0),
                    seen: AtomicBool::new(false),
                    requests: AtomicU64::new(0),
                    busy: AtomicU64::new(0),
                    since: AtomicU64::new(0),
                }
            }; THREADS],
            timing: AtomicBool::new(false),
            recording: AtomicBool::new(false),
            given_away: AtomicBool::new(false),
            window: Mutex::new(Window::NEW),
        }
    }

    /// This process begins to serve requests with so many threads.
    pub(crate) fn process_begins(&self) {
        self.began.store((clock::wall() * 1e6) as u64, Relaxed);
    }

    /// The server has this many threads in a process.
    pub(crate) fn set_threads(&self, threads: u32) {
        self.threads.store(threads.max(1), Relaxed);
    }

    /// A thread, by its number from 1 (0 is the main thread, which serves alone if at all), has a request.
    pub(crate) fn begin(&'static self, number: u32) -> Working {
        let at = (number.saturating_sub(1) as usize).min(THREADS - 1);
        let [.., last] = &self.slots;
        let slot = self.slots.get(at).unwrap_or(last);
        let since = clock::monotonic();
        slot.number.store(number, Relaxed);
        slot.seen.store(true, Relaxed);
        slot.since.store(since, Relaxed);
        self.active.fetch_add(1, Relaxed);
        Working { slot, at, since, counts: true }
    }

    /// Somebody looks at the times of single requests.
    pub(crate) fn wants_times(&self) -> bool {
        self.timing.load(Relaxed)
    }

    /// From now on somebody looks at the times of single requests.
    pub(crate) fn want_times(&self) {
        if !self.wants_times() {
            self.timing.store(true, Relaxed);
        }
    }

    /// Whether requests are recorded.
    pub(crate) fn is_recording(&self) -> bool {
        self.recording.load(Relaxed)
    }

    /// Records requests from now on.
    pub(crate) fn start_recording(&self) {
        if !self.recording.swap(true, Relaxed) {
            self.want_times();
            drop(self.take_window());
        }
    }

    /// What is recorded is for telemetry, and not for applications.
    pub(crate) fn give_away(&self) {
        self.given_away.store(true, Relaxed);
    }

    /// Whether applications may have what is recorded.
    pub(crate) fn is_given_away(&self) -> bool {
        self.given_away.load(Relaxed)
    }

    /// What was recorded since the last time, and a new beginning.
    pub(crate) fn take_window(&self) -> Box<Window> {
        let mut new =
            Box::new(Window { start: clock::wall(), cpu: clock::process_cpu(), ..Window::NEW });
        for (thread, slot) in new.threads.iter_mut().zip(&self.slots) {
            thread.busy_before = slot.look().busy;
        }
        std::mem::swap(&mut *lock(&self.window), &mut new);
        new
    }

    /// How many threads a process has.
    pub(crate) fn threads(&self) -> usize {
        (self.threads.load(Relaxed) as usize).min(THREADS)
    }

    /// The threads, and whether each has ever served.
    pub(crate) fn each_thread(&self) -> impl Iterator<Item = (bool, Thread)> {
        self.slots.iter().take(self.threads()).map(|slot| (slot.seen.load(Relaxed), slot.look()))
    }

    /// Requests that are done.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Requests that are running.
    pub(crate) fn active(&self) -> u32 {
        self.active.load(Relaxed)
    }

    /// When the process began, in seconds since 1970.
    pub(crate) fn began(&self) -> f64 {
        self.began.load(Relaxed) as f64 / 1e6
    }
}

impl Slot {
    fn look(&self) -> Thread {
        let since = self.since.load(Relaxed);
        let elapsed = if since == 0 { 0 } else { clock::monotonic().saturating_sub(since) };
        Thread {
            number: self.number.load(Relaxed),
            requests: self.requests.load(Relaxed),
            busy: self.busy.load(Relaxed).saturating_add(elapsed),
            elapsed,
        }
    }
}

impl ThreadWindow {
    /// Microseconds a thread was busy since the window began.
    pub(crate) fn busy(&self, thread: &Thread) -> u64 {
        thread.busy.saturating_sub(self.busy_before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_octave_has_four_buckets() {
        assert_eq!([0, 999, 1000, 1249, 1250, 1999].map(bucket), [0, 0, 0, 0, 1, 3]);
        assert_eq!([2000, 2500, 3999, 4000].map(bucket), [4, 5, 7, 8]);
        assert_eq!([65_535_999, 65_536_000, u64::MAX].map(bucket), [63, 64, 64]);
    }

    #[test]
    fn a_distribution_knows_its_ends() {
        let mut times = Distribution::EMPTY;
        for time in [5000, 3000, 70_000_000] {
            times.add(time);
        }
        assert_eq!((times.count, times.least, times.most), (3, 3000, 70_000_000));
        assert_eq!(times.buckets.iter().sum::<u32>(), 3);
    }
}
