//! One question to functions of a script: may somebody come in, who is it, where is the request to run.
//!
//! Runs on the thread of the server that has the request. The functions are called one after the other with one
//! environ, with the GIL; what they answer is copied, and judged by who asks. Nothing but `True`, `False`, `None`,
//! `str`, `bytes`, and names is told apart.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use engine_abi::{Level, Pair};
use pyo3_ffi as ffi;

use crate::boundary::reason;
use crate::errors::{Log, Serving};
use crate::exception::Incident;
use crate::exchange::Exchange;
use crate::fork;
use crate::interpreter::Interpreter;
use crate::python::{Gil, Owned, Raised, Result};
use crate::ready::Wanted;
use crate::request::{Finish, Request};
use crate::start::Reload;
use crate::tls::Tls;

/// How many names an answer may have: one that never ends must not take all memory.
const NAMES_LIMIT: usize = 65_536;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Absolute path of the script.
    pub filename: &'a [u8],
    /// Name of the interpreter; empty: the main interpreter.
    pub application_group: &'a [u8],
    /// Look whether the script changed before it is used.
    pub reloading: bool,
    /// The functions of the script, in their order. When one does not answer a string or `None`, those behind it are
    /// not called.
    pub functions: &'a [&'a [u8]],
    /// What they are called with behind environ, as `str` in latin-1.
    pub arguments: &'a [&'a [u8]],
    /// The pairs of environ.
    pub environ: &'a [Pair<'a>],
    /// The connection is encrypted (`mod_ssl.is_https`).
    pub secure: bool,
    /// The answers are iterables of names.
    pub names: bool,
    /// Strings are to be told in UTF-8, and not in latin-1.
    pub utf8: bool,
}

/// What a function answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It raised, or what it answered cannot be told; the log has the reason.
    Failed,
    /// The script has no such function.
    Missing,
    /// `None`
    Nothing,
    /// `True` or `False`
    Verdict(bool),
    /// A `str`.
    Text(Vec<u8>),
    /// A `bytes`.
    Bytes(Vec<u8>),
    /// Names, each a `str` in latin-1 or a `bytes`.
    Names(Vec<Vec<u8>>),
    /// Something else: the words for it.
    Other(String),
}

impl Answer {
    /// Whether the next function is asked too.
    fn goes_on(&self) -> bool {
        matches!(self, Self::Missing | Self::Nothing | Self::Text(_) | Self::Bytes(_))
    }
}

/// Asks; an answer for each function that was asked. `None`: the script is not there, the log has the reason. Without the
/// GIL.
pub(crate) fn ask(
    interpreter: &Interpreter,
    question: &Question<'_>,
    exchange: &mut dyn Exchange,
) -> Option<Vec<Answer>> {
    // SAFETY: `Finish` ends the request before this function returns the exchange to its owner.
    let request = unsafe { Request::new(exchange, true) };
    let _finish = Finish(&request);
    let _serving = Serving::new(&request);
    let asking = Asking { interpreter, question, request: &request };
    catch_unwind(AssertUnwindSafe(|| asking.ask())).unwrap_or_else(|panic| {
        let line = format!("WRS4009: a fault in mod_wsgi_rs itself: {}", reason(&*panic));
        asking.log(Level::Critical, line.as_bytes());
        None
    })
}

struct Asking<'a> {
    interpreter: &'a Interpreter,
    question: &'a Question<'a>,
    request: &'a Arc<Request>,
}

/// The words for an answer that is none.
fn described(result: &Owned<'_>) -> String {
    format!("a value of type {}", result.type_name())
}

impl Asking<'_> {
    fn ask(&self) -> Option<Vec<Answer>> {
        let wanted = Wanted {
            interpreter: self.interpreter,
            filename: self.question.filename,
            reloading: self.question.reloading,
            modified: None,
            reload: Reload::InPlace,
            environ: None,
            log: &|level, line| self.log(level, line),
        };
        wanted.with_module(|module| self.answers(&module)).ok()
    }

    fn answers(&self, module: &Owned<'_>) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(self.question.functions.len());
        let mut environ = None;
        for function in self.question.functions {
            let answer = self.answer(module, &mut environ, function).unwrap_or_else(|Raised| {
                self.report(module.py(), function);
                Answer::Failed
            });
            let last = !answer.goes_on();
            answers.push(answer);
            if last {
                break;
            }
        }
        fork::end_child();
        answers
    }

    /// Asks one function. The environ is made for the first one that there is.
    fn answer<'py>(
        &self,
        module: &Owned<'py>,
        environ: &mut Option<Owned<'py>>,
        function: &[u8],
    ) -> Result<Answer> {
        let py = module.py();
        let getattr = self.interpreter.getattr.get(py);
        let Some(function) = module.global_if_any(&py.latin1(function)?, &getattr)? else {
            return Ok(Answer::Missing);
        };
        let environ = match environ {
            Some(environ) => environ.clone(),
            None => environ.insert(self.environ(py)?).clone(),
        };
        let mut arguments = vec![environ];
        for argument in self.question.arguments {
            arguments.push(py.latin1(argument)?);
        }
        let result = function.call_with(&arguments)?;
        if self.question.names { self.names(&result) } else { self.told(&result) }
    }

    fn environ<'py>(&self, py: Gil<'py>) -> Result<Owned<'py>> {
        let classes = &self.interpreter.classes;
        let errors = classes.log.instance(py, Log::Request(Arc::clone(self.request)))?;
        let tls = Tls::new(Arc::clone(self.request), self.question.secure);
        let tls = classes.tls.instance(py, tls)?;
        self.interpreter.environ.for_question(py, self.question.environ, &errors, &tls)
    }

    fn told(&self, result: &Owned<'_>) -> Result<Answer> {
        if let Some(bytes) = result.as_bytes() {
            return Ok(Answer::Bytes(bytes.to_vec()));
        }
        Ok(match (result.is_none(), result.as_bool()) {
            (true, _) => Answer::Nothing,
            (_, Some(verdict)) => Answer::Verdict(verdict),
            _ if !result.is_str() => Answer::Other(described(result)),
            _ if self.question.utf8 => Answer::Text(result.as_utf8()?),
            _ => Answer::Text(result.as_latin1("the answer")?.to_vec()),
        })
    }

    fn names(&self, result: &Owned<'_>) -> Result<Answer> {
        let py = result.py();
        // A string is made of strings too, but it is not what was meant.
        if result.as_bytes().is_some() || result.is_str() || !result.is_iterable() {
            return Ok(Answer::Other(described(result)));
        }
        // SAFETY: the GIL is held; a live object; a new reference or null.
        let iterator = unsafe { Owned::new(py, ffi::PyObject_GetIter(result.as_ptr()))? };
        let mut names = Vec::new();
        loop {
            // SAFETY: the GIL is held; an iterator. Null ends it, with or without an exception.
            let item = unsafe { Owned::new(py, ffi::PyIter_Next(iterator.as_ptr())) };
            let Ok(item) = item else { break };
            if names.len() == NAMES_LIMIT {
                return Ok(Answer::Other(format!("more than {NAMES_LIMIT} names")));
            }
            names.push(match item.as_bytes() {
                Some(bytes) => bytes.to_vec(),
                None if item.is_str() => item.as_latin1("a name")?.to_vec(),
                None => {
                    let (whole, item) = (described(result), item.type_name());
                    return Ok(Answer::Other(format!("{whole} with an item of type {item}")));
                }
            });
        }
        if py.is_raised() { Err(Raised) } else { Ok(Answer::Names(names)) }
    }

    /// Logs the exception that a function raised.
    fn report(&self, py: Gil<'_>, function: &[u8]) {
        let what = format!(
            "exception in {}() of the script {} (application group '{}')",
            String::from_utf8_lossy(function),
            String::from_utf8_lossy(self.question.filename),
            String::from_utf8_lossy(self.interpreter.name())
        );
        let incident = Incident { id: "WRS4033", id_of_exit: "WRS4033", what };
        let raised = py.take_raised();
        self.interpreter.report(py, &incident, raised, &|level, line| self.log(level, line));
    }

    fn log(&self, level: Level, line: &[u8]) {
        let _ = self.request.log(level, line);
    }
}
