//! The functions of the module `mod_wsgi` that say what this process does: the data of the current request and
//! the metrics.
//!
//! They run with the GIL; the counters behind them are plain data of [`crate::metrics`].
//! See <https://modwsgi.readthedocs.io/en/master/user-guides/event-system.html>.

use pyo3_ffi as ffi;

use crate::boundary::python_fn;
use crate::class::{Table, method_no_arguments};
use crate::clock::{self, Cpu};
use crate::errors;
use crate::metrics::{Distribution, METRICS, PHASES, Thread, Window};
use crate::python::{Gil, Kind, Owned, Result, done};
use crate::sample::Sample;
use crate::server;

/// A dict that is filled name by name.
pub(crate) struct Fields<'py> {
    py: Gil<'py>,
    dict: Owned<'py>,
}

impl<'py> Fields<'py> {
    /// An empty one.
    pub(crate) fn new(py: Gil<'py>) -> Result<Self> {
        Ok(Self { py, dict: py.dict()? })
    }

    /// Any object.
    pub(crate) fn object(&self, name: &str, value: &Owned<'py>) -> Result<()> {
        self.dict.set_item(&self.py.interned(name.as_bytes())?, value)
    }

    /// An `int`.
    pub(crate) fn int(&self, name: &str, value: u64) -> Result<()> {
        self.object(name, &int(self.py, value)?)
    }

    /// A `float`.
    pub(crate) fn float(&self, name: &str, value: f64) -> Result<()> {
        self.object(name, &self.py.float(value)?)
    }

    /// The dict.
    pub(crate) fn into_dict(self) -> Owned<'py> {
        self.dict
    }
}

fn int(py: Gil<'_>, value: u64) -> Result<Owned<'_>> {
    py.int(i64::try_from(value).unwrap_or(i64::MAX))
}

fn seconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1e6
}

python_fn! {
    fn request_data(
        py,
        _module: *mut ffi::PyObject,
        _none: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        match errors::current().and_then(|request| request.data(py)) {
            Some(data) => Ok(data.into_ptr()),
            None => Err(py.raise(Kind::Runtime, "no active request for thread")),
        }
    }
}

python_fn! {
    fn start_recording_metrics(
        py,
        _module: *mut ffi::PyObject,
        _none: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        METRICS.start_recording();
        Ok(py.none().into_ptr())
    }
}

python_fn! {
    fn request_metrics(
        py,
        _module: *mut ffi::PyObject,
        _none: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        if !METRICS.is_recording() || METRICS.is_given_away() {
            return Ok(py.none().into_ptr());
        }
        Ok(describe_sample(py, &Sample::take())?.into_ptr())
    }
}

python_fn! {
    fn process_metrics(
        py,
        _module: *mut ffi::PyObject,
        _none: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        Ok(describe_process(py)?.into_ptr())
    }
}

python_fn! {
    fn server_metrics(
        py,
        _module: *mut ffi::PyObject,
        _none: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        Ok(server::metrics(py)?.into_ptr())
    }
}

static FUNCTIONS: Table<[ffi::PyMethodDef; 6]> = Table([
    method_no_arguments(
        c"request_data",
        request_data,
        c"request_data() -> dict of the request that this thread serves",
    ),
    method_no_arguments(
        c"start_recording_metrics",
        start_recording_metrics,
        c"start_recording_metrics() has request_metrics() answer from now on",
    ),
    method_no_arguments(
        c"request_metrics",
        request_metrics,
        c"request_metrics() -> dict of the requests since the last call, or None",
    ),
    method_no_arguments(
        c"process_metrics",
        process_metrics,
        c"process_metrics() -> dict about this process",
    ),
    method_no_arguments(
        c"server_metrics",
        server_metrics,
        c"server_metrics() -> dict about the server, or None",
    ),
    ffi::PyMethodDef::zeroed(),
]);

/// Adds the functions to the module.
pub(crate) fn add(module: &Owned<'_>) -> Result<()> {
    let table = (&raw const FUNCTIONS.0).cast_mut().cast();
    // SAFETY: the GIL is held, as `module` proves; the table is static and ends with a zero one.
    done(unsafe { ffi::PyModule_AddFunctions(module.as_ptr(), table) })
}

fn add_cpu(fields: &Fields<'_>, suffix: &str, cpu: Cpu) -> Result<()> {
    fields.float(&format!("cpu_user_{suffix}"), cpu.user)?;
    fields.float(&format!("cpu_system_{suffix}"), cpu.system)?;
    fields.float(&format!("cpu_{suffix}"), cpu.total())
}

fn add_memory(fields: &Fields<'_>) -> Result<()> {
    let (now, most) = clock::memory();
    fields.int("memory_rss", now)?;
    fields.int("memory_max_rss", most)
}

fn describe_process(py: Gil<'_>) -> Result<Owned<'_>> {
    let fields = Fields::new(py)?;
    let threads: Vec<Thread> =
        METRICS.each_thread().filter(|(seen, _)| *seen).map(|(_, thread)| thread).collect();
    let now = clock::wall();
    fields.int("pid", std::process::id().into())?;
    fields.float("request_busy_time", seconds(threads.iter().map(|thread| thread.busy).sum()))?;
    fields.int("request_count", METRICS.requests())?;
    add_memory(&fields)?;
    add_cpu(&fields, "time", clock::process_cpu())?;
    fields.float("restart_time", METRICS.began())?;
    fields.float("current_time", now)?;
    fields.float("running_time", (now - METRICS.began()).max(0.0))?;
    fields.int("request_threads", METRICS.threads() as u64)?;
    fields.int("active_requests", METRICS.active().into())?;
    let list = py.list()?;
    for thread in &threads {
        let fields = Fields::new(py)?;
        fields.int("thread_id", thread.number.into())?;
        fields.int("request_count", thread.requests)?;
        list.append(&fields.into_dict())?;
    }
    fields.object("threads", &list)?;
    Ok(fields.into_dict())
}

fn describe_sample<'py>(py: Gil<'py>, sample: &Sample) -> Result<Owned<'py>> {
    let fields = Fields::new(py)?;
    let Sample { window, threads, .. } = sample;
    fields.int("pid", std::process::id().into())?;
    fields.float("start_time", window.start)?;
    fields.float("stop_time", sample.stop)?;
    fields.float("sample_period", sample.period)?;
    add_cpu(&fields, "utilization", sample.cpu)?;
    // The older names of the same.
    add_cpu(&fields, "time", sample.cpu)?;
    add_memory(&fields)?;
    fields.int("request_threads_maximum", threads.len() as u64)?;
    fields.int("request_threads_started", sample.started() as u64)?;
    fields.int("request_threads_active", METRICS.active().into())?;
    fields.float("capacity_utilization", sample.capacity)?;
    fields.int("request_count", window.requests)?;
    fields.float("request_throughput", sample.throughput)?;
    for (class, count) in window.statuses.iter().enumerate() {
        fields.int(&format!("status_{}xx", class + 1), *count)?;
    }
    fields.int("input_bytes", window.input_bytes)?;
    fields.int("input_reads", window.input_reads)?;
    fields.int("output_bytes", window.output_bytes)?;
    fields.int("output_writes", window.output_writes)?;
    fields.int("gil_wait_count", window.gil_waits)?;
    for ((phase, name), distribution) in PHASES.iter().zip(&window.phases) {
        let there = sample.has(*phase, distribution);
        add_phase(&fields, name, there.then_some(distribution))?;
    }
    add_threads(&fields, window, threads)?;
    Ok(fields.into_dict())
}

fn add_phase(fields: &Fields<'_>, name: &str, times: Option<&Distribution>) -> Result<()> {
    let py = fields.py;
    let Some(times) = times else {
        for key in ["time", "time_min_us", "time_max_us", "time_buckets"] {
            fields.object(&format!("{name}_{key}"), &py.none())?;
        }
        return Ok(());
    };
    fields.float(&format!("{name}_time"), times.mean() / 1e6)?;
    fields.int(&format!("{name}_time_min_us"), times.least)?;
    fields.int(&format!("{name}_time_max_us"), times.most)?;
    let buckets = py.list()?;
    for count in times.buckets {
        buckets.append(&py.int(count.into())?)?;
    }
    fields.object(&format!("{name}_time_buckets"), &buckets)
}

fn add_threads(fields: &Fields<'_>, window: &Window, threads: &[(bool, Thread)]) -> Result<()> {
    let py = fields.py;
    let (completed, busy, cpu) = (py.list()?, py.list()?, py.list()?);
    let (elapsed, longest) = (py.list()?, py.list()?);
    for ((_, thread), window) in threads.iter().zip(&window.threads) {
        completed.append(&int(py, window.completed)?)?;
        busy.append(&py.float(seconds(window.busy(thread)))?)?;
        cpu.append(&py.float(window.cpu)?)?;
        elapsed.append(&py.float(seconds(thread.elapsed))?)?;
        longest.append(&py.float(seconds(window.longest))?)?;
    }
    fields.object("request_threads_completed", &completed)?;
    fields.object("request_threads_buckets", &completed)?;
    fields.object("request_threads_busy_time", &busy)?;
    fields.object("request_threads_cpu_time", &cpu)?;
    fields.object("request_threads_current_elapsed", &elapsed)?;
    fields.object("request_threads_max_duration", &longest)
}
