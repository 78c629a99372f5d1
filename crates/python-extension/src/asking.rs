//! The entry `ask` of the table of [`engine_abi`]: functions of a script are asked about a request.
//!
//! Runs on any httpd thread, without the GIL; a panic becomes a question that cannot be asked.

use std::ffi::{c_int, c_void};

use engine::{Answer, Exchange, Gone, Head, Level, Question, ReadError};
use engine_abi::{AskTable, Bytes, Pair};

use crate::embedded::{ENGINE, guard};

pub(crate) unsafe extern "C" fn ask(
    question: *const engine_abi::Question<'_>,
    table: *const AskTable,
    asker: *mut c_void,
) -> c_int {
    guard(-1, || {
        // SAFETY: the module hands in live values, and what they borrow lives as long as this call.
        let (question, table) = unsafe { (&*question, &*table) };
        let Some(engine) = ENGINE.get() else { return -1 };
        if question.size != size_of::<engine_abi::Question<'_>>()
            || table.size != size_of::<AskTable>()
        {
            return -1;
        }
        // SAFETY: as above.
        let (functions, arguments, environ) = unsafe {
            (
                slices(question.functions, question.functions_len),
                slices(question.arguments, question.arguments_len),
                Pair::slice(question.environ, question.environ_len),
            )
        };
        // SAFETY: as above.
        let (filename, application_group) =
            unsafe { (question.filename.as_slice(), question.application_group.as_slice()) };
        let question = Question {
            filename,
            application_group,
            reloading: question.reloading,
            functions: &functions,
            arguments: &arguments,
            environ,
            secure: question.secure,
            names: question.names,
            utf8: question.utf8,
        };
        let mut asker = Asker { table, asker };
        let Some(answers) = engine.ask(&question, &mut asker) else { return -1 };
        answers.iter().for_each(|answer| asker.take(answer));
        0
    })
}

/// # Safety
/// `first` points at `len` values whose bytes live for `'a`, or `len` is 0.
unsafe fn slices<'a>(first: *const Bytes, len: usize) -> Vec<&'a [u8]> {
    if len == 0 || first.is_null() {
        return Vec::new();
    }
    // SAFETY: by this function's contract.
    let values = unsafe { std::slice::from_raw_parts(first, len) };
    values
        .iter()
        .map(|bytes| {
            // SAFETY: by this function's contract.
            unsafe { bytes.as_slice() }
        })
        .collect()
}

/// Who asks.
struct Asker<'a> {
    table: &'a AskTable,
    asker: *mut c_void,
}

// SAFETY: the pointer means something to the functions of the table only, and the engine calls them from
// one thread at a time while the thread that asks waits for the call to return.
unsafe impl Send for Asker<'_> {}

impl Asker<'_> {
    fn take(&mut self, answer: &Answer) {
        use engine_abi::Answer as Kind;
        let (kind, texts): (Kind, Vec<&[u8]>) = match answer {
            Answer::Failed => (Kind::Failed, Vec::new()),
            Answer::Missing => (Kind::Missing, Vec::new()),
            Answer::Nothing => (Kind::Nothing, Vec::new()),
            Answer::Verdict(false) => (Kind::False, Vec::new()),
            Answer::Verdict(true) => (Kind::True, Vec::new()),
            Answer::Text(text) => (Kind::Text, vec![text]),
            Answer::Bytes(bytes) => (Kind::Bytes, vec![bytes]),
            Answer::Names(names) => (Kind::Names, names.iter().map(Vec::as_slice).collect()),
            Answer::Other(words) => (Kind::Other, vec![words.as_bytes()]),
        };
        let texts: Vec<Bytes> = texts.into_iter().map(Bytes::new).collect();
        // SAFETY: the module's function and its own pointer; what is borrowed outlives the call.
        unsafe { (self.table.answer)(self.asker, kind as c_int, texts.as_ptr(), texts.len()) };
    }
}

/// A question has neither a body nor a response.
impl Exchange for Asker<'_> {
    fn read(&mut self, _buffer: &mut [u8]) -> Result<usize, ReadError> {
        Err(ReadError::Failed)
    }

    fn send(&mut self, _: Option<&Head<'_>>, _: &[&[u8]], _last: bool) -> Result<(), Gone> {
        Err(Gone)
    }

    fn tls_variable(&mut self, name: &[u8]) -> Option<Vec<u8>> {
        // SAFETY: the module's function and its own pointer; the name is borrowed for the call, and what comes back
        // lives as long as the question.
        unsafe {
            let value = (self.table.tls_variable)(self.asker, Bytes::new(name));
            (!value.is_null()).then(|| value.as_slice().to_vec())
        }
    }

    fn log(&mut self, level: Level, line: &[u8]) {
        // SAFETY: the module's function and its own pointer; the line is borrowed for the call.
        unsafe { (self.table.log)(self.asker, level as c_int, Bytes::new(line)) };
    }
}
