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

use crate::boundary::reason;
use crate::errors::{Log, Serving};
use crate::exception::Incident;
use crate::exchange::Exchange;
use crate::file_wrapper::Place;
use crate::gil::released;
use crate::input::Input;
use crate::interpreter::Interpreter;
use crate::loader::{self, Script, State};
use crate::output::Fault;
use crate::python::{Gil, Kind, Owned, Raised, Result};
use crate::request::{Request, lock};
use crate::start::Reload;
use crate::start_response::{self, StartResponse};
use crate::{Call, thread_state};

/// Ends the request when the call ends, however it ends.
struct Finish<'a>(&'a Request);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// Answers a request. Without the GIL.
pub(crate) fn serve(
    interpreter: &Interpreter,
    reload: Reload,
    call: &Call<'_>,
    exchange: &mut dyn Exchange,
) -> Outcome {
    let head_only = call.environ.contains(&(b"REQUEST_METHOD", b"HEAD"));
    // SAFETY: `Finish` ends the request before this function returns the exchange to its owner.
    let request = unsafe { Request::new(exchange, head_only) };
    let _finish = Finish(&request);
    let _serving = Serving::new(&request);
    let answering = Answering { interpreter, reload, call, request: &request };
    catch_unwind(AssertUnwindSafe(|| answering.answer())).unwrap_or_else(|panic| {
        let line = format!("WRS4009: a fault in mod_wsgi_rs itself: {}", reason(&*panic));
        answering.log(Level::Critical, line.as_bytes());
        answering.failure()
    })
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
struct Pieces(Vec<*mut ffi::PyObject>);

/// What is left to do when Python is done.
enum Ending {
    Ended(Outcome),
    ToSend(Pieces),
}

impl Answering<'_> {
    fn answer(&self) -> Outcome {
        let script = self.interpreter.scripts.find(self.call.script.filename);
        let mut again = false;
        loop {
            if let Err(outcome) = self.prepare(&script, again) {
                return outcome;
            }
            let Some(session) = self.interpreter.enter() else {
                self.log(Level::Error, b"WRS4013: there is no memory for a Python thread state");
                return Outcome::Failed;
            };
            let py = session.py();
            // Another request may have begun to load it again; then this one waits for that.
            let Some(module) = script.module(py) else {
                again = false;
                continue;
            };
            if !again && self.call.script.reloading && self.wants_reload(&module) {
                if self.reload == Reload::Refuse {
                    return Outcome::Reload;
                }
                again = true;
                continue;
            }
            let parts = match self.parts(&module) {
                Ok(Some(parts)) => parts,
                Ok(None) => return self.no_callable(),
                Err(Raised) => return self.failed(py),
            };
            drop(module);
            let ending = self.run(py, parts);
            drop(session);
            return match ending {
                Ending::Ended(outcome) => outcome,
                Ending::ToSend(pieces) => self.send_whole(pieces),
            };
        }
    }

    /// Loads the script if need be.
    fn prepare(&self, script: &Script, again: bool) -> std::result::Result<(), Outcome> {
        let filename = self.call.script.filename;
        let now = self.call.script.reloading.then(|| loader::modified(filename));
        match script.state(now) {
            State::Current if !again => return Ok(()),
            State::Changed if self.reload == Reload::Refuse => return Err(Outcome::Reload),
            _ => {}
        }
        script
            .load(self.interpreter, now, again, &|level, line| self.log(level, line))
            .map_err(|_| Outcome::Failed)
    }

    /// Asks the script itself, if it has a function `reload_required`.
    fn wants_reload(&self, module: &Owned<'_>) -> bool {
        let py = module.py();
        let asked = || -> Result<bool> {
            let name = self.interpreter.reload_required.get(py);
            let Some(function) = module.attr_if_any(&name)? else { return Ok(false) };
            function.call([&py.path(self.call.script.filename)?])?.is_true()
        };
        asked().unwrap_or_else(|_| {
            self.report(py, "WRS4016", "WRS4016", "exception in reload_required() of the script");
            false
        })
    }

    /// Makes what the application is called with. `None`: the script has no such callable.
    fn parts<'py>(&self, module: &Owned<'py>) -> Result<Option<Parts<'py>>> {
        let py = module.py();
        let name = py.path(self.call.script.callable)?;
        let Some(application) = module.attr_if_any(&name)? else { return Ok(None) };
        let classes = &self.interpreter.classes;
        let share = || Arc::clone(self.request);
        let input = classes.input.instance(py, Input::new(share()))?;
        let errors = classes.log.instance(py, Log::Request(share()))?;
        let start_response = classes.start_response.instance(py, StartResponse::new(share()))?;
        let environ = self.interpreter.environ.build(py, self.call.environ, &input, &errors)?;
        Ok(Some(Parts { application, environ, start_response }))
    }

    /// Calls the application, and sends what it answers unless that can wait until the GIL is given back.
    fn run<'py>(&self, py: Gil<'py>, parts: Parts<'py>) -> Ending {
        let Ok(result) = parts.application.call([&parts.environ, &parts.start_response]) else {
            return Ending::Ended(self.failed(py));
        };
        drop(parts);
        if let Some(sent) = self.file(&result) {
            let outcome = if sent.is_err() { self.failed(py) } else { self.outcome() };
            self.close(&result);
            return Ending::Ended(outcome);
        }
        match self.whole_body(&result) {
            Ok(Some(pieces)) => Ending::ToSend(pieces),
            Ok(None) => {
                let sent = self.iterate(&result);
                let outcome = if sent.is_err() { self.failed(py) } else { self.outcome() };
                self.close(&result);
                Ending::Ended(outcome)
            }
            Err(Raised) => Ending::Ended(self.failed(py)),
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
        let items: Vec<Owned<'_>> = unsafe {
            if ffi::PyList_CheckExact(object) != 0 {
                (0..ffi::PyList_Size(object))
                    .map_while(|at| Owned::borrowed(py, ffi::PyList_GetItem(object, at)).ok())
                    .collect()
            } else if ffi::PyTuple_CheckExact(object) != 0 {
                (0..ffi::PyTuple_Size(object))
                    .map_while(|at| Owned::borrowed(py, ffi::PyTuple_GetItem(object, at)).ok())
                    .collect()
            } else {
                return Ok(None);
            }
        };
        for item in &items {
            check_piece(item)?;
        }
        lock(&self.request.output).check().map_err(|fault| start_response::raise(py, &fault))?;
        Ok(Some(Pieces(items.into_iter().map(Owned::into_ptr).collect())))
    }

    /// Sends a whole body. Without the GIL.
    fn send_whole(&self, pieces: Pieces) -> Outcome {
        let mut references = pieces.0;
        let mut total = 0_usize;
        let slices: Vec<&[u8]> = references
            .iter()
            .map(|object| {
                // SAFETY: a bytes object we hold a reference to; its data does not change while it lives,
                // and reading its place needs no GIL.
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
        let _ = self.request.send(&slices, true);
        drop(slices);
        if !thread_state::defer(self.interpreter.home(), total, &mut references) {
            if let Some(session) = self.interpreter.enter() {
                thread_state::drop_deferred(session.py(), references);
            }
        }
        self.outcome()
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
            if !piece.is_empty() && !self.send(py, &[piece], false)? {
                return Ok(());
            }
        }
        if py.is_raised() {
            return Err(Raised);
        }
        self.send(py, &[], true).map(drop)
    }

    /// Sends without the GIL. `false`: the client takes no more.
    fn send(&self, py: Gil<'_>, pieces: &[&[u8]], end: bool) -> Result<bool> {
        if lock(&self.request.output).is_whole() {
            return Ok(true);
        }
        // SAFETY: the closure touches the data of bytes objects that the caller holds.
        match unsafe { released(py, || self.request.send(pieces, end)) } {
            Ok(()) => Ok(true),
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
            self.report(py, "WRS4006", "WRS4006", "exception in close() of the response of");
        }
    }

    /// The outcome of a call that raised.
    fn failed(&self, py: Gil<'_>) -> Outcome {
        self.report(py, "WRS4001", "WRS4017", "exception in");
        self.failure()
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

    fn report(&self, py: Gil<'_>, id: &'static str, id_of_exit: &'static str, what: &str) {
        let what = format!("{what} the application {}", self.script());
        let incident = Incident { id, id_of_exit, what };
        self.interpreter.report(py, &incident, &|level, line| self.log(level, line));
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
