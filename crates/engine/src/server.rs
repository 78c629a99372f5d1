//! `mod_wsgi.server_metrics()`: what httpd's scoreboard says, as a dict.
//!
//! Where the scoreboard comes from is the same for all interpreters of a process; it is asked without the GIL.
//! See <https://httpd.apache.org/docs/2.4/mod/mod_status.html>.

use std::sync::OnceLock;

use engine_abi::server::{Process, Server, Worker};

use crate::functions::Fields;
use crate::gil::released;
use crate::python::{Gil, Owned, Result};

/// Asks for the scoreboard, as [`Server::encode`] writes it; `None`: nobody answers. Called on any thread, without the GIL.
pub type ServerMetricsFn = fn() -> Option<Vec<u8>>;

static SOURCE: OnceLock<ServerMetricsFn> = OnceLock::new();

/// From now on there is somebody to ask.
pub(crate) fn set_source(source: ServerMetricsFn) {
    let _ = SOURCE.set(source);
}

/// What `mod_wsgi.server_metrics()` answers.
pub(crate) fn metrics(py: Gil<'_>) -> Result<Owned<'_>> {
    let Some(source) = SOURCE.get() else { return Ok(py.none()) };
    // SAFETY: the closure touches no Python object.
    match unsafe { released(py, || source().as_deref().and_then(Server::decode)) } {
        Some(server) => describe(py, &server),
        None => Ok(py.none()),
    }
}

fn seconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1e6
}

fn describe<'py>(py: Gil<'py>, server: &Server) -> Result<Owned<'py>> {
    let fields = Fields::new(py)?;
    fields.int("server_limit", server.server_limit)?;
    fields.int("thread_limit", server.thread_limit)?;
    fields.int("running_generation", server.running_generation)?;
    fields.float("restart_time", seconds(server.restart_time))?;
    fields.float("current_time", seconds(server.current_time))?;
    let running = server.current_time.saturating_sub(server.restart_time);
    fields.int("running_time", running / 1_000_000)?;
    fields.object("processes", &list(py, &server.processes, describe_process)?)?;
    Ok(fields.into_dict())
}

fn describe_process<'py>(py: Gil<'py>, number: u64, process: &Process) -> Result<Owned<'py>> {
    let fields = Fields::new(py)?;
    fields.int("process_num", number)?;
    fields.int("pid", process.pid)?;
    fields.int("generation", process.generation)?;
    fields.object("quiescing", &py.bool(process.quiescing != 0))?;
    fields.object("workers", &list(py, &process.workers, describe_worker)?)?;
    Ok(fields.into_dict())
}

fn describe_worker<'py>(py: Gil<'py>, number: u64, worker: &Worker) -> Result<Owned<'py>> {
    let fields = Fields::new(py)?;
    fields.int("thread_num", number)?;
    fields.int("generation", worker.generation)?;
    fields.object("status", &py.latin1(&[u8::try_from(worker.status).unwrap_or(b'?')])?)?;
    fields.int("access_count", worker.access_count)?;
    fields.int("bytes_served", worker.bytes_served)?;
    fields.float("start_time", seconds(worker.start_time))?;
    fields.float("stop_time", seconds(worker.stop_time))?;
    fields.float("last_used", seconds(worker.last_used))?;
    fields.object("client", &py.latin1(&worker.client)?)?;
    fields.object("request", &py.latin1(&worker.request)?)?;
    fields.object("vhost", &py.latin1(&worker.vhost)?)?;
    Ok(fields.into_dict())
}

/// A list with what `describe` makes of each, and of its number.
fn list<'py, T>(
    py: Gil<'py>,
    items: &[T],
    describe: fn(Gil<'py>, u64, &T) -> Result<Owned<'py>>,
) -> Result<Owned<'py>> {
    let described = py.list()?;
    for (number, item) in (0..).zip(items) {
        described.append(&describe(py, number, item)?)?;
    }
    Ok(described)
}
