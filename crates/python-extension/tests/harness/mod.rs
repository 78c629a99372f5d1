//! Python in this process as httpd has it in embedded mode, and a server that is made of vectors.
//!
//! `MOD_WSGI_LIBPYTHON` names a libpython and `MOD_WSGI_ENGINE` the engine of its ABI. Python starts once,
//! on a thread that lives as long as the process; tests call it from their own threads.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::collections::VecDeque;
use std::ffi::{CString, OsStr, c_int, c_void};
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use engine_abi::{
    AskTable, Bytes, Call, Engine, ExchangeTable, Head, Level, Outcome, Pair, Script, StartUp,
};

static ENGINE: OnceLock<Option<&'static Engine>> = OnceLock::new();
static SERVER_LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// What a test changes of the start-up before the first call.
pub static OPTIONS: OnceLock<fn(&mut StartUp)> = OnceLock::new();
static SCRIPTS: AtomicU32 = AtomicU32::new(0);

/// The engine, started; `None` when the environment does not name one.
pub fn engine() -> Option<&'static Engine> {
    *ENGINE.get_or_init(|| {
        let variables = ("MOD_WSGI_LIBPYTHON", "MOD_WSGI_ENGINE");
        let (Some(libpython), Some(engine)) =
            (std::env::var_os(variables.0), std::env::var_os(variables.1))
        else {
            println!(
                "skipped: {} and {} do not name a Python and an engine",
                variables.0, variables.1
            );
            return None;
        };
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            sender.send(start(&libpython, &engine)).unwrap();
            loop {
                thread::park();
            }
        });
        Some(receiver.recv().unwrap())
    })
}

fn start(libpython: &OsStr, engine: &OsStr) -> &'static Engine {
    open(libpython);
    let library = open(engine);
    // SAFETY: a library that is open, and a string that ends with NUL.
    let entry = unsafe { libc::dlsym(library, engine_abi::ENTRY.as_ptr()) };
    assert!(!entry.is_null(), "no entry");
    // SAFETY: the symbol has this type, by engine_abi.
    let entry: engine_abi::Entry = unsafe { std::mem::transmute(entry) };
    // SAFETY: the table is static.
    let engine: &'static Engine = unsafe { &*entry() };
    assert_eq!(engine.version, engine_abi::VERSION);
    let executable = std::env::var_os("MOD_WSGI_TEST_EXECUTABLE").unwrap_or_default();
    let path = scratch().join("path");
    std::fs::create_dir_all(&path).unwrap();
    let mut startup = StartUp {
        size: size_of::<StartUp>(),
        executable: Bytes::new(executable.as_bytes()),
        python_path: Bytes::new(path.as_os_str().as_bytes()),
        process_group: Bytes::EMPTY,
        multithread: true,
        multiprocess: true,
        threads: 25,
        processes: 3,
        server_version: [2, 4, 58],
        server_description: Bytes::new(b"Apache/2.4.58 (Test)"),
        server_mpm: Bytes::new(b"event"),
        server_built: Bytes::new(b"2024-01-01T00:00:00"),
        restrict_stdin: false,
        restrict_stdout: false,
        restrict_signal: true,
        own_gil: false,
        free_threading: true,
        layers: std::ptr::null(),
        layers_len: 0,
        telemetry_socket: Bytes::EMPTY,
        telemetry_interval: 0.0,
        telemetry_user_agent: false,
        slow_requests: 0.0,
        server_pid: 1,
        python_eggs: Bytes::EMPTY,
        switch_interval: 0.0,
        dont_write_bytecode: false,
        warnings: Bytes::EMPTY,
        optimize: -1,
        hash_seed: engine_abi::SEED_OF_ENVIRONMENT,
        shut_down: true,
        case_sensitive: true,
        server_metrics: None,
        log: server_log,
    };
    if let Some(change) = OPTIONS.get() {
        change(&mut startup);
    }
    // SAFETY: everything borrowed outlives the call.
    let status = unsafe { (engine.start)(&raw const startup) };
    assert_eq!(status, 0, "{:?}", SERVER_LOG.lock().unwrap());
    engine
}

fn open(library: &OsStr) -> *mut c_void {
    let name = CString::new(library.as_bytes()).unwrap();
    // SAFETY: a string that ends with NUL.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    if handle.is_null() {
        // SAFETY: there is an error message after a failure.
        let reason = unsafe { std::ffi::CStr::from_ptr(libc::dlerror()) };
        panic!("{library:?}: {reason:?}");
    }
    handle
}

unsafe extern "C" fn server_log(_level: c_int, line: Bytes) {
    // SAFETY: borrowed for this call.
    let line = String::from_utf8_lossy(unsafe { line.as_slice() }).into_owned();
    SERVER_LOG.lock().unwrap().push(line);
}

/// What the engine wrote to the server's log so far.
pub fn server_log_lines() -> Vec<String> {
    SERVER_LOG.lock().unwrap().clone()
}

/// A directory for the files of this run.
pub fn scratch() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(std::process::id().to_string());
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// Writes a script of its own.
pub fn script(source: &str) -> PathBuf {
    let path = scratch().join(format!("app{}.wsgi", SCRIPTS.fetch_add(1, Ordering::Relaxed)));
    std::fs::write(&path, source).unwrap();
    path
}

/// What was handed to the server in one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    pub head: bool,
    pub bytes: Vec<u8>,
    pub last: bool,
    /// It was part of a file.
    pub file: bool,
}

/// A request, and how the server behaves.
#[derive(Clone)]
pub struct Request {
    pub environ: Vec<(Vec<u8>, Vec<u8>)>,
    pub body: VecDeque<Vec<u8>>,
    /// What reading answers after `body`: 0, or an error.
    pub end_of_body: isize,
    /// The client goes away after this many sends.
    pub sends: usize,
    pub application_group: &'static str,
    pub callable: &'static str,
    pub reloading: bool,
    pub modified: i64,
    pub delay: Duration,
}

impl Default for Request {
    fn default() -> Self {
        let pairs = [
            ("REQUEST_METHOD", "GET"),
            ("SCRIPT_NAME", ""),
            ("PATH_INFO", "/"),
            ("QUERY_STRING", ""),
            ("SERVER_NAME", "localhost"),
            ("SERVER_PORT", "80"),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
        ];
        let pair = |(name, value): (&str, &str)| (name.into(), value.into());
        Self {
            environ: pairs.map(pair).into(),
            body: VecDeque::new(),
            end_of_body: 0,
            sends: usize::MAX,
            application_group: "",
            callable: "application",
            reloading: true,
            modified: 0,
            delay: Duration::ZERO,
        }
    }
}

impl Request {
    pub fn with(mut self, name: &str, value: &[u8]) -> Self {
        self.environ.retain(|pair| pair.0 != name.as_bytes());
        self.environ.push((name.into(), value.into()));
        self
    }

    pub fn body(mut self, blocks: &[&str]) -> Self {
        self.body = blocks.iter().map(|block| block.as_bytes().to_vec()).collect();
        self
    }
}

/// What came of a request.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub outcome: c_int,
    pub status: u16,
    pub status_line: String,
    pub headers: Vec<(String, String)>,
    pub sent: Vec<Sent>,
    pub log: Vec<String>,
    pub levels: Vec<c_int>,
}

impl Answer {
    pub fn body(&self) -> String {
        let bytes: Vec<u8> = self.sent.iter().flat_map(|sent| sent.bytes.clone()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sent whole, and nothing in the log.
    pub fn is_clean(&self) -> bool {
        self.outcome == Outcome::Done as c_int
            && self.sent.last().is_some_and(|sent| sent.last)
            && self.sent.iter().filter(|sent| sent.last).count() == 1
            && self.sent.iter().filter(|sent| sent.head).count() == 1
            && self.problems().is_empty()
    }

    /// Lines of the log that are not of interest only.
    pub fn problems(&self) -> Vec<&str> {
        self.log
            .iter()
            .zip(&self.levels)
            .filter(|(_, level)| **level < Level::Info as c_int)
            .map(|(line, _)| line.as_str())
            .collect()
    }

    pub fn has_line(&self, part: &str) -> bool {
        self.log.iter().any(|line| line.contains(part))
    }
}

struct Server {
    request: Request,
    answer: Answer,
    busy: AtomicU32,
}

/// Calls a script.
pub fn call(path: &Path, request: &Request) -> Option<Answer> {
    let engine = engine()?;
    let mut server =
        Server { request: request.clone(), answer: Answer::default(), busy: AtomicU32::new(0) };
    let pairs: Vec<Pair<'_>> =
        request.environ.iter().map(|(name, value)| Pair::new(name, value)).collect();
    let call = Call {
        script: Script {
            filename: Bytes::new(path.as_os_str().as_bytes()),
            application_group: Bytes::new(request.application_group.as_bytes()),
            callable: Bytes::new(request.callable.as_bytes()),
            reloading: request.reloading,
            modified: request.modified,
        },
        environ: pairs.as_ptr(),
        environ_len: pairs.len(),
    };
    let table = ExchangeTable { size: size_of::<ExchangeTable>(), read, send, send_file, log };
    // SAFETY: everything borrowed outlives the call.
    let outcome =
        unsafe { (engine.call)(&raw const call, &raw const table, (&raw mut server).cast()) };
    server.answer.outcome = outcome;
    Some(server.answer)
}

/// Calls a script with this source, without more ado.
pub fn serve(source: &str) -> Option<Answer> {
    serve_with(source, &Request::default())
}

/// Calls a script with this source.
pub fn serve_with(source: &str, request: &Request) -> Option<Answer> {
    engine()?;
    call(&script(source), request)
}

/// # Safety
/// `exchange` is what `call` handed out. Two threads at once are a fault of the engine, which this sees.
unsafe fn with<R>(exchange: *mut c_void, body: impl FnOnce(&mut Server) -> R) -> R {
    // SAFETY: by this function's contract.
    let server = unsafe { &mut *exchange.cast::<Server>() };
    if server.busy.fetch_add(1, Ordering::AcqRel) != 0 {
        eprintln!("two threads use the exchange at once");
        std::process::abort();
    }
    let result = body(server);
    server.busy.fetch_sub(1, Ordering::AcqRel);
    result
}

unsafe extern "C" fn read(exchange: *mut c_void, buffer: *mut u8, len: usize) -> isize {
    // SAFETY: the engine hands back what `call` gave it.
    unsafe {
        with(exchange, |server| {
            thread::sleep(server.request.delay);
            let Some(mut block) = server.request.body.pop_front() else {
                return server.request.end_of_body;
            };
            let rest = block.split_off(block.len().min(len));
            if !rest.is_empty() {
                server.request.body.push_front(rest);
            }
            std::ptr::copy_nonoverlapping(block.as_ptr(), buffer, block.len());
            block.len() as isize
        })
    }
}

unsafe extern "C" fn send(
    exchange: *mut c_void,
    head: *const Head<'_>,
    chunks: *const Bytes,
    chunks_len: usize,
    last: bool,
) -> c_int {
    // SAFETY: the engine hands back what `call` gave it, and all it lends is alive.
    unsafe {
        with(exchange, |server| {
            if server.answer.sent.len() >= server.request.sends {
                return -1;
            }
            let mut sent = Sent { head: !head.is_null(), last, ..Sent::default() };
            note_head(server, head);
            if chunks_len > 0 {
                for chunk in std::slice::from_raw_parts(chunks, chunks_len) {
                    sent.bytes.extend_from_slice(chunk.as_slice());
                }
            }
            server.answer.sent.push(sent);
            0
        })
    }
}

/// # Safety
/// `head` is null, or alive with all it points at.
unsafe fn note_head(server: &mut Server, head: *const Head<'_>) {
    // SAFETY: by this function's contract.
    unsafe {
        let Some(head) = head.as_ref() else { return };
        let text = |bytes: &[u8]| bytes.iter().map(|byte| *byte as char).collect();
        server.answer.status = head.status;
        server.answer.status_line = text(head.status_line.as_slice());
        let headers = Pair::slice(head.headers, head.headers_len);
        server.answer.headers =
            headers.iter().map(|pair| (text(pair.name()), text(pair.value()))).collect();
    }
}

unsafe extern "C" fn send_file(
    exchange: *mut c_void,
    head: *const Head<'_>,
    file: c_int,
    offset: u64,
    length: u64,
    last: bool,
) -> c_int {
    // SAFETY: the engine hands back what `call` gave it, and the head and the file are open.
    unsafe {
        with(exchange, |server| {
            if server.answer.sent.len() >= server.request.sends {
                return -1;
            }
            note_head(server, head);
            let file = BorrowedFd::borrow_raw(file).try_clone_to_owned().unwrap();
            let mut bytes = vec![0; usize::try_from(length).unwrap()];
            File::from(file).read_exact_at(&mut bytes, offset).unwrap();
            server.answer.sent.push(Sent { head: !head.is_null(), bytes, last, file: true });
            0
        })
    }
}

unsafe extern "C" fn log(exchange: *mut c_void, level: c_int, line: Bytes) {
    // SAFETY: the engine hands back what `call` gave it, and the line is alive.
    unsafe {
        with(exchange, |server| {
            let line = String::from_utf8_lossy(line.as_slice()).into_owned();
            server.answer.log.push(line);
            server.answer.levels.push(level);
        });
    }
}

/// What functions of a script are asked.
pub struct Question<'a> {
    pub functions: &'a [&'a str],
    pub arguments: &'a [&'a [u8]],
    pub environ: &'a [(&'static str, &'a [u8])],
    pub reloading: bool,
    pub secure: bool,
    pub names: bool,
    pub utf8: bool,
}

impl Default for Question<'_> {
    fn default() -> Self {
        Self {
            functions: &["ask"],
            arguments: &[],
            environ: &[],
            reloading: false,
            secure: false,
            names: false,
            utf8: false,
        }
    }
}

/// What came of a question.
#[derive(Debug, Default)]
pub struct Reply {
    pub status: c_int,
    pub answers: Vec<(engine_abi::Answer, Vec<Vec<u8>>)>,
    pub log: Vec<String>,
}

/// Asks functions of a script.
pub fn asked(path: &Path, question: &Question<'_>) -> Option<Reply> {
    let engine = engine()?;
    let mut reply = Reply::default();
    let functions: Vec<Bytes> =
        question.functions.iter().map(|name| Bytes::new(name.as_bytes())).collect();
    let arguments: Vec<Bytes> = question.arguments.iter().map(|text| Bytes::new(text)).collect();
    let pairs: Vec<Pair<'_>> =
        question.environ.iter().map(|(name, value)| Pair::new(name.as_bytes(), value)).collect();
    let given = engine_abi::Question {
        size: size_of::<engine_abi::Question<'_>>(),
        filename: Bytes::new(path.as_os_str().as_bytes()),
        application_group: Bytes::EMPTY,
        reloading: question.reloading,
        functions: functions.as_ptr(),
        functions_len: functions.len(),
        arguments: arguments.as_ptr(),
        arguments_len: arguments.len(),
        environ: pairs.as_ptr(),
        environ_len: pairs.len(),
        secure: question.secure,
        names: question.names,
        utf8: question.utf8,
    };
    let table = AskTable {
        size: size_of::<AskTable>(),
        answer: take_answer,
        tls_variable,
        log: log_question,
    };
    // SAFETY: everything borrowed outlives the call.
    reply.status =
        unsafe { (engine.ask)(&raw const given, &raw const table, (&raw mut reply).cast()) };
    Some(reply)
}

unsafe extern "C" fn take_answer(
    asker: *mut c_void,
    answer: c_int,
    texts: *const Bytes,
    texts_len: usize,
) {
    use engine_abi::Answer;
    const KNOWN: [Answer; 9] = [
        Answer::Failed,
        Answer::Missing,
        Answer::Nothing,
        Answer::False,
        Answer::True,
        Answer::Text,
        Answer::Bytes,
        Answer::Names,
        Answer::Other,
    ];
    // SAFETY: the engine hands back what `asked` gave it, and the texts are alive.
    unsafe {
        let texts: &[Bytes] =
            if texts_len == 0 { &[] } else { std::slice::from_raw_parts(texts, texts_len) };
        let texts = texts.iter().map(|text| text.as_slice().to_vec()).collect();
        let answer = KNOWN.into_iter().find(|known| *known as c_int == answer).unwrap();
        (*asker.cast::<Reply>()).answers.push((answer, texts));
    }
}

unsafe extern "C" fn tls_variable(_asker: *mut c_void, name: Bytes) -> Bytes {
    // SAFETY: the name is alive.
    match unsafe { name.as_slice() } {
        b"SSL_PROTOCOL" => Bytes::new(b"value of SSL_PROTOCOL"),
        _ => Bytes::EMPTY,
    }
}

unsafe extern "C" fn log_question(asker: *mut c_void, _level: c_int, line: Bytes) {
    // SAFETY: the engine hands back what `asked` gave it, and the line is alive.
    unsafe {
        let line = String::from_utf8_lossy(line.as_slice()).into_owned();
        (*asker.cast::<Reply>()).log.push(line);
    }
}
