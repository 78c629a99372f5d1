//! References to Python objects that are stored: in what lives longer than one hold of the GIL.
//!
//! A [`Kept`] may be moved between threads, and is used only with a [`Gil`].
//! See <https://docs.python.org/3/c-api/intro.html#reference-counts>.

use std::ptr::NonNull;

use pyo3_ffi as ffi;

use crate::python::{Gil, Owned};

/// A reference that is stored. Dropping it leaks the object; [`Kept::release`] does not.
pub(crate) struct Kept(NonNull<ffi::PyObject>);

// SAFETY: the pointer is used only with a `Gil`, see the methods.
unsafe impl Send for Kept {}
// SAFETY: as above.
unsafe impl Sync for Kept {}

impl Kept {
    /// Keeps a reference of our own.
    pub(crate) fn new(object: NonNull<ffi::PyObject>) -> Self {
        Self(object)
    }

    /// One more reference to the object, to work with.
    pub(crate) fn get<'py>(&self, py: Gil<'py>) -> Owned<'py> {
        // SAFETY: we own a reference, so the object is live.
        unsafe { Owned::borrowed_unchecked(py, self.0.as_ptr()) }
    }

    /// Turns it back into a reference that is dropped.
    pub(crate) fn release(self, py: Gil<'_>) {
        // SAFETY: our own reference, given away.
        drop(unsafe { Owned::new(py, self.0.as_ptr()) });
    }

    /// The object, borrowed.
    pub(crate) fn as_ptr(&self) -> *mut ffi::PyObject {
        self.0.as_ptr()
    }
}
