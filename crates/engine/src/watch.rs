//! What somebody who watches a process wants of its Python: whether the GIL can still be had, and the end of a request
//! that takes too long.
//!
//! Called on threads of the server that answer no requests. Everything waits for the GIL and may never return.

use std::ffi::c_long;
use std::sync::Mutex;

use pyo3_ffi as ffi;

use crate::engine::Engine;
use crate::interpreter::Interpreter;
use crate::loader;
use crate::request::lock;

/// Held from the question whether a thread is to be interrupted until it is, without the GIL when it is waited for.
static INJECTING: Mutex<()> = Mutex::new(());

/// The number by which Python knows the current thread (`threading.get_ident()`).
pub fn current_thread() -> u64 {
    // SAFETY: has no conditions. The value is a number, or an address in the same width.
    unsafe { libc::pthread_self() as usize as u64 }
}

impl Engine {
    /// Takes the GIL of the main interpreter and gives it back.
    pub fn touch(&self) {
        drop(self.main.enter());
    }

    /// Whether a script has ever been loaded in this process.
    pub fn has_loaded(&self) -> bool {
        loader::has_loaded()
    }

    /// Raises `mod_wsgi.RequestTimeout` in a thread as soon as it executes Python code of an application group.
    /// `wanted` is asked when the GIL is held, so the thread cannot have gone on meanwhile; without the GIL it may have, and
    /// [`Engine::calm`] comes after it.
    pub fn interrupt(&self, application_group: &[u8], thread: u64, wanted: impl FnOnce() -> bool) {
        self.inject(application_group, thread, |interpreter, py| {
            wanted().then(|| interpreter.request_timeout.get(py).as_ptr())
        });
    }

    /// Takes back what [`Engine::interrupt`] raised in a thread that was quicker.
    pub fn calm(&self, application_group: &[u8], thread: u64) {
        self.inject(application_group, thread, |_, _| Some(std::ptr::null_mut()));
    }

    fn inject(
        &self,
        application_group: &[u8],
        thread: u64,
        exception: impl FnOnce(&Interpreter, crate::python::Gil<'_>) -> Option<*mut ffi::PyObject>,
    ) {
        let Some(interpreter) = self.existing(application_group) else { return };
        // Where there is no GIL, nothing else keeps what is taken back from being raised afterwards.
        let _in_turn = lock(&INJECTING);
        let Some(session) = interpreter.enter() else { return };
        let Some(exception) = exception(&interpreter, session.py()) else { return };
        // SAFETY: the GIL is held; an exception class that the interpreter owns, or null; a thread that does not
        // exist is not found. Python takes a reference of its own.
        unsafe { ffi::PyThreadState_SetAsyncExc(thread as c_long, exception) };
    }
}
