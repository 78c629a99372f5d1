//! Exceptions on their way to the log: one line that says what happened, then the traceback.
//!
//! Runs with the GIL; the log is quick. See <https://docs.python.org/3/library/traceback.html>.

use engine_abi::Level;
use pyo3_ffi as ffi;

use crate::python::{Gil, Kept, Owned, Raised, Result};

/// What went wrong when an exception arrived.
pub(crate) struct Incident {
    /// For example `WRS4001`.
    pub(crate) id: &'static str,
    /// The same for `SystemExit`, where that is a case of its own.
    pub(crate) id_of_exit: &'static str,
    /// For example `exception in the application /srv/app.wsgi (application group 'x')`.
    pub(crate) what: String,
}

/// Logs an exception that was raised. `describe` is the function of `support.py`.
pub(crate) fn report<'py>(
    py: Gil<'py>,
    describe: Option<&Kept>,
    incident: &Incident,
    exception: Option<Owned<'py>>,
    log: &dyn Fn(Level, &[u8]),
) {
    let Some(exception) = exception else {
        log(Level::Error, format!("{}: {}", incident.id, incident.what).as_bytes());
        return;
    };
    // SAFETY: the GIL is held; two live objects.
    let is_exit =
        unsafe { ffi::PyErr_GivenExceptionMatches(exception.as_ptr(), ffi::PyExc_SystemExit) != 0 };
    let id = if is_exit { incident.id_of_exit } else { incident.id };
    let mut head = format!("{id}: {}: ", incident.what).into_bytes();
    match describe.ok_or(Raised).and_then(|describe| described(py, describe, &exception)) {
        Ok((summary, lines)) => {
            head.extend_from_slice(summary.as_bytes().unwrap_or_default());
            log(Level::Error, &head);
            let lines = lines.as_bytes().unwrap_or_default();
            lines
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .for_each(|line| log(Level::Error, line));
        }
        Err(Raised) => {
            // The exception cannot be described, for example because memory is short or its `__str__` fails.
            py.clear();
            head.extend_from_slice(exception.type_name().as_bytes());
            log(Level::Error, &head);
        }
    }
}

fn described<'py>(
    py: Gil<'py>,
    describe: &Kept,
    exception: &Owned<'py>,
) -> Result<(Owned<'py>, Owned<'py>)> {
    let pair = describe.get(py).call([exception])?;
    // SAFETY: the GIL is held; a wrong type or size raises; items are borrowed from the tuple.
    unsafe {
        let item = |at| Owned::borrowed(py, ffi::PyTuple_GetItem(pair.as_ptr(), at));
        Ok((item(0)?, item(1)?))
    }
}
