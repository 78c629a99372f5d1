//! Text streams that end in the server's log: `wsgi.errors`, and what is behind `sys.stdout` and `sys.stderr`.
//!
//! The stream of a request owns a share of it. A stream of the process writes to the request that the
//! current thread serves, and to the server's log when it serves none. Methods run with the GIL and do not
//! wait. See PEP 3333, "Input and Error Streams": <https://peps.python.org/pep-3333/#input-and-error-streams>.

use std::cell::RefCell;
use std::ffi::c_void;
use std::sync::{Arc, Mutex};

use engine_abi::Level;
use pyo3_ffi as ffi;
use wsgi::LogLines;

use crate::boundary::python_fn;
use crate::class::{
    self, Class, Description, NO_ATTRIBUTE, Table, attribute, method_any_arguments,
    method_no_arguments, method_one_argument, slot_doc, slot_table,
};
use crate::fork;
use crate::python::{Gil, Kind, Owned, Raised, Result};
use crate::request::{Request, lock};
use crate::start::LogFn;

thread_local! {
    /// The request this thread serves.
    static CURRENT: RefCell<Option<Arc<Request>>> = const { RefCell::new(None) };
}

/// Makes `request` the one this thread serves while the value lives.
pub(crate) struct Serving {
    /// What the thread was serving before: a page may include another application's.
    outer: Option<Arc<Request>>,
}

impl Serving {
    pub(crate) fn new(request: &Arc<Request>) -> Self {
        let outer = CURRENT.try_with(|current| current.replace(Some(Arc::clone(request))));
        Self { outer: outer.ok().flatten() }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = CURRENT.try_with(|current| current.replace(self.outer.take()));
    }
}

/// The request this thread serves.
pub(crate) fn current() -> Option<Arc<Request>> {
    if !fork::serves() {
        return None;
    }
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// Writes a line to the log of the request this thread serves, or else to the server's.
pub(crate) fn log_here(log: LogFn, level: Level, line: &[u8]) {
    if current().is_none_or(|request| request.log(level, line).is_err()) {
        log(level, line);
    }
}

/// The streams of a request. Each has a line of its own that has not ended, so that what is printed never
/// continues what another stream began.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    Errors,
    Stdout,
    Stderr,
}

/// The value of a `mod_wsgi.Log`.
pub(crate) enum Log {
    /// `wsgi.errors` of a request.
    Request(Arc<Request>),
    /// `sys.stdout` or `sys.stderr`: what an application prints is its request's.
    Process { name: &'static str, stream: Stream, log: LogFn, lines: Mutex<LogLines> },
    /// Lines of one level, which come whole. `server`: they go to its log even if a request is served.
    Lines { level: Level, log: LogFn, server: bool },
}

impl Log {
    /// A stream of the process.
    pub(crate) fn process(name: &'static str, stream: Stream, log: LogFn) -> Self {
        Self::Process { name, stream, log, lines: Mutex::default() }
    }

    fn write(&self, py: Gil<'_>, text: &[u8]) -> Result<()> {
        match self {
            Self::Request(request) => {
                request.write_stream(Stream::Errors, text).map_err(|_| over(py))
            }
            Self::Process { stream, log, lines, .. } => {
                if current().is_some_and(|request| request.write_stream(*stream, text).is_ok()) {
                    return Ok(());
                }
                lock(lines).write(text, |line| log(Level::Error, line));
                Ok(())
            }
            Self::Lines { level, log, server } => {
                let mut lines = LogLines::default();
                let mut put = |line: &[u8]| match server {
                    true => log(*level, line),
                    false => log_here(*log, *level, line),
                };
                lines.write(text, &mut put);
                lines.flush(put);
                Ok(())
            }
        }
    }

    /// Logs a line that has not ended.
    fn flush(&self, py: Gil<'_>) -> Result<()> {
        match self {
            Self::Request(request) => request.flush_stream(Stream::Errors).map_err(|_| over(py)),
            Self::Process { stream, log, lines, .. } => {
                if let Some(request) = current() {
                    // An error says that the request is over; then nothing of it is left.
                    let _ = request.flush_stream(*stream);
                }
                lock(lines).flush(|line| log(Level::Error, line));
                Ok(())
            }
            Self::Lines { .. } => Ok(()),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Request(_) => "<wsgi.errors>",
            Self::Process { name, .. } => name,
            Self::Lines { .. } => "<log>",
        }
    }
}

fn over(py: Gil<'_>) -> Raised {
    py.raise(Kind::Runtime, "wsgi.errors was used after the request had ended")
}

/// Writes a `str` or the bytes of a buffer; how much it was.
fn write_object(py: Gil<'_>, log: &Log, object: &Owned<'_>) -> Result<i64> {
    // SAFETY: a live object.
    if unsafe { ffi::PyUnicode_Check(object.as_ptr()) } != 0 {
        // SAFETY: a str; the encoding and the error handler end with NUL.
        let encoded = unsafe {
            let encoded = ffi::PyUnicode_AsEncodedString(
                object.as_ptr(),
                c"utf-8".as_ptr(),
                c"backslashreplace".as_ptr(),
            );
            Owned::new(py, encoded)?
        };
        log.write(py, encoded.as_bytes().unwrap_or_default())?;
        // SAFETY: a str.
        return Ok(unsafe { ffi::PyUnicode_GetLength(object.as_ptr()) } as i64);
    }
    // SAFETY: a live object; an all-zero buffer is what the function fills.
    let mut view: ffi::Py_buffer = unsafe { std::mem::zeroed() };
    // SAFETY: `view` is ours; without the buffer protocol this raises `TypeError`.
    unsafe {
        let status = ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut view, ffi::PyBUF_SIMPLE);
        crate::python::done(status)?;
    }
    let text = if view.buf.is_null() {
        Vec::new()
    } else {
        // SAFETY: a simple buffer is contiguous and stays until it is released. Copied, because other
        // threads may write into it.
        unsafe { std::slice::from_raw_parts(view.buf.cast::<u8>(), view.len.unsigned_abs()) }
            .to_vec()
    };
    // SAFETY: the buffer that was got above.
    unsafe { ffi::PyBuffer_Release(&raw mut view) };
    log.write(py, &text)?;
    Ok(text.len() as i64)
}

python_fn! {
    fn write(
        py,
        this: *mut ffi::PyObject,
        text: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // SAFETY: Python hands a method an instance of its type, and a live argument.
        let (log, text) = unsafe { (class::data::<Log>(this), Owned::borrowed(py, text)?) };
        Ok(py.int(write_object(py, log, &text)?)?.into_ptr())
    }
}

python_fn! {
    fn writelines(
        py,
        this: *mut ffi::PyObject,
        lines: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // SAFETY: Python hands a method an instance of its type, and a live argument.
        let (log, lines) = unsafe {
            (class::data::<Log>(this), Owned::new(py, ffi::PyObject_GetIter(lines))?)
        };
        loop {
            // SAFETY: the GIL is held; an iterator. Null ends it, with or without an exception.
            let item = unsafe { Owned::new(py, ffi::PyIter_Next(lines.as_ptr())) };
            let Ok(item) = item else { break };
            write_object(py, log, &item)?;
        }
        if py.is_raised() { Err(Raised) } else { Ok(py.none().into_ptr()) }
    }
}

python_fn! {
    fn flush(
        py,
        this: *mut ffi::PyObject,
        _none: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // SAFETY: Python hands a method an instance of its type.
        unsafe { class::data::<Log>(this) }.flush(py)?;
        Ok(py.none().into_ptr())
    }
}

python_fn! {
    fn close(
        py,
        this: *mut ffi::PyObject,
        _none: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // SAFETY: Python hands a method an instance of its type.
        if unsafe { class::data::<Log>(this) }.flush(py).is_err() {
            // Closing what is over is no fault.
            py.clear();
        }
        Ok(py.none().into_ptr())
    }
}

python_fn! {
    fn yes(
        py,
        _this: *mut ffi::PyObject,
        _none: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        Ok(py.bool(true).into_ptr())
    }
}

python_fn! {
    fn no(
        py,
        _this: *mut ffi::PyObject,
        _none: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        Ok(py.bool(false).into_ptr())
    }
}

python_fn! {
    fn fileno(
        py,
        _this: *mut ffi::PyObject,
        _none: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        Err(py.raise(Kind::Os, "a mod_wsgi log stream has no file descriptor"))
    }
}

python_fn! {
    /// Neither the encoding nor when lines are written can be changed, nor need it.
    fn reconfigure(
        py,
        this: *mut ffi::PyObject,
        _arguments: *mut ffi::PyObject,
        _keywords: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // SAFETY: Python hands a method an instance of its type.
        unsafe { class::data::<Log>(this) }.flush(py)?;
        Ok(py.none().into_ptr())
    }
}

python_fn! {
    fn unsupported(
        py,
        _this: *mut ffi::PyObject,
        _arguments: *mut ffi::PyObject,
        _keywords: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        let class = py.import(c"io")?.attr(c"UnsupportedOperation")?;
        let text = c"a mod_wsgi log stream is for writing only";
        // SAFETY: the GIL is held; a live class of exceptions and a C string.
        unsafe { ffi::PyErr_SetString(class.as_ptr(), text.as_ptr()) };
        Err(Raised)
    }
}

python_fn! {
    fn enter(
        py,
        this: *mut ffi::PyObject,
        _none: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // SAFETY: Python hands a method a live instance.
        Ok(unsafe { Owned::borrowed(py, this)? }.into_ptr())
    }
}

python_fn! {
    fn exit(
        py,
        this: *mut ffi::PyObject,
        _arguments: *mut ffi::PyObject,
        _keywords: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // SAFETY: Python hands a method an instance of its type.
        if unsafe { class::data::<Log>(this) }.flush(py).is_err() {
            py.clear();
        }
        Ok(py.none().into_ptr())
    }
}

python_fn! {
    fn always(py, _this: *mut ffi::PyObject, _closure: *mut c_void) -> *mut ffi::PyObject {
        Ok(py.bool(true).into_ptr())
    }
}

python_fn! {
    fn nothing(py, _this: *mut ffi::PyObject, _closure: *mut c_void) -> *mut ffi::PyObject {
        Ok(py.none().into_ptr())
    }
}

python_fn! {
    fn name(py, this: *mut ffi::PyObject, _closure: *mut c_void) -> *mut ffi::PyObject {
        // SAFETY: Python hands a getter an instance of its type.
        let log = unsafe { class::data::<Log>(this) };
        Ok(py.str(log.name())?.into_ptr())
    }
}

python_fn! {
    fn text(py, _this: *mut ffi::PyObject, closure: *mut c_void) -> *mut ffi::PyObject {
        // SAFETY: the closure of this getter is one of the C strings below.
        let text = unsafe { std::ffi::CStr::from_ptr(closure.cast()) };
        Ok(py.latin1(text.to_bytes())?.into_ptr())
    }
}

python_fn! {
    fn closed(py, _this: *mut ffi::PyObject, _closure: *mut c_void) -> *mut ffi::PyObject {
        Ok(py.bool(false).into_ptr())
    }
}

python_fn! {
    fn buffer(py, this: *mut ffi::PyObject, _closure: *mut c_void) -> *mut ffi::PyObject {
        // SAFETY: Python hands a getter a live instance.
        Ok(unsafe { Owned::borrowed(py, this)? }.into_ptr())
    }
}

/// Those of a text stream; `support.py` registers the type as one.
static METHODS: Table<[ffi::PyMethodDef; 20]> = Table([
    method_one_argument(c"write", write, c"write(text) -> int"),
    method_one_argument(c"writelines", writelines, c"writelines(lines)"),
    method_no_arguments(c"flush", flush, c"flush() logs a line that has not ended"),
    method_no_arguments(c"close", close, c"close() does what flush() does"),
    method_no_arguments(c"isatty", no, c"False"),
    method_no_arguments(c"readable", no, c"False"),
    method_no_arguments(c"seekable", no, c"False"),
    method_no_arguments(c"writable", yes, c"True"),
    method_no_arguments(c"fileno", fileno, c"raises OSError"),
    method_any_arguments(c"reconfigure", reconfigure, c"reconfigure() changes nothing"),
    method_any_arguments(c"detach", unsupported, UNSUPPORTED),
    method_any_arguments(c"read", unsupported, UNSUPPORTED),
    method_any_arguments(c"readline", unsupported, UNSUPPORTED),
    method_any_arguments(c"readlines", unsupported, UNSUPPORTED),
    method_any_arguments(c"seek", unsupported, UNSUPPORTED),
    method_any_arguments(c"tell", unsupported, UNSUPPORTED),
    method_any_arguments(c"truncate", unsupported, UNSUPPORTED),
    method_no_arguments(c"__enter__", enter, c"the stream"),
    method_any_arguments(c"__exit__", exit, c"does what flush() does"),
    ffi::PyMethodDef::zeroed(),
]);

const UNSUPPORTED: &std::ffi::CStr = c"raises io.UnsupportedOperation";

const fn closure(text: &'static std::ffi::CStr) -> *mut c_void {
    text.as_ptr().cast_mut().cast()
}

static ATTRIBUTES: Table<[ffi::PyGetSetDef; 9]> = Table([
    attribute(c"name", name, std::ptr::null_mut()),
    attribute(c"encoding", text, closure(c"utf-8")),
    attribute(c"errors", text, closure(c"backslashreplace")),
    attribute(c"closed", closed, std::ptr::null_mut()),
    attribute(c"buffer", buffer, std::ptr::null_mut()),
    attribute(c"line_buffering", always, std::ptr::null_mut()),
    attribute(c"write_through", always, std::ptr::null_mut()),
    attribute(c"newlines", nothing, std::ptr::null_mut()),
    NO_ATTRIBUTE,
]);

/// Makes the type `mod_wsgi.Log`.
pub(crate) fn class(py: Gil<'_>, module: &Owned<'_>) -> Result<Class<Log>> {
    let slots = vec![
        slot_doc(c"A text stream whose lines go to the error log."),
        slot_table(ffi::Py_tp_methods, &METHODS),
        slot_table(ffi::Py_tp_getset, &ATTRIBUTES),
    ];
    let flags = ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION | ffi::Py_TPFLAGS_IMMUTABLETYPE;
    Class::create(py, module, Description { name: c"mod_wsgi.Log", flags, slots })
}
