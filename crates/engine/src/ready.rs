//! A script made ready for use: loaded, and loaded again if it changed.
//!
//! Begins without the GIL on the thread that wants the script, and takes the GIL once it is there.
//! See <https://modwsgi.readthedocs.io/en/master/user-guides/reloading-source-code.html>.

use engine_abi::{Level, Outcome, Pair};

use crate::environ::find;
use crate::exception::Incident;
use crate::interpreter::Interpreter;
use crate::loader::{self, Script, State};
use crate::python::{Owned, Result};
use crate::start::Reload;

/// A script that somebody wants to use.
pub(crate) struct Wanted<'a> {
    pub(crate) interpreter: &'a Interpreter,
    pub(crate) filename: &'a [u8],
    /// Look whether it changed.
    pub(crate) reloading: bool,
    /// When the server saw that it was last changed, in microseconds since 1970, if it looked.
    pub(crate) modified: Option<i64>,
    /// What to do if it did.
    pub(crate) reload: Reload,
    /// The environ of the request about which the script's function `reload_required` is asked; none: it is not asked.
    pub(crate) environ: Option<&'a [Pair<'a>]>,
    /// The log of the request.
    pub(crate) log: &'a dyn Fn(Level, &[u8]),
}

impl Wanted<'_> {
    /// Hands the script's module to `body`, with the GIL. Otherwise why there is none; the log has the reason.
    pub(crate) fn with_module<R>(
        &self,
        body: impl FnOnce(Owned<'_>) -> R,
    ) -> std::result::Result<R, Outcome> {
        let script = self.interpreter.scripts.find(self.filename);
        let mut again = false;
        // A script that was loaded for this request is as new as it can be.
        let mut fresh = false;
        loop {
            fresh |= self.prepare(&script, again)?;
            let Some(session) = self.interpreter.enter() else {
                (self.log)(Level::Error, b"WRS4013: there is no memory for a Python thread state");
                return Err(Outcome::Failed);
            };
            // Another request may have begun to load it again; then this one waits for that.
            let Some((module, mtime)) = script.module(session.py()) else {
                again = false;
                continue;
            };
            if !fresh && self.reloading && self.wants_reload(&module, &mtime) {
                match self.reload {
                    Reload::Refuse => return Err(Outcome::Reload),
                    Reload::Keep => script.note_change(loader::modified(self.filename)),
                    Reload::InPlace => {
                        again = true;
                        continue;
                    }
                }
            }
            drop(mtime);
            return Ok(body(module));
        }
    }

    /// Loads the script if need be; whether it did.
    fn prepare(&self, script: &Script, again: bool) -> std::result::Result<bool, Outcome> {
        let now = self.reloading.then(|| match self.modified {
            // What the server saw may be older than what another request loaded since.
            seen @ Some(_) if script.state(Some(seen)) == State::Current => seen,
            _ => loader::modified(self.filename),
        });
        match script.state(now) {
            State::Current if !again => return Ok(false),
            State::Changed if self.reload == Reload::Refuse => return Err(Outcome::Reload),
            State::Changed if self.reload == Reload::Keep => {
                script.note_change(now.flatten());
                return Ok(false);
            }
            _ => {}
        }
        script
            .load(self.interpreter, now, again, self.log)
            .map(|()| true)
            .map_err(|_| Outcome::Failed)
    }

    /// Asks the module: its `__mtime__` is gone or was changed, or its function `reload_required` says so.
    fn wants_reload<'py>(&self, module: &Owned<'py>, loaded: &Owned<'py>) -> bool {
        let py = module.py();
        let getattr = self.interpreter.getattr.get(py);
        let asked = || -> Result<bool> {
            let mtime = module.global_if_any(&self.interpreter.mtime.get(py), &getattr)?;
            let is_changed = |mtime: &Owned<'_>| {
                mtime.as_ptr() != loaded.as_ptr() && mtime.as_int() != loaded.as_int()
            };
            if mtime.as_ref().is_none_or(is_changed) {
                return Ok(true);
            }
            let Some(environ) = self.environ else { return Ok(false) };
            let name = self.interpreter.reload_required.get(py);
            let Some(function) = module.global_if_any(&name, &getattr)? else { return Ok(false) };
            // What was asked for: the script itself, unless it is a handler.
            let resource = find(environ, b"SCRIPT_FILENAME").unwrap_or(self.filename);
            function.call([&py.path(resource)?])?.is_true()
        };
        asked().unwrap_or_else(|_| {
            let what = format!(
                "exception in reload_required() of the script {} (application group '{}')",
                String::from_utf8_lossy(self.filename),
                String::from_utf8_lossy(self.interpreter.name())
            );
            let incident = Incident { id: "WRS4016", id_of_exit: "WRS4016", what };
            self.interpreter.report(py, &incident, py.take_raised(), self.log);
            false
        })
    }
}
