//! One Python interpreter: the main one, or that of an application group.
//!
//! All objects the engine uses again are owned here and passed down; nothing of Python is global. An
//! interpreter lives until the process ends. Shared between threads by `Arc`.
//! See <https://docs.python.org/3/c-api/init.html#sub-interpreter-support>.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine_abi::Level;
use pyo3_ffi as ffi;

use crate::environ::Environ;
use crate::errors::{Log, Stream};
use crate::events::Events;
use crate::exception::{self, Incident};
use crate::fork;
use crate::functions::Fields;
use crate::gil::{self, Session};
use crate::loader::Scripts;
use crate::module::{self, Classes};
use crate::python::{Gil, Kept, Owned, Result};
use crate::start::{Layer, LogFn, StartUp};
use crate::telemetry::garbage;
use crate::thread_state::{self, Home};

const SUPPORT: &str = include_str!("support.py");

static SERIAL: AtomicU64 = AtomicU64::new(1);

/// Whether there are interpreters besides the main one.
pub(crate) fn are_several() -> bool {
    SERIAL.load(Ordering::Relaxed) > 1
}

/// An interpreter that is set up.
pub(crate) struct Interpreter {
    home: Home,
    main: Home,
    name: Vec<u8>,
    pub(crate) environ: Environ,
    pub(crate) classes: Classes,
    pub(crate) scripts: Scripts,
    /// The string `close`.
    pub(crate) close: Kept,
    /// The string `__getattr__`.
    pub(crate) getattr: Kept,
    /// The string `reload_required`.
    pub(crate) reload_required: Kept,
    /// The string `__mtime__`.
    pub(crate) mtime: Kept,
    /// The dict `mod_wsgi.active_requests`.
    pub(crate) active_requests: Kept,
    /// The class `mod_wsgi.RequestTimeout`.
    pub(crate) request_timeout: Kept,
    pub(crate) events: Arc<Events>,
    /// Scripts may end by `SystemExit` without a word.
    pub(crate) service: bool,
    /// The function `locate` of `support.py`.
    pub(crate) locate: Kept,
    /// The function `refusal` of `support.py`.
    refusal: Kept,
    own_gil: bool,
    describe: Kept,
    shut_down: Kept,
    end_at_sigterm: Kept,
}

impl Interpreter {
    /// Sets up the main interpreter, which is the current one, on the thread on which Python started.
    pub(crate) fn main(py: Gil<'_>, startup: &StartUp) -> Option<Arc<Self>> {
        let home = Home { serial: 0, raw: current(py) };
        thread_state::adopt(py, home, true);
        gil::look(py);
        set_up(py, [home, home], b"", false, startup)
    }

    /// Makes and sets up the interpreter of an application group. Without the GIL.
    pub(crate) fn create(main: &Self, name: &[u8], startup: &StartUp) -> Option<Arc<Self>> {
        let shown = String::from_utf8_lossy(name);
        let Some(session) = main.enter() else {
            (startup.log)(Level::Error, b"WRS4013: there is no memory for a Python thread state");
            return None;
        };
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let own_gil = startup.wants_own_gil(name) && has_own_gil(&shown, startup.log);
        // SAFETY: the GIL is held with a state of the main interpreter. This is the one place where the
        // current state changes under our feet: the new interpreter's first state is the current one
        // afterwards, and becomes this thread's own for it. The end of `session` saves that state, which
        // gives the GIL back that the new interpreter has, whichever that is.
        if let Err(why) = unsafe { gil::new_interpreter(own_gil) } {
            let line = format!(
                "WRS4014: Python makes no interpreter for application group {shown:?}: {why}"
            );
            (startup.log)(Level::Error, line.as_bytes());
            return None;
        }
        let py = session.py();
        let home = Home { serial, raw: current(py) };
        thread_state::adopt(py, home, false);
        set_up(py, [main.home, home], name, own_gil, startup)
    }

    /// Takes the GIL for this interpreter. `None`: there is no memory for a thread state.
    pub(crate) fn enter(&self) -> Option<Session> {
        Session::enter(self.main, self.home)
    }

    /// Which interpreter this is.
    pub(crate) fn home(&self) -> Home {
        self.home
    }

    /// The application group.
    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    /// Logs an exception.
    pub(crate) fn report<'py>(
        &self,
        py: Gil<'py>,
        incident: &Incident,
        exception: Option<Owned<'py>>,
        log: &dyn Fn(Level, &[u8]),
    ) {
        let refused = exception.as_ref().and_then(|exception| self.refused(exception));
        exception::report(py, Some(&self.describe), incident, exception, log);
        if let Some(line) = refused {
            log(Level::Error, line.as_bytes());
        }
    }

    /// What is to be said of an exception that means that an extension module does not work in a sub-interpreter.
    fn refused(&self, exception: &Owned<'_>) -> Option<String> {
        if self.name.is_empty() {
            return None;
        }
        let py = exception.py();
        let which = self.refusal.get(py).call([exception]).and_then(|which| which.as_utf8());
        let Ok(which) = which else {
            // It is no text, but `None`: the exception means something else.
            py.clear();
            return None;
        };
        let own_gil = match self.own_gil {
            true => {
                "; it may work here when WSGIPerInterpreterGIL is Off for this application group"
            }
            false => "",
        };
        Some(format!(
            "WRS4025: {} does not work in application group '{}', which is a sub-interpreter: let the application run in the \
             main interpreter (WSGIApplicationGroup %{{GLOBAL}}), or give it a process group of its own (WSGIDaemonProcess), \
             where it does{own_gil}",
            String::from_utf8_lossy(&which),
            String::from_utf8_lossy(&self.name)
        ))
    }

    /// Tells that the process is about to end. Without the GIL.
    pub(crate) fn process_stopping(&self, reason: &str) {
        if let Some(session) = self.enter() {
            self.events.process_stopping(session.py(), reason);
        }
    }

    /// Tells of a signal. Without the GIL.
    pub(crate) fn process_signal(&self, name: &str, number: i32) {
        if let Some(session) = self.enter() {
            self.events.process_signal(session.py(), name, number);
        }
    }

    /// Lets SIGTERM raise `SystemExit` in the main thread. In the main interpreter, on that thread, without the GIL.
    pub(crate) fn end_at_sigterm(&self, log: &dyn Fn(Level, &[u8])) {
        let Some(session) = self.enter() else { return };
        let py = session.py();
        if self.end_at_sigterm.get(py).call([]).is_err() {
            let what = "SIGTERM cannot be handed to the scripts".to_owned();
            let incident = Incident { id: "WRS4023", id_of_exit: "WRS4023", what };
            self.report(py, &incident, py.take_raised(), log);
        }
    }

    /// Runs what Python runs before it ends, and logs what that raised.
    pub(crate) fn shut_down(&self, log: &dyn Fn(Level, &[u8])) {
        let Some(session) = self.enter() else { return };
        let py = session.py();
        let incident = Incident {
            id: "WRS4020",
            id_of_exit: "WRS4020",
            what: format!(
                "exception while the interpreter of application group '{}' ends",
                String::from_utf8_lossy(&self.name)
            ),
        };
        match self.shut_down.get(py).call([]) {
            Ok(raised) => raised.items().into_iter().for_each(|exception| {
                self.report(py, &incident, Some(exception), log);
            }),
            Err(_) => self.report(py, &incident, py.take_raised(), log),
        }
    }
}

fn current(_py: Gil<'_>) -> *mut ffi::PyInterpreterState {
    // SAFETY: the GIL is held.
    unsafe { ffi::PyInterpreterState_Get() }
}

/// Whether an interpreter that is to have a GIL of its own can have one.
fn has_own_gil(name: &str, log: LogFn) -> bool {
    let why = if !gil::CAN_BE_OWN {
        "before Python 3.13 interpreters share the GIL"
    } else if gil::began_without() {
        "this process runs without the GIL"
    } else {
        return true;
    };
    let line = format!(
        "WRS4024: WSGIPerInterpreterGIL has no effect for application group {name:?}: {why}"
    );
    log(Level::Info, line.as_bytes());
    false
}

fn set_up(
    py: Gil<'_>,
    homes: [Home; 2],
    name: &[u8],
    own_gil: bool,
    startup: &StartUp,
) -> Option<Arc<Interpreter>> {
    match try_set_up(py, homes, name, own_gil, startup) {
        Ok(interpreter) => Some(Arc::new(interpreter)),
        Err(describe) => {
            let what = format!(
                "the interpreter of application group '{}' could not be set up",
                String::from_utf8_lossy(name)
            );
            let incident = Incident { id: "WRS4015", id_of_exit: "WRS4015", what };
            let exception = py.take_raised();
            exception::report(py, describe.as_ref(), &incident, exception, &startup.log);
            None
        }
    }
}

/// Sets the current interpreter up. The error is what describes the exception, if it is there already.
fn try_set_up(
    py: Gil<'_>,
    [main, home]: [Home; 2],
    name: &[u8],
    own_gil: bool,
    startup: &StartUp,
) -> std::result::Result<Interpreter, Option<Kept>> {
    let support = support(py).map_err(|_| None)?;
    let describe = support.item_named(c"describe").map_err(|_| None)?;
    let made = || -> Result<Interpreter> {
        let (module, classes) = module::create(py, startup, name)?;
        let options = options(py, startup, name, own_gil, &classes)?;
        support.item_named(c"set_up")?.call([&module, &options])?;
        Ok(Interpreter {
            home,
            main,
            name: name.to_vec(),
            environ: Environ::create(py, startup, &classes.file_wrapper.object(py))?,
            classes,
            scripts: Scripts::new(startup.case_sensitive),
            close: py.interned(b"close")?.keep(),
            getattr: py.interned(b"__getattr__")?.keep(),
            reload_required: py.interned(b"reload_required")?.keep(),
            mtime: py.interned(b"__mtime__")?.keep(),
            active_requests: module.attr(c"active_requests")?.keep(),
            request_timeout: module.attr(c"RequestTimeout")?.keep(),
            events: Arc::new(Events::create(&module, &support, startup.log)?),
            locate: support.item_named(c"locate")?.keep(),
            refusal: support.item_named(c"refusal")?.keep(),
            own_gil,
            describe: describe.clone().keep(),
            shut_down: support.item_named(c"shut_down")?.keep(),
            end_at_sigterm: support.item_named(c"end_at_sigterm")?.keep(),
            service: startup.service,
        })
    };
    made().map_err(|_| Some(describe.clone().keep()))
}

/// What `set_up` of `support.py` is told.
fn options<'py>(
    py: Gil<'py>,
    startup: &StartUp,
    name: &[u8],
    own_gil: bool,
    classes: &Classes,
) -> Result<Owned<'py>> {
    let layers = startup.layers_of(name);
    let fields = Fields::new(py)?;
    let log = |log| classes.log.instance(py, log);
    let process = |name, stream| log(Log::process(name, stream, startup.log));
    fields.object("stdout", &process("<stdout>", Stream::Stdout)?)?;
    fields.object("stderr", &process("<stderr>", Stream::Stderr)?)?;
    let lines = |level, server| log(Log::Lines { level, log: startup.log, server });
    fields.object("notes", &lines(Level::Info, true)?)?;
    for (name, level) in [
        ("critical", Level::Critical),
        ("error", Level::Error),
        ("warning", Level::Warning),
        ("info", Level::Info),
        ("debug", Level::Debug),
    ] {
        fields.object(name, &lines(level, false)?)?;
    }
    let paths = py.list()?;
    let more = layers.clone().map(|layer| &layer.python_path);
    for path in [&startup.python_path].into_iter().chain(more) {
        let directories = py.list()?;
        for directory in path.split(|byte| *byte == b':') {
            if !directory.is_empty() {
                directories.append(&py.path(directory)?)?;
            }
        }
        paths.append(&directories)?;
    }
    fields.object("python_paths", &paths)?;
    let path = |path: &Option<Vec<u8>>| path.as_ref().map_or(Ok(py.none()), |path| py.path(path));
    fields.object("home", &path(&startup.home)?)?;
    fields.object("python_eggs", &path(&startup.python_eggs)?)?;
    // A GIL that is shared has one interval, which is set with the main interpreter.
    let decides = name.is_empty() || own_gil;
    if let Some(seconds) = startup.switch_interval(name).filter(|_| decides) {
        fields.float("switch_interval", seconds)?;
    }
    fields.object("without_gil", &py.bool(gil::began_without()))?;
    fields.object("serving", &fork::serving(py)?)?;
    if startup.telemetry.is_some() && !startup.service {
        fields.object("garbage", &garbage::hearing(py)?)?;
        fields.object("application_group", &py.bytes(name)?)?;
    }
    let switch = |everywhere: bool, said: fn(&Layer) -> Option<bool>| {
        py.bool(layers.clone().filter_map(said).last().unwrap_or(everywhere))
    };
    for (name, value) in [
        ("restrict_stdin", switch(startup.restrict_stdin, |layer| layer.restrict_stdin)),
        ("restrict_stdout", switch(startup.restrict_stdout, |layer| layer.restrict_stdout)),
        ("restrict_signal", switch(startup.restrict_signal, |layer| layer.restrict_signal)),
    ] {
        fields.object(name, &value)?;
    }
    let [major, minor, patch] = startup.server_version.map(i64::from);
    let version = py.tuple(&[py.int(major)?, py.int(minor)?, py.int(patch)?])?;
    fields.object("apache_version", &version)?;
    fields.object("apache_description", &py.latin1(&startup.server.description)?)?;
    fields.object("apache_mpm_name", &py.latin1(&startup.server.mpm_name)?)?;
    fields.object("apache_build_date", &py.latin1(&startup.server.build_date)?)?;
    fields.int("apache_processes", startup.server.processes.into())?;
    fields.int("apache_threads", startup.server.threads.into())?;
    Ok(fields.into_dict())
}

/// Runs `support.py`; its namespace.
fn support(py: Gil<'_>) -> Result<Owned<'_>> {
    let builtins = py.import(c"builtins")?;
    let namespace = py.dict()?;
    namespace.set_item_named(c"__name__", &py.str("mod_wsgi.support")?)?;
    namespace.set_item_named(c"__builtins__", &builtins)?;
    let source = py.bytes(SUPPORT.as_bytes())?;
    let code =
        builtins.attr(c"compile")?.call([&source, &py.str("<mod_wsgi_rs>")?, &py.str("exec")?])?;
    builtins.attr(c"exec")?.call([&code, &namespace])?;
    Ok(namespace)
}
