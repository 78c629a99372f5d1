//! `wsgi.file_wrapper`: iterates over the blocks of a file.
//!
//! Applications may derive from it, so its instances take part in garbage collection. Everything runs with
//! the GIL. See PEP 3333, "Optional Platform-Specific File Handling":
//! <https://peps.python.org/pep-3333/#optional-platform-specific-file-handling>.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fs::File;
use std::io;
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use pyo3_ffi as ffi;

use crate::boundary::python_fn;
use crate::class::{
    self, Class, Description, Instance, NO_ATTRIBUTE, Table, attribute, method_no_arguments, slot,
    slot_doc, slot_table,
};
use crate::exchange::FilePart;
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

/// Where a wrapped file is, as its object says: descriptor and position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    descriptor: RawFd,
    offset: u64,
}

impl Place {
    /// The place of the file in an instance of `mod_wsgi.FileWrapper`; `None` if it can only be iterated over. `locate`
    /// is the function of `support.py`.
    ///
    /// # Safety
    /// `wrapper` is such an instance.
    pub(crate) unsafe fn of(wrapper: &Owned<'_>, locate: &Kept) -> Option<Self> {
        let py = wrapper.py();
        // SAFETY: by this function's contract.
        let file = unsafe { class::data::<FileWrapper>(wrapper.as_ptr()) }.file(py);
        let found = file.and_then(|file| locate.get(py).call([&file]));
        let Ok(found) = found else {
            py.clear();
            return None;
        };
        // SAFETY: the GIL is held; a live object, which the function makes a tuple of two numbers or `None`; anything
        // else raises.
        let (descriptor, offset) = unsafe {
            if found.is_none() {
                return None;
            }
            let number = |at| ffi::PyLong_AsLongLong(ffi::PyTuple_GetItem(found.as_ptr(), at));
            (number(0), number(1))
        };
        if py.is_raised() {
            py.clear();
            return None;
        }
        let descriptor = RawFd::try_from(descriptor).ok().filter(|number| *number >= 0)?;
        Some(Self { descriptor, offset: u64::try_from(offset).ok()? })
    }

    /// The rest of the file from there on, if it is a regular one that may be read. It is opened once more, so that
    /// reading it moves no position that the application knows. Without the GIL.
    pub(crate) fn open(self) -> io::Result<FilePart> {
        // SAFETY: the call takes a number and gives one. If the application closes the descriptor meanwhile, it fails
        // or sees another file, as any use by number would.
        let mode = unsafe { libc::fcntl(self.descriptor, libc::F_GETFL) };
        if mode < 0 || mode & libc::O_ACCMODE == libc::O_WRONLY || mode & libc::O_PATH != 0 {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        // Asked before it is opened: opening a device can do something. The files of /proc say that they are empty.
        let size = regular_size(self.descriptor).filter(|size| *size > 0);
        let size = size.ok_or(io::ErrorKind::InvalidInput)?;
        let file = File::open(format!("/proc/self/fd/{}", self.descriptor))?;
        let length = size.saturating_sub(self.offset);
        Ok(FilePart { file, offset: self.offset, length })
    }
}

/// The size of a regular file.
fn regular_size(descriptor: RawFd) -> Option<u64> {
    let mut facts = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the place is as large as the call expects.
    if unsafe { libc::fstat(descriptor, facts.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: the call succeeded, so it has filled the place.
    let facts = unsafe { facts.assume_init() };
    (facts.st_mode & libc::S_IFMT == libc::S_IFREG).then_some(facts.st_size.unsigned_abs())
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek, SeekFrom, Write};
    use std::os::fd::AsRawFd;

    /// A file without a name.
    fn file(content: &[u8]) -> File {
        let path = std::env::temp_dir().join(format!(
            "wsgi-file-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        let options = &mut File::options();
        let mut file = options.read(true).write(true).create_new(true).open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        file.write_all(content).unwrap();
        file
    }

    fn open(file: &File, offset: u64) -> io::Result<FilePart> {
        Place { descriptor: file.as_raw_fd(), offset }.open()
    }

    #[test]
    fn a_file_is_opened_once_more_and_its_position_stays() {
        let mut given = file(b"0123456789");
        given.seek(SeekFrom::Start(3)).unwrap();
        let mut part = open(&given, 4).unwrap();
        assert_eq!((part.offset, part.length), (4, 6));
        let mut text = String::new();
        part.file.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), given.stream_position().unwrap()), ("0123456789", 3));
    }

    #[test]
    fn behind_the_end_there_is_nothing() {
        assert_eq!(open(&file(b"0123"), 9).unwrap().length, 0);
    }

    #[test]
    fn only_a_regular_file_that_may_be_read_and_has_a_size_is_opened() {
        let writable = File::options().write(true).open("/dev/null").unwrap();
        assert!(open(&writable, 0).is_err(), "write only");
        assert!(open(&File::open("/dev/null").unwrap(), 0).is_err(), "a device");
        assert!(open(&File::open("/").unwrap(), 0).is_err(), "a directory");
        assert!(open(&File::open("/proc/self/status").unwrap(), 0).is_err(), "the kernel's");
        assert!(Place { descriptor: 1 << 20, offset: 0 }.open().is_err(), "nothing at all");
    }
}
