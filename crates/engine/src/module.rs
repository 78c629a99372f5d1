//! The module `mod_wsgi` that applications import, one in each interpreter.
//!
//! Made when the interpreter is set up, with the GIL; it owns our types. What Python can say better than
//! the C API is in `support.py`.
//! See <https://modwsgi.readthedocs.io/en/master/user-guides/access-control-mechanisms.html>.

use crate::class::Class;
use crate::errors::{self, Log};
use crate::file_wrapper::{self, FileWrapper};
use crate::functions;
use crate::input::{self, Input};
use crate::python::{Gil, Owned, Result};
use crate::start::StartUp;
use crate::start_response::{self, StartResponse};
use crate::tls::{self, Tls};

/// The version of mod_wsgi whose interface this is: `mod_wsgi.version`.
pub(crate) const COMPATIBLE: [u32; 3] = [6, 1, 1];

/// Our types in one interpreter.
pub(crate) struct Classes {
    pub(crate) input: Class<Input>,
    pub(crate) log: Class<Log>,
    pub(crate) start_response: Class<StartResponse>,
    pub(crate) file_wrapper: Class<FileWrapper>,
    pub(crate) tls: Class<Tls>,
}

/// Makes the module, without putting it into `sys.modules`.
pub(crate) fn create<'py>(
    py: Gil<'py>,
    startup: &StartUp,
    application_group: &[u8],
) -> Result<(Owned<'py>, Classes)> {
    let name = py.str("mod_wsgi")?;
    // SAFETY: the GIL is held; a str; a new reference or null.
    let module = unsafe { Owned::new(py, pyo3_ffi::PyModule_NewObject(name.as_ptr()))? };
    let classes = Classes {
        input: input::class(py, &module)?,
        log: errors::class(py, &module)?,
        start_response: start_response::class(py, &module)?,
        file_wrapper: file_wrapper::class(py, &module)?,
        tls: tls::class(py, &module)?,
    };
    let [major, minor, patch] = COMPATIBLE.map(i64::from);
    let version = py.tuple(&[py.int(major)?, py.int(minor)?, py.int(patch)?])?;
    module.set_attr(c"version", &version)?;
    module.set_attr(c"rs_version", &py.str(env!("CARGO_PKG_VERSION"))?)?;
    module.set_attr(c"process_group", &py.path(&startup.process_group)?)?;
    module.set_attr(c"application_group", &py.path(application_group)?)?;
    module.set_attr(c"maximum_processes", &py.int(i64::from(startup.processes))?)?;
    module.set_attr(c"threads_per_process", &py.int(i64::from(startup.threads))?)?;
    module.set_attr(c"FileWrapper", &classes.file_wrapper.object(py))?;
    functions::add(&module)?;
    Ok((module, classes))
}
