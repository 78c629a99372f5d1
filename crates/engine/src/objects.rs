//! Making Python objects: numbers, strings, bytes, containers, modules.
//!
//! All of it runs with the GIL, which [`Gil`] proves. See <https://docs.python.org/3/c-api/concrete.html>.

use std::ffi::{CStr, c_char};

use pyo3_ffi as ffi;

use crate::python::{Gil, Owned, Result};

unsafe extern "C" {
    /// Part of the stable ABI, which the bindings leave out.
    /// See <https://docs.python.org/3/c-api/bytes.html#c._PyBytes_Resize>.
    fn _PyBytes_Resize(bytes: *mut *mut ffi::PyObject, size: ffi::Py_ssize_t) -> i32;
}

impl<'py> Gil<'py> {
    /// `None`.
    pub(crate) fn none(self) -> Owned<'py> {
        // SAFETY: None lives for ever.
        unsafe { Owned::borrowed_unchecked(self, ffi::Py_None()) }
    }

    /// `True` or `False`.
    pub(crate) fn bool(self, value: bool) -> Owned<'py> {
        // SAFETY: both live for ever.
        unsafe {
            let object = if value { ffi::Py_True() } else { ffi::Py_False() };
            Owned::borrowed_unchecked(self, object)
        }
    }

    /// An `int`.
    pub(crate) fn int(self, value: i64) -> Result<Owned<'py>> {
        // SAFETY: the GIL is held; a new reference or null.
        unsafe { Owned::new(self, ffi::PyLong_FromLongLong(value)) }
    }

    /// A `float`.
    pub(crate) fn float(self, value: f64) -> Result<Owned<'py>> {
        // SAFETY: the GIL is held; a new reference or null.
        unsafe { Owned::new(self, ffi::PyFloat_FromDouble(value)) }
    }

    /// A `str` of UTF-8.
    pub(crate) fn str(self, text: &str) -> Result<Owned<'py>> {
        let (data, len) = parts(text.as_bytes());
        // SAFETY: the GIL is held; `data` has `len` bytes.
        unsafe { Owned::new(self, ffi::PyUnicode_FromStringAndSize(data, len)) }
    }

    /// A `str` with one character for each byte.
    pub(crate) fn latin1(self, text: &[u8]) -> Result<Owned<'py>> {
        let (data, len) = parts(text);
        // SAFETY: the GIL is held; `data` has `len` bytes.
        unsafe { Owned::new(self, ffi::PyUnicode_DecodeLatin1(data, len, std::ptr::null())) }
    }

    /// A `str` in the file system's encoding, with `surrogateescape`.
    pub(crate) fn path(self, path: &[u8]) -> Result<Owned<'py>> {
        let (data, len) = parts(path);
        // SAFETY: the GIL is held; `data` has `len` bytes.
        unsafe { Owned::new(self, ffi::PyUnicode_DecodeFSDefaultAndSize(data, len)) }
    }

    /// An interned `str` with one character for each byte.
    pub(crate) fn interned(self, text: &[u8]) -> Result<Owned<'py>> {
        let mut object = self.latin1(text)?.into_ptr();
        // SAFETY: `object` is our own reference to an exact str, replaced by one to its interned twin.
        unsafe {
            ffi::PyUnicode_InternInPlace(&raw mut object);
            Owned::new(self, object)
        }
    }

    /// A `bytes`.
    pub(crate) fn bytes(self, data: &[u8]) -> Result<Owned<'py>> {
        let (data, len) = parts(data);
        // SAFETY: the GIL is held; `data` has `len` bytes.
        unsafe { Owned::new(self, ffi::PyBytes_FromStringAndSize(data, len)) }
    }

    /// A `bytes` that `fill` makes, in room for `most` bytes; it answers how many there are.
    pub(crate) fn bytes_with(
        self,
        most: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize>,
    ) -> Result<Owned<'py>> {
        let size = ffi::Py_ssize_t::try_from(most).map_err(|_| self.out_of_memory())?;
        // SAFETY: the GIL is held; without data the bytes are not initialised.
        let object =
            unsafe { Owned::new(self, ffi::PyBytes_FromStringAndSize(std::ptr::null(), size))? };
        // SAFETY: the object is new, has room for `most` bytes, and nobody else knows it yet, with or without the GIL.
        let space = unsafe {
            let data = ffi::PyBytes_AsString(object.as_ptr()).cast::<u8>();
            data.write_bytes(0, most);
            std::slice::from_raw_parts_mut(data, most)
        };
        let count = fill(space)?.min(most);
        if count == most {
            return Ok(object);
        }
        let mut object = object.into_ptr();
        // SAFETY: the GIL is held; our own reference, the only one, which the function replaces, by null if it raises.
        unsafe {
            _PyBytes_Resize(&raw mut object, count as ffi::Py_ssize_t);
            Owned::new(self, object)
        }
    }

    /// A new `dict`.
    pub(crate) fn dict(self) -> Result<Owned<'py>> {
        // SAFETY: the GIL is held; a new reference or null.
        unsafe { Owned::new(self, ffi::PyDict_New()) }
    }

    /// A new empty `list`.
    pub(crate) fn list(self) -> Result<Owned<'py>> {
        // SAFETY: the GIL is held; a new reference or null.
        unsafe { Owned::new(self, ffi::PyList_New(0)) }
    }

    /// A `tuple` of these items.
    pub(crate) fn tuple(self, items: &[Owned<'py>]) -> Result<Owned<'py>> {
        let len = items.len() as ffi::Py_ssize_t;
        // SAFETY: the GIL is held; a new reference or null.
        let tuple = unsafe { Owned::new(self, ffi::PyTuple_New(len))? };
        for (at, item) in items.iter().enumerate() {
            let item = item.clone().into_ptr();
            // SAFETY: the tuple is new and ours alone; the function takes the reference over.
            unsafe { ffi::PyTuple_SetItem(tuple.as_ptr(), at as ffi::Py_ssize_t, item) };
        }
        Ok(tuple)
    }

    /// Imports a module.
    pub(crate) fn import(self, name: &CStr) -> Result<Owned<'py>> {
        // SAFETY: the GIL is held; the name ends with NUL.
        unsafe { Owned::new(self, ffi::PyImport_ImportModule(name.as_ptr())) }
    }

    /// `sys.modules`.
    pub(crate) fn modules(self) -> Result<Owned<'py>> {
        // SAFETY: the GIL is held; a borrowed reference, or null.
        unsafe { Owned::borrowed(self, ffi::PyImport_GetModuleDict()) }
    }
}

/// A slice as the C API takes it. A slice is never longer than `isize::MAX`.
fn parts(data: &[u8]) -> (*const c_char, ffi::Py_ssize_t) {
    (data.as_ptr().cast(), data.len() as ffi::Py_ssize_t)
}
