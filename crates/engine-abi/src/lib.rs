//! The table of C functions between the httpd module and a Python engine.
//!
//! In embedded mode the module (`mod_wsgi_rs.so`, no Python in it) opens the engine of the right
//! CPython ABI with `dlopen` and finds there one symbol, [`ENTRY`], which returns an [`Engine`]. The
//! module calls it on any httpd thread, without the GIL; the engine calls back through
//! [`ExchangeTable`] while that call lasts, also without the GIL.
//!
//! All data is borrowed: what a function is handed lives until that function returns. Nothing here
//! allocates and nothing unwinds across the boundary. A change to any of these shapes raises
//! [`VERSION`]; an engine of another version is refused.
#![allow(clippy::missing_safety_doc)]

use std::ffi::{CStr, c_int, c_void};

pub mod bytes;
pub mod library;
pub mod server;

pub use bytes::{Bytes, Pair};

/// The version of every shape in this crate.
pub const VERSION: u32 = 6;

/// The symbol of the engine which returns its table: `extern "C" fn() -> *const Engine`.
pub const ENTRY: &CStr = c"mod_wsgi_rs_engine";

/// The type of the symbol [`ENTRY`].
pub type Entry = unsafe extern "C" fn() -> *const Engine;

/// How important a line of the log is: httpd's own numbers (`APLOG_ALERT` 1 .. `APLOG_DEBUG` 7).
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The site or a group of it does not work.
    Critical = 2,
    /// A request failed, or an application said so.
    Error = 3,
    /// Something an administrator should look at.
    Warning = 4,
    /// Start, stop and reload.
    Info = 6,
    /// Details for somebody who looks for a fault.
    Debug = 7,
}

/// How a call of an application ended.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The response was sent whole, or the client went away.
    Done = 0,
    /// No head was sent: the server answers 500. The reason is in the log.
    Failed = 1,
    /// The application broke off after its head was sent: the client must see a broken response.
    Broken = 2,
    /// The script has no such callable: the server answers 404 (embedded) as mod_wsgi does.
    NotFound = 3,
    /// The script changed and this process does not reload in place: not started, send it elsewhere.
    Reload = 4,
    /// Python is shutting down: not started.
    Stopping = 5,
}

/// [`StartUp::hash_seed`]: as Python's environment says.
pub const SEED_OF_ENVIRONMENT: i64 = -1;

/// [`StartUp::hash_seed`]: another one for each process.
pub const SEED_RANDOM: i64 = -2;

/// What is said for some interpreters only (`<WSGIInterpreterOptions>`).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Layer {
    /// It is for the interpreter of this name only; otherwise for all.
    pub named: bool,
    /// The application group; empty: the main interpreter.
    pub application_group: Bytes,
    /// More directories for `site.addsitedir`, separated by `:`; empty: none.
    pub python_path: Bytes,
    /// [`StartUp::restrict_stdin`]: 0 or 1; -1: nothing is said.
    pub restrict_stdin: i8,
    /// [`StartUp::restrict_stdout`], likewise.
    pub restrict_stdout: i8,
    /// [`StartUp::restrict_signal`], likewise.
    pub restrict_signal: i8,
    /// [`StartUp::own_gil`], likewise.
    pub own_gil: i8,
    /// [`StartUp::switch_interval`]; 0: nothing is said.
    pub switch_interval: f64,
}

/// Calls its second argument with the first and some bytes, once or not at all.
pub type ServerMetrics =
    unsafe extern "C" fn(to: *mut c_void, put: unsafe extern "C" fn(to: *mut c_void, Bytes));

/// What the engine of a process is started with.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct StartUp {
    /// `size_of::<StartUp>()`.
    pub size: usize,
    /// The interpreter whose environment to use, `<python-home>/bin/python`; empty: libpython's own.
    pub executable: Bytes,
    /// Directories for `site.addsitedir`, separated by `:`; empty: none.
    pub python_path: Bytes,
    /// `mod_wsgi.process_group`; empty in embedded mode.
    pub process_group: Bytes,
    /// `wsgi.multithread`.
    pub multithread: bool,
    /// `wsgi.multiprocess`.
    pub multiprocess: bool,
    /// `mod_wsgi.threads_per_process`.
    pub threads: u32,
    /// `mod_wsgi.maximum_processes`.
    pub processes: u32,
    /// `apache.version`: major, minor, patch.
    pub server_version: [u32; 3],
    /// `apache.description`, for example `Apache/2.4.62 (Debian)`.
    pub server_description: Bytes,
    /// `apache.mpm_name`, for example `event`.
    pub server_mpm: Bytes,
    /// `apache.build_date`.
    pub server_built: Bytes,
    /// Reading `sys.stdin` is an error (`WSGIRestrictStdin`).
    pub restrict_stdin: bool,
    /// Writing to `sys.stdout` is an error (`WSGIRestrictStdout`).
    pub restrict_stdout: bool,
    /// `signal.signal` installs nothing (`WSGIRestrictSignal`).
    pub restrict_signal: bool,
    /// Interpreters of application groups get a GIL of their own, where Python can (`WSGIPerInterpreterGIL`).
    pub own_gil: bool,
    /// A Python that can do without the GIL does so (`WSGIFreeThreading`).
    pub free_threading: bool,
    /// What is said for some interpreters; where several say the same thing for one, the last one holds.
    pub layers: *const Layer,
    /// How many.
    pub layers_len: usize,
    /// The path of the socket that telemetry is sent to; empty: none (`WSGITelemetryService`).
    pub telemetry_socket: Bytes,
    /// Seconds between two reports.
    pub telemetry_interval: f64,
    /// Telemetry tells of the `User-Agent` (`WSGITelemetryOptions`).
    pub telemetry_user_agent: bool,
    /// Seconds of a request that telemetry tells of by itself; 0: none (`WSGISlowRequests`).
    pub slow_requests: f64,
    /// The process id of httpd's parent.
    pub server_pid: u32,
    /// `PYTHON_EGG_CACHE`; empty: as it is.
    pub python_eggs: Bytes,
    /// Seconds for `sys.setswitchinterval`; 0: Python's own.
    pub switch_interval: f64,
    /// No `.pyc` files are written (`WSGIDontWriteBytecode`).
    pub dont_write_bytecode: bool,
    /// Filters of warnings, one a line (`WSGIPythonWarnings`).
    pub warnings: Bytes,
    /// How much Python optimizes; -1: as its environment says.
    pub optimize: i32,
    /// What hashes begin with: a number, or one of [`SEED_OF_ENVIRONMENT`] and [`SEED_RANDOM`].
    pub hash_seed: i64,
    /// `threading` and `atexit` are run at the end (`WSGIDestroyInterpreter`).
    pub shut_down: bool,
    /// Paths that differ in case only are different scripts (`WSGICaseSensitivity`).
    pub case_sensitive: bool,
    /// Hands httpd's scoreboard to `put`, as [`server::Server::encode`] writes it, or does not call it when there is none.
    /// Called on any thread. Null: `mod_wsgi.server_metrics()` answers nothing (`WSGIServerMetrics`).
    pub server_metrics: Option<ServerMetrics>,
    /// Writes one line to the server's log. Called on any thread, with or without the GIL.
    pub log: unsafe extern "C" fn(level: c_int, line: Bytes),
}

/// The script that answers, and how.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Script {
    /// Absolute path of the script.
    pub filename: Bytes,
    /// Name of the interpreter; empty: the main interpreter.
    pub application_group: Bytes,
    /// Name of the callable in the script.
    pub callable: Bytes,
    /// Look whether the script changed before it is used.
    pub reloading: bool,
    /// When the server saw that it was last changed, in microseconds since 1970; 0: the server did not look. Only if
    /// that is not the script which is loaded, the engine looks itself.
    pub modified: i64,
}

/// One request.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// What to call.
    pub script: Script,
    /// The CGI part of environ, in order; `HTTPS` decides `wsgi.url_scheme` and is not shown.
    pub environ: *const Pair<'a>,
    /// How many pairs.
    pub environ_len: usize,
}

/// What is asked of functions of a script, about a request that nobody has answered yet.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// `size_of::<Question>()`.
    pub size: usize,
    /// Absolute path of the script.
    pub filename: Bytes,
    /// Name of the interpreter; empty: the main interpreter.
    pub application_group: Bytes,
    /// Look whether the script changed before it is used.
    pub reloading: bool,
    /// The names of the functions. When one does not answer a string or `None`, those behind it are not called.
    pub functions: *const Bytes,
    /// How many functions.
    pub functions_len: usize,
    /// What the functions are called with behind environ, as `str` in latin-1.
    pub arguments: *const Bytes,
    /// How many arguments.
    pub arguments_len: usize,
    /// The pairs of environ, in order.
    pub environ: *const Pair<'a>,
    /// How many pairs.
    pub environ_len: usize,
    /// The connection is encrypted (`mod_ssl.is_https`).
    pub secure: bool,
    /// The answers are iterables of names.
    pub names: bool,
    /// Strings are to be told in UTF-8, and not in latin-1.
    pub utf8: bool,
}

/// What a function of a [`Question`] answered.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It raised, or what it answered cannot be told; the log has the reason.
    Failed = 0,
    /// The script has no such function.
    Missing = 1,
    /// `None`
    Nothing = 2,
    /// `False`
    False = 3,
    /// `True`
    True = 4,
    /// A `str`.
    Text = 5,
    /// A `bytes`.
    Bytes = 6,
    /// Names, each a `str` in latin-1 or a `bytes`.
    Names = 7,
    /// Something else; the text are the words for it.
    Other = 8,
}

/// What the engine asks of the server while functions are asked. `asker` is the pointer given to [`Engine::ask`].
/// Everything is called by one thread at a time, without the GIL but for `log`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct AskTable {
    /// `size_of::<AskTable>()`.
    pub size: usize,
    /// Takes an [`Answer`] and its texts, of the next function. Called once for each that was asked.
    pub answer: unsafe extern "C" fn(
        asker: *mut c_void,
        answer: c_int,
        texts: *const Bytes,
        texts_len: usize,
    ),
    /// A variable of the server's TLS module, alive as long as the question; without data: there is none.
    pub tls_variable: unsafe extern "C" fn(asker: *mut c_void, name: Bytes) -> Bytes,
    /// Writes one line to the log of the request's virtual host.
    pub log: unsafe extern "C" fn(asker: *mut c_void, level: c_int, line: Bytes),
}

/// Status and headers of a response.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Head<'a> {
    /// The status code, 100..=999.
    pub status: u16,
    /// The whole status line as the application gave it, for example `404 Not Found`.
    pub status_line: Bytes,
    /// The headers in the application's order, duplicates kept.
    pub headers: *const Pair<'a>,
    /// How many headers.
    pub headers_len: usize,
}

/// What the engine asks of the server while it answers one request. `exchange` is the pointer given to
/// [`Engine::call`]. Everything is called on the thread of that call, without the GIL.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ExchangeTable {
    /// `size_of::<ExchangeTable>()`.
    pub size: usize,
    /// Reads at least one byte of the request body into `buffer`, waiting for it. The number of bytes;
    /// 0 at the end of the body; -1: the client went away; -2: it took too long; -3: anything else;
    /// -4: it is larger than the server allows. An empty buffer only lets the client know that it is
    /// being read.
    pub read: unsafe extern "C" fn(exchange: *mut c_void, buffer: *mut u8, len: usize) -> isize,
    /// Sends a head (null: sent before) and pieces of the body. `last`: the response ends with them;
    /// otherwise they are flushed to the client before the function returns. 0, or -1: the client is gone.
    pub send: unsafe extern "C" fn(
        exchange: *mut c_void,
        head: *const Head<'_>,
        chunks: *const Bytes,
        chunks_len: usize,
        last: bool,
    ) -> c_int,
    /// Sends a head (null: sent before) and a part of a regular file; `last` as for `send`. The descriptor
    /// is read from `offset` on; the server keeps a duplicate, so it may be closed afterwards. 0, or -1:
    /// the client is gone.
    pub send_file: unsafe extern "C" fn(
        exchange: *mut c_void,
        head: *const Head<'_>,
        file: c_int,
        offset: u64,
        length: u64,
        last: bool,
    ) -> c_int,
    /// Writes one line to the log of the request's virtual host.
    pub log: unsafe extern "C" fn(exchange: *mut c_void, level: c_int, line: Bytes),
}

/// What an engine can do.
#[repr(C)]
pub struct Engine {
    /// [`VERSION`] of the engine. Look at it before anything else.
    pub version: u32,
    /// Starts Python in this process, on its main thread, and gives the GIL back. 0, or -1 after a line
    /// in the log said why not. Called once.
    pub start: unsafe extern "C" fn(start: *const StartUp) -> c_int,
    /// Loads a script before the first request. 0, or -1 after lines in the log. Needs no GIL.
    pub preload: unsafe extern "C" fn(script: *const Script) -> c_int,
    /// Answers one request; the [`Outcome`]. On any thread.
    pub call: unsafe extern "C" fn(
        call: *const Call<'_>,
        table: *const ExchangeTable,
        exchange: *mut c_void,
    ) -> c_int,
    /// Asks functions of a script about a request. 0, or -1 if the script cannot be asked, after lines in the log. On
    /// any thread.
    pub ask: unsafe extern "C" fn(
        question: *const Question<'_>,
        table: *const AskTable,
        asker: *mut c_void,
    ) -> c_int,
    /// Ends Python's life: waits for running calls up to `milliseconds`, then runs the shutdown of
    /// `threading` and `atexit`. On the main thread. Python is not finalised: threads may still be in it.
    pub stop: unsafe extern "C" fn(milliseconds: u32),
}
