//! Functions of a script are asked about a request: the module's side of `ask` in the table between module and engine.
//!
//! Like `table.rs` it holds the unsafe code of that boundary and nothing else: each callback is a panic boundary, and runs
//! on the httpd thread of the request, or on a thread of the script while that thread waits for it.

use super::table::{guard, to_level};
use crate::config::HookScript;
use crate::httpd::{Request, log};
use engine_abi::{AskTable, Bytes, Engine, Pair};
use std::ffi::{c_int, c_void};

/// What is asked.
pub struct Question<'a> {
    /// The script.
    pub script: &'a HookScript,
    /// Name of the interpreter; empty: the main interpreter.
    pub application_group: &'a [u8],
    /// Look whether the script changed before it is used.
    pub reloading: bool,
    /// The functions, in their order. When one does not answer a string or `None`, those behind it are not called.
    pub functions: &'a [&'a str],
    /// What they are called with behind environ.
    pub arguments: &'a [&'a [u8]],
    /// What they are told of the request.
    pub environ: &'a [Pair<'a>],
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
    /// Names.
    Names(Vec<Vec<u8>>),
    /// Something else: the words for it.
    Other(String),
}

impl Answer {
    fn new(kind: c_int, texts: &[&[u8]]) -> Self {
        use engine_abi::Answer as Kind;
        let first = || texts.first().map(|text| text.to_vec()).unwrap_or_default();
        let is = |known: Kind| known as c_int == kind;
        match () {
            () if is(Kind::Missing) => Self::Missing,
            () if is(Kind::Nothing) => Self::Nothing,
            () if is(Kind::False) => Self::Verdict(false),
            () if is(Kind::True) => Self::Verdict(true),
            () if is(Kind::Text) => Self::Text(first()),
            () if is(Kind::Bytes) => Self::Bytes(first()),
            () if is(Kind::Names) => Self::Names(texts.iter().map(|text| text.to_vec()).collect()),
            () if is(Kind::Other) => Self::Other(String::from_utf8_lossy(&first()).into_owned()),
            // Whatever it is, it grants nothing.
            () => Self::Failed,
        }
    }
}

/// Who asks, as the engine's callbacks find it.
struct Asker<'r> {
    request: Request<'r>,
    answers: Vec<Answer>,
}

static TABLE: AskTable =
    AskTable { size: size_of::<AskTable>(), answer, tls_variable, log: log_request };

/// Asks; an answer for each function that was asked. `None`: the script cannot be asked, the log has the reason.
pub fn ask(engine: &Engine, request: Request<'_>, question: &Question<'_>) -> Option<Vec<Answer>> {
    let functions: Vec<Bytes> =
        question.functions.iter().map(|name| Bytes::new(name.as_bytes())).collect();
    let arguments: Vec<Bytes> = question.arguments.iter().map(|text| Bytes::new(text)).collect();
    let given = engine_abi::Question {
        size: size_of::<engine_abi::Question<'_>>(),
        filename: Bytes::new(&question.script.script),
        application_group: Bytes::new(question.application_group),
        reloading: question.reloading,
        functions: functions.as_ptr(),
        functions_len: functions.len(),
        arguments: arguments.as_ptr(),
        arguments_len: arguments.len(),
        environ: question.environ.as_ptr(),
        environ_len: question.environ.len(),
        secure: request.is_https(),
        names: question.names,
        utf8: question.utf8,
    };
    let mut asker = Asker { request, answers: Vec::new() };
    // SAFETY: Python was started; what the question and the table point at lives for the call.
    let status =
        unsafe { (engine.ask)(&raw const given, &raw const TABLE, (&raw mut asker).cast()) };
    (status == 0).then_some(asker.answers)
}

unsafe extern "C" fn answer(
    asker: *mut c_void,
    kind: c_int,
    texts: *const Bytes,
    texts_len: usize,
) {
    guard((), || {
        // SAFETY: the engine gives back the pointer it got for this call, on the same thread; the texts live for it.
        let (asker, texts): (_, &[Bytes]) = unsafe {
            let texts = match texts_len {
                0 => &[],
                len => std::slice::from_raw_parts(texts, len),
            };
            (&mut *asker.cast::<Asker<'_>>(), texts)
        };
        // SAFETY: as above.
        let texts: Vec<&[u8]> = texts.iter().map(|text| unsafe { text.as_slice() }).collect();
        asker.answers.push(Answer::new(kind, &texts));
    });
}

unsafe extern "C" fn tls_variable(asker: *mut c_void, name: Bytes) -> Bytes {
    guard(Bytes::EMPTY, || {
        // SAFETY: the engine gives back the pointer it got for this call, and no other thread uses the request
        // meanwhile; the name lives for the call.
        let (request, name) = unsafe { ((*asker.cast::<Asker<'_>>()).request, name.as_slice()) };
        let value = request.tls_variable(request.pool().dup(name));
        value.map_or(Bytes::EMPTY, |value| Bytes::new(value.to_bytes()))
    })
}

unsafe extern "C" fn log_request(asker: *mut c_void, level: c_int, line: Bytes) {
    guard((), || {
        // SAFETY: as for `tls_variable`.
        let (request, line) = unsafe { ((*asker.cast::<Asker<'_>>()).request, line.as_slice()) };
        log::write_bytes(request, to_level(level), line);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_known_answer_grants_nothing() {
        assert_eq!(Answer::new(4, &[]), Answer::Verdict(true));
        for unknown in [-1, 0, 9, 1000] {
            assert_eq!(Answer::new(unknown, &[b"x"]), Answer::Failed);
        }
        assert_eq!(Answer::new(7, &[b"a", b""]), Answer::Names(vec![b"a".to_vec(), Vec::new()]));
    }
}
