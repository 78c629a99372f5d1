//! `wsgi.file_wrapper`: iterates over the blocks of a file.
//!
//! Applications may derive from it, so its instances take part in garbage collection. Everything runs with
//! the GIL. See PEP 3333, "Optional Platform-Specific File Handling":
//! <https://peps.python.org/pep-3333/#optional-platform-specific-file-handling>.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use pyo3_ffi as ffi;

use crate::boundary::python_fn;
use crate::class::{
    self, Class, Description, Instance, NO_ATTRIBUTE, Table, attribute, method_no_arguments, slot,
    slot_doc, slot_table,
};
use crate::python::{Gil, Kept, Kind, Owned, Raised, Result};
use crate::request::lock;

/// The value of a `mod_wsgi.FileWrapper`.
pub(crate) struct FileWrapper {
    /// `None` when it is closed.
    file: Mutex<Option<Kept>>,
    block: ffi::Py_ssize_t,
}

impl FileWrapper {
    fn file<'py>(&self, py: Gil<'py>) -> Result<Owned<'py>> {
        let file = lock(&self.file).as_ref().map(|file| file.get(py));
        file.ok_or_else(|| py.raise(Kind::Value, "I/O operation on a closed FileWrapper"))
    }

    fn take<'py>(&self, py: Gil<'py>) -> Option<Owned<'py>> {
        let file = lock(&self.file).take()?;
        let object = file.get(py);
        file.release(py);
        Some(object)
    }
}

python_fn! {
    fn new(
        py,
        class: *mut ffi::PyTypeObject,
        arguments: *mut ffi::PyObject,
        keywords: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        let mut file: *mut ffi::PyObject = std::ptr::null_mut();
        let mut block: ffi::Py_ssize_t = 8192;
        let names: [*const c_char; 3] =
            [c"filelike".as_ptr(), c"blksize".as_ptr(), std::ptr::null()];
        // SAFETY: the format asks for an object and an optional Py_ssize_t, which is what is passed.
        let parsed = unsafe {
            ffi::PyArg_ParseTupleAndKeywords(
                arguments,
                keywords,
                c"O|n:FileWrapper".as_ptr(),
                names.as_ptr().cast_mut().cast(),
                &raw mut file,
                &raw mut block,
            )
        };
        if parsed == 0 {
            return Err(Raised);
        }
        if block < 0 {
            return Err(py.raise(Kind::Value, "blksize must not be negative"));
        }
        // SAFETY: the GIL is held; `class` is this type or one derived from it. The memory it answers is
        // zeroed and ours; nothing looks at `data` before it is written, because a zeroed one is not
        // reached: no Python code runs in between.
        unsafe {
            let file = Owned::borrowed(py, file)?;
            let instance = Owned::new(py, ffi::PyType_GenericAlloc(class, 0))?;
            let data = &raw mut (*instance.as_ptr().cast::<Instance<FileWrapper>>()).data;
            data.write(FileWrapper { file: Mutex::new(Some(file.keep())), block });
            Ok(instance.into_ptr())
        }
    }
}

python_fn! {
    fn next(py, this: *mut ffi::PyObject) -> *mut ffi::PyObject {
        // SAFETY: Python hands a method an instance of its type.
        let wrapper = unsafe { class::data::<FileWrapper>(this) };
        let read = wrapper.file(py)?.attr(c"read")?;
        let block = read.call([&py.int(wrapper.block as i64)?])?;
        match block.as_bytes() {
            // Null without an exception ends the iteration.
            Some([]) => Ok(std::ptr::null_mut()),
            Some(_) => Ok(block.into_ptr()),
            None => {
                let message = format!("read() must return bytes, not {}", block.type_name());
                Err(py.raise(Kind::Type, &message))
            }
        }
    }
}

python_fn! {
    fn close(py, this: *mut ffi::PyObject, _none: *mut ffi::PyObject) -> *mut ffi::PyObject {
        // SAFETY: Python hands a method an instance of its type.
        let wrapper = unsafe { class::data::<FileWrapper>(this) };
        if let Some(file) = wrapper.take(py) {
            if file.attr(c"close").and_then(|close| close.call([])).is_err() {
                py.clear();
            }
        }
        Ok(py.none().into_ptr())
    }
}

python_fn! {
    fn filelike(py, this: *mut ffi::PyObject, _closure: *mut c_void) -> *mut ffi::PyObject {
        // SAFETY: Python hands a getter an instance of its type.
        Ok(unsafe { class::data::<FileWrapper>(this) }.file(py)?.into_ptr())
    }
}

python_fn! {
    fn blksize(py, this: *mut ffi::PyObject, _closure: *mut c_void) -> *mut ffi::PyObject {
        // SAFETY: Python hands a getter an instance of its type.
        let wrapper = unsafe { class::data::<FileWrapper>(this) };
        Ok(py.int(wrapper.block as i64)?.into_ptr())
    }
}

/// `tp_traverse`. It must not touch reference counts and cannot raise, so it is not a `python_fn`.
unsafe extern "C" fn traverse(
    this: *mut ffi::PyObject,
    visit: ffi::visitproc,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: the collector hands in a live instance, with the GIL held.
    unsafe {
        let status = visit(ffi::Py_TYPE(this).cast(), argument);
        if status != 0 {
            return status;
        }
        let Ok(file) = class::data::<FileWrapper>(this).file.try_lock() else { return 0 };
        file.as_ref().map_or(0, |file| visit(file.as_ptr(), argument))
    }
}

python_fn! {
    fn clear(py, this: *mut ffi::PyObject) -> c_int {
        // SAFETY: the collector hands in a live instance.
        drop(unsafe { class::data::<FileWrapper>(this) }.take(py));
        Ok(0)
    }
}

unsafe extern "C" fn deallocate(this: *mut ffi::PyObject) {
    // SAFETY: Python calls this once, with the GIL, when nobody can reach the instance any more. The
    // instance comes from `PyType_GenericAlloc` and holds a reference to its type.
    unsafe {
        ffi::PyObject_GC_UnTrack(this.cast());
        let _ = catch_unwind(AssertUnwindSafe(|| {
            drop(class::data::<FileWrapper>(this).take(Gil::assume()));
        }));
        (&raw mut (*this.cast::<Instance<FileWrapper>>()).data).drop_in_place();
        let class = ffi::Py_TYPE(this);
        ffi::PyObject_GC_Del(this.cast());
        ffi::Py_DECREF(class.cast());
    }
}

static METHODS: Table<[ffi::PyMethodDef; 2]> = Table([
    method_no_arguments(c"close", close, c"close() closes the file"),
    ffi::PyMethodDef::zeroed(),
]);

static ATTRIBUTES: Table<[ffi::PyGetSetDef; 3]> = Table([
    attribute(c"filelike", filelike, std::ptr::null_mut()),
    attribute(c"blksize", blksize, std::ptr::null_mut()),
    NO_ATTRIBUTE,
]);

/// The name of the type.
pub(crate) const NAME: &CStr = c"mod_wsgi.FileWrapper";

/// Makes the type `mod_wsgi.FileWrapper`.
pub(crate) fn class(py: Gil<'_>, module: &Owned<'_>) -> Result<Class<FileWrapper>> {
    let slots = vec![
        slot_doc(c"FileWrapper(filelike, blksize=8192)"),
        slot_table(ffi::Py_tp_methods, &METHODS),
        slot_table(ffi::Py_tp_getset, &ATTRIBUTES),
        slot(ffi::Py_tp_new, new as *mut c_void),
        slot(ffi::Py_tp_dealloc, deallocate as *mut c_void),
        slot(ffi::Py_tp_traverse, traverse as *mut c_void),
        slot(ffi::Py_tp_clear, clear as *mut c_void),
        slot(ffi::Py_tp_iter, ffi::PyObject_SelfIter as *mut c_void),
        slot(ffi::Py_tp_iternext, next as *mut c_void),
    ];
    let flags = ffi::Py_TPFLAGS_BASETYPE | ffi::Py_TPFLAGS_HAVE_GC;
    Class::create(py, module, Description { name: NAME, flags, slots })
}
