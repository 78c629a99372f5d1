//! The extension module `mod_wsgi_engine`, with one function: `main(fd)`.
//!
//! Runs with the GIL, on the main thread of the leader of a process group.
//! See <https://docs.python.org/3/c-api/module.html#multi-phase-initialization>.

use std::ffi::{CStr, c_int, c_long, c_void};
use std::panic::catch_unwind;

use pyo3_ffi as ffi;

const NAME: &CStr = c"mod_wsgi_engine";

/// A table that Python reads; it writes to the definition of the module once, under the GIL.
#[repr(transparent)]
struct Table<T>(std::cell::UnsafeCell<T>);

// SAFETY: see the type; Rust never looks into the tables after they are made.
unsafe impl<T> Sync for Table<T> {}

static METHODS: Table<[ffi::PyMethodDef; 2]> = Table(std::cell::UnsafeCell::new([
    ffi::PyMethodDef {
        ml_name: c"main".as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: main },
        ml_flags: ffi::METH_O,
        ml_doc: c"main(fd) -> exit status: leads a daemon process group".as_ptr(),
    },
    ffi::PyMethodDef::zeroed(),
]));

static SLOTS: Table<[ffi::PyModuleDef_Slot; SLOT_COUNT]> = Table(std::cell::UnsafeCell::new([
    // Importing it leaves the GIL of a free-threaded Python off.
    #[cfg(Py_3_13)]
    ffi::PyModuleDef_Slot { slot: ffi::Py_mod_gil, value: ffi::Py_MOD_GIL_NOT_USED },
    ffi::PyModuleDef_Slot { slot: 0, value: std::ptr::null_mut::<c_void>() },
]));

const SLOT_COUNT: usize = if cfg!(Py_3_13) { 2 } else { 1 };

static MODULE: Table<ffi::PyModuleDef> = Table(std::cell::UnsafeCell::new(ffi::PyModuleDef {
    m_base: ffi::PyModuleDef_HEAD_INIT,
    m_name: NAME.as_ptr(),
    m_doc: c"The engine of mod_wsgi_rs.".as_ptr(),
    m_size: 0,
    m_methods: METHODS.0.get().cast(),
    m_slots: SLOTS.0.get().cast(),
    m_traverse: None,
    m_clear: None,
    m_free: None,
}));

/// What `import mod_wsgi_engine` calls.
///
/// # Safety
/// Only Python calls it, with the GIL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn PyInit_mod_wsgi_engine() -> *mut ffi::PyObject {
    // SAFETY: the GIL is held; the definition is static.
    unsafe { ffi::PyModuleDef_Init(MODULE.0.get()) }
}

unsafe extern "C" fn main(
    _module: *mut ffi::PyObject,
    fd: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: Python calls this with the GIL and a live argument. -1 may be the number or an exception.
    let fd = unsafe { ffi::PyLong_AsLong(fd) };
    // SAFETY: the GIL is held.
    if fd == -1 && unsafe { !ffi::PyErr_Occurred().is_null() } {
        return std::ptr::null_mut();
    }
    let status = c_int::try_from(fd)
        .ok()
        .and_then(|fd| catch_unwind(|| worker::leader::main(fd)).ok())
        .unwrap_or(1);
    // SAFETY: the GIL is held, again.
    unsafe { ffi::PyLong_FromLong(c_long::from(status)) }
}
