//! Requests that take long, for telemetry: those that are running, and those that are done.
//!
//! Only looked after while `WSGISlowRequests` is set. The thread that serves a request puts what is to be said of it into
//! its place when it begins, and takes it away when it ends; the reporter looks at the places of others meanwhile.
//! Without the GIL; the locks are held for moments.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::environ::{carried, find};
use crate::metrics::{Done, METRICS, THREADS, Working};
use crate::request::{Request, Traffic, lock};
use crate::telemetry::record::Record;
use crate::{Call, clock, thread_state};

/// Those of this process.
pub(crate) static SLOW: Slow = Slow::new();

/// How many requests that are done wait for the reporter; what is beyond is not told.
const WAITING: usize = 256;

pub(crate) struct Slow {
    /// Microseconds; 0: nobody wants to know.
    threshold: AtomicU64,
    user_agent: AtomicBool,
    running: [Mutex<Option<Running>>; THREADS],
    done: Mutex<VecDeque<Record>>,
}

/// A request while it runs.
struct Running {
    /// Its last owner is the thread that serves it: it is looked at here and never kept.
    request: Arc<Request>,
    facts: Facts,
}

/// What is known of a request from its beginning.
struct Facts {
    /// In microseconds since 1970, and of the monotonic clock.
    start: u64,
    since: u64,
    thread: u32,
    /// How many requests ran when it began, this one counted.
    active: u32,
    /// Microseconds of the phases before the application.
    phases: [u64; 3],
    server_pid: u64,
    words: Record,
}

/// Keeps a request in its place.
pub(crate) struct Watched {
    at: usize,
}

impl Drop for Watched {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl Slow {
    const fn new() -> Self {
        Self {
            threshold: AtomicU64::new(0),
            user_agent: AtomicBool::new(false),
            running: [const { Mutex::new(None) }; THREADS],
            done: Mutex::new(VecDeque::new()),
        }
    }

    /// From now on requests are looked after that take this long.
    pub(crate) fn start(&self, threshold: Duration, user_agent: bool) {
        self.user_agent.store(user_agent, Relaxed);
        self.threshold.store(u64::try_from(threshold.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    fn is_slow(&self, elapsed: u64) -> bool {
        elapsed >= self.threshold.load(Relaxed)
    }

    /// Looks after a request, if anybody wants to know.
    pub(crate) fn watch(
        &self,
        working: &Working,
        call: &Call<'_>,
        request: &Arc<Request>,
    ) -> Option<Watched> {
        if self.threshold.load(Relaxed) == 0 {
            return None;
        }
        let facts = Facts::of(working, call, self.user_agent.load(Relaxed));
        let at = working.place();
        let running = Running { request: Arc::clone(request), facts };
        let mut place = lock(self.running.get(at)?);
        // Threads beyond the last place share it; one of them is told.
        if place.is_some() {
            return None;
        }
        *place = Some(running);
        Some(Watched { at })
    }

    /// What is to be told now: of the requests that are running, and of those that are done.
    pub(crate) fn take_records(&self) -> Vec<Record> {
        if self.threshold.load(Relaxed) == 0 {
            return Vec::new();
        }
        let now = clock::monotonic();
        let mut records: Vec<_> = lock(&self.done).drain(..).collect();
        for place in self.running.iter().take(METRICS.threads()) {
            if let Some(Running { request, facts }) = &*lock(place) {
                let elapsed = now.saturating_sub(facts.since);
                if self.is_slow(elapsed) {
                    records.push(facts.record(elapsed, &request.traffic, None));
                }
            }
        }
        records
    }
}

impl Watched {
    fn take(&self) -> Option<Running> {
        lock(SLOW.running.get(self.at)?).take()
    }

    /// The request is over.
    pub(crate) fn end(self, done: &Done) {
        let Some(Running { request, facts }) = self.take() else { return };
        let elapsed = clock::monotonic().saturating_sub(facts.since);
        if SLOW.is_slow(elapsed) {
            let record = facts.record(elapsed, &request.traffic, Some(done));
            let mut waiting = lock(&SLOW.done);
            if waiting.len() < WAITING {
                waiting.push_back(record);
            }
        }
    }
}

impl Facts {
    fn of(working: &Working, call: &Call<'_>, user_agent: bool) -> Self {
        let start = clock::wall_microseconds();
        let time = |name| carried(call.environ, name).filter(|time| *time > 0);
        let word = |name: &[u8]| find(call.environ, name).unwrap_or_default();
        let (received, queued, accepted) =
            (time(b"request_start_us"), time(b"queue_start_us"), time(b"daemon_start_us"));
        let between = |from: Option<u64>, to: Option<u64>| match (from, to) {
            (Some(from), Some(to)) => to.saturating_sub(from),
            _ => 0,
        };
        let secure = wsgi::environ::is_https(word(b"HTTPS"));
        let mut words = Record::default();
        words.text(204, word(b"mod_wsgi.request_id"), 64);
        words.text(210, word(b"REQUEST_METHOD"), 16);
        words.text(211, if secure { b"https" } else { b"http" }, 16);
        words.text(212, word(b"SERVER_NAME"), 256);
        words.text(213, word(b"SCRIPT_NAME"), 256);
        words.text(214, word(b"PATH_INFO"), 512);
        words.text(215, word(b"SERVER_PROTOCOL"), 16);
        words.text(216, word(b"REMOTE_ADDR"), 46);
        if user_agent {
            words.text(217, word(b"HTTP_USER_AGENT"), 512);
        }
        let pid = std::str::from_utf8(word(b"mod_wsgi.server_pid")).ok();
        Self {
            start,
            since: working.since(),
            thread: thread_state::number(),
            active: METRICS.active(),
            phases: [
                between(received, queued.or(Some(start))),
                between(queued, accepted),
                between(accepted, Some(start)),
            ],
            server_pid: pid.and_then(|pid| pid.parse().ok()).unwrap_or_default(),
            words,
        }
    }

    /// What is told: of a request that runs, or one that is done.
    fn record(&self, elapsed: u64, traffic: &Traffic, done: Option<&Done>) -> Record {
        let mut record = Record::default();
        record.int(200, done.is_some().into());
        record.time(201, self.start);
        record.time(202, elapsed);
        record.int(203, self.thread.into());
        record.int(205, self.server_pid);
        record.int(230, traffic.input_bytes());
        record.int(231, traffic.input_reads());
        record.int(232, traffic.output_bytes());
        record.int(233, traffic.output_writes());
        let cpu = done.map(|done| done.cpu).unwrap_or_default();
        record.float(250, cpu.user);
        record.float(251, cpu.system);
        for (id, time) in (220..).zip(self.phases) {
            record.time(id, time);
        }
        record.time(223, elapsed);
        // The thread counts its waits for the GIL for itself; they are known when it is done.
        record.time(224, done.map_or(0, |done| done.gil_wait));
        record.int(225, done.map_or(0, |done| done.gil_waits));
        record.time(234, traffic.input_time());
        record.time(235, traffic.output_time());
        record.int(260, self.active.into());
        record.int(261, done.map_or(0, |_| METRICS.active().into()));
        record.int(240, done.map_or(0, |done| done.status.into()));
        record.append(&self.words);
        record
    }
}
