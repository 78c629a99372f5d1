//! Forking a process in which Python runs: the leader of a process group makes its workers so.
//!
//! On the main thread. Only the forking thread and the main interpreter live on in the child.
//! See <https://docs.python.org/3/c-api/sys.html#c.PyOS_BeforeFork>.

use std::io;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use pyo3_ffi as ffi;

use crate::boundary::python_fn;
use crate::class::{Table, method_no_arguments};
use crate::metrics::METRICS;
use crate::python::{Gil, Owned, Result};
use crate::{gil, gilstate, interpreter};

unsafe extern "C" {
    fn PyOS_BeforeFork();
    fn PyOS_AfterFork_Parent();
    fn PyOS_AfterFork_Child();
}

static SERVING: AtomicI32 = AtomicI32::new(0);
static SERVES: AtomicBool = AtomicBool::new(false);

/// Which side of a fork this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// The process that forked, and the child's id.
    Parent(libc::pid_t),
    /// The new process.
    Child,
}

/// Forks, telling Python before and after. On the main thread, with the GIL of the main interpreter; the child
/// has no other thread.
///
/// CPython cannot fork a process that has sub-interpreters: the child crashes or hangs. So scripts of
/// application groups are loaded in the child.
///
/// # Errors
/// What `fork` says, that the GIL is not held, or that there are sub-interpreters.
pub fn fork() -> io::Result<Fork> {
    // SAFETY: the process has no other thread by the caller's contract.
    fork_by(|| unsafe { libc::fork() })
}

/// [`fork`], but for a child that is not this process's: it is handed to the nearest process above that is a subreaper, by a
/// process between them that ends at once. [`Fork::Parent`] has that one's id, and it is to be waited for. `tell` is
/// called in it with the id of the child, or why there is none.
///
/// # Errors
/// As of [`fork`].
pub fn fork_away(tell: &dyn Fn(io::Result<libc::pid_t>)) -> io::Result<Fork> {
    fork_by(|| {
        // SAFETY: the process has no other thread by the caller's contract.
        let between = unsafe { libc::fork() };
        if between != 0 {
            return between;
        }
        // SAFETY: as above.
        match unsafe { libc::fork() } {
            0 => 0,
            child => {
                tell(if child < 0 { Err(io::Error::last_os_error()) } else { Ok(child) });
                // SAFETY: ends the process.
                unsafe { libc::_exit(0) }
            }
        }
    })
}

/// Tells Python before and after what forks: it gives 0 in the child, and in the parent the id of a process or a negative
/// number.
fn fork_by(forks: impl FnOnce() -> libc::pid_t) -> io::Result<Fork> {
    if !gil::is_held() {
        return Err(io::Error::other("fork needs the GIL"));
    }
    if interpreter::are_several() {
        return Err(io::Error::other("Python cannot fork while it has sub-interpreters"));
    }
    // SAFETY: the GIL is held, in the child again after the second function; each of the three is called once, in the
    // process it is for.
    unsafe {
        PyOS_BeforeFork();
        match forks() {
            0 => {
                PyOS_AfterFork_Child();
                gilstate::find(Gil::assume());
                set_serving();
                Ok(Fork::Child)
            }
            child => {
                let result = if child < 0 { Err(io::Error::last_os_error()) } else { Ok(child) };
                PyOS_AfterFork_Parent();
                result.map(Fork::Parent)
            }
        }
    }
}

/// This process serves requests; processes that an application forks from it do not.
pub(crate) fn set_serving() {
    static WATCH: Once = Once::new();
    // SAFETY: the function given only stores a value; the engine is never unloaded.
    WATCH.call_once(|| unsafe {
        libc::pthread_atfork(None, None, Some(in_child));
    });
    // SAFETY: has no conditions.
    SERVING.store(unsafe { libc::getpid() }, Ordering::Release);
    SERVES.store(true, Ordering::Release);
    METRICS.process_begins();
}

unsafe extern "C" fn in_child() {
    SERVES.store(false, Ordering::Release);
}

/// Whether this is a process that serves requests. In one that an application forked from it the requests of its
/// parent are still in memory, but they are not its own to answer.
pub(crate) fn serves() -> bool {
    SERVES.load(Ordering::Acquire)
}

/// Ends the child of a fork in an application that has come back to its server: the request is its parent's.
pub(crate) fn end_child() {
    if !serves() {
        // SAFETY: ends the process.
        unsafe { libc::_exit(1) };
    }
}

/// The Python function that says whether this is the process that serves requests.
pub(crate) fn serving(py: Gil<'_>) -> Result<Owned<'_>> {
    let [definition, _] = &FUNCTIONS.0;
    let definition = std::ptr::from_ref(definition).cast_mut();
    let none = std::ptr::null_mut();
    // SAFETY: the GIL is held; a static definition; a new reference or null.
    unsafe { Owned::new(py, ffi::PyCFunction_NewEx(definition, none, none)) }
}

python_fn! {
    fn is_serving(
        py,
        _module: *mut ffi::PyObject,
        _none: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // SAFETY: has no conditions.
        let pid = unsafe { libc::getpid() };
        Ok(py.bool(SERVING.load(Ordering::Acquire) == pid).into_ptr())
    }
}

static FUNCTIONS: Table<[ffi::PyMethodDef; 2]> = Table([
    method_no_arguments(c"serving", is_serving, c"Whether this process serves requests."),
    ffi::PyMethodDef::zeroed(),
]);
