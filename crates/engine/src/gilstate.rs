//! The thread state with which C extensions take the GIL (`PyGILState_Ensure`) on a thread of ours.
//!
//! It is the one of the interpreter that the thread serves. CPython 3.12 and later see to that by themselves; before, the
//! first state of an OS thread is used for good. A callback of `sqlite3` would then run in the main interpreter though the
//! application is in another, or wait forever for the GIL that its own thread holds. So the state is put where CPython
//! looks for it: it is the value of a key of POSIX threads, which is found by what it holds. CPython makes it anew in a
//! process that was forked.
//! See <https://docs.python.org/3/c-api/init.html#c.PyGILState_Ensure>.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use pyo3_ffi as ffi;

use crate::python::Gil;

const UNKNOWN: u32 = u32::MAX;

/// The key of this process, once it is known.
static KEY: AtomicU32 = AtomicU32::new(UNKNOWN);

/// Finds the key. On the thread on which Python started or that was forked, while that is the only one.
pub(crate) fn find(_py: Gil<'_>) {
    static WATCH: Once = Once::new();
    if cfg!(Py_3_12) {
        return;
    }
    // SAFETY: the function given only stores a value; the engine is never unloaded.
    WATCH.call_once(|| unsafe {
        libc::pthread_atfork(None, None, Some(forget));
    });
    // SAFETY: the GIL is held. Keys below this limit may be asked for a value whether they are in use or not; what
    // is set is a pointer that only CPython reads, which it does not before it is what it was.
    unsafe {
        let state = ffi::PyGILState_GetThisThreadState().cast();
        let keys = u32::try_from(libc::sysconf(libc::_SC_THREAD_KEYS_MAX)).unwrap_or(0);
        let is_it = |key: &u32| {
            if libc::pthread_getspecific(*key) != state {
                return false;
            }
            libc::pthread_setspecific(*key, std::ptr::null());
            let gone = ffi::PyGILState_GetThisThreadState().is_null();
            libc::pthread_setspecific(*key, state);
            gone
        };
        if !state.is_null() {
            KEY.store((0..keys).find(is_it).unwrap_or(UNKNOWN), Ordering::Relaxed);
        }
    }
}

/// In the child of a fork, before CPython does what it does there.
unsafe extern "C" fn forget() {
    KEY.store(UNKNOWN, Ordering::Relaxed);
}

/// Whether the key was found.
pub(crate) fn is_known() -> bool {
    KEY.load(Ordering::Relaxed) != UNKNOWN
}

/// From now on this thread takes the GIL with that state.
///
/// # Safety
/// A state of this OS thread and of a live interpreter.
pub(crate) unsafe fn bind(state: *mut ffi::PyThreadState) {
    if cfg!(Py_3_12) {
        return;
    }
    let key = KEY.load(Ordering::Relaxed);
    if key != UNKNOWN {
        // SAFETY: CPython's key, which exists until the process ends. It takes its value out again when it frees
        // the state.
        unsafe { libc::pthread_setspecific(key, state.cast()) };
    }
}
