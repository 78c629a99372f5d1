//! One call of an application: from the script to the end of the response.
//!
//! Runs on the thread of the server that has the request. The GIL is taken once, given back while anything is
//! sent, and a response that is a list goes out after everything else is done, so that an ordinary request
//! takes it once in all.
//! See PEP 3333, "The Server/Gateway Side": <https://peps.python.org/pep-3333/#the-server-gateway-side>.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use engine_abi::{Level, Outcome};
use pyo3_ffi as ffi;
use smallvec::SmallVec;

use crate::boundary::reason;
use crate::environ::find;
use crate::errors::{Log, Serving};
use crate::events::Observer;
use crate::exception::Incident;
use crate::exchange::Exchange;
use crate::file_wrapper::Place;
use crate::gil::{self, released};
use crate::input::Input;
use crate::interpreter::Interpreter;
use crate::measure::Measure;
use crate::metrics::METRICS;
use crate::output::{Fault, HeadText};
use crate::python::{Gil, Kind, Owned, Raised, Result};
use crate::ready::Wanted;
use crate::registration::Registration;
use crate::request::{Finish, Request, lock};
use crate::start::Reload;
use crate::start_response::{self, StartResponse};
use crate::telemetry::slow::SLOW;
use crate::thread_state::References;
use crate::{Call, fork, thread_state};

/// Answers a request. Without the GIL.
pub(crate) fn serve(
    interpreter: &Interpreter,
    reload: Reload,
    call: &Call<'_>,
    exchange: &mut dyn Exchange,
) -> Outcome {
    let head_only = find(call.environ, b"REQUEST_METHOD") == Some(b"HEAD");
    // SAFETY: `Finish` ends the request before this function returns the exchange to its owner.
    let request = unsafe { Request::new(exchange, head_only) };
    let _finish = Finish(&request);
    let _serving = Serving::new(&request);
    gil::forget_waits();
    let mut working = METRICS.begin(thread_state::number());
    let measure = Measure::begin();
    let watched = SLOW.watch(&working, call, &request);
    let answering = Answering { interpreter, reload, call, request: &request };
    let answered = catch_unwind(AssertUnwindSafe(|| answering.answer()));
    let outcome = answered.unwrap_or_else(|panic| {
        let line = format!("WRS4009: a fault in mod_wsgi_rs itself: {}", reason(&*panic));
        answering.log(Level::Critical, line.as_bytes());
        answering.failure()
    });
    if outcome == Outcome::Reload {
        working.does_not_count();
    } else if let Some(measure) = measure {
        let done = measure.end(&working, call, &request);
        if let Some(watched) = watched {
            watched.end(&done);
        }
    }
    outcome
}

struct Answering<'a> {
    interpreter: &'a Interpreter,
    reload: Reload,
    call: &'a Call<'a>,
    request: &'a Arc<Request>,
}

/// The objects a request is answered with.
struct Parts<'py> {
    application: Owned<'py>,
    environ: Owned<'py>,
    start_response: Owned<'py>,
}

/// References to `bytes` whose data is sent without the GIL.
#[derive(Default)]
struct Pieces(References);

/// What is left to do when Python is done.
enum Ending {
    Ended(Outcome),
    ToSend(Pieces),
}

impl Answering<'_> {
    fn answer(&self) -> Outcome {
        let script = &self.call.script;
        let wanted = Wanted {
            interpreter: self.interpreter,
            filename: script.filename,
            reloading: script.reloading,
            modified: script.modified,
            reload: self.reload,
            environ: Some(self.call.environ),
            log: &|level, line| self.log(level, line),
        };
        match wanted.with_module(|module| self.ending(module)) {
            Ok(ending) => self.end(ending),
            Err(outcome) => outcome,
        }
    }

    /// Calls the application of the script's module.
    fn ending(&self, module: Owned<'_>) -> Ending {
        let py = module.py();
        let events = &self.interpreter.events;
        let observer = Observer::of(py, events, self.call, self.request);
        let observer = observer.as_ref();
        let made = self.parts(&module, observer);
        drop(module);
        match made {
            Ok(Some(parts)) => self.run(py, parts, observer),
            Ok(None) => Ending::Ended(self.no_callable()),
            Err(Raised) => self.failed(py, None),
        }
    }

    /// Does what is left to do. Without the GIL.
    fn end(&self, ending: Ending) -> Outcome {
        match ending {
            Ending::Ended(outcome) => outcome,
            Ending::ToSend(pieces) => self.send_whole(pieces),
        }
    }

    /// Makes what the application is called with. `None`: the script has no such callable.
    fn parts<'py>(
        &self,
        module: &Owned<'py>,
        observer: Option<&Observer<'_>>,
    ) -> Result<Option<Parts<'py>>> {
        let py = module.py();
        let callable = self.call.script.callable;
        let name = match callable.is_ascii() {
            true => self.interpreter.environ.key(py, callable)?,
            false => py.path(callable)?,
        };
        let getattr = self.interpreter.getattr.get(py);
        let Some(application) = module.global_if_any(&name, &getattr)? else { return Ok(None) };
        let classes = &self.interpreter.classes;
        let share = || Arc::clone(self.request);
        let input = classes.input.instance(py, Input::new(share()))?;
        let errors = classes.log.instance(py, Log::Request(share()))?;
        let start_response = StartResponse::new(share(), observer.map(Observer::events));
        let start_response = classes.start_response.instance(py, start_response)?;
        let environ = self.interpreter.environ.build(py, self.call.environ, &input, &errors)?;
        Ok(Some(Parts { application, environ, start_response }))
    }

    /// Runs the application as a request that is known and observed.
    fn run<'py>(&self, py: Gil<'py>, parts: Parts<'py>, observer: Option<&Observer<'_>>) -> Ending {
        let _registration = Registration::begin(self.interpreter, self.request, &parts.environ);
        let ending = self.respond(py, parts, observer);
        fork::end_child();
        if let Some(observer) = observer {
            let status = match &ending {
                Ending::Ended(_) => self.request.status(),
                Ending::ToSend(_) => lock(&self.request.output).status_to_be().unwrap_or(500),
            };
            if observer.finished(py, status).is_err() {
                py.clear();
            }
        }
        ending
    }

    /// Calls the application, and sends what it answers unless that can wait until the GIL is given back.
    fn respond<'py>(
        &self,
        py: Gil<'py>,
        parts: Parts<'py>,
        observer: Option<&Observer<'_>>,
    ) -> Ending {
        let Parts { mut application, environ, start_response } = parts;
        if let Some(observer) = observer {
            match observer.started(py, application, &environ) {
                Ok(chosen) => application = chosen,
                Err(Raised) => return self.failed(py, Some(observer)),
            }
        }
        let Ok(result) = application.call([&environ, &start_response]) else {
            return self.failed(py, observer);
        };
        drop((application, environ, start_response));
        if let Some(sent) = self.file(&result) {
            let failure = sent.is_err().then(|| self.failed(py, observer));
            self.close(&result);
            return failure.unwrap_or_else(|| Ending::ToSend(Pieces::default()));
        }
        match self.whole_body(&result) {
            // What is told of the end of a request knows how much was sent.
            Ok(Some(pieces)) if observer.is_some() => {
                // SAFETY: the closure touches the data of bytes objects that `pieces` holds.
                unsafe { released(py, || self.send_pieces(&pieces)) };
                thread_state::drop_deferred(py, pieces.0);
                Ending::Ended(self.outcome())
            }
            Ok(Some(pieces)) => Ending::ToSend(pieces),
            Ok(None) => {
                let sent = self.iterate(&result);
                let failure = sent.is_err().then(|| self.failed(py, observer));
                self.close(&result);
                // The end goes out last: with it the server may give this thread's place to another request.
                failure.unwrap_or_else(|| Ending::ToSend(Pieces::default()))
            }
            Err(Raised) => self.failed(py, observer),
        }
    }

    /// Sends a wrapped file without looking at its bytes. `None`: it is no such file, or something was sent before.
    fn file(&self, result: &Owned<'_>) -> Option<Result<()>> {
        let py = result.py();
        if !self.interpreter.classes.file_wrapper.has(result)
            || lock(&self.request.output).is_committed()
        {
            return None;
        }
        // SAFETY: it was just seen to be an instance.
        let place = unsafe { Place::of(result, &self.interpreter.locate) }?;
        // SAFETY: the closure touches no Python object.
        let sent = unsafe { released(py, || Some(self.request.send_file(place.open().ok()?))) };
        Some(match sent? {
            Ok(()) | Err(Fault::Gone | Fault::Over) => Ok(()),
            Err(fault) => Err(start_response::raise(py, &fault)),
        })
    }

    /// The pieces of a body that is a plain list or tuple, which has neither code of its own nor `close`.
    fn whole_body(&self, result: &Owned<'_>) -> Result<Option<Pieces>> {
        let py = result.py();
        let object = result.as_ptr();
        // SAFETY: the GIL is held; the type is looked at before the object is used as such. Each item is
        // made our own at once.
        let items: SmallVec<[Owned<'_>; 4]> = unsafe {
            if ffi::PyList_CheckExact(object) != 0 {
                (0..ffi::PyList_Size(object))
                    .map_while(|at| Owned::new(py, ffi::compat::PyList_GetItemRef(object, at)).ok())
                    .collect()
            } else if ffi::PyTuple_CheckExact(object) != 0 {
                (0..ffi::PyTuple_Size(object))
                    .map_while(|at| Owned::borrowed(py, ffi::PyTuple_GetItem(object, at)).ok())
                    .collect()
            } else {
                return Ok(None);
            }
        };
        if cfg!(Py_GIL_DISABLED) && py.is_raised() {
            // Another thread has made the list shorter meanwhile.
            py.clear();
        }
        for item in &items {
            check_piece(item)?;
            // SAFETY: the GIL is held; a live object.
            if unsafe { ffi::PyBytes_CheckExact(item.as_ptr()) } == 0 {
                // What derives from bytes may have code that runs when it goes: not later, in another request.
                return Ok(None);
            }
        }
        lock(&self.request.output).check().map_err(|fault| start_response::raise(py, &fault))?;
        Ok(Some(Pieces(items.into_iter().map(Owned::into_ptr).collect())))
    }

    /// Sends a whole body. Without the GIL.
    fn send_whole(&self, pieces: Pieces) -> Outcome {
        let total = self.send_pieces(&pieces);
        let mut references = pieces.0;
        if !thread_state::defer(self.interpreter.home(), total, &mut references) {
            if let Some(session) = self.interpreter.enter() {
                thread_state::drop_deferred(session.py(), references);
            }
        }
        self.outcome()
    }

    /// Sends the pieces of a whole body; how many bytes they are. Without the GIL.
    fn send_pieces(&self, pieces: &Pieces) -> usize {
        let mut total = 0_usize;
        let slices: SmallVec<[&[u8]; 16]> = pieces
            .0
            .iter()
            .map(|object| {
                // SAFETY: a bytes object that `pieces` holds a reference to; its data does not change while it
                // lives, and reading its place needs no GIL.
                let slice = unsafe {
                    let data = ffi::PyBytes_AsString(*object).cast::<u8>();
                    std::slice::from_raw_parts(data, ffi::PyBytes_Size(*object).unsigned_abs())
                };
                total = total.saturating_add(slice.len());
                slice
            })
            .filter(|slice| !slice.is_empty())
            .collect();
        // Checked before: what is left to go wrong is the client.
        self.request.end_lines();
        let _ = self.request.send(&slices, true);
        total
    }

    /// Iterates over a body, sending each piece before the next is asked for.
    fn iterate(&self, result: &Owned<'_>) -> Result<()> {
        let py = result.py();
        // SAFETY: the GIL is held; a live object; a new reference or null.
        let iterator = unsafe { Owned::new(py, ffi::PyObject_GetIter(result.as_ptr()))? };
        loop {
            // SAFETY: the GIL is held; an iterator. Null ends it, with or without an exception.
            let item = unsafe { Owned::new(py, ffi::PyIter_Next(iterator.as_ptr())) };
            let Ok(item) = item else { break };
            let piece = check_piece(&item)?;
            if !piece.is_empty() && !self.send(py, piece)? {
                return Ok(());
            }
        }
        if py.is_raised() {
            return Err(Raised);
        }
        lock(&self.request.output).check().map_err(|fault| start_response::raise(py, &fault))
    }

    /// Sends a piece without the GIL. `false`: no more is taken, because the client went away or because the declared
    /// length is exceeded. When it is only reached iteration goes on: an application may do something at its end.
    fn send(&self, py: Gil<'_>, piece: &[u8]) -> Result<bool> {
        if lock(&self.request.output).is_whole() {
            return Ok(false);
        }
        // SAFETY: the closure touches the data of bytes objects that the caller holds.
        match unsafe { released(py, || self.request.send(&[piece], false)) } {
            Ok(()) => Ok(!lock(&self.request.output).has_surplus()),
            Err(Fault::Gone | Fault::Over) => Ok(false),
            Err(fault) => Err(start_response::raise(py, &fault)),
        }
    }

    /// Calls `close()` of what the application answered, if it has one.
    fn close(&self, result: &Owned<'_>) {
        let py = result.py();
        let closed = || -> Result<()> {
            match result.attr_if_any(&self.interpreter.close.get(py))? {
                Some(close) => close.call([]).map(drop),
                None => Ok(()),
            }
        };
        if closed().is_err() {
            self.report(py, "WRS4006", "exception in close() of the response of");
        }
    }

    /// The ending of a call that raised.
    fn failed(&self, py: Gil<'_>, observer: Option<&Observer<'_>>) -> Ending {
        let exception = py.take_raised();
        if let Some(exception) = &exception {
            if exception.is_exception(&self.interpreter.request_timeout.get(py)) {
                return self.timed_out();
            }
            if observer.is_some_and(|observer| observer.raised(py, exception).is_err()) {
                py.clear();
            }
        }
        self.report_exception(py, exception, ["WRS4001", "WRS4017"], "exception in");
        Ending::Ended(self.failure())
    }

    /// The ending of a call that `mod_wsgi.RequestTimeout` ended: 504 with an empty body, if it is not too late to say
    /// so.
    fn timed_out(&self) -> Ending {
        let line = format!(
            "WRS4022: the application {} was ended by mod_wsgi.RequestTimeout",
            self.script()
        );
        self.log(Level::Info, line.as_bytes());
        let mut output = lock(&self.request.output);
        if output.is_committed() {
            drop(output);
            return Ending::Ended(self.failure());
        }
        output.set_head(HeadText::new(504, b"504 Gateway Timeout"));
        Ending::ToSend(Pieces::default())
    }

    fn failure(&self) -> Outcome {
        let output = lock(&self.request.output);
        if output.is_whole() || output.is_gone() {
            Outcome::Done
        } else if output.is_committed() {
            Outcome::Broken
        } else {
            Outcome::Failed
        }
    }

    /// The outcome of a call that returned.
    fn outcome(&self) -> Outcome {
        let (short, gone) = {
            let output = lock(&self.request.output);
            (output.is_short(), output.is_gone())
        };
        if !short || gone {
            return Outcome::Done;
        }
        let line = format!(
            "WRS4007: the application {} sent less than its Content-Length declares, so the response is \
             broken off",
            self.script()
        );
        self.log(Level::Error, line.as_bytes());
        Outcome::Broken
    }

    fn no_callable(&self) -> Outcome {
        let callable = String::from_utf8_lossy(self.call.script.callable);
        let line = format!("WRS4004: the script {} has no callable '{callable}'", self.script());
        self.log(Level::Error, line.as_bytes());
        Outcome::NotFound
    }

    /// Logs the exception that is set.
    fn report(&self, py: Gil<'_>, id: &'static str, what: &str) {
        self.report_exception(py, py.take_raised(), [id, id], what);
    }

    fn report_exception<'py>(
        &self,
        py: Gil<'py>,
        exception: Option<Owned<'py>>,
        [id, id_of_exit]: [&'static str; 2],
        what: &str,
    ) {
        let what = format!("{what} the application {}", self.script());
        let incident = Incident { id, id_of_exit, what };
        self.interpreter.report(py, &incident, exception, &|level, line| self.log(level, line));
    }

    fn script(&self) -> String {
        format!(
            "{} (application group '{}')",
            String::from_utf8_lossy(self.call.script.filename),
            String::from_utf8_lossy(self.interpreter.name())
        )
    }

    fn log(&self, level: Level, line: &[u8]) {
        let _ = self.request.log(level, line);
    }
}

fn check_piece<'a>(item: &'a Owned<'_>) -> Result<&'a [u8]> {
    item.as_bytes().ok_or_else(|| {
        let message =
            format!("an application must give bytes as its response, not {}", item.type_name());
        item.py().raise(Kind::Type, &message)
    })
}
