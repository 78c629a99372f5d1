//! Opening libpython and an engine with `dlopen`.
//!
//! A library that was opened is never closed: Python does not survive that, and its threads' code is in it.

use crate::{ENTRY, Engine, Entry, VERSION};
use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Why a library cannot be used.
#[derive(Debug)]
pub enum Error {
    /// `dlopen` said so.
    Open(PathBuf, String),
    /// There is no such symbol: the file is something else.
    NotAnEngine(PathBuf),
    /// The engine is of another build.
    Version(PathBuf, u32),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(path, why) => write!(f, "'{}' cannot be loaded: {why}", path.display()),
            Self::NotAnEngine(path) => {
                write!(f, "'{}' is not an engine of mod_wsgi_rs", path.display())
            }
            Self::Version(path, version) => write!(
                f,
                "'{}' has interface version {version} and this module has {VERSION}: \
                 install the module and its engines from the same build",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Error {}

fn open(path: &Path, flags: c_int) -> Result<*mut c_void, Error> {
    let failed = |why: String| Error::Open(path.to_path_buf(), why);
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|it| failed(it.to_string()))?;
    // SAFETY: `name` is a C string. The library's initialisers run, as the caller wants.
    let handle = unsafe { libc::dlopen(name.as_ptr(), flags) };
    if handle.is_null() {
        // SAFETY: after a failure `dlerror` gives a C string, valid until the next call on this thread.
        let why = unsafe {
            let text = libc::dlerror();
            let text = if text.is_null() { c"no reason given" } else { CStr::from_ptr(text) };
            text.to_string_lossy().into_owned()
        };
        return Err(failed(why));
    }
    Ok(handle)
}

/// Opens libpython so that extension modules and engines find its symbols.
pub fn open_python(path: &Path) -> Result<(), Error> {
    open(path, libc::RTLD_NOW | libc::RTLD_GLOBAL).map(drop)
}

/// Opens an engine; libpython must be open already.
pub fn open_engine(path: &Path) -> Result<&'static Engine, Error> {
    let handle = open(path, libc::RTLD_NOW | libc::RTLD_LOCAL)?;
    // SAFETY: the handle is open and ENTRY a C string.
    let symbol = unsafe { libc::dlsym(handle, ENTRY.as_ptr()) };
    if symbol.is_null() {
        return Err(Error::NotAnEngine(path.to_path_buf()));
    }
    // SAFETY: a symbol of this name is a function of this type, in every version.
    let entry: Entry = unsafe { std::mem::transmute(symbol) };
    // SAFETY: it takes nothing and returns its table, which is never freed; the library stays open.
    let engine = unsafe { &*entry() };
    if engine.version == VERSION {
        Ok(engine)
    } else {
        Err(Error::Version(path.to_path_buf(), engine.version))
    }
}

/// The path of the shared object that holds `address`, for example of a function of the caller's.
pub fn path_of(address: usize) -> Option<PathBuf> {
    let address = std::ptr::without_provenance::<c_void>(address);
    // SAFETY: an all-zero Dl_info is a value of that type.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: `dladdr` only looks the address up; the name it gives lives as long as the object is loaded.
    let name = unsafe {
        if libc::dladdr(address, &raw mut info) == 0 || info.dli_fname.is_null() {
            return None;
        }
        CStr::from_ptr(info.dli_fname)
    };
    Some(Path::new(OsStr::from_bytes(name.to_bytes())).to_path_buf())
}

/// A libpython that is in this process already, brought by another module.
pub fn python_in_process() -> Option<PathBuf> {
    unsafe extern "C" fn look(
        info: *mut libc::dl_phdr_info,
        _: usize,
        found: *mut c_void,
    ) -> c_int {
        // SAFETY: the loader hands a live entry and the pointer that was given to it.
        let (name, found) = unsafe { ((*info).dlpi_name, &mut *found.cast::<Option<PathBuf>>()) };
        if name.is_null() {
            return 0;
        }
        // SAFETY: the loader's names are C strings.
        let name = unsafe { CStr::from_ptr(name.cast::<c_char>()) };
        let path = Path::new(OsStr::from_bytes(name.to_bytes()));
        let file = path.file_name().map(OsStr::as_bytes).unwrap_or_default();
        // libpython3.so only forwards to the real one.
        if file.starts_with(b"libpython") && !file.starts_with(b"libpython3.so") {
            *found = Some(path.to_path_buf());
            return 1;
        }
        0
    }
    let mut found: Option<PathBuf> = None;
    // SAFETY: the callback is of the right type and `found` lives for the call.
    unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut found).cast()) };
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_named() {
        let error = open_python(Path::new("/no/such/libpython.so")).unwrap_err().to_string();
        assert!(error.contains("/no/such/libpython.so"), "{error}");
    }

    #[test]
    fn another_library_is_not_taken_for_an_engine() {
        let error = open_engine(Path::new("libm.so.6")).map(drop).unwrap_err().to_string();
        assert!(error.contains("not an engine"), "{error}");
    }

    #[test]
    fn an_address_tells_its_file() {
        let path = path_of(an_address_tells_its_file as *const () as usize).unwrap();
        assert!(path.to_string_lossy().contains("engine_abi"), "{path:?}");
    }

    #[test]
    fn no_python_is_in_a_process_without_one() {
        assert_eq!(python_in_process(), None);
    }
}
