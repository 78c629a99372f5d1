//! What the engine of a process is started with, and starting Python in a process that has none.
//!
//! Runs on the main thread, before any other thread knows Python.
//! See <https://docs.python.org/3/c-api/init_config.html>.

use std::ffi::{CStr, CString, c_char};
use std::fmt;

use engine_abi::Level;
use pyo3_ffi as ffi;

use crate::server::ServerMetricsFn;
use crate::telemetry;

/// Writes one line to the server's log. Called on any thread, with or without the GIL.
pub type LogFn = fn(Level, &[u8]);

/// What happens when a script changed that this process has loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// It is loaded again in the same interpreter.
    InPlace,
    /// The call answers [`Outcome::Reload`](engine_abi::Outcome::Reload): another process shall take it.
    Refuse,
    /// The call goes on with what is loaded; [`Engine::take_change`](crate::Engine::take_change) tells of it.
    Keep,
}

/// What the server says of itself, for the module `apache`.
#[derive(Clone, Debug, Default)]
pub struct ServerWords {
    /// `apache.description`, for example `Apache/2.4.62 (Debian)`.
    pub description: Vec<u8>,
    /// `apache.mpm_name`, for example `event`.
    pub mpm_name: Vec<u8>,
    /// `apache.build_date`.
    pub build_date: Vec<u8>,
    /// `apache.maximum_processes`.
    pub processes: u32,
    /// `apache.threads_per_process`.
    pub threads: u32,
}

/// How Python itself is to behave, where it is started here; `None`: as its environment says.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// No `.pyc` files are written.
    pub dont_write_bytecode: bool,
    /// Filters of warnings, as of the option `-W`, in their order.
    pub warnings: Vec<Vec<u8>>,
    /// How much it optimizes, 0 to 2.
    pub optimize: Option<i32>,
    /// What hashes of strings begin with.
    pub hash_seed: Option<HashSeed>,
    /// A Python that can do without the GIL begins so. An extension module that is not made for it turns it on, unless the
    /// environment (`PYTHON_GIL=0`) forbids it.
    pub free_threading: bool,
}

/// What hashes of strings begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashSeed {
    /// Another number for each process.
    Random,
    /// This number.
    Fixed(u32),
}

/// What is said for some interpreters only.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layer {
    /// The application group it is for, empty for the main interpreter; `None`: all.
    pub application_group: Option<Vec<u8>>,
    /// More directories for `site.addsitedir`, separated by `:`.
    pub python_path: Vec<u8>,
    /// As in [`StartUp`], where something is said.
    pub restrict_stdin: Option<bool>,
    /// As in [`StartUp`], where something is said.
    pub restrict_stdout: Option<bool>,
    /// As in [`StartUp`], where something is said.
    pub restrict_signal: Option<bool>,
    /// As in [`StartUp`], where something is said. Interpreters that share their GIL share the interval of the main one.
    pub switch_interval: Option<f64>,
    /// As in [`StartUp`], where something is said.
    pub own_gil: Option<bool>,
}

/// What the engine of a process is started with.
#[derive(Clone, Debug)]
pub struct StartUp {
    /// The interpreter whose environment to use, `<venv>/bin/python`; `None`: libpython's own.
    pub executable: Option<Vec<u8>>,
    /// Directories for `site.addsitedir`, separated by `:`.
    pub python_path: Vec<u8>,
    /// The home directory of the daemon process; it comes first in `sys.path`.
    pub home: Option<Vec<u8>>,
    /// `mod_wsgi.process_group`; empty in embedded mode.
    pub process_group: Vec<u8>,
    /// `wsgi.multithread`.
    pub multithread: bool,
    /// `wsgi.multiprocess`.
    pub multiprocess: bool,
    /// `mod_wsgi.threads_per_process`.
    pub threads: u32,
    /// `mod_wsgi.maximum_processes`.
    pub processes: u32,
    /// `apache.version`.
    pub server_version: [u32; 3],
    /// `wsgi.run_once`.
    pub run_once: bool,
    /// Reading `sys.stdin` is an error.
    pub restrict_stdin: bool,
    /// Writing to `sys.stdout` is an error.
    pub restrict_stdout: bool,
    /// `signal.signal` installs nothing.
    pub restrict_signal: bool,
    /// Interpreters of application groups get a GIL of their own, from Python 3.13 on.
    pub own_gil: bool,
    /// What is said for some interpreters; where several say the same thing for one, the last one holds.
    pub layers: Vec<Layer>,
    /// Where telemetry is sent to, if anywhere.
    pub telemetry: Option<telemetry::Settings>,
    /// The process runs scripts and answers no requests.
    pub service: bool,
    /// `PYTHON_EGG_CACHE`.
    pub python_eggs: Option<Vec<u8>>,
    /// Seconds for `sys.setswitchinterval`; `None`: Python's own.
    pub switch_interval: Option<f64>,
    /// How Python is to behave; for [`initialise`].
    pub settings: Settings,
    /// The end of `threading`, and `atexit`, are run before the process ends.
    pub shut_down: bool,
    /// Paths that differ in case only are different scripts.
    pub case_sensitive: bool,
    /// What the server says of itself.
    pub server: ServerWords,
    /// What a changed script means.
    pub reload: Reload,
    /// Who is asked for `mod_wsgi.server_metrics()`, if anybody.
    pub server_metrics: Option<ServerMetricsFn>,
    /// The server's log.
    pub log: LogFn,
}

impl StartUp {
    /// What is said for an interpreter only, the least important first.
    pub(crate) fn layers_of(
        &self,
        application_group: &[u8],
    ) -> impl Iterator<Item = &Layer> + Clone {
        self.layers.iter().filter(move |layer| {
            layer.application_group.as_deref().is_none_or(|name| name == application_group)
        })
    }

    /// Seconds for `sys.setswitchinterval` of an interpreter with a GIL of its own, or of the main one for the process;
    /// `None`: Python's own.
    pub(crate) fn switch_interval(&self, application_group: &[u8]) -> Option<f64> {
        let layers = self.layers_of(application_group);
        layers.filter_map(|layer| layer.switch_interval).last().or(self.switch_interval)
    }

    /// Whether the interpreter of an application group is to have a GIL of its own. Never the main one.
    pub(crate) fn wants_own_gil(&self, application_group: &[u8]) -> bool {
        let said = self.layers_of(application_group).filter_map(|layer| layer.own_gil).last();
        !application_group.is_empty() && said.unwrap_or(self.own_gil)
    }
}

/// Why the engine does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Python refused to start; its own words.
    Python(String),
    /// There is no such interpreter.
    Executable(String),
    /// The main interpreter could not be set up; the log has the traceback.
    SetUp,
    /// The caller does not hold the GIL.
    NoGil,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Python(reason) => write!(f, "WRS4010: Python does not start: {reason}"),
            Self::Executable(path) => {
                write!(f, "WRS4011: the Python interpreter {path:?} does not exist")
            }
            Self::SetUp => f.write_str("WRS4012: the main interpreter could not be set up"),
            Self::NoGil => f.write_str("WRS4018: the engine was opened without the GIL"),
        }
    }
}

impl std::error::Error for Error {}

/// Starts Python on this thread, which holds the GIL afterwards.
///
/// # Errors
/// [`Error::Executable`] and [`Error::Python`].
pub fn initialise(startup: &StartUp) -> Result<(), Error> {
    let executable = startup.executable.as_deref().map(check_executable).transpose()?;
    // SAFETY: an all-zero PyConfig is what `PyConfig_InitPythonConfig` fills.
    let mut config: ffi::PyConfig = unsafe { std::mem::zeroed() };
    // SAFETY: `config` is ours.
    unsafe { ffi::PyConfig_InitPythonConfig(&raw mut config) };
    config.install_signal_handlers = 0;
    config.parse_argv = 0;
    let result = configure(&mut config, executable.as_deref(), &startup.settings).and_then(|()| {
        // SAFETY: a configuration that was set up above; Python does not run yet, by contract.
        check(unsafe { ffi::Py_InitializeFromConfig(&raw const config) })
    });
    // SAFETY: a configuration that was set up above, not used any more.
    unsafe { ffi::PyConfig_Clear(&raw mut config) };
    result
}

fn check_executable(path: &[u8]) -> Result<CString, Error> {
    use std::os::unix::ffi::OsStrExt;
    let shown = || String::from_utf8_lossy(path).into_owned();
    if !std::path::Path::new(std::ffi::OsStr::from_bytes(path)).exists() {
        return Err(Error::Executable(shown()));
    }
    CString::new(path).map_err(|_| Error::Executable(shown()))
}

fn configure(
    config: &mut ffi::PyConfig,
    executable: Option<&CStr>,
    settings: &Settings,
) -> Result<(), Error> {
    if settings.dont_write_bytecode {
        config.write_bytecode = 0;
    }
    if let Some(level) = settings.optimize {
        config.optimization_level = level;
    }
    #[cfg(Py_GIL_DISABLED)]
    if !settings.free_threading {
        config.enable_gil = 1;
    }
    match settings.hash_seed {
        Some(HashSeed::Random) => config.use_hash_seed = 0,
        Some(HashSeed::Fixed(seed)) => {
            config.use_hash_seed = 1;
            config.hash_seed = seed.into();
        }
        None => {}
    }
    // PyConfig functions pre-initialise Python with the "python" preset, since `config` was made with it.
    let set = |place: *mut *mut libc::wchar_t, config: *mut ffi::PyConfig, value: &CStr| {
        // SAFETY: `place` is a string of `config`.
        check(unsafe { ffi::PyConfig_SetBytesString(config, place.cast(), value.as_ptr()) })
    };
    let raw = &raw mut *config;
    if let Some(executable) = executable {
        set(&raw mut config.program_name, raw, executable)?;
        set(&raw mut config.executable, raw, executable)?;
    }
    let mut name: *const c_char = c"mod_wsgi".as_ptr();
    // SAFETY: one argument, which ends with NUL.
    check(unsafe { ffi::PyConfig_SetBytesArgv(raw, 1, &raw mut name) })?;
    settings.warnings.iter().try_for_each(|filter| add_warning(config, filter))
}

/// Adds a filter of warnings. Python is pre-initialised by now, so the text is decoded as its locale says.
fn add_warning(config: &mut ffi::PyConfig, filter: &[u8]) -> Result<(), Error> {
    let broken = || Error::Python("a filter of warnings is no text".to_owned());
    let filter = CString::new(filter).map_err(|_| broken())?;
    // SAFETY: Python is pre-initialised; a string that ends with NUL; the length is not asked for.
    let text = unsafe { ffi::Py_DecodeLocale(filter.as_ptr(), std::ptr::null_mut()) };
    if text.is_null() {
        return Err(broken());
    }
    // SAFETY: the list of a configuration that was set up, and a string that ends with NUL, which is copied.
    let added = unsafe { ffi::PyWideStringList_Append(&raw mut config.warnoptions, text) };
    // SAFETY: of Py_DecodeLocale, and not used any more.
    unsafe { ffi::PyMem_RawFree(text.cast()) };
    check(added)
}

fn check(status: ffi::PyStatus) -> Result<(), Error> {
    // SAFETY: looks at the value only.
    if unsafe { ffi::PyStatus_Exception(status) } == 0 {
        return Ok(());
    }
    if status.err_msg.is_null() {
        return Err(Error::Python(format!("it asks to exit with status {}", status.exitcode)));
    }
    // SAFETY: the message of a status is a static C string.
    let message = unsafe { CStr::from_ptr(status.err_msg) };
    Err(Error::Python(message.to_string_lossy().into_owned()))
}
