//! Taking the GIL and giving it back.
//!
//! A [`Session`] is the time in which a thread holds the GIL of one interpreter. Sessions of one thread do
//! not nest. Whoever waits (for a client, for a lock of ours) does so in [`released`] or outside of a
//! session: nothing in this crate waits for a Rust lock with the GIL in hand.
//! See <https://docs.python.org/3/c-api/init.html#releasing-the-gil-from-extension-code>.

use std::cell::Cell;
#[cfg(Py_3_13)]
use std::ffi::CStr;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3_ffi as ffi;

use crate::metrics::METRICS;
use crate::python::Gil;
use crate::thread_state::{self, Home};
use crate::{clock, gilstate};

thread_local! {
    /// How long (in microseconds) and how often this thread waited for the GIL in its present request.
    static WAITS: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// How long (in microseconds) and how often this thread waited for the GIL since [`forget_waits`]. Counted only while
/// somebody looks at times.
pub(crate) fn waits() -> (u64, u64) {
    WAITS.get()
}

/// Begins to count anew.
pub(crate) fn forget_waits() {
    WAITS.set((0, 0));
}

/// Takes the GIL.
///
/// # Safety
/// A state of this OS thread and of a live interpreter, which is not attached.
unsafe fn restore(state: *mut ffi::PyThreadState) {
    if !METRICS.wants_times() {
        // SAFETY: by this function's contract.
        return unsafe { ffi::PyEval_RestoreThread(state) };
    }
    let before = clock::monotonic();
    // SAFETY: by this function's contract.
    unsafe { ffi::PyEval_RestoreThread(state) };
    let (time, count) = WAITS.get();
    WAITS.set((time + clock::monotonic().saturating_sub(before), count + 1));
}

/// The time in which this thread holds the GIL. Dropping it gives the GIL back.
pub(crate) struct Session(PhantomData<*mut ()>);

impl Session {
    /// Takes the GIL for the interpreter `home`. `None`: there is no memory for a thread state.
    pub(crate) fn enter(main: Home, home: Home) -> Option<Self> {
        let (state, deferred) = thread_state::of(main, home)?;
        // SAFETY: a state of this OS thread and of a live interpreter, not attached: sessions do not nest.
        unsafe {
            gilstate::bind(state);
            restore(state);
        }
        let session = Self(PhantomData);
        thread_state::drop_deferred(session.py(), deferred);
        Some(session)
    }

    /// The proof that the GIL is held.
    pub(crate) fn py(&self) -> Gil<'_> {
        // SAFETY: held from `enter` to `drop`.
        unsafe { Gil::assume() }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: the GIL is held with the state of `enter`, which the thread's table keeps.
        unsafe { ffi::PyEval_SaveThread() };
    }
}

/// Runs `body` without the GIL, and takes it again, also when `body` panics.
///
/// # Safety
/// `body` touches no Python object, except the data of `bytes` objects somebody holds a reference to.
pub(crate) unsafe fn released<R>(_py: Gil<'_>, body: impl FnOnce() -> R) -> R {
    struct Back(*mut ffi::PyThreadState);
    impl Drop for Back {
        fn drop(&mut self) {
            // SAFETY: the state this thread gave the GIL back with.
            unsafe { restore(self.0) };
        }
    }
    // SAFETY: `_py` proves that the GIL is held.
    let _back = Back(unsafe { ffi::PyEval_SaveThread() });
    body()
}

/// Whether interpreters can have a GIL of their own.
pub(crate) const CAN_BE_OWN: bool = cfg!(Py_3_13);

/// Python began without the GIL.
static FREE: AtomicBool = AtomicBool::new(false);

/// Looks whether Python begins without the GIL. In the main interpreter, before there are threads: while an extension
/// module is imported in one of them the GIL is on for the moment.
pub(crate) fn look(py: Gil<'_>) {
    if !cfg!(Py_GIL_DISABLED) {
        return;
    }
    let is_on = || py.import(c"sys")?.attr(c"_is_gil_enabled")?.call([])?.is_true();
    match is_on() {
        Ok(is_on) => FREE.store(!is_on, Ordering::Relaxed),
        Err(_) => py.clear(),
    }
}

/// Whether Python began without the GIL in this process. An extension module may have turned it on since.
pub(crate) fn began_without() -> bool {
    cfg!(Py_GIL_DISABLED) && FREE.load(Ordering::Relaxed)
}

/// Makes an interpreter, whose first thread state is the current one afterwards. If it cannot be made, nothing has changed.
///
/// # Safety
/// The GIL is held with a state of the main interpreter.
#[cfg(Py_3_13)]
pub(crate) unsafe fn new_interpreter(own_gil: bool) -> Result<(), String> {
    let config = if own_gil {
        ffi::PyInterpreterConfig {
            use_main_obmalloc: 0,
            allow_fork: 0,
            allow_exec: 0,
            allow_threads: 1,
            allow_daemon_threads: 0,
            check_multi_interp_extensions: 1,
            gil: ffi::PyInterpreterConfig_OWN_GIL,
        }
    } else {
        ffi::_PyInterpreterConfig_LEGACY_INIT
    };
    let mut state = std::ptr::null_mut();
    // SAFETY: by this function's contract; the places are ours.
    unsafe {
        let status = ffi::Py_NewInterpreterFromConfig(&raw mut state, &raw const config);
        if ffi::PyStatus_Exception(status) == 0 {
            return Ok(());
        }
        let why = match status.err_msg.is_null() {
            true => c"it does not say why",
            // The message of a status is a static C string.
            false => CStr::from_ptr(status.err_msg),
        };
        Err(why.to_string_lossy().into_owned())
    }
}

/// The same for Pythons whose interpreters share their GIL.
#[cfg(not(Py_3_13))]
pub(crate) unsafe fn new_interpreter(_own_gil: bool) -> Result<(), String> {
    // SAFETY: by this function's contract.
    match unsafe { ffi::Py_NewInterpreter() }.is_null() {
        true => Err("it does not say why".to_owned()),
        false => Ok(()),
    }
}

/// The thread state with which a thread gave the GIL back. It stays on its thread.
#[derive(Debug)]
#[must_use = "the GIL is taken again with it"]
pub struct Saved(*mut ffi::PyThreadState);

/// Whether the current thread holds the GIL. A look only, by which functions that need the GIL can be safe.
pub(crate) fn is_held() -> bool {
    // SAFETY: has no conditions once Python is loaded.
    unsafe { ffi::Py_IsInitialized() != 0 && has_state() }
}

/// Whether a thread state is attached to this thread.
unsafe fn has_state() -> bool {
    // SAFETY: has no conditions.
    let current = unsafe { ffi::compat::PyThreadState_GetUnchecked() };
    if cfg!(Py_3_12) {
        return !current.is_null();
    }
    // Before, it is that of whichever thread holds the GIL.
    match gilstate::is_known() {
        // SAFETY: has no conditions once Python is loaded.
        true => !current.is_null() && current == unsafe { ffi::PyGILState_GetThisThreadState() },
        // It says yes for every thread as soon as there are sub-interpreters.
        // SAFETY: as above.
        false => unsafe { ffi::PyGILState_Check() != 0 },
    }
}

/// Gives the GIL back on the thread that holds it; nothing happens if it does not.
pub fn release_gil() -> Saved {
    if !is_held() {
        return Saved(std::ptr::null_mut());
    }
    // SAFETY: the GIL is held.
    Saved(unsafe { ffi::PyEval_SaveThread() })
}

impl Saved {
    /// Takes the GIL again.
    pub fn restore(self) {
        if !self.0.is_null() {
            // SAFETY: the state with which this thread gave the GIL back, used once.
            unsafe { ffi::PyEval_RestoreThread(self.0) };
        }
    }
}
