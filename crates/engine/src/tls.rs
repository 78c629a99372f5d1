//! `mod_ssl.is_https` and `mod_ssl.var_lookup` of the environ of scripts that are asked about a request.
//!
//! Owned by Python; they hold a share of the request, and raise when it is over. Methods run with the GIL, which is given
//! back while the server is asked.

use std::sync::Arc;

use pyo3_ffi as ffi;

use crate::boundary::python_fn;
use crate::class::{
    self, Class, Description, Table, method_no_arguments, method_one_argument, slot_doc, slot_table,
};
use crate::gil::released;
use crate::python::{Gil, Kind, Owned, Raised, Result};
use crate::request::Request;

/// The value of a `mod_wsgi.TLS`.
pub(crate) struct Tls {
    request: Arc<Request>,
    secure: bool,
}

impl Tls {
    /// Of a request whose connection is encrypted, or not.
    pub(crate) fn new(request: Arc<Request>, secure: bool) -> Self {
        Self { request, secure }
    }
}

fn over(py: Gil<'_>) -> Raised {
    py.raise(Kind::Runtime, "mod_ssl was asked after the request had been decided on")
}

python_fn! {
    fn is_https(
        py,
        this: *mut ffi::PyObject,
        _none: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // SAFETY: Python hands a method an instance of its type.
        let tls = unsafe { class::data::<Tls>(this) };
        if tls.request.is_over() {
            return Err(over(py));
        }
        Ok(py.int(i64::from(tls.secure))?.into_ptr())
    }
}

python_fn! {
    fn var_lookup(
        py,
        this: *mut ffi::PyObject,
        name: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // SAFETY: Python hands a method an instance of its type, and a live argument.
        let (tls, name) = unsafe { (class::data::<Tls>(this), Owned::borrowed(py, name)?) };
        let name = match name.as_bytes() {
            Some(bytes) => bytes.to_vec(),
            None => name.as_latin1("the name of a variable")?.to_vec(),
        };
        // SAFETY: the closure touches no Python object; the caller holds the instance.
        let found = unsafe {
            released(py, || tls.request.exchange(|exchange| exchange.tls_variable(&name)))
        };
        match found.map_err(|_| over(py))? {
            Some(value) => Ok(py.latin1(&value)?.into_ptr()),
            None => Ok(py.none().into_ptr()),
        }
    }
}

static METHODS: Table<[ffi::PyMethodDef; 3]> = Table([
    method_no_arguments(c"is_https", is_https, c"is_https() -> 1 or 0"),
    method_one_argument(c"var_lookup", var_lookup, c"var_lookup(name) -> str or None"),
    ffi::PyMethodDef::zeroed(),
]);

/// Makes the type `mod_wsgi.TLS`.
pub(crate) fn class(py: Gil<'_>, module: &Owned<'_>) -> Result<Class<Tls>> {
    let slots = vec![
        slot_doc(c"What is known of the encryption of a connection."),
        slot_table(ffi::Py_tp_methods, &METHODS),
    ];
    let flags = ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION | ffi::Py_TPFLAGS_IMMUTABLETYPE;
    Class::create(py, module, Description { name: c"mod_wsgi.TLS", flags, slots })
}
