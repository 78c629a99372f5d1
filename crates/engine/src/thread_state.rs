//! The Python thread states of an OS thread: one for each interpreter it has served, made once and kept.
//!
//! They are owned by a thread-local table. A thread that ends takes the GIL once more to clear them,
//! except when Python has been stopped (the process is about to end, and a thread of the application may
//! hold the GIL for good) and except on the thread on which Python started, whose state is Python's own.
//!
//! The state for the main interpreter always comes first: CPython before 3.12 binds `PyGILState_Ensure` to the first
//! state of an OS thread, and where `gilstate.rs` cannot change that, C extensions that call it live in the main interpreter.
//! See <https://docs.python.org/3/c-api/init.html#c.PyThreadState_New>.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use pyo3_ffi as ffi;
use smallvec::SmallVec;

use crate::python::{Gil, Owned};
use crate::{fork, gil, gilstate};

/// Which interpreter: its serial number and its address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home {
    /// Unique in this process; 0 is the main interpreter.
    pub(crate) serial: u64,
    /// What `PyThreadState_New` wants.
    pub(crate) raw: *mut ffi::PyInterpreterState,
}

// SAFETY: an address only; using it needs the thread state machinery of this file.
unsafe impl Send for Home {}
// SAFETY: as above.
unsafe impl Sync for Home {}

/// References to objects; a response has mostly one.
pub(crate) type References = SmallVec<[*mut ffi::PyObject; 4]>;

struct Entry {
    serial: u64,
    state: *mut ffi::PyThreadState,
    /// The state with which the interpreter was made. It stays when its thread ends: an interpreter without any state
    /// cannot be entered again (CPython 3.11 ends the process).
    anchor: bool,
    /// References to drop when the GIL is next taken with this state, and how many bytes they hold.
    deferred: References,
    deferred_bytes: usize,
}

#[derive(Default)]
struct Table {
    entries: Vec<Entry>,
    /// Python started on this thread.
    first: bool,
}

thread_local! {
    static TABLE: RefCell<Table> = RefCell::default();
    static NUMBER: Cell<Option<u32>> = const { Cell::new(None) };
}

static THREADS: AtomicU32 = AtomicU32::new(0);
static STOPPED: AtomicBool = AtomicBool::new(false);

/// How many bytes a thread may hold back until it next takes the GIL.
const DEFERRED_LIMIT: usize = 256 * 1024;

/// Registers the state with which this thread holds the GIL now as its own for `home`.
pub(crate) fn adopt(py: Gil<'_>, home: Home, first: bool) {
    // SAFETY: the GIL is held, so there is a current state.
    let state = unsafe { ffi::PyThreadState_Get() };
    if first {
        gilstate::find(py);
    }
    // SAFETY: this thread's state, as it is the current one.
    unsafe { gilstate::bind(state) };
    TABLE.with_borrow_mut(|table| {
        table.first |= first;
        table.entries.retain(|entry| entry.serial != home.serial);
        table.entries.push(Entry { anchor: true, ..Entry::new(home.serial, state) });
    });
    if first {
        NUMBER.set(Some(0));
    }
}

/// This thread's state for `home`, made if need be, and what was deferred for it. No GIL. `None`: no memory,
/// or the thread is ending.
pub(crate) fn of(main: Home, home: Home) -> Option<(*mut ffi::PyThreadState, References)> {
    TABLE
        .try_with(|table| {
            let mut table = table.try_borrow_mut().ok()?;
            table.find_or_make(main)?;
            let entry = table.find_or_make(home)?;
            entry.deferred_bytes = 0;
            Some((entry.state, std::mem::take(&mut entry.deferred)))
        })
        .ok()
        .flatten()
}

/// Puts references off to the next time this thread takes the GIL for `home`. `false`: they are too big to
/// wait, and the caller takes the GIL again to drop them; the references stay with the caller.
pub(crate) fn defer(home: Home, bytes: usize, references: &mut References) -> bool {
    TABLE
        .try_with(|table| {
            let Ok(mut table) = table.try_borrow_mut() else { return false };
            let found = table.entries.iter_mut().find(|entry| entry.serial == home.serial);
            match found {
                Some(entry) if entry.deferred_bytes.saturating_add(bytes) <= DEFERRED_LIMIT => {
                    entry.deferred_bytes += bytes;
                    entry.deferred.append(references);
                    true
                }
                _ => false,
            }
        })
        .unwrap_or(false)
}

/// Drops references that were put off.
pub(crate) fn drop_deferred(py: Gil<'_>, references: References) {
    for object in references {
        // SAFETY: each is a reference its owner gave away to be dropped here.
        drop(unsafe { Owned::new(py, object) });
    }
}

/// The number of this thread: 0 the one on which Python started, then 1, 2, ... in order of first use.
pub(crate) fn number() -> u32 {
    NUMBER.get().unwrap_or_else(|| {
        let number = THREADS.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        NUMBER.set(Some(number));
        number
    })
}

/// From now on threads end without a word to Python.
pub(crate) fn stopped() {
    STOPPED.store(true, Ordering::Release);
}

impl Entry {
    fn new(serial: u64, state: *mut ffi::PyThreadState) -> Self {
        Self { serial, state, anchor: false, deferred: References::new(), deferred_bytes: 0 }
    }
}

impl Table {
    fn find_or_make(&mut self, home: Home) -> Option<&mut Entry> {
        let found = self.entries.iter().position(|entry| entry.serial == home.serial);
        let at = match found {
            Some(at) => at,
            None => {
                // SAFETY: the interpreter is alive (none is ended before the process); needs no GIL.
                let state = unsafe { ffi::PyThreadState_New(home.raw) };
                if state.is_null() {
                    return None;
                }
                self.entries.push(Entry::new(home.serial, state));
                self.entries.len().checked_sub(1)?
            }
        };
        self.entries.get_mut(at)
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // A thread that ends by `exit` may be in the middle of Python, and in the child of a fork no state is good any more.
        if self.first || STOPPED.load(Ordering::Acquire) || !fork::serves() || gil::is_held() {
            return;
        }
        while let Some(entry) = self.entries.pop() {
            if !entry.anchor {
                entry.clear();
            }
        }
    }
}

impl Entry {
    fn clear(self) {
        // SAFETY: a state of this OS thread, which is not attached: no call is running on a thread that ends.
        // After `PyEval_RestoreThread` it is the current one and the GIL is held;
        // `PyThreadState_DeleteCurrent` gives the GIL back and frees the state.
        unsafe {
            gilstate::bind(self.state);
            ffi::PyEval_RestoreThread(self.state);
            drop_deferred(Gil::assume(), self.deferred);
            ffi::PyThreadState_Clear(self.state);
            ffi::PyThreadState_DeleteCurrent();
        }
    }
}
