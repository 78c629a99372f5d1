//! The engine of a process: its interpreters, and the calls that are running.
//!
//! Owned by whoever serves requests; shared between all its threads. Methods are called without the GIL
//! unless they say so.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use engine_abi::{Level, Outcome};

use crate::exchange::Exchange;
use crate::fork::{self, Fork};
use crate::gil::{self, release_gil};
use crate::interpreter::Interpreter;
use crate::loader::{self, LoadedScript};
use crate::metrics::METRICS;
use crate::python::{self, Gil, Owned};
use crate::request::lock;
use crate::start::{Error, StartUp};
use crate::telemetry::Telemetry;
use crate::{Answer, Call, Question, Script, ask, call, server, thread_state};

/// The engine of a process.
pub struct Engine {
    startup: StartUp,
    pub(crate) main: Arc<Interpreter>,
    named: Mutex<HashMap<Vec<u8>, Arc<Named>>>,
    calls: Mutex<Calls>,
    /// A call has ended.
    ended: Condvar,
    /// The end was announced.
    announced: AtomicBool,
    telemetry: OnceLock<Arc<Telemetry>>,
}

/// The interpreter of an application group, once it is made. The lock is waited for without the GIL.
#[derive(Default)]
struct Named(Mutex<Option<Arc<Interpreter>>>);

#[derive(Default)]
struct Calls {
    running: usize,
    stopping: bool,
}

/// Sets up the main interpreter of a Python that runs, on the thread on which it started, with the GIL.
///
/// # Errors
/// [`Error::SetUp`], [`Error::NoGil`].
// The suppressions of valgrind name it.
#[inline(never)]
pub fn open(startup: StartUp) -> Result<Engine, Error> {
    if !gil::is_held() {
        return Err(Error::NoGil);
    }
    // SAFETY: the GIL is held.
    let py = unsafe { Gil::assume() };
    fork::set_serving();
    METRICS.set_threads(startup.threads);
    if let Some(source) = startup.server_metrics {
        server::set_source(source);
    }
    let main = Interpreter::main(py, &startup).ok_or(Error::SetUp)?;
    Ok(Engine {
        startup,
        main,
        named: Mutex::default(),
        calls: Mutex::default(),
        ended: Condvar::new(),
        announced: AtomicBool::new(false),
        telemetry: OnceLock::new(),
    })
}

/// Counts a call as running.
struct Running<'a>(&'a Engine);

impl<'a> Running<'a> {
    fn begin(engine: &'a Engine) -> Option<Self> {
        let mut calls = lock(&engine.calls);
        if calls.stopping {
            return None;
        }
        calls.running = calls.running.saturating_add(1);
        Some(Self(engine))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut calls = lock(&self.0.calls);
        calls.running = calls.running.saturating_sub(1);
        if calls.stopping && calls.running == 0 {
            self.0.ended.notify_all();
        }
    }
}

fn no_interpreter(application_group: &[u8], exchange: &mut dyn Exchange) {
    let line = format!(
        "WRS4014: there is no interpreter for application group '{}'",
        String::from_utf8_lossy(application_group)
    );
    exchange.log(Level::Error, line.as_bytes());
}

impl Engine {
    /// Answers one request.
    pub fn call(&self, call: &Call<'_>, exchange: &mut dyn Exchange) -> Outcome {
        let Some(_running) = Running::begin(self) else { return Outcome::Stopping };
        match self.interpreter(call.script.application_group) {
            Some(interpreter) => call::serve(&interpreter, self.startup.reload, call, exchange),
            None => {
                no_interpreter(call.script.application_group, exchange);
                Outcome::Failed
            }
        }
    }

    /// Asks functions of a script about a request; an answer for each that was asked. `None`: it cannot be asked; the
    /// log has the reason, unless Python is shutting down.
    pub fn ask(&self, question: &Question<'_>, exchange: &mut dyn Exchange) -> Option<Vec<Answer>> {
        let _running = Running::begin(self)?;
        match self.interpreter(question.application_group) {
            Some(interpreter) => ask::ask(&interpreter, question, exchange),
            None => {
                no_interpreter(question.application_group, exchange);
                None
            }
        }
    }

    /// Loads a script before the first request.
    ///
    /// # Errors
    /// It could not be loaded; the log has the reason.
    #[allow(clippy::result_unit_err)]
    pub fn preload(&self, script: &Script<'_>) -> Result<(), ()> {
        let Some(_running) = Running::begin(self) else { return Err(()) };
        let interpreter = self.interpreter(script.application_group).ok_or(())?;
        let found = interpreter.scripts.find(script.filename);
        // One that was loaded before this process was forked is left to the first request.
        found.load(&interpreter, None, false, &self.startup.log).map_err(|_| ())
    }

    /// All scripts that are loaded, if one of them has changed since this was last asked; with [`Reload::Keep`](crate::Reload::Keep).
    pub fn take_change(&self) -> Option<Vec<LoadedScript>> {
        loader::take_change().then(|| {
            let mut scripts = Vec::new();
            self.each_interpreter(|it| scripts.extend(it.scripts.loaded(it.name())));
            scripts
        })
    }

    /// What [`take_change`](Self::take_change) told got lost: it is told again.
    pub fn keep_change(&self) {
        loader::keep_change();
    }

    /// The scripts to be loaded are the work of this process: SIGTERM and SIGINT raise `SystemExit` in them. On the thread of
    /// [`open`], without the GIL.
    pub fn serve_scripts(&self) {
        self.main.end_at_sigterm(&self.startup.log);
    }

    /// Begins to send telemetry, if it is asked for. In the process that serves requests, once, without the GIL.
    pub fn start_telemetry(&self) {
        if let Some(telemetry) = Telemetry::start(&self.startup) {
            let _ = self.telemetry.set(telemetry);
        }
    }

    /// The number of calls that are running.
    pub fn running(&self) -> usize {
        lock(&self.calls).running
    }

    /// Tells applications that the process is about to end, the first time it is called. Their callbacks run on this
    /// thread.
    pub fn announce_stop(&self, reason: &str) {
        if !self.announced.swap(true, Ordering::AcqRel) {
            if let Some(telemetry) = self.telemetry.get() {
                telemetry.stopping(reason);
            }
            self.each_interpreter(|interpreter| interpreter.process_stopping(reason));
        }
    }

    /// Tells applications of a signal that the server has no use for. Their callbacks run on this thread, which should
    /// be one that nobody waits for.
    pub fn signal(&self, name: &str, number: i32) {
        self.each_interpreter(|interpreter| interpreter.process_signal(name, number));
    }

    /// The interpreters that there are, the main one last.
    pub(crate) fn each_interpreter(&self, mut body: impl FnMut(&Interpreter)) {
        let named: Vec<_> = lock(&self.named).values().cloned().collect();
        // One that is just being made is not waited for: nothing has run in it.
        let made = |named: &Arc<Named>| named.0.try_lock().ok().and_then(|made| made.clone());
        for interpreter in named.iter().filter_map(made) {
            body(&interpreter);
        }
        body(&self.main);
    }

    /// Takes no new calls, waits for the running ones up to `timeout`, then runs what Python runs before it
    /// ends: the end of `threading`, `atexit`, and flushing. On the thread of [`open`]. Python is not
    /// finalised: threads that did not end in time are still in it, and the process is expected to exit.
    /// Threads an application started, if they are not daemons, are waited for without a limit; the caller
    /// has one for the process.
    pub fn stop(&self, timeout: Duration) {
        if !self.startup.service {
            self.announce_stop("");
        }
        let deadline = Instant::now().checked_add(timeout);
        let mut calls = lock(&self.calls);
        calls.stopping = true;
        while calls.running > 0 {
            let left = deadline.map_or(timeout, |at| at.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                let line = format!(
                    "WRS4021: {} requests are still running and their time is over; Python is shut down without them",
                    calls.running
                );
                (self.startup.log)(Level::Warning, line.as_bytes());
                break;
            }
            calls = self.ended.wait_timeout(calls, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(calls);
        if let Some(telemetry) = self.telemetry.get() {
            telemetry.stopped();
        }
        if self.startup.shut_down {
            self.each_interpreter(|interpreter| interpreter.shut_down(&self.startup.log));
        }
        thread_state::stopped();
    }

    /// Gives back the GIL which the thread of [`open`] holds since then. Its thread state is kept for its own
    /// calls and for [`Engine::stop`].
    pub fn release_gil(&self) {
        let _kept = release_gil();
    }

    /// [`fork_away`](fork::fork_away) for a caller on the thread of [`open`] that does not hold the GIL: it is taken, and given
    /// back on both sides.
    ///
    /// # Errors
    /// What `fork_away` says.
    pub fn fork_away(&self, tell: &dyn Fn(io::Result<libc::pid_t>)) -> io::Result<Fork> {
        let Some(_session) = self.main.enter() else {
            return Err(io::Error::from(io::ErrorKind::OutOfMemory));
        };
        fork::fork_away(tell)
    }

    /// Hides all objects there are from the garbage collector. Without the GIL.
    pub fn freeze(&self) {
        let Some(session) = self.main.enter() else { return };
        let py = session.py();
        let freeze =
            || -> python::Result<()> { py.import(c"gc")?.attr(c"freeze")?.call([]).map(drop) };
        if freeze().is_err() {
            // Memory is then shared less.
            py.clear();
        }
    }

    /// The names of Python's threads but the main one. Without the GIL.
    pub fn thread_names(&self) -> Vec<String> {
        let Some(session) = self.main.enter() else { return Vec::new() };
        let py = session.py();
        let names = || -> python::Result<Vec<String>> {
            let threading = py.import(c"threading")?;
            let main = threading.attr(c"main_thread")?.call([])?;
            let all = threading.attr(c"enumerate")?.call([])?.items();
            let others = all.iter().filter(|it| it.as_ptr() != main.as_ptr());
            let text = |it: &Owned<'_>| -> python::Result<String> {
                let name = it.attr(c"name")?.attr(c"encode")?.call([])?;
                Ok(String::from_utf8_lossy(name.as_bytes().unwrap_or_default()).into_owned())
            };
            others.map(text).collect()
        };
        names().unwrap_or_else(|_| {
            py.clear();
            Vec::new()
        })
    }

    /// [`fork`](fork::fork) for a caller on the thread of [`open`] that does not hold the GIL: it is taken, and
    /// given back on both sides.
    ///
    /// # Errors
    /// What `fork` says.
    pub fn fork(&self) -> io::Result<Fork> {
        let Some(_session) = self.main.enter() else {
            return Err(io::Error::from(io::ErrorKind::OutOfMemory));
        };
        fork::fork()
    }

    /// The interpreter of an application group, if it has been made.
    pub(crate) fn existing(&self, name: &[u8]) -> Option<Arc<Interpreter>> {
        if name.is_empty() {
            return Some(Arc::clone(&self.main));
        }
        let named = lock(&self.named).get(name).map(Arc::clone)?;
        named.0.try_lock().ok()?.clone()
    }

    /// The interpreter of an application group, made if need be.
    fn interpreter(&self, name: &[u8]) -> Option<Arc<Interpreter>> {
        if name.is_empty() {
            return Some(Arc::clone(&self.main));
        }
        let named = {
            let mut named = lock(&self.named);
            match named.get(name) {
                Some(found) => Arc::clone(found),
                None => Arc::clone(named.entry(name.to_vec()).or_default()),
            }
        };
        let mut made = lock(&named.0);
        if made.is_none() {
            *made = Interpreter::create(&self.main, name, &self.startup);
        }
        made.clone()
    }
}
