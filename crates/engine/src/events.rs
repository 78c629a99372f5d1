//! Events: what the module `mod_wsgi` tells the callbacks that an application subscribed.
//!
//! Each interpreter has its lists of callbacks, which the application may change at any time. Everything runs
//! with the GIL, on the thread where it happens. What a callback raises is logged and ends there, but for
//! `mod_wsgi.RequestTimeout`, which ends the request.
//! See <https://modwsgi.readthedocs.io/en/master/user-guides/event-system.html>.

use std::sync::Arc;

use pyo3_ffi as ffi;

use crate::Call;
use crate::clock::{self, Cpu};
use crate::environ::{carried, find};
use crate::errors::log_here;
use crate::exception::{self, Incident};
use crate::functions::Fields;
use crate::metrics::METRICS;
use crate::python::{Gil, Kept, Owned, Result};
use crate::request::Request;
use crate::start::LogFn;
use crate::thread_state;

/// The callbacks of an interpreter.
pub(crate) struct Events {
    every: Kept,
    shutdown: Kept,
    signals: Kept,
    /// The function of `support.py`.
    publish: Kept,
    describe: Kept,
    log: LogFn,
}

impl Events {
    /// Finds the lists in the module, where `support.py` put them.
    pub(crate) fn create(module: &Owned<'_>, support: &Owned<'_>, log: LogFn) -> Result<Self> {
        Ok(Self {
            every: module.attr(c"event_callbacks")?.keep(),
            shutdown: module.attr(c"shutdown_callbacks")?.keep(),
            signals: module.attr(c"signal_callbacks")?.keep(),
            publish: support.item_named(c"publish")?.keep(),
            describe: support.item_named(c"describe")?.keep(),
            log,
        })
    }

    /// Whether anybody listens to the events of requests.
    pub(crate) fn are_wanted(&self, _py: Gil<'_>) -> bool {
        // SAFETY: the GIL is held; a live object; -1 if the application made something else of it.
        unsafe { ffi::PyList_Size(self.every.as_ptr()) > 0 }
    }

    /// Tells an event to everybody.
    pub(crate) fn publish(&self, py: Gil<'_>, name: &str, payload: &Owned<'_>) -> Result<()> {
        self.publish_to(py, &self.every, name, payload)
    }

    fn publish_to(
        &self,
        py: Gil<'_>,
        callbacks: &Kept,
        name: &str,
        payload: &Owned<'_>,
    ) -> Result<()> {
        let raised = self.publish.get(py).call([&callbacks.get(py), &py.str(name)?, payload])?;
        let incident = Incident {
            id: "WRS4031",
            id_of_exit: "WRS4031",
            what: format!("exception in a callback for the event {name}"),
        };
        for exception in raised.items() {
            exception::report(
                py,
                Some(&self.describe),
                &incident,
                Some(exception),
                &|level, line| {
                    log_here(self.log, level, line);
                },
            );
        }
        Ok(())
    }

    /// The process is about to end.
    pub(crate) fn process_stopping(&self, py: Gil<'_>, reason: &str) {
        let told = || -> Result<()> {
            let fields = Fields::new(py)?;
            fields.object("shutdown_reason", &py.str(reason)?)?;
            let payload = fields.into_dict();
            self.publish_to(py, &self.every, "process_stopping", &payload)?;
            self.publish_to(py, &self.shutdown, "process_stopping", &payload)
        };
        self.note(py, "process_stopping", told());
    }

    /// The process got a signal that the server has no use for.
    pub(crate) fn process_signal(&self, py: Gil<'_>, name: &str, number: i32) {
        let told = || -> Result<()> {
            let fields = Fields::new(py)?;
            fields.object("signame", &py.str(name)?)?;
            fields.object("signum", &py.int(number.into())?)?;
            let payload = fields.into_dict();
            self.publish_to(py, &self.every, "process_signal", &payload)?;
            self.publish_to(py, &self.signals, "process_signal", &payload)
        };
        self.note(py, "process_signal", told());
    }

    fn note(&self, py: Gil<'_>, name: &str, told: Result<()>) {
        if told.is_err() {
            let incident = Incident {
                id: "WRS4031",
                id_of_exit: "WRS4031",
                what: format!("the event {name} could not be told to its callbacks"),
            };
            let exception = py.take_raised();
            exception::report(py, Some(&self.describe), &incident, exception, &self.log);
        }
    }
}

/// Tells the events of one request.
pub(crate) struct Observer<'a> {
    events: &'a Arc<Events>,
    call: &'a Call<'a>,
    request: &'a Request,
    cpu: Cpu,
    started: f64,
}

impl<'a> Observer<'a> {
    /// An observer of a request that begins, if anybody listens.
    pub(crate) fn of(
        py: Gil<'_>,
        events: &'a Arc<Events>,
        call: &'a Call<'a>,
        request: &'a Request,
    ) -> Option<Self> {
        if !events.are_wanted(py) {
            return None;
        }
        METRICS.want_times();
        let (cpu, started) = (clock::thread_cpu(), clock::wall());
        Some(Self { events, call, request, cpu, started })
    }

    /// For what may tell an event later.
    pub(crate) fn events(&self) -> Arc<Events> {
        Arc::clone(self.events)
    }

    /// What all events of a request begin with.
    fn fields<'py>(&self, py: Gil<'py>) -> Result<Fields<'py>> {
        let fields = Fields::new(py)?;
        if let Some(id) = find(self.call.environ, b"mod_wsgi.request_id") {
            fields.object("request_id", &py.latin1(id)?)?;
        }
        Ok(fields)
    }

    /// Where and when the request came in.
    fn origin<'py>(&self, py: Gil<'py>) -> Result<Fields<'py>> {
        let fields = self.fields(py)?;
        fields.int("thread_id", thread_state::number().into())?;
        fields.int("server_pid", number(find(self.call.environ, b"mod_wsgi.server_pid")))?;
        for (name, carrier) in [
            ("request_start", &b"request_start_us"[..]),
            ("queue_start", b"queue_start_us"),
            ("daemon_start", b"daemon_start_us"),
        ] {
            fields.float(name, carried(self.call.environ, carrier).unwrap_or(0) as f64 / 1e6)?;
        }
        Ok(fields)
    }

    /// Tells that the request begins; the application that is to answer it, if a callback says another.
    pub(crate) fn started<'py>(
        &self,
        py: Gil<'py>,
        application: Owned<'py>,
        environ: &Owned<'py>,
    ) -> Result<Owned<'py>> {
        let fields = self.origin(py)?;
        let carried = |name| carried(self.call.environ, name);
        // A request that came to a daemon process came by a connection.
        let connects = u64::from(carried(b"daemon_start_us").unwrap_or(0) > 0);
        fields.int("daemon_connects", carried(b"daemon_connects").unwrap_or(connects))?;
        fields.int("daemon_restarts", carried(b"daemon_restarts").unwrap_or(0))?;
        fields.object("application_object", &application)?;
        fields.object("callable_object", &py.path(self.call.script.callable)?)?;
        fields.object("request_environ", environ)?;
        fields.float("application_start", self.started)?;
        self.tell(py, "request_started", fields)?.item_named(c"application_object")
    }

    /// Tells of an exception that ends the request.
    pub(crate) fn raised<'py>(&self, py: Gil<'py>, exception: &Owned<'py>) -> Result<()> {
        let fields = self.fields(py)?;
        let traceback = exception.attr(c"__traceback__")?;
        let info = py.tuple(&[exception.class(), exception.clone(), traceback])?;
        fields.object("exception_info", &info)?;
        self.tell(py, "request_exception", fields).map(drop)
    }

    /// Tells that the request is over.
    pub(crate) fn finished(&self, py: Gil<'_>, status: u16) -> Result<()> {
        let fields = self.origin(py)?;
        let traffic = &self.request.traffic;
        let seconds = |microseconds: u64| microseconds as f64 / 1e6;
        let cpu = clock::thread_cpu().since(self.cpu);
        let finish = clock::wall();
        let (waited, waits) = crate::gil::waits();
        fields.int("input_reads", traffic.input_reads())?;
        fields.int("input_length", traffic.input_bytes())?;
        fields.float("input_time", seconds(traffic.input_time()))?;
        fields.int("output_length", traffic.output_bytes())?;
        fields.int("output_writes", traffic.output_writes())?;
        fields.float("output_time", seconds(traffic.output_time()))?;
        fields.float("cpu_user_time", cpu.user)?;
        fields.float("cpu_system_time", cpu.system)?;
        fields.float("cpu_time", cpu.total())?;
        fields.float("application_finish", finish)?;
        fields.float("application_time", (finish - self.started).max(0.0))?;
        fields.int("status", status.into())?;
        fields.float("gil_wait_time", seconds(waited))?;
        fields.int("gil_wait_count", waits)?;
        self.tell(py, "request_finished", fields).map(drop)
    }

    fn tell<'py>(&self, py: Gil<'py>, name: &str, fields: Fields<'py>) -> Result<Owned<'py>> {
        if let Some(data) = self.request.data(py) {
            fields.object("request_data", &data)?;
        }
        let payload = fields.into_dict();
        self.events.publish(py, name, &payload)?;
        Ok(payload)
    }
}

/// Tells that an application called `start_response`, before anything is checked.
pub(crate) fn response_started<'py>(
    py: Gil<'py>,
    events: &Events,
    request: &Request,
    [status, headers, exc_info]: [&Owned<'py>; 3],
) -> Result<()> {
    let fields = Fields::new(py)?;
    if let Some(id) = request.id(py) {
        fields.object("request_id", &id)?;
    }
    fields.object("response_status", status)?;
    fields.object("response_headers", headers)?;
    fields.object("exception_info", exc_info)?;
    if let Some(data) = request.data(py) {
        fields.object("request_data", &data)?;
    }
    events.publish(py, "response_started", &fields.into_dict())
}

fn number(text: Option<&[u8]>) -> u64 {
    text.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()).unwrap_or(0)
}
