//! The boundary between Python and Rust: every function that Python calls is made by [`python_fn`].
//!
//! A panic stops here and becomes a `SystemError`; an `Err` becomes the value by which the C API says that
//! an exception is set. Runs on any thread, with the GIL, which is what makes the proof it hands in true.
//! See <https://doc.rust-lang.org/nomicon/ffi.html#ffi-and-unwinding>.

use std::any::Any;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3_ffi as ffi;

use crate::python::{Gil, Kind, Raised, Result};

/// What a function returns to Python.
pub(crate) trait Returned {
    /// The value that says an exception is set.
    const RAISED: Self;
}

impl Returned for *mut ffi::PyObject {
    const RAISED: Self = std::ptr::null_mut();
}

impl Returned for c_int {
    const RAISED: Self = -1;
}

/// Runs `body` for Python.
///
/// # Safety
/// Python called the current function: the GIL is held.
pub(crate) unsafe fn guard<R: Returned>(body: impl FnOnce(Gil<'_>) -> Result<R>) -> R {
    // SAFETY: the GIL is held by this function's contract.
    let py = unsafe { Gil::assume() };
    match catch_unwind(AssertUnwindSafe(|| body(py))) {
        Ok(Ok(value)) => value,
        Ok(Err(Raised)) => R::RAISED,
        Err(panic) => {
            py.raise(Kind::System, &format!("mod_wsgi_rs: {}", reason(&*panic)));
            R::RAISED
        }
    }
}

/// What a panic said.
pub(crate) fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panic: {}", text.unwrap_or_else(|| "no reason given".to_owned()))
}

/// Makes a function that Python can call. The first parameter is the proof of the GIL; the body answers
/// a [`Result`].
macro_rules! python_fn {
    ($(#[$attribute:meta])*
     fn $name:ident($py:ident $(, $argument:ident: $type:ty)* $(,)?) -> $return:ty $body:block) => {
        $(#[$attribute])*
        unsafe extern "C" fn $name($($argument: $type),*) -> $return {
            let body = |$py: $crate::python::Gil<'_>| -> $crate::python::Result<$return> { $body };
            // SAFETY: only Python calls this function, and it holds the GIL.
            unsafe { $crate::boundary::guard(body) }
        }
    };
}
pub(crate) use python_fn;
