//! The stacks of all Python threads, as text, with the GIL or without it.
//!
//! Called on threads of the server that answer no requests. Python has a function for the moment of a crash, which takes
//! no lock and no memory and only looks. Some builds of Python do not export it; there the handler that `faulthandler`
//! installs for a signal calls it, and the thread sends itself that signal. Without the GIL it knows the main
//! interpreter only.

use std::ffi::{CStr, c_char, c_int};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::{Mutex, OnceLock};

use pyo3_ffi as ffi;

use crate::engine::Engine;
use crate::interpreter::Interpreter;
use crate::python::{Gil, Result};

type Dump = unsafe extern "C" fn(
    c_int,
    *mut ffi::PyInterpreterState,
    *mut ffi::PyThreadState,
) -> *const c_char;

/// The most bytes of stacks that are worth keeping.
const MOST: u64 = 256 * 1024;

/// What `faulthandler` was asked to do at a signal.
struct Handler {
    /// Where it writes.
    file: Mutex<File>,
    /// What the system calls: another one is somebody else's.
    action: libc::sighandler_t,
}

static HANDLER: OnceLock<Handler> = OnceLock::new();

impl Engine {
    /// Has [`Engine::stacks`] work in this process with every Python. Before there are threads; takes the GIL.
    pub fn prepare_stacks(&self) {
        if dump().is_some() {
            return;
        }
        let Some(session) = self.main.enter() else { return };
        let Ok(file) = memory() else { return };
        if register(session.py(), &file).is_err() {
            // Without it there is a sentence in the place of the stacks.
            session.py().clear();
            return;
        }
        let _ = HANDLER.set(Handler { file: Mutex::new(file), action: action() });
    }

    /// The stacks of all Python threads. Without the GIL, whoever has it: what the threads do meanwhile may spoil the
    /// text, and in rare cases end the process, as with Python's `faulthandler`.
    pub fn stacks(&self) -> String {
        let text = match dump() {
            Some(dump) => self.look(|fd, interpreter| {
                // SAFETY: an interpreter that lives as long as the process. The function is made to be called in
                // any state of a process, without the GIL.
                unsafe { dump(fd, interpreter.home().raw, std::ptr::null_mut()) };
            }),
            None => by_signal(),
        };
        or_why(text)
    }

    /// As [`Engine::stacks`], with the GIL, so that nothing moves.
    pub fn stacks_at_rest(&self) -> String {
        // Without a GIL `faulthandler` has the threads stand still.
        if !cfg!(Py_GIL_DISABLED) && dump().is_some() {
            let _session = self.main.enter();
            return self.stacks();
        }
        or_why(self.look(|fd, interpreter| {
            let Some(session) = interpreter.enter() else { return };
            if tell(session.py(), fd).is_err() {
                session.py().clear();
            }
        }))
    }

    fn look(&self, mut at: impl FnMut(c_int, &Interpreter)) -> io::Result<String> {
        let mut file = memory()?;
        self.each_interpreter(|interpreter| at(file.as_raw_fd(), interpreter));
        content(&mut file)
    }
}

fn or_why(text: io::Result<String>) -> String {
    text.unwrap_or_else(|why| format!("the stacks cannot be shown: {why}"))
}

fn memory() -> io::Result<File> {
    // SAFETY: a name that ends with NUL; the descriptor is new and nobody else's.
    unsafe {
        let fd = libc::memfd_create(c"wsgi-stacks".as_ptr(), libc::MFD_CLOEXEC);
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(File::from_raw_fd(fd)) }
    }
}

fn content(file: &mut File) -> io::Result<String> {
    let mut text = Vec::new();
    file.rewind()?;
    file.take(MOST).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Looks for Python's function: it is exported for its own modules, not promised to others.
fn dump() -> Option<Dump> {
    const NAME: &CStr = c"_Py_DumpTracebackThreads";
    static FOUND: OnceLock<Option<Dump>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        // SAFETY: a name that ends with NUL; looks at what is loaded.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, NAME.as_ptr()) };
        // SAFETY: the function of this name has this type in every CPython from 3.10 on.
        (!found.is_null()).then(|| unsafe { std::mem::transmute::<*mut libc::c_void, Dump>(found) })
    })
}

/// A signal that nobody else uses.
fn signal() -> c_int {
    libc::SIGRTMAX() - 2
}

/// What the system calls at that signal.
fn action() -> libc::sighandler_t {
    // SAFETY: an all-zero `sigaction` is a value of that type, written by the call; nothing is changed.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal(), std::ptr::null(), &raw mut action);
        action.sa_sigaction
    }
}

/// `faulthandler.register(signal, file, all_threads, chain)`.
fn register(py: Gil<'_>, file: &File) -> Result<()> {
    let register = py.import(c"faulthandler")?.attr(c"register")?;
    let (signal, file) = (py.int(signal().into())?, py.int(file.as_raw_fd().into())?);
    register.call([&signal, &file, &py.bool(true), &py.bool(false)])?;
    Ok(())
}

/// `faulthandler.dump_traceback(file, all_threads)`, for the interpreter that is entered.
fn tell(py: Gil<'_>, fd: c_int) -> Result<()> {
    let dump = py.import(c"faulthandler")?.attr(c"dump_traceback")?;
    dump.call([&py.int(fd.into())?, &py.bool(true)])?;
    Ok(())
}

fn by_signal() -> io::Result<String> {
    let handler = HANDLER.get().filter(|handler| handler.action == action());
    let handler = handler.ok_or_else(|| io::Error::other("this Python has no function for it"))?;
    let mut file = handler.file.try_lock().map_err(|_| io::Error::other("they are just shown"))?;
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    // SAFETY: the handler of that signal was just seen to be that of `faulthandler`. It has written when this returns.
    unsafe { libc::raise(signal()) };
    content(&mut file)
}
