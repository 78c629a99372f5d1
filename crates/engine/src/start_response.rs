//! `start_response` and the `write` it returns.
//!
//! One object for each request, called through `tp_vectorcall`; it owns a share of its [`Request`] and writes
//! the pending head there. Runs with the GIL, which `write` gives back while it sends.
//! See PEP 3333, "The start_response() Callable": <https://peps.python.org/pep-3333/#the-start-response-callable>.

use std::ffi::c_void;
use std::mem::offset_of;
use std::sync::Arc;

use pyo3_ffi as ffi;

use crate::boundary::python_fn;
use crate::class::{
    self, Class, Description, Instance, Table, arguments, method_one_argument, slot, slot_doc,
    slot_table,
};
use crate::events::{Events, response_started};
use crate::gil::released;
use crate::output::{Fault, HeadText};
use crate::python::{Gil, Kind, Owned, Raised, Result};
use crate::request::{Request, lock};

/// The value of a `mod_wsgi.StartResponse`.
#[repr(C)]
pub(crate) struct StartResponse {
    vectorcall: ffi::vectorcallfunc,
    request: Arc<Request>,
    /// There if somebody listens to the events of the request.
    events: Option<Arc<Events>>,
}

impl StartResponse {
    /// The callable of a request.
    pub(crate) fn new(request: Arc<Request>, events: Option<Arc<Events>>) -> Self {
        Self { vectorcall: start_response, request, events }
    }
}

/// Turns a refusal of output into the exception an application sees.
pub(crate) fn raise(py: Gil<'_>, fault: &Fault) -> Raised {
    match fault {
        Fault::NotStarted => {
            py.raise(Kind::Runtime, "start_response was not called before the first output")
        }
        Fault::ContentLength(error) => py.raise(Kind::Value, &error.to_string()),
        Fault::Gone => py.raise(Kind::BrokenPipe, "client connection closed"),
        Fault::Over => over(py),
    }
}

fn over(py: Gil<'_>) -> Raised {
    py.raise(Kind::Runtime, "start_response or write was used after the request had ended")
}

python_fn! {
    fn start_response(
        py,
        this: *mut ffi::PyObject,
        data: *const *mut ffi::PyObject,
        count: usize,
        keywords: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // SAFETY: Python calls this for an instance of the type.
        let StartResponse { request, events, .. } =
            unsafe { class::data::<StartResponse>(this) };
        // SAFETY: the arguments of a vectorcall, as many as `PyVectorcall_NARGS` says.
        let given = unsafe { arguments(data, ffi::PyVectorcall_NARGS(count as _)) };
        if request.is_over() {
            return Err(over(py));
        }
        // SAFETY: null, or a live tuple of names.
        if !keywords.is_null() && unsafe { ffi::PyTuple_Size(keywords) } > 0 {
            return Err(py.raise(Kind::Type, "start_response() takes no keyword arguments"));
        }
        class::check_count(py, "start_response", given.len(), 2..=3)?;
        let mut given = given.iter().map(|object| {
            // SAFETY: an argument is live while the function runs.
            unsafe { Owned::borrowed(py, *object) }
        });
        let mut argument = || given.next().unwrap_or(Err(Raised));
        let (status, headers) = (argument()?, argument()?);
        let exc_info = argument().ok().filter(|exc_info| !exc_info.is_none());
        check_state(py, request, &headers, exc_info.as_ref())?;
        if let Some(events) = events {
            let none = py.none();
            let payload = [&status, &headers, exc_info.as_ref().unwrap_or(&none)];
            response_started(py, events, request, payload)?;
        }
        let head = head(py, &status, &headers)?;
        lock(&request.output).set_head(head);
        write_of(py, this)
    }
}

/// What PEP 3333 says about calling it again.
fn check_state(
    py: Gil<'_>,
    request: &Request,
    headers: &Owned<'_>,
    exc_info: Option<&Owned<'_>>,
) -> Result<()> {
    // SAFETY: a live object.
    if unsafe { ffi::PyList_Check(headers.as_ptr()) } == 0 {
        let message = format!("response headers must be a list, not {}", headers.type_name());
        return Err(py.raise(Kind::Type, &message));
    }
    // SAFETY: a live object.
    if exc_info.is_some_and(|exc_info| unsafe { ffi::PyTuple_Check(exc_info.as_ptr()) } == 0) {
        return Err(py.raise(Kind::Runtime, "exception info must be a tuple"));
    }
    let committed = lock(&request.output).is_committed();
    match exc_info {
        Some(exc_info) if committed => Err(reraise(py, exc_info)),
        None if committed => Err(py.raise(
            Kind::Runtime,
            "start_response was called more than once without exc_info after output had begun",
        )),
        _ => Ok(()),
    }
}

/// Raises what an application handed in as `exc_info`.
fn reraise(py: Gil<'_>, exc_info: &Owned<'_>) -> Raised {
    // SAFETY: a live tuple, so its items are borrowed from it.
    let items = unsafe {
        if ffi::PyTuple_Size(exc_info.as_ptr()) != 3 {
            return py.raise(Kind::Type, "exception info must be a tuple of three items");
        }
        let item = |at| Owned::borrowed(py, ffi::PyTuple_GetItem(exc_info.as_ptr(), at));
        (item(0), item(1), item(2))
    };
    let (Ok(class), Ok(value), Ok(traceback)) = items else { return Raised };
    // SAFETY: live objects whose types are looked at before they are used.
    unsafe {
        if ffi::PyExceptionClass_Check(class.as_ptr()) == 0 {
            return py.raise(Kind::Type, "exception info must begin with an exception class");
        }
        if ffi::PyExceptionInstance_Check(value.as_ptr()) == 0 {
            ffi::PyErr_SetObject(class.as_ptr(), value.as_ptr());
            return Raised;
        }
        if !traceback.is_none()
            && ffi::PyException_SetTraceback(value.as_ptr(), traceback.as_ptr()) != 0
        {
            return Raised;
        }
        ffi::PyErr_SetObject(ffi::PyExceptionInstance_Class(value.as_ptr()), value.as_ptr());
    }
    Raised
}

/// Checks status and headers and copies them.
fn head(py: Gil<'_>, status: &Owned<'_>, headers: &Owned<'_>) -> Result<HeadText> {
    let status_line = status.as_latin1("the status")?;
    let status = wsgi::status::parse(status_line)
        .map_err(|error| py.raise(Kind::Value, &error.to_string()))?;
    if status.code < 200 {
        // Taken for the whole response it would put the client out of step.
        let message =
            "the status code must be 200 or more: the server sends interim responses itself";
        return Err(py.raise(Kind::Value, message));
    }
    let mut head = HeadText::new(status.code, status_line);
    let mut at = 0;
    // The length is looked at again each time, because nothing keeps another thread from changing the list.
    // SAFETY: the GIL is held; a live list; an item is a reference of our own, or null.
    while at < unsafe { ffi::PyList_Size(headers.as_ptr()) } {
        // SAFETY: as above.
        let item = unsafe { Owned::new(py, ffi::compat::PyList_GetItemRef(headers.as_ptr(), at))? };
        push_header(py, &mut head, &item)?;
        at += 1;
    }
    Ok(head)
}

fn push_header(py: Gil<'_>, head: &mut HeadText, item: &Owned<'_>) -> Result<()> {
    // SAFETY: a live object.
    if unsafe { ffi::PyTuple_Check(item.as_ptr()) } == 0 {
        let message =
            format!("a response header must be a tuple of two str, not {}", item.type_name());
        return Err(py.raise(Kind::Type, &message));
    }
    // SAFETY: a live tuple, which cannot change; its items are borrowed from it.
    let (name, value) = unsafe {
        if ffi::PyTuple_Size(item.as_ptr()) != 2 {
            return Err(py.raise(Kind::Value, "a response header must be a tuple of two str"));
        }
        let part = |at| Owned::borrowed(py, ffi::PyTuple_GetItem(item.as_ptr(), at));
        (part(0)?, part(1)?)
    };
    let name = name.as_latin1("the name of a response header")?;
    let value = value.as_latin1("the value of a response header")?;
    wsgi::header::check(name, value).map_err(|error| {
        let message = format!("{error}: {:?}", String::from_utf8_lossy(name));
        py.raise(Kind::Value, &message)
    })?;
    head.push(name, value);
    Ok(())
}

/// The `write` bound to a `start_response`.
fn write_of(py: Gil<'_>, this: *mut ffi::PyObject) -> Result<*mut ffi::PyObject> {
    let [write, _] = &METHODS.0;
    // SAFETY: the GIL is held; the definition is static, the object live.
    unsafe {
        let function = ffi::PyCFunction_NewEx(
            std::ptr::from_ref(write).cast_mut(),
            this,
            std::ptr::null_mut(),
        );
        Ok(Owned::new(py, function)?.into_ptr())
    }
}

python_fn! {
    fn write(
        py,
        this: *mut ffi::PyObject,
        piece: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // SAFETY: Python hands a method an instance of its type, and a live argument.
        let (this, piece) = unsafe {
            (class::data::<StartResponse>(this), Owned::borrowed(py, piece)?)
        };
        let request = &*this.request;
        if request.is_over() {
            return Err(over(py));
        }
        let Some(bytes) = piece.as_bytes() else {
            let message = format!("write() needs bytes, not {}", piece.type_name());
            return Err(py.raise(Kind::Type, &message));
        };
        let pieces = [bytes];
        let pieces = if bytes.is_empty() { &[][..] } else { &pieces[..] };
        // SAFETY: the closure touches the data of `piece`, which this function holds.
        unsafe { released(py, || request.send(pieces, false)) }
            .map_err(|fault| raise(py, &fault))?;
        Ok(py.none().into_ptr())
    }
}

static METHODS: Table<[ffi::PyMethodDef; 2]> =
    Table([method_one_argument(c"write", write, c"write(bytes)"), ffi::PyMethodDef::zeroed()]);

const VECTORCALL_OFFSET: usize =
    offset_of!(Instance<StartResponse>, data) + offset_of!(StartResponse, vectorcall);

static MEMBERS: Table<[ffi::PyMemberDef; 2]> = Table([
    ffi::PyMemberDef {
        name: c"__vectorcalloffset__".as_ptr(),
        type_code: ffi::Py_T_PYSSIZET,
        offset: VECTORCALL_OFFSET as ffi::Py_ssize_t,
        flags: ffi::Py_READONLY,
        doc: std::ptr::null(),
    },
    ffi::PyMemberDef {
        name: std::ptr::null(),
        type_code: 0,
        offset: 0,
        flags: 0,
        doc: std::ptr::null(),
    },
]);

/// Makes the type `mod_wsgi.StartResponse`.
pub(crate) fn class(py: Gil<'_>, module: &Owned<'_>) -> Result<Class<StartResponse>> {
    let slots = vec![
        slot_doc(c"start_response(status, headers, exc_info=None, /) -> write"),
        slot_table(ffi::Py_tp_methods, &METHODS),
        slot_table(ffi::Py_tp_members, &MEMBERS),
        slot(ffi::Py_tp_call, ffi::PyVectorcall_Call as *mut c_void),
    ];
    let flags = ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION
        | ffi::Py_TPFLAGS_IMMUTABLETYPE
        | ffi::Py_TPFLAGS_HAVE_VECTORCALL;
    Class::create(py, module, Description { name: c"mod_wsgi.StartResponse", flags, slots })
}
