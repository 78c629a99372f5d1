//! `wsgi.input`: the body of the request.
//!
//! An `Input` owns a share of its [`Request`]; what was read ahead of the application lies there. Its methods
//! run with the GIL, which is given back while the client is waited for.
//! See PEP 3333, "Input and Error Streams": <https://peps.python.org/pep-3333/#input-and-error-streams>.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use pyo3_ffi as ffi;
use wsgi::LineBuffer;

use crate::boundary::python_fn;
use crate::class::{
    self, Class, Description, Table, arguments, check_count, method, method_no_arguments, slot,
    slot_doc, slot_table,
};
use crate::exchange::{Exchange, ReadError};
use crate::gil::released;
use crate::python::{Gil, Kind, Owned, Raised};
use crate::request::{Metered, Request, lock};

/// How much is asked of the client at once.
const BLOCK: usize = 64 * 1024;

/// Up to this much is read straight into the object that the application gets.
const DIRECT: usize = 256 * 1024;

/// What was read ahead, and how the body stands.
#[derive(Default)]
pub(crate) struct Reader {
    buffer: LineBuffer,
    block: Vec<u8>,
    at_end: bool,
    failed: bool,
}

/// Why a read gave nothing.
enum Fault {
    Read(ReadError),
    Again,
    Memory,
}

impl Reader {
    /// Fills `space`; how far, which is less than all of it only at the end.
    fn fill(&mut self, exchange: &mut dyn Exchange, space: &mut [u8]) -> Result<usize, Fault> {
        self.check()?;
        let ahead = self.buffer.take(space.len());
        let mut filled = ahead.len();
        if let Some(room) = space.get_mut(..filled) {
            room.copy_from_slice(ahead);
        }
        while filled < space.len() && !self.at_end {
            let room = space.get_mut(filled..).unwrap_or_default();
            let most = room.len();
            let read = exchange.read(room).map(|count| count.min(most));
            filled += *read.as_ref().unwrap_or(&0);
            self.note(read)?;
        }
        Ok(filled)
    }

    /// Reads up to `limit` bytes, less only at the end.
    fn read(&mut self, exchange: &mut dyn Exchange, limit: usize) -> Result<Vec<u8>, Fault> {
        self.check()?;
        if limit == 0 {
            // The application may mean to tell the client to go on.
            let told = if self.at_end { Ok(0) } else { exchange.read(&mut []) };
            return told.map(|_| Vec::new()).map_err(|error| {
                self.failed = true;
                Fault::Read(error)
            });
        }
        let mut data = self.buffer.take(limit).to_vec();
        let mut filled = data.len();
        while filled < limit && !self.at_end {
            if filled == data.len() {
                // Doubles with what came, so that a large `limit` alone allocates little, and what was there once is
                // not cleared again for each piece of it.
                let room = (limit - filled).min(BLOCK.max(filled));
                data.try_reserve(room).map_err(|_| Fault::Memory)?;
                data.resize(filled.saturating_add(room), 0);
            }
            let space = data.get_mut(filled..).unwrap_or_default();
            let most = space.len();
            let read = exchange.read(space).map(|count| count.min(most));
            filled += *read.as_ref().unwrap_or(&0);
            self.note(read)?;
        }
        data.truncate(filled);
        Ok(data)
    }

    /// Reads a line, at most `limit` bytes of it.
    fn line(
        &mut self,
        exchange: &mut dyn Exchange,
        limit: Option<usize>,
    ) -> Result<Vec<u8>, Fault> {
        self.check()?;
        loop {
            if let Some(line) = self.buffer.line(limit) {
                return Ok(line.to_vec());
            }
            if self.at_end {
                return Ok(self.buffer.take_all().to_vec());
            }
            self.block.resize(BLOCK, 0);
            let read = exchange.read(&mut self.block);
            let count = *read.as_ref().unwrap_or(&0);
            self.note(read)?;
            self.buffer.push(self.block.get(..count).unwrap_or(&self.block));
        }
    }

    fn check(&self) -> Result<(), Fault> {
        if self.failed { Err(Fault::Again) } else { Ok(()) }
    }

    fn note(&mut self, read: std::result::Result<usize, ReadError>) -> Result<(), Fault> {
        match read {
            Ok(0) => self.at_end = true,
            Ok(_) => {}
            Err(error) => {
                self.failed = true;
                return Err(Fault::Read(error));
            }
        }
        Ok(())
    }
}

type Result<T, E = Raised> = std::result::Result<T, E>;

/// The value of a `mod_wsgi.Input`.
pub(crate) struct Input {
    request: Arc<Request>,
}

impl Input {
    /// The stream of a request.
    pub(crate) fn new(request: Arc<Request>) -> Self {
        Self { request }
    }

    /// Runs `body` on the reader and the exchange, without the GIL.
    fn with<R>(
        &self,
        py: Gil<'_>,
        body: impl FnOnce(&mut Reader, &mut dyn Exchange) -> Result<R, Fault>,
    ) -> Result<R> {
        let request = &*self.request;
        if request.reading.swap(true, Ordering::Acquire) {
            return Err(py.raise(Kind::Runtime, "wsgi.input is in use by another thread"));
        }
        // SAFETY: the closure works on the request only.
        let outcome = unsafe {
            released(py, || {
                request.exchange(|exchange| {
                    let mut metered = Metered { exchange, traffic: &request.traffic };
                    body(&mut lock(&request.input), &mut metered)
                })
            })
        };
        request.reading.store(false, Ordering::Release);
        match outcome {
            Ok(Ok(data)) => Ok(data),
            Ok(Err(Fault::Memory)) => Err(py.out_of_memory()),
            Ok(Err(fault)) => {
                let (kind, text) = explain(&fault);
                Err(py.raise(kind, text))
            }
            Err(_) => Err(over(py)),
        }
    }

    fn line(&self, py: Gil<'_>, limit: Option<usize>) -> Result<Vec<u8>> {
        if self.request.is_over() {
            return Err(over(py));
        }
        if let Some(line) = self.line_at_hand(limit) {
            return Ok(line);
        }
        self.with(py, |reader, exchange| reader.line(exchange, limit))
    }

    /// A line that was read before, without giving the GIL back.
    fn line_at_hand(&self, limit: Option<usize>) -> Option<Vec<u8>> {
        // Another thread may hold it while it waits for the client.
        let mut reader = self.request.input.try_lock().ok()?;
        if reader.failed {
            return None;
        }
        reader.buffer.line(limit).map(<[u8]>::to_vec)
    }
}

fn over(py: Gil<'_>) -> Raised {
    py.raise(Kind::Runtime, "wsgi.input was used after the request had ended")
}

/// The exception for a fault: each is an `OSError`, and one that says so if the client is to blame.
fn explain(fault: &Fault) -> (Kind, &'static str) {
    match fault {
        Fault::Read(ReadError::Gone) => (
            Kind::ConnectionReset,
            "mod_wsgi request data read error: Connection was terminated by the client",
        ),
        Fault::Read(ReadError::TimedOut) => (
            Kind::TimedOut,
            "mod_wsgi request data read error: the client sent nothing for too long",
        ),
        Fault::Read(ReadError::TooLarge) => (
            Kind::Os,
            "mod_wsgi request data read error: the client sends more than LimitRequestBody allows",
        ),
        Fault::Read(ReadError::Failed) => {
            (Kind::Os, "mod_wsgi request data read error: the error log has the reason")
        }
        Fault::Memory => (Kind::Os, "mod_wsgi request data: there is no memory for it"),
        Fault::Again => (Kind::Os, "mod_wsgi request data: the input is already in an error state"),
    }
}

/// The optional number that limits a read: `None` for no limit.
fn limit(py: Gil<'_>, name: &str, given: &[*mut ffi::PyObject]) -> Result<Option<usize>> {
    check_count(py, name, given.len(), 0..=1)?;
    let Some(&object) = given.first() else { return Ok(None) };
    // SAFETY: an argument is live while the method runs.
    let argument = unsafe { Owned::borrowed(py, object)? };
    if argument.is_none() {
        return Ok(None);
    }
    // SAFETY: the GIL is held; both are live objects. -1 may be the number or an exception.
    let number = unsafe { ffi::PyNumber_AsSsize_t(argument.as_ptr(), ffi::PyExc_OverflowError) };
    if number == -1 && py.is_raised() {
        return Err(Raised);
    }
    Ok(usize::try_from(number).ok())
}

python_fn! {
    fn read(
        py,
        this: *mut ffi::PyObject,
        data: *mut *mut ffi::PyObject,
        count: ffi::Py_ssize_t,
    ) -> *mut ffi::PyObject {
        // SAFETY: Python hands a method an instance of its type, and its arguments.
        let (input, given) = unsafe { (class::data::<Input>(this), arguments(data, count)) };
        let limit = limit(py, "read", given)?;
        if input.request.is_over() {
            return Err(over(py));
        }
        let limit = limit.unwrap_or(usize::MAX);
        if (1..=DIRECT).contains(&limit) {
            let fill = |space: &mut [u8]| {
                input.with(py, |reader, exchange| reader.fill(exchange, space))
            };
            return Ok(py.bytes_with(limit, fill)?.into_ptr());
        }
        let data = input.with(py, |reader, exchange| reader.read(exchange, limit))?;
        Ok(py.bytes(&data)?.into_ptr())
    }
}

python_fn! {
    fn readline(
        py,
        this: *mut ffi::PyObject,
        data: *mut *mut ffi::PyObject,
        count: ffi::Py_ssize_t,
    ) -> *mut ffi::PyObject {
        // SAFETY: Python hands a method an instance of its type, and its arguments.
        let (input, given) = unsafe { (class::data::<Input>(this), arguments(data, count)) };
        let limit = limit(py, "readline", given)?;
        Ok(py.bytes(&input.line(py, limit)?)?.into_ptr())
    }
}

python_fn! {
    fn readlines(
        py,
        this: *mut ffi::PyObject,
        data: *mut *mut ffi::PyObject,
        count: ffi::Py_ssize_t,
    ) -> *mut ffi::PyObject {
        // SAFETY: Python hands a method an instance of its type, and its arguments.
        let (input, given) = unsafe { (class::data::<Input>(this), arguments(data, count)) };
        let hint = limit(py, "readlines", given)?.filter(|hint| *hint > 0);
        let list = py.list()?;
        let mut total = 0_usize;
        loop {
            let line = input.line(py, None)?;
            if line.is_empty() {
                break;
            }
            total = total.saturating_add(line.len());
            list.append(&py.bytes(&line)?)?;
            if hint.is_some_and(|hint| total >= hint) {
                break;
            }
        }
        Ok(list.into_ptr())
    }
}

python_fn! {
    fn close(
        py,
        this: *mut ffi::PyObject,
        _none: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // SAFETY: Python hands a method an instance of its type.
        let input = unsafe { class::data::<Input>(this) };
        if input.request.is_over() {
            return Err(over(py));
        }
        Ok(py.none().into_ptr())
    }
}

python_fn! {
    fn next(py, this: *mut ffi::PyObject) -> *mut ffi::PyObject {
        // SAFETY: Python hands a method an instance of its type.
        let input = unsafe { class::data::<Input>(this) };
        let line = input.line(py, None)?;
        if line.is_empty() {
            // Null without an exception ends the iteration.
            return Ok(std::ptr::null_mut());
        }
        Ok(py.bytes(&line)?.into_ptr())
    }
}

static METHODS: Table<[ffi::PyMethodDef; 5]> = Table([
    method(c"read", read, c"read([size]) -> bytes"),
    method(c"readline", readline, c"readline([size]) -> bytes"),
    method(c"readlines", readlines, c"readlines([hint]) -> list of bytes"),
    method_no_arguments(c"close", close, c"close() does nothing"),
    ffi::PyMethodDef::zeroed(),
]);

/// Makes the type `mod_wsgi.Input`.
pub(crate) fn class(py: Gil<'_>, module: &Owned<'_>) -> Result<Class<Input>> {
    let slots = vec![
        slot_doc(c"The body of a request."),
        slot_table(ffi::Py_tp_methods, &METHODS),
        slot(ffi::Py_tp_iter, ffi::PyObject_SelfIter as *mut c_void),
        slot(ffi::Py_tp_iternext, next as *mut c_void),
    ];
    let flags = ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION | ffi::Py_TPFLAGS_IMMUTABLETYPE;
    Class::create(py, module, Description { name: c"mod_wsgi.Input", flags, slots })
}
