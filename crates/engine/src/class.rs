//! Heap types whose instances hold a Rust value, made anew in each interpreter.
//!
//! The types belong to the interpreter's module `mod_wsgi`; an instance owns its value until Python frees it.
//! All of it runs with the GIL. See <https://docs.python.org/3/c-api/type.html#creating-heap-allocated-types>.

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulong, c_void};
use std::marker::PhantomData;
use std::mem::size_of;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3_ffi as ffi;

use crate::python::{Gil, Kept, Kind, Owned, Result};

/// An instance of one of our types, as Python sees it.
#[repr(C)]
pub(crate) struct Instance<T> {
    base: ffi::PyObject,
    pub(crate) data: T,
}

/// A table that Python reads and never writes.
#[repr(transparent)]
pub(crate) struct Table<T>(pub(crate) T);

// SAFETY: the tables hold pointers to functions and strings, and are never written.
unsafe impl<T> Sync for Table<T> {}

/// One of our types in one interpreter; its instances hold a `T`.
pub(crate) struct Class<T> {
    object: Kept,
    data: PhantomData<fn(T)>,
}

/// What a type is made of, besides the deallocation that all have.
pub(crate) struct Description {
    /// For example `mod_wsgi.Input`.
    pub(crate) name: &'static CStr,
    /// Flags besides `Py_TPFLAGS_DEFAULT`.
    pub(crate) flags: c_ulong,
    /// The slots.
    pub(crate) slots: Vec<ffi::PyType_Slot>,
}

impl<T> Class<T> {
    /// Makes the type.
    pub(crate) fn create(
        py: Gil<'_>,
        module: &Owned<'_>,
        mut description: Description,
    ) -> Result<Self> {
        let deallocated = description.slots.iter().any(|slot| slot.slot == ffi::Py_tp_dealloc);
        if !deallocated {
            description.slots.push(slot(ffi::Py_tp_dealloc, deallocate::<T> as *mut c_void));
        }
        description.slots.push(slot(0, std::ptr::null_mut()));
        let mut spec = ffi::PyType_Spec {
            name: description.name.as_ptr(),
            basicsize: size_of::<Instance<T>>() as c_int,
            itemsize: 0,
            flags: (ffi::Py_TPFLAGS_DEFAULT | description.flags) as c_uint,
            slots: description.slots.as_mut_ptr(),
        };
        // SAFETY: the GIL is held; the slots end with a zero one and point to static tables.
        let object = unsafe {
            let none = std::ptr::null_mut();
            Owned::new(py, ffi::PyType_FromModuleAndSpec(module.as_ptr(), &raw mut spec, none))?
        };
        Ok(Self { object: object.keep(), data: PhantomData })
    }

    /// The type itself.
    pub(crate) fn object<'py>(&self, py: Gil<'py>) -> Owned<'py> {
        self.object.get(py)
    }

    /// Whether an object is an instance of it, or of a type derived from it.
    pub(crate) fn has(&self, object: &Owned<'_>) -> bool {
        let class = self.object.as_ptr().cast::<ffi::PyTypeObject>();
        // SAFETY: the GIL is held, as `object` proves; both are live objects, the second a type.
        unsafe { ffi::PyObject_TypeCheck(object.as_ptr(), class) != 0 }
    }

    /// A new instance. Not for types that take part in garbage collection.
    pub(crate) fn instance<'py>(&self, py: Gil<'py>, data: T) -> Result<Owned<'py>> {
        let class = self.object.as_ptr().cast::<ffi::PyTypeObject>();
        // SAFETY: the GIL is held; the type is live, and its instances have the size of `Instance<T>`.
        let instance = unsafe { Owned::new(py, ffi::PyType_GenericAlloc(class, 0))? };
        // SAFETY: the memory is new and ours, and `data` in it was never initialised.
        unsafe {
            (&raw mut (*instance.as_ptr().cast::<Instance<T>>()).data).write(data);
        }
        Ok(instance)
    }
}

/// The value of an instance.
///
/// # Safety
/// `object` is an instance of a `Class<T>` and lives for `'a`: for example the `self` of a method that Python
/// called, as long as the method runs.
pub(crate) unsafe fn data<'a, T>(object: *mut ffi::PyObject) -> &'a T {
    // SAFETY: by this function's contract.
    unsafe { &(*object.cast::<Instance<T>>()).data }
}

/// `tp_dealloc` of all types that take no part in garbage collection.
unsafe extern "C" fn deallocate<T>(object: *mut ffi::PyObject) {
    let instance = object.cast::<Instance<T>>();
    // SAFETY: Python calls this once, when nobody can reach the instance any more. A panic in a destructor
    // leaks what is left.
    let _ =
        catch_unwind(AssertUnwindSafe(|| unsafe { (&raw mut (*instance).data).drop_in_place() }));
    // SAFETY: instances come from `PyType_GenericAlloc` without garbage collection, and hold a reference
    // to their type.
    unsafe {
        let class = ffi::Py_TYPE(object);
        ffi::PyObject_Free(object.cast());
        ffi::Py_DECREF(class.cast());
    }
}

/// One slot of a type.
pub(crate) fn slot(id: c_int, function: *mut c_void) -> ffi::PyType_Slot {
    ffi::PyType_Slot { slot: id, pfunc: function }
}

/// A slot that points to a table.
pub(crate) fn slot_table<T>(id: c_int, table: &'static Table<T>) -> ffi::PyType_Slot {
    slot(id, (&raw const table.0).cast_mut().cast())
}

/// The documentation of a type.
pub(crate) fn slot_doc(text: &'static CStr) -> ffi::PyType_Slot {
    slot(ffi::Py_tp_doc, text.as_ptr().cast_mut().cast())
}

/// A method that takes positional arguments only.
pub(crate) const fn method(
    name: &'static CStr,
    function: ffi::PyCFunctionFast,
    doc: &'static CStr,
) -> ffi::PyMethodDef {
    ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionFast: function },
        ml_flags: ffi::METH_FASTCALL,
        ml_doc: doc.as_ptr(),
    }
}

/// A method that takes any arguments.
pub(crate) const fn method_any_arguments(
    name: &'static CStr,
    function: ffi::PyCFunctionWithKeywords,
    doc: &'static CStr,
) -> ffi::PyMethodDef {
    ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionWithKeywords: function },
        ml_flags: ffi::METH_VARARGS | ffi::METH_KEYWORDS,
        ml_doc: doc.as_ptr(),
    }
}

/// A method without arguments.
pub(crate) const fn method_no_arguments(
    name: &'static CStr,
    function: ffi::PyCFunction,
    doc: &'static CStr,
) -> ffi::PyMethodDef {
    ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: function },
        ml_flags: ffi::METH_NOARGS,
        ml_doc: doc.as_ptr(),
    }
}

/// A method with one argument.
pub(crate) const fn method_one_argument(
    name: &'static CStr,
    function: ffi::PyCFunction,
    doc: &'static CStr,
) -> ffi::PyMethodDef {
    ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: function },
        ml_flags: ffi::METH_O,
        ml_doc: doc.as_ptr(),
    }
}

/// A read-only attribute.
pub(crate) const fn attribute(
    name: &'static CStr,
    get: ffi::getter,
    closure: *mut c_void,
) -> ffi::PyGetSetDef {
    ffi::PyGetSetDef {
        name: name.as_ptr(),
        get: Some(get),
        set: None,
        doc: std::ptr::null::<c_char>(),
        closure,
    }
}

/// The end of a table of attributes.
pub(crate) const NO_ATTRIBUTE: ffi::PyGetSetDef = ffi::PyGetSetDef {
    name: std::ptr::null(),
    get: None,
    set: None,
    doc: std::ptr::null(),
    closure: std::ptr::null_mut(),
};

/// The positional arguments of a method.
///
/// # Safety
/// As Python hands them to a `METH_FASTCALL` function, for as long as that runs.
pub(crate) unsafe fn arguments<'a>(
    data: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
) -> &'a [*mut ffi::PyObject] {
    if data.is_null() || count <= 0 {
        return &[];
    }
    // SAFETY: by this function's contract.
    unsafe { std::slice::from_raw_parts(data, count.unsigned_abs()) }
}

/// Raises the `TypeError` for a wrong number of arguments.
pub(crate) fn check_count(
    py: Gil<'_>,
    name: &str,
    given: usize,
    allowed: std::ops::RangeInclusive<usize>,
) -> Result<()> {
    if allowed.contains(&given) {
        return Ok(());
    }
    let (least, most) = (allowed.start(), allowed.end());
    let expected = if least == most { least.to_string() } else { format!("{least} to {most}") };
    Err(py.raise(Kind::Type, &format!("{name}() takes {expected} arguments ({given} given)")))
}
