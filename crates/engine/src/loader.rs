//! Scripts: loading them as modules, and loading them again when they changed.
//!
//! Each interpreter owns its scripts. A script is loaded under a lock of its own, which is waited for
//! without the GIL, so that a script that takes long to load delays only its own requests.
//! See <https://modwsgi.readthedocs.io/en/master/user-guides/reloading-source-code.html>.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::hash::BuildHasherDefault;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use engine_abi::Level;
use pyo3_ffi as ffi;

use crate::environ::Fnv;
use crate::exception::Incident;
use crate::interpreter::Interpreter;
use crate::python::{Gil, Kept, Owned, Result};
use crate::request::lock;

/// The scripts of an interpreter, by path.
pub(crate) struct Scripts {
    case_sensitive: bool,
    by_path: Mutex<HashMap<Vec<u8>, Arc<Script>, BuildHasherDefault<Fnv>>>,
}

impl Scripts {
    /// None. Paths that differ in case only are one script, unless `case_sensitive`.
    pub(crate) fn new(case_sensitive: bool) -> Self {
        Self { case_sensitive, by_path: Mutex::default() }
    }

    /// Those that are loaded, of the interpreter of `application_group`.
    pub(crate) fn loaded(&self, application_group: &[u8]) -> Vec<LoadedScript> {
        let scripts: Vec<_> = lock(&self.by_path).values().cloned().collect();
        let loaded = |script: &Arc<Script>| {
            Some(LoadedScript {
                filename: script.filename.clone(),
                application_group: application_group.to_vec(),
                seen: script.seen()?.unwrap_or(-1),
            })
        };
        scripts.iter().filter_map(loaded).collect()
    }

    /// The script at a path, loaded or not.
    pub(crate) fn find(&self, filename: &[u8]) -> Arc<Script> {
        let path = if self.case_sensitive {
            Cow::Borrowed(filename)
        } else {
            Cow::Owned(filename.to_ascii_lowercase())
        };
        let mut scripts = lock(&self.by_path);
        if let Some(script) = scripts.get(&*path) {
            return Arc::clone(script);
        }
        let script = Arc::new(Script::new(filename, wsgi::module_name(&path)));
        scripts.insert(path.into_owned(), Arc::clone(&script));
        script
    }
}

/// A script that is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedScript {
    /// Its path.
    pub filename: Vec<u8>,
    /// The name of its interpreter; empty: the main one.
    pub application_group: Vec<u8>,
    /// When its file was changed, as it was last seen, in microseconds; -1 if it could not be looked at.
    pub seen: i64,
}

/// A script.
pub(crate) struct Script {
    filename: Vec<u8>,
    /// Its name in `sys.modules`.
    name: String,
    /// Held while the script is loaded; without the GIL when it is waited for.
    loading: Mutex<()>,
    loaded: Mutex<Option<Loaded>>,
    /// What was last found of the file that is another than what is loaded, and is to be told.
    noted: Mutex<Option<Modified>>,
}

struct Loaded {
    module: Kept,
    modified: Modified,
    /// Its `__mtime__`, as long as nobody changes it.
    mtime: Kept,
}

/// When a file was last changed, in microseconds; `None` if it cannot be looked at.
pub(crate) type Modified = Option<i64>;

/// How what is loaded compares with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It is not loaded.
    Absent,
    /// It is loaded as it is, or nobody asked.
    Current,
    /// The file changed.
    Changed,
}

static LOADED: AtomicBool = AtomicBool::new(false);

/// A script has changed, and nobody has been told yet.
static CHANGED: AtomicBool = AtomicBool::new(false);

/// Whether a script changed since the last call.
pub(crate) fn take_change() -> bool {
    CHANGED.load(Ordering::Acquire) && CHANGED.swap(false, Ordering::AcqRel)
}

/// A change could not be told: it is to be told later.
pub(crate) fn keep_change() {
    CHANGED.store(true, Ordering::Release);
}

/// Whether a script has ever been loaded in this process.
pub(crate) fn has_loaded() -> bool {
    LOADED.load(Ordering::Acquire)
}

/// The script could not be loaded; the log has the reason.
#[derive(Debug)]
pub(crate) struct NotLoaded;

/// Looks at a file.
pub(crate) fn modified(filename: &[u8]) -> Modified {
    let metadata = std::fs::metadata(Path::new(OsStr::from_bytes(filename))).ok()?;
    Some(metadata.mtime().wrapping_mul(1_000_000).wrapping_add(metadata.mtime_nsec() / 1000))
}

impl Script {
    fn new(filename: &[u8], name: String) -> Self {
        Self {
            filename: filename.to_vec(),
            name,
            loading: Mutex::default(),
            loaded: Mutex::default(),
            noted: Mutex::default(),
        }
    }

    /// Compares with the file, whose time is given if it is to be looked at.
    pub(crate) fn state(&self, now: Option<Modified>) -> State {
        match (&*lock(&self.loaded), now) {
            (None, _) => State::Absent,
            // A file that cannot be looked at counts as changed, so that the reason gets known.
            (Some(loaded), Some(now)) if now.is_none() || loaded.modified != now => State::Changed,
            (Some(_), _) => State::Current,
        }
    }

    /// Notes that the file, or what the script says itself, is another than what is loaded: once for each state of the file.
    pub(crate) fn note_change(&self, now: Modified) {
        if lock(&self.noted).replace(now) != Some(now) {
            keep_change();
        }
    }

    /// What was last seen of the file, if the script is loaded.
    fn seen(&self) -> Option<Modified> {
        let loaded = lock(&self.loaded).as_ref()?.modified;
        Some(lock(&self.noted).unwrap_or(loaded))
    }

    /// The module and what its `__mtime__` was, if the script is loaded.
    pub(crate) fn module<'py>(&self, py: Gil<'py>) -> Option<(Owned<'py>, Owned<'py>)> {
        let loaded = lock(&self.loaded);
        let loaded = loaded.as_ref()?;
        Some((loaded.module.get(py), loaded.mtime.get(py)))
    }

    /// Loads the script unless it is loaded as it is, or `again`. Without the GIL.
    pub(crate) fn load(
        &self,
        interpreter: &Interpreter,
        now: Option<Modified>,
        again: bool,
        log: &dyn Fn(Level, &[u8]),
    ) -> std::result::Result<(), NotLoaded> {
        let _loading = lock(&self.loading);
        if !again && self.state(now) == State::Current {
            return Ok(());
        }
        let modified = modified(&self.filename);
        let path = Path::new(OsStr::from_bytes(&self.filename));
        let source = std::fs::read(path).map_err(|error| {
            let line = format!("WRS4005: the script {} cannot be read: {error}", path.display());
            log(Level::Error, line.as_bytes());
            NotLoaded
        })?;
        let session = interpreter.enter().ok_or(NotLoaded)?;
        let py = session.py();
        let previous = lock(&self.loaded).take();
        let is_reload = previous.is_some();
        if let Some(previous) = previous {
            previous.module.release(py);
            previous.mtime.release(py);
        }
        match self.execute(py, &source, modified) {
            Ok((module, mtime)) => {
                let (module, mtime) = (module.keep(), mtime.keep());
                *lock(&self.loaded) = Some(Loaded { module, modified, mtime });
                LOADED.store(true, Ordering::Release);
                let done = if is_reload { "loaded again, because it changed" } else { "loaded" };
                let line = format!(
                    "WRS4008: the script {} was {done} (application group '{}')",
                    path.display(),
                    String::from_utf8_lossy(interpreter.name())
                );
                log(Level::Info, line.as_bytes());
                Ok(())
            }
            Err(_) => {
                let what = format!(
                    "the script {} (application group '{}') cannot be loaded",
                    path.display(),
                    String::from_utf8_lossy(interpreter.name())
                );
                let incident = Incident { id: "WRS4002", id_of_exit: "WRS4003", what };
                let raised = py.take_raised();
                let told_to_end = raised.as_ref().is_some_and(|it| it.is_system_exit());
                if !(interpreter.service && told_to_end) {
                    interpreter.report(py, &incident, raised, log);
                }
                Err(NotLoaded)
            }
        }
    }

    /// Compiles and executes the script as a new module; the module and its `__mtime__`.
    fn execute<'py>(
        &self,
        py: Gil<'py>,
        source: &[u8],
        modified: Modified,
    ) -> Result<(Owned<'py>, Owned<'py>)> {
        let name = py.str(&self.name)?;
        let filename = py.path(&self.filename)?;
        let modules = py.modules()?;
        if modules.item(&name)?.is_some() {
            // SAFETY: the GIL is held; a live dict and a live key.
            crate::python::done(unsafe { ffi::PyDict_DelItem(modules.as_ptr(), name.as_ptr()) })?;
        }
        let code = py.import(c"builtins")?.attr(c"compile")?.call([
            &py.bytes(source)?,
            &filename,
            &py.str("exec")?,
            &py.int(0)?,
            &py.bool(true),
        ])?;
        // SAFETY: the GIL is held; live objects, and null for no cached file. It puts the module into
        // sys.modules, and takes it out again when it raises.
        let module = unsafe {
            let module = ffi::PyImport_ExecCodeModuleObject(
                name.as_ptr(),
                code.as_ptr(),
                filename.as_ptr(),
                std::ptr::null_mut(),
            );
            Owned::new(py, module)?
        };
        let mtime = py.int(modified.unwrap_or(0))?;
        module.set_attr(c"__mtime__", &mtime)?;
        Ok((module, mtime))
    }
}
