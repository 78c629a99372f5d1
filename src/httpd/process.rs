//! Processes of ours that the parent of httpd reaps, beside its own children.
//!
//! The MPM calls `waitpid` for all children; those watched here are told to their closure. This runs in the parent, on
//! its one thread. See <https://apr.apache.org/docs/apr/1.7/group__apr__thread__proc.html>.

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::ptr;

use super::entry::entry;
use super::log::{self, Level};
use super::pool::Pool;
use super::sys;

/// What happened to a watched process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It has ended, with this status of `waitpid`. It is not watched any more.
    Death(c_int),
    /// It has ended, and nobody knows how. It is not watched any more.
    Lost,
    /// httpd restarts or stops; it may be told several times.
    Restart,
    /// The pool of the watch ends, or [`Watch::end`] was called. It is not watched any more.
    Unregister,
}

/// How a process ends with a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kill {
    /// It is waited for.
    Wait,
    /// SIGTERM, and SIGKILL if it is still there a little later.
    AfterTimeout,
    /// SIGTERM, and it is waited for.
    Once,
}

type Action = Box<dyn FnMut(Event, Pool<'_>) + Send>;

struct Watched {
    pool: *mut sys::apr_pool_t,
    state: RefCell<State>,
}

struct State {
    action: Option<Action>,
    over: bool,
}

// SAFETY: used only by the one thread of the parent; a forked child has its own copy.
unsafe impl Send for Watched {}

/// A process that is watched; the watch goes on when this value is dropped.
#[derive(Debug)]
pub struct Watch {
    key: *mut c_void,
}

impl Watch {
    /// Watches a child of this process until it ends or the pool does.
    pub fn new(
        pool: Pool<'_>,
        pid: libc::pid_t,
        action: impl FnMut(Event, Pool<'_>) + Send + 'static,
    ) -> Self {
        let process = process(pool, pid);
        let state = RefCell::new(State { action: Some(Box::new(action)), over: false });
        // The pool drops it after it has ended the watch, which was registered later.
        let watched = pool.own_raw(Watched { pool: pool.as_ptr(), state });
        // SAFETY: process and data are in the pool, and APR unregisters when the pool ends.
        unsafe {
            sys::apr_proc_other_child_register(
                process,
                Some(maintain),
                watched.cast(),
                ptr::null_mut(),
                pool.as_ptr(),
            );
        }
        Self { key: watched.cast() }
    }

    /// Ends the watch; the closure is told so. Nothing happens if it has ended already.
    pub fn end(self) {
        // SAFETY: APR looks for the key in its list and does nothing if it is not there.
        unsafe { sys::apr_proc_other_child_unregister(self.key) };
    }
}

/// Lets a child of this process end with the pool.
pub fn end_with_pool(pool: Pool<'_>, pid: libc::pid_t, kill: Kill) {
    let how = match kill {
        Kill::Wait => sys::apr_kill_conditions_e_APR_JUST_WAIT,
        Kill::AfterTimeout => sys::apr_kill_conditions_e_APR_KILL_AFTER_TIMEOUT,
        Kill::Once => sys::apr_kill_conditions_e_APR_KILL_ONLY_ONCE,
    };
    // SAFETY: the process is in the pool.
    unsafe { sys::apr_pool_note_subprocess(pool.as_ptr(), process(pool, pid), how) };
}

fn process(pool: Pool<'_>, pid: libc::pid_t) -> *mut sys::apr_proc_t {
    let null = ptr::null_mut();
    pool.own_raw(Process(sys::apr_proc_t { pid, in_: null, out: null, err: null })).cast()
}

/// What APR knows a process by.
#[repr(transparent)]
struct Process(#[allow(dead_code, reason = "read by APR")] sys::apr_proc_t);

// SAFETY: numbers and null pointers.
unsafe impl Send for Process {}

entry! {
    fn maintain[](reason: c_int, data: *mut c_void, status: c_int) {
        let event = match u32::try_from(reason).unwrap_or(u32::MAX) {
            sys::APR_OC_REASON_DEATH => Event::Death(status),
            sys::APR_OC_REASON_LOST => Event::Lost,
            sys::APR_OC_REASON_RESTART => Event::Restart,
            sys::APR_OC_REASON_UNREGISTER => Event::Unregister,
            _ => return,
        };
        // SAFETY: `data` is the value of `Watch::new`, dropped by the pool only after it has unregistered.
        let watched = unsafe { &*data.cast::<Watched>() };
        let last = event != Event::Restart;
        // Nothing is borrowed while the closure runs: it may start another process, or end this watch.
        let action = {
            let mut state = watched.state.borrow_mut();
            if state.over {
                return;
            }
            state.over = last;
            state.action.take()
        };
        if last && event != Event::Unregister {
            // SAFETY: APR wants to be told, and calls back, which does nothing as the watch is over.
            unsafe { sys::apr_proc_other_child_unregister(data) };
        }
        if let Some(mut action) = action {
            // SAFETY: the pool of the watch is alive, as its cleanups have not run or are running.
            action(event, unsafe { Pool::from_ptr(watched.pool) });
            let mut state = watched.state.borrow_mut();
            if !state.over {
                state.action = Some(action);
            }
        }
    }
    bug |text| {
        log::write(log::Main, Level::CRIT, format_args!("{text}"));
    }
}
