//! Calls WSGI applications: the Python side of mod_wsgi_rs.
//!
//! An [`Engine`] is what a process has once Python runs in it: interpreters, their scripts, and the calls that
//! are running. Whoever has a request describes it as a [`Call`], lends an [`Exchange`] for its body and its
//! response, and gets an [`Outcome`]. Nothing here knows httpd or FastCGI.
//!
//! Python is used through its C API ([`pyo3_ffi`]) and wrappers of our own, see `python.rs`: higher wrappers keep
//! state for the whole process, which breaks with several interpreters. No function of Python's is called
//! without the GIL, and no lock of ours is waited for with it.

mod ask;
mod boundary;
mod call;
mod class;
mod clock;
mod engine;
mod environ;
mod errors;
mod events;
mod exception;
pub mod exchange;
mod file_wrapper;
mod fork;
mod functions;
mod gil;
mod gilstate;
mod input;
mod interpreter;
mod kept;
mod loader;
mod measure;
mod metrics;
mod module;
mod objects;
mod output;
mod python;
mod ready;
mod registration;
mod request;
mod sample;
mod server;
mod stacks;
mod start;
mod start_response;
mod telemetry;
mod template;
mod thread_state;
mod tls;
mod watch;

pub use ask::{Answer, Question};
pub use engine::{Engine, open};
pub use engine_abi::{Level, Outcome, Pair};
pub use exchange::{Exchange, FilePart, Gone, Head, ReadError, stream_file};
pub use fork::{Fork, fork, fork_away};
pub use gil::{Saved, release_gil};
pub use loader::LoadedScript;
pub use server::ServerMetricsFn;
pub use start::{
    Error, HashSeed, Layer, LogFn, Reload, ServerWords, Settings, StartUp, initialise,
};
pub use telemetry::Settings as Telemetry;
pub use watch::current_thread;

/// The script that answers, and how.
#[derive(Clone, Copy, Debug)]
pub struct Script<'a> {
    /// Absolute path of the script.
    pub filename: &'a [u8],
    /// Name of the interpreter; empty: the main interpreter.
    pub application_group: &'a [u8],
    /// Name of the callable in the script.
    pub callable: &'a [u8],
    /// Look whether the script changed before it is used.
    pub reloading: bool,
    /// When the server saw that it was last changed, in microseconds since 1970, if it looked.
    pub modified: Option<i64>,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// What to call.
    pub script: Script<'a>,
    /// The CGI part of environ; `HTTPS` decides `wsgi.url_scheme` and is not shown.
    pub environ: &'a [Pair<'a>],
}
