//! Thin safe wrappers over the C API: proof of the GIL, references, exceptions. [`crate::objects`] makes objects.
//!
//! [`Gil`] is the proof that this thread holds the GIL; everything that touches an object asks for it. An
//! [`Owned`] reference lives no longer than its proof. A [`Kept`] one may be stored and moved between
//! threads; it is never dropped without a [`Gil`] (an abandoned one leaks, which is safe).
//! Nothing here is global: objects that are used again live in [`crate::interpreter::Interpreter`].
//! See <https://docs.python.org/3/c-api/intro.html#reference-counts>.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr::NonNull;

use pyo3_ffi as ffi;
use pyo3_ffi::compat;

pub(crate) use crate::kept::Kept;

/// Proof that the current thread holds the GIL for `'py`.
#[derive(Clone, Copy)]
pub(crate) struct Gil<'py>(PhantomData<(&'py (), *mut ())>);

/// A Python exception is set on this thread.
#[derive(Debug)]
pub(crate) struct Raised;

/// The result of something that may raise.
pub(crate) type Result<T> = std::result::Result<T, Raised>;

/// The built-in exceptions this engine raises.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    BrokenPipe,
    ConnectionReset,
    Os,
    Runtime,
    System,
    TimedOut,
    Type,
    Value,
}

impl Kind {
    fn class(self) -> *mut ffi::PyObject {
        // SAFETY: Python sets these pointers when it starts and never changes them.
        unsafe {
            match self {
                Self::BrokenPipe => ffi::PyExc_BrokenPipeError,
                Self::ConnectionReset => ffi::PyExc_ConnectionResetError,
                Self::Os => ffi::PyExc_OSError,
                Self::Runtime => ffi::PyExc_RuntimeError,
                Self::System => ffi::PyExc_SystemError,
                Self::TimedOut => ffi::PyExc_TimeoutError,
                Self::Type => ffi::PyExc_TypeError,
                Self::Value => ffi::PyExc_ValueError,
            }
        }
    }
}

impl<'py> Gil<'py> {
    /// The proof, out of nothing.
    ///
    /// # Safety
    /// The current thread holds the GIL, and keeps it for `'py` (calls into Python may give it away and
    /// take it back; that is no concern of the references).
    pub(crate) unsafe fn assume() -> Self {
        Self(PhantomData)
    }

    /// Raises MemoryError.
    pub(crate) fn out_of_memory(self) -> Raised {
        // SAFETY: the GIL is held.
        unsafe { ffi::PyErr_NoMemory() };
        Raised
    }

    /// Raises an exception of a built-in class.
    pub(crate) fn raise(self, kind: Kind, message: &str) -> Raised {
        if let Ok(text) = self.str(message) {
            // SAFETY: the GIL is held; both are live objects, and the class is an exception class.
            unsafe { ffi::PyErr_SetObject(kind.class(), text.as_ptr()) };
        }
        Raised
    }

    /// Forgets the exception that is set, if one is.
    pub(crate) fn clear(self) {
        // SAFETY: the GIL is held.
        unsafe { ffi::PyErr_Clear() };
    }

    /// Takes the exception that is set, with its traceback; `None` when none is.
    pub(crate) fn take_raised(self) -> Option<Owned<'py>> {
        // Superseded since 3.12, but the same functions do in every version.
        let mut class = std::ptr::null_mut();
        let mut value = std::ptr::null_mut();
        let mut traceback = std::ptr::null_mut();
        // SAFETY: the GIL is held; the three places are ours and hold references or null after it.
        #[allow(deprecated)]
        unsafe {
            ffi::PyErr_Fetch(&raw mut class, &raw mut value, &raw mut traceback);
            ffi::PyErr_NormalizeException(&raw mut class, &raw mut value, &raw mut traceback);
        }
        // SAFETY: each is an owned reference or null.
        let (_class, value, traceback) = unsafe {
            (Owned::new(self, class), Owned::new(self, value), Owned::new(self, traceback))
        };
        let value = value.ok()?;
        if let Ok(traceback) = traceback {
            // SAFETY: the GIL is held; both are live, and the second is a traceback.
            unsafe { ffi::PyException_SetTraceback(value.as_ptr(), traceback.as_ptr()) };
        }
        Some(value)
    }

    /// Whether an exception is set.
    pub(crate) fn is_raised(self) -> bool {
        // SAFETY: the GIL is held.
        unsafe { !ffi::PyErr_Occurred().is_null() }
    }
}

/// A reference of our own to a Python object.
pub(crate) struct Owned<'py> {
    object: NonNull<ffi::PyObject>,
    py: Gil<'py>,
}

impl<'py> Owned<'py> {
    /// Takes over a new reference; null: an exception is set.
    ///
    /// # Safety
    /// `object` is null, or a reference that the caller owns and gives away.
    pub(crate) unsafe fn new(py: Gil<'py>, object: *mut ffi::PyObject) -> Result<Self> {
        NonNull::new(object).map(|object| Self { object, py }).ok_or(Raised)
    }

    /// Makes a reference of our own from a borrowed one; null: an exception is set, or nothing is there.
    ///
    /// # Safety
    /// `object` is null or a live object.
    pub(crate) unsafe fn borrowed(py: Gil<'py>, object: *mut ffi::PyObject) -> Result<Self> {
        let object = NonNull::new(object).ok_or(Raised)?;
        // SAFETY: a live object by this function's contract; `py` proves the GIL.
        unsafe { ffi::Py_INCREF(object.as_ptr()) };
        Ok(Self { object, py })
    }

    /// The same for a pointer that cannot be null.
    ///
    /// # Safety
    /// `object` is a live object.
    pub(crate) unsafe fn borrowed_unchecked(py: Gil<'py>, object: *mut ffi::PyObject) -> Self {
        // SAFETY: a live object by this function's contract; `py` proves the GIL.
        unsafe {
            ffi::Py_INCREF(object);
            Self { object: NonNull::new_unchecked(object), py }
        }
    }

    /// The object, borrowed.
    pub(crate) fn as_ptr(&self) -> *mut ffi::PyObject {
        self.object.as_ptr()
    }

    /// Gives the reference away.
    pub(crate) fn into_ptr(self) -> *mut ffi::PyObject {
        let object = self.object.as_ptr();
        std::mem::forget(self);
        object
    }

    /// Makes a reference that can be stored.
    pub(crate) fn keep(self) -> Kept {
        let object = self.object;
        std::mem::forget(self);
        Kept::new(object)
    }

    /// The proof this reference was made with.
    pub(crate) fn py(&self) -> Gil<'py> {
        self.py
    }

    /// An attribute.
    pub(crate) fn attr(&self, name: &CStr) -> Result<Owned<'py>> {
        // Interned, as CPython's cache of methods keeps each name that it sees: always the same one then.
        let name = self.py.interned(name.to_bytes())?;
        // SAFETY: the GIL is held; both objects are live.
        unsafe { Owned::new(self.py, ffi::PyObject_GetAttr(self.as_ptr(), name.as_ptr())) }
    }

    /// An attribute, or `None` when there is no such attribute.
    pub(crate) fn attr_if_any(&self, name: &Owned<'py>) -> Result<Option<Owned<'py>>> {
        // SAFETY: the GIL is held; both objects are live.
        let found =
            unsafe { Owned::new(self.py, ffi::PyObject_GetAttr(self.as_ptr(), name.as_ptr())) };
        match found {
            Ok(found) => Ok(Some(found)),
            Err(Raised) => {
                // SAFETY: the GIL is held and an exception is set.
                if unsafe { ffi::PyErr_ExceptionMatches(ffi::PyExc_AttributeError) } == 0 {
                    return Err(Raised);
                }
                self.py.clear();
                Ok(None)
            }
        }
    }

    /// A global of a module, or `None` when there is none: without the exception that asking for an attribute raises and
    /// forgets. An attribute, if the object is no plain module, or one that makes its attributes (PEP 562) by a function of the
    /// name `getattr`, which is `__getattr__`.
    pub(crate) fn global_if_any(
        &self,
        name: &Owned<'py>,
        getattr: &Owned<'py>,
    ) -> Result<Option<Owned<'py>>> {
        // SAFETY: the GIL is held; a live object, whose type is looked at before its dict, which is borrowed from it.
        let globals = unsafe {
            if ffi::PyModule_CheckExact(self.as_ptr()) == 0 {
                return self.attr_if_any(name);
            }
            Owned::borrowed(self.py, ffi::PyModule_GetDict(self.as_ptr()))?
        };
        match globals.item(name)? {
            None if globals.item(getattr)?.is_some() => self.attr_if_any(name),
            found => Ok(found),
        }
    }

    /// Sets an attribute.
    pub(crate) fn set_attr(&self, name: &CStr, value: &Owned<'py>) -> Result<()> {
        // SAFETY: the GIL is held; both objects are live, the name ends with NUL.
        let status =
            unsafe { ffi::PyObject_SetAttrString(self.as_ptr(), name.as_ptr(), value.as_ptr()) };
        done(status)
    }

    /// Calls the object with positional arguments.
    pub(crate) fn call<const N: usize>(&self, arguments: [&Owned<'py>; N]) -> Result<Owned<'py>> {
        let arguments = arguments.map(Owned::as_ptr);
        // SAFETY: the GIL is held; N live arguments, borrowed for the call.
        unsafe {
            let result = ffi::PyObject_Vectorcall(
                self.as_ptr(),
                arguments.as_ptr(),
                N,
                std::ptr::null_mut(),
            );
            Owned::new(self.py, result)
        }
    }

    /// As [`Owned::call`], with as many arguments as there are.
    pub(crate) fn call_with(&self, arguments: &[Owned<'py>]) -> Result<Owned<'py>> {
        let pointers: Vec<_> = arguments.iter().map(Owned::as_ptr).collect();
        // SAFETY: the GIL is held; live arguments, borrowed for the call.
        unsafe {
            let result = ffi::PyObject_Vectorcall(
                self.as_ptr(),
                pointers.as_ptr(),
                pointers.len(),
                std::ptr::null_mut(),
            );
            Owned::new(self.py, result)
        }
    }

    /// A copy of an exact `dict`.
    pub(crate) fn copy_of_dict(&self) -> Result<Owned<'py>> {
        // SAFETY: the GIL is held; a live object; a new reference or null; a wrong type raises.
        unsafe { Owned::new(self.py, ffi::PyDict_Copy(self.as_ptr())) }
    }

    /// Sets an item of an exact `dict`.
    pub(crate) fn set_item(&self, key: &Owned<'py>, value: &Owned<'py>) -> Result<()> {
        // SAFETY: the GIL is held; three live objects; a wrong type raises.
        done(unsafe { ffi::PyDict_SetItem(self.as_ptr(), key.as_ptr(), value.as_ptr()) })
    }

    /// Sets an item of an exact `dict` whose key is a C string.
    pub(crate) fn set_item_named(&self, key: &CStr, value: &Owned<'py>) -> Result<()> {
        // SAFETY: the GIL is held; live objects and a string that ends with NUL; a wrong type raises.
        done(unsafe { ffi::PyDict_SetItemString(self.as_ptr(), key.as_ptr(), value.as_ptr()) })
    }

    /// An item of an exact `dict`.
    pub(crate) fn item(&self, key: &Owned<'py>) -> Result<Option<Owned<'py>>> {
        let mut found = std::ptr::null_mut();
        // SAFETY: the GIL is held; both objects are live; the place is ours and gets a new reference, or null.
        unsafe {
            match compat::PyDict_GetItemRef(self.as_ptr(), key.as_ptr(), &raw mut found) {
                ..0 => Err(Raised),
                _ => Ok(Owned::new(self.py, found).ok()),
            }
        }
    }

    /// An item of an exact `dict` that must be there.
    pub(crate) fn item_named(&self, key: &CStr) -> Result<Owned<'py>> {
        let name = self.py.latin1(key.to_bytes())?;
        self.item(&name)?.ok_or_else(|| {
            self.py.raise(Kind::System, &format!("{} is missing", key.to_string_lossy()))
        })
    }

    /// Appends to a `list`.
    pub(crate) fn append(&self, item: &Owned<'py>) -> Result<()> {
        // SAFETY: the GIL is held; both objects are live; a wrong type raises.
        done(unsafe { ffi::PyList_Append(self.as_ptr(), item.as_ptr()) })
    }

    /// The items of a `list`, as far as it is one; each is a reference of our own.
    pub(crate) fn items(&self) -> Vec<Owned<'py>> {
        let mut items = Vec::new();
        // SAFETY: a live object.
        if unsafe { ffi::PyList_Check(self.as_ptr()) } == 0 {
            return items;
        }
        // SAFETY: the GIL is held; a live list.
        for at in 0..unsafe { ffi::PyList_Size(self.as_ptr()) } {
            // SAFETY: as above; a new reference, or null if the list has become shorter.
            let item = unsafe { Owned::new(self.py, compat::PyList_GetItemRef(self.as_ptr(), at)) };
            match item {
                Ok(item) => items.push(item),
                Err(Raised) => self.py.clear(),
            }
        }
        items
    }

    /// The type of the object.
    pub(crate) fn class(&self) -> Owned<'py> {
        // SAFETY: a live object has a live type.
        unsafe { Owned::borrowed_unchecked(self.py, ffi::Py_TYPE(self.as_ptr()).cast()) }
    }

    /// Removes an item of an exact `dict`; nothing happens if it is not there.
    pub(crate) fn remove_item(&self, key: &Owned<'py>) {
        // SAFETY: the GIL is held; a live dict and a live key.
        if unsafe { ffi::PyDict_DelItem(self.as_ptr(), key.as_ptr()) } < 0 {
            self.py.clear();
        }
    }

    /// Whether the object, an exception, is of this class.
    pub(crate) fn is_exception(&self, class: &Owned<'py>) -> bool {
        // SAFETY: the GIL is held; two live objects.
        unsafe { ffi::PyErr_GivenExceptionMatches(self.as_ptr(), class.as_ptr()) != 0 }
    }

    /// Whether the object is a `SystemExit`.
    pub(crate) fn is_system_exit(&self) -> bool {
        // SAFETY: the GIL is held; two live objects, the second of which Python never changes.
        unsafe { ffi::PyErr_GivenExceptionMatches(self.as_ptr(), ffi::PyExc_SystemExit) != 0 }
    }

    /// The value of an `int`; `None` for anything else, or if it is too big.
    pub(crate) fn as_int(&self) -> Option<i64> {
        // SAFETY: the GIL is held; the type is looked at before the object is used as such. -1 may be the number
        // or an exception.
        unsafe {
            if ffi::PyLong_Check(self.as_ptr()) == 0 {
                return None;
            }
            let number = ffi::PyLong_AsLongLong(self.as_ptr());
            if number == -1 && self.py.is_raised() {
                self.py.clear();
                return None;
            }
            Some(number)
        }
    }

    /// The value of `True` and `False`; `None` for anything else.
    pub(crate) fn as_bool(&self) -> Option<bool> {
        // SAFETY: comparing addresses.
        unsafe {
            match (ffi::Py_IsTrue(self.as_ptr()) != 0, ffi::Py_IsFalse(self.as_ptr()) != 0) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => None,
            }
        }
    }

    /// Whether the object is a `str`.
    pub(crate) fn is_str(&self) -> bool {
        // SAFETY: a live object.
        unsafe { ffi::PyUnicode_Check(self.as_ptr()) != 0 }
    }

    /// Whether the object can be iterated over.
    pub(crate) fn is_iterable(&self) -> bool {
        // SAFETY: a live object has a live type; the GIL is held.
        unsafe {
            (*ffi::Py_TYPE(self.as_ptr())).tp_iter.is_some()
                || ffi::PySequence_Check(self.as_ptr()) != 0
        }
    }

    /// Whether the object counts as true.
    pub(crate) fn is_true(&self) -> Result<bool> {
        // SAFETY: the GIL is held; the object is live.
        match unsafe { ffi::PyObject_IsTrue(self.as_ptr()) } {
            -1 => Err(Raised),
            answer => Ok(answer != 0),
        }
    }

    /// Whether this is `None`.
    pub(crate) fn is_none(&self) -> bool {
        // SAFETY: comparing addresses.
        unsafe { ffi::Py_IsNone(self.as_ptr()) != 0 }
    }

    /// The bytes of a `bytes`, borrowed from it; `None` for anything else.
    pub(crate) fn as_bytes(&self) -> Option<&[u8]> {
        // SAFETY: a live object; the data of a bytes object does not move or change while it lives.
        unsafe {
            if ffi::PyBytes_Check(self.as_ptr()) == 0 {
                return None;
            }
            let data = ffi::PyBytes_AsString(self.as_ptr()).cast::<u8>();
            let len = ffi::PyBytes_Size(self.as_ptr());
            Some(std::slice::from_raw_parts(data, len.unsigned_abs()))
        }
    }

    /// The characters of a `str` in UTF-8. Raises `UnicodeEncodeError`, or `TypeError` for anything else.
    pub(crate) fn as_utf8(&self) -> Result<Vec<u8>> {
        // SAFETY: the GIL is held; a live object; a wrong type raises; a new reference or null.
        let bytes = unsafe { Owned::new(self.py, ffi::PyUnicode_AsUTF8String(self.as_ptr()))? };
        Ok(bytes.as_bytes().unwrap_or_default().to_vec())
    }

    /// The characters of a `str` as latin-1, borrowed from it. Raises `TypeError` saying what was expected
    /// to be `str`, or `UnicodeEncodeError`.
    pub(crate) fn as_latin1(&self, what: &str) -> Result<&[u8]> {
        // SAFETY: a live object whose type is looked at first; a str that is ready keeps its data.
        unsafe {
            let object = self.as_ptr();
            if ffi::PyUnicode_Check(object) == 0 {
                let message = format!("{what} must be str, not {}", self.type_name());
                return Err(self.py.raise(Kind::Type, &message));
            }
            if ffi::PyUnicode_READY(object) != 0 {
                return Err(Raised);
            }
            if ffi::PyUnicode_KIND(object) == ffi::PyUnicode_1BYTE_KIND {
                let data = ffi::PyUnicode_DATA(object).cast::<u8>();
                let len = ffi::PyUnicode_GET_LENGTH(object);
                return Ok(std::slice::from_raw_parts(data, len.unsigned_abs()));
            }
            // Wider than latin-1: this raises the exception that says where.
            drop(Owned::new(self.py, ffi::PyUnicode_AsLatin1String(object))?);
            Err(self.py.raise(Kind::Value, &format!("{what} is not latin-1")))
        }
    }

    /// The name of the object's type, for messages.
    pub(crate) fn type_name(&self) -> String {
        // SAFETY: a live object has a live type whose name ends with NUL.
        let name = unsafe { CStr::from_ptr((*ffi::Py_TYPE(self.as_ptr())).tp_name) };
        name.to_string_lossy().into_owned()
    }
}

/// The result of a C function that answers -1 when it raised.
pub(crate) fn done(status: i32) -> Result<()> {
    if status < 0 { Err(Raised) } else { Ok(()) }
}

impl Clone for Owned<'_> {
    fn clone(&self) -> Self {
        // SAFETY: a live object; `py` proves the GIL.
        unsafe { ffi::Py_INCREF(self.as_ptr()) };
        Self { object: self.object, py: self.py }
    }
}

impl Drop for Owned<'_> {
    fn drop(&mut self) {
        // SAFETY: our own reference; `py` proves the GIL.
        unsafe { ffi::Py_DECREF(self.as_ptr()) };
    }
}
