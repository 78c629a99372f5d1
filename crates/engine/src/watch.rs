//! What somebody who watches a process wants of its Python: whether the GIL can still be had, what all threads do,
//! and the end of a request that takes too long.
//!
//! Called on threads of the server that answer no requests. Everything but [`Engine::stacks`] waits for the GIL
//! and may never return.

use std::ffi::{CStr, c_char, c_int, c_long};
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::OnceLock;

use pyo3_ffi as ffi;

use crate::engine::Engine;
use crate::interpreter::Interpreter;
use crate::loader;

/// Python's own function for the moment of a crash: it takes no lock and no memory, and only looks.
type Dump = unsafe extern "C" fn(
    c_int,
    *mut ffi::PyInterpreterState,
    *mut ffi::PyThreadState,
) -> *const c_char;

/// The most bytes of stacks that are worth keeping.
const MOST: u64 = 256 * 1024;

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
    /// `wanted` is asked when the GIL is held, so the thread cannot have gone on meanwhile.
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
        let Some(session) = interpreter.enter() else { return };
        let Some(exception) = exception(&interpreter, session.py()) else { return };
        // SAFETY: the GIL is held; an exception class that the interpreter owns, or null; a thread that does not
        // exist is not found. Python takes a reference of its own.
        unsafe { ffi::PyThreadState_SetAsyncExc(thread as c_long, exception) };
    }

    /// The stacks of all Python threads, as text. Without the GIL, whoever has it: what the threads do meanwhile may
    /// spoil the text, and in rare cases end the process, as with Python's `faulthandler`.
    pub fn stacks(&self) -> String {
        self.try_stacks().unwrap_or_else(|why| format!("the stacks cannot be shown: {why}"))
    }

    /// As [`Engine::stacks`], with the GIL, so that nothing moves.
    pub fn stacks_at_rest(&self) -> String {
        let _session = self.main.enter();
        self.stacks()
    }

    fn try_stacks(&self) -> Result<String, String> {
        let dump = dump().ok_or("this Python has no function for it")?;
        // SAFETY: a name that ends with NUL; the descriptor is new and nobody else's.
        let mut file = unsafe {
            let fd = libc::memfd_create(c"wsgi-stacks".as_ptr(), libc::MFD_CLOEXEC);
            if fd < 0 {
                return Err(std::io::Error::last_os_error().to_string());
            }
            File::from_raw_fd(fd)
        };
        self.each_interpreter(|interpreter| {
            // SAFETY: an interpreter that lives as long as the process. The function is made to be called in any
            // state of a process, without the GIL.
            unsafe { dump(file.as_raw_fd(), interpreter.home().raw, std::ptr::null_mut()) };
        });
        let mut text = Vec::new();
        file.rewind()
            .and_then(|()| file.take(MOST).read_to_end(&mut text))
            .map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// Looks for Python's function: it is exported for its own modules, not promised to others.
fn dump() -> Option<Dump> {
    const NAME: &CStr = c"_Py_DumpTracebackThreads";
    static FOUND: OnceLock<Option<Dump>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        // SAFETY: a name that ends with NUL; looks at what is loaded.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, NAME.as_ptr()) };
        // SAFETY: the function of this name has this type in every CPython from 3.10 on.
        (!found.is_null()).then(|| unsafe { std::mem::transmute::<*mut libc::c_void, Dump>(found) })
    })
}
