//! Telemetry: what this process counts, sent to a socket of the administrator's (`WSGITelemetryService`).
//!
//! One thread of its own for each process sends datagrams, the first and the last ones come from the thread that starts and
//! stops the engine. It never takes the GIL, so it goes on when Python is stuck, and it never waits for who listens:
//! what is not taken at once is lost.
//! See <https://modwsgi.readthedocs.io/en/master/user-guides/telemetry.html>.

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use engine_abi::Level;
use pyo3_ffi as ffi;

use crate::clock;
use crate::metrics::{METRICS, PHASES, Phase};
use crate::module::COMPATIBLE;
use crate::request::lock;
use crate::sample::Sample;
use crate::start::{LogFn, StartUp};
use crate::telemetry::garbage::GARBAGE;
use crate::telemetry::record::{Kind, Record};
use crate::telemetry::slow::SLOW;

pub(crate) mod garbage;
mod record;
pub(crate) mod slow;

/// Where telemetry is sent, and what of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The socket's path.
    pub socket: Vec<u8>,
    /// How often.
    pub interval: Duration,
    /// How long a request takes that is told by itself; zero: none is.
    pub slow_requests: Duration,
    /// It is told with the `User-Agent` of the client.
    pub user_agent: bool,
    /// The process of the server that the others belong to.
    pub server_pid: u32,
}

/// Of how many threads it is told.
const SLOTS: usize = 128;

/// The stack of the reporter.
const STACK: usize = 256 * 1024;

/// What telemetry is made by.
pub(crate) struct Telemetry {
    socket: UnixDatagram,
    target: PathBuf,
    settings: Settings,
    /// The fields that say which process this is, in short and in full.
    name: Record,
    identity: Record,
    switch_interval: f64,
    sequence: AtomicU32,
    complained: AtomicBool,
    /// Why the process ends.
    reason: Mutex<String>,
    over: Mutex<bool>,
    ended: Condvar,
    log: LogFn,
}

impl Telemetry {
    /// Begins, if it is asked for. What goes wrong is in the log: the process does its work all the same.
    pub(crate) fn start(startup: &StartUp) -> Option<Arc<Self>> {
        let settings = startup.telemetry.as_ref().filter(|_| !startup.service)?;
        let begun = Self::open(startup, settings).and_then(|telemetry| {
            let telemetry = Arc::new(telemetry);
            let reporter = Arc::clone(&telemetry);
            METRICS.start_recording();
            METRICS.give_away();
            GARBAGE.start();
            SLOW.start(settings.slow_requests, settings.user_agent);
            without_signals(|| {
                let thread = std::thread::Builder::new().name("wsgi-telemetry".to_owned());
                thread.stack_size(STACK).spawn(move || reporter.run())
            })?;
            Ok(telemetry)
        });
        match begun {
            Ok(telemetry) => {
                let mut record = telemetry.identity.clone();
                record.float(13, telemetry.switch_interval);
                telemetry.send(Kind::Started, &record);
                Some(telemetry)
            }
            Err(error) => {
                let line = format!("WRS4041: telemetry cannot be sent: {error}");
                (startup.log)(Level::Warning, line.as_bytes());
                None
            }
        }
    }

    fn open(startup: &StartUp, settings: &Settings) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        let mut name = Record::default();
        name.text(5, &host(), 256);
        name.text(6, &startup.process_group, 256);
        let mut identity = Record::default();
        identity.text(1, COMPATIBLE.map(|part| part.to_string()).join(".").as_bytes(), 256);
        identity.text(2, python(), 256);
        let words = &startup.server.description;
        identity.text(3, words.split(|byte| *byte == b' ').next().unwrap_or_default(), 256);
        identity.text(4, &startup.server.mpm_name, 256);
        identity.append(&name);
        identity.int(7, settings.server_pid.into());
        Ok(Self {
            socket,
            target: PathBuf::from(OsStr::from_bytes(&settings.socket)),
            settings: settings.clone(),
            name,
            identity,
            switch_interval: startup.switch_interval(b"").unwrap_or(PYTHONS_INTERVAL),
            sequence: AtomicU32::new(0),
            complained: AtomicBool::new(false),
            reason: Mutex::default(),
            over: Mutex::new(false),
            ended: Condvar::new(),
            log: startup.log,
        })
    }

    /// The process is about to end.
    pub(crate) fn stopping(&self, reason: &str) {
        reason.clone_into(&mut lock(&self.reason));
        let mut record = self.name.clone();
        record.text(130, reason.as_bytes(), 64);
        record.int(133, METRICS.active().into());
        self.send(Kind::Stopping, &record);
    }

    /// The process ends: tells what was counted since the last time, and takes leave.
    pub(crate) fn stopped(&self) {
        *lock(&self.over) = true;
        self.ended.notify_all();
        self.report();
        let mut record = self.name.clone();
        record.text(130, lock(&self.reason).as_bytes(), 64);
        record.float(131, (clock::wall() - METRICS.began()).max(0.0));
        record.int(132, METRICS.requests());
        let active = METRICS.active();
        record.int(134, active.into());
        record.int(135, (active == 0).into());
        self.send(Kind::Stopped, &record);
    }

    fn run(&self) {
        let mut over = lock(&self.over);
        while !*over {
            let waited = self.ended.wait_timeout(over, self.settings.interval);
            let (still, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            over = still;
            if timeout.timed_out() && !*over {
                drop(over);
                self.report();
                over = lock(&self.over);
            }
        }
    }

    /// Tells what was counted since the last time, which requests take long, and what the garbage collectors did.
    fn report(&self) {
        let sample = Sample::take();
        self.send(Kind::Requests, &self.requests(&sample));
        for record in SLOW.take_records() {
            self.send(Kind::SlowRequest, &record);
        }
        for (kind, record) in GARBAGE.take_records() {
            self.send(kind, &record);
        }
    }

    fn requests(&self, sample: &Sample) -> Record {
        let window = &sample.window;
        let mut record = self.identity.clone();
        record.float(10, sample.period);
        record.float(11, self.settings.interval.as_secs_f64());
        record.float(12, self.settings.slow_requests.as_secs_f64());
        record.float(13, self.switch_interval);
        record.int(20, window.requests);
        record.float(21, sample.throughput);
        record.float(22, sample.capacity);
        record.float(30, sample.cpu.user);
        record.float(31, sample.cpu.system);
        record.float(32, sample.cpu.total());
        let (now, most) = sample.memory;
        record.int(40, now);
        record.int(41, most);
        record.int(50, sample.threads.len() as u64);
        record.int(51, sample.started() as u64);
        record.int(52, METRICS.active().into());
        for ((offset, (phase, _)), times) in (0..).zip(PHASES).zip(&window.phases) {
            // In embedded mode nothing waits for a daemon.
            if times.count > 0 || !matches!(phase, Phase::Queue | Phase::Daemon) {
                record.float(60 + offset, times.mean() / 1e6);
                if times.count > 0 {
                    record.time(70 + offset, times.least);
                    record.time(80 + offset, times.most);
                }
                record.ints(90 + offset, times.buckets.iter().map(|count| u64::from(*count)));
            }
        }
        let traffic =
            [window.input_bytes, window.input_reads, window.output_bytes, window.output_writes];
        for (id, count) in (100..).zip(traffic) {
            record.int(id, count);
        }
        for (id, count) in (120..).zip(window.statuses) {
            record.int(id, count);
        }
        let slots = || sample.threads.iter().zip(&window.threads).take(SLOTS);
        record.ints(110, slots().map(|(_, window)| window.completed));
        record.times(111, slots().map(|((_, thread), window)| window.busy(thread)));
        record.floats(112, slots().map(|(_, window)| window.cpu));
        record.times(113, slots().map(|((_, thread), _)| thread.elapsed));
        record.times(114, slots().map(|(_, window)| window.longest));
        record
    }

    fn send(&self, kind: Kind, record: &Record) {
        let sequence = self.sequence.fetch_add(1, Relaxed).wrapping_add(1);
        let datagram = record.datagram(kind, std::process::id(), sequence, clock::wall());
        let sent = self.socket.send_to(&datagram, &self.target);
        if let (Err(error), false) = (&sent, self.complained.load(Relaxed)) {
            self.complained.store(true, Relaxed);
            let line = format!(
                "WRS4040: telemetry is not taken at the socket {} (WSGITelemetryService): {error}; this is told once \
                 for a process",
                self.target.display()
            );
            (self.log)(Level::Warning, line.as_bytes());
        }
    }
}

/// `sys.getswitchinterval()` where nobody says anything.
const PYTHONS_INTERVAL: f64 = 0.005;

/// The version of Python, for example `3.13.1`.
fn python() -> &'static [u8] {
    // SAFETY: needs no GIL; a string that never goes away.
    let words = unsafe { CStr::from_ptr(ffi::Py_GetVersion()) }.to_bytes();
    words.split(|byte| *byte == b' ').next().unwrap_or_default()
}

/// The name of this machine.
fn host() -> Vec<u8> {
    let mut name = [0_u8; 256];
    // SAFETY: the buffer is ours, and its length is told.
    let status = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len()) };
    match name.iter().position(|byte| *byte == 0) {
        Some(end) if status == 0 => name.get(..end).unwrap_or_default().to_vec(),
        _ => Vec::new(),
    }
}

/// Runs `start` so that a thread which begins in it gets no signals: they are for others.
fn without_signals<R>(start: impl FnOnce() -> R) -> R {
    // SAFETY: all-zero sets are values of that type, and the calls fill them; the mask is this thread's own.
    unsafe {
        let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        let result = start();
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
        result
    }
}
