//! How an application finds its request again: `mod_wsgi.request_data()` and `mod_wsgi.active_requests`.
//!
//! Both give the same dict, which belongs to the request while the application runs. With the GIL.

use crate::interpreter::Interpreter;
use crate::python::{Gil, Owned, Raised, Result};
use crate::request::Request;

/// Keeps a request known while it lives.
pub(crate) struct Registration<'py, 'a> {
    py: Gil<'py>,
    interpreter: &'a Interpreter,
    request: &'a Request,
    id: Option<Owned<'py>>,
}

impl<'py, 'a> Registration<'py, 'a> {
    /// Makes a request known, by the id that is in its environ.
    pub(crate) fn begin(
        interpreter: &'a Interpreter,
        request: &'a Request,
        environ: &Owned<'py>,
    ) -> Self {
        let py = environ.py();
        let registered = || -> Result<Option<Owned<'py>>> {
            let id = interpreter.environ.request_id(environ)?;
            let data = py.dict()?;
            if let Some(id) = &id {
                interpreter.active_requests.get(py).set_item(id, &data)?;
            }
            request.register(id.clone().map(Owned::keep), data.keep());
            Ok(id)
        };
        let id = registered().unwrap_or_else(|Raised| {
            // There is no memory for it; the application may still do without.
            py.clear();
            None
        });
        Self { py, interpreter, request, id }
    }
}

impl Drop for Registration<'_, '_> {
    fn drop(&mut self) {
        if let Some(id) = &self.id {
            self.interpreter.active_requests.get(self.py).remove_item(id);
        }
        self.request.unregister(self.py);
    }
}
