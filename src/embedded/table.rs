//! The module's side of the table between module and engine.
//!
//! The only unsafe code of embedded mode: calling the engine's functions, and the functions it calls back. Each callback
//! is a panic boundary. They run on the httpd thread of the request, without the GIL.

use crate::config::{Effective, HashSeed, InterpreterSection, PythonOptions};
use crate::httpd::log::{self, Main};
use crate::httpd::{
    After, Blocking, Brigade, Input, Level, Read, Request, SendBy, Status, VERSION,
};
use crate::httpd::{scoreboard, server};
use crate::request::body::Unreadable;
use crate::request::environ::{Environ, bytes};
use crate::request::{response, sendfile};
use daemon_abi::wire::Abort;
use engine_abi::{Bytes, Call, Engine, ExchangeTable, Head, Layer, Outcome, Pair, Script, StartUp};
use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// One request, as the engine's callbacks find it.
pub struct RequestExchange<'r> {
    request: Request<'r>,
    /// There once something was read.
    input: Option<Input<'r>>,
    output: Brigade<'r>,
    /// `WSGIEnableSendfile`
    sendfile: Option<bool>,
    /// Why the request body could not be read.
    unreadable: Option<Unreadable>,
    /// Error responses of the application are replaced by httpd's own.
    error_override: bool,
    /// The status of a response that is replaced: what else comes of it is dropped.
    replaced: Option<u16>,
}

impl<'r> RequestExchange<'r> {
    /// Of a request whose body was not read yet.
    pub fn new(request: Request<'r>, effective: &Effective<'_>) -> Self {
        Self {
            request,
            input: None,
            output: Brigade::new(request),
            sendfile: effective.enable_sendfile,
            unreadable: None,
            error_override: effective.error_override,
            replaced: None,
        }
    }

    /// The status of a response that httpd's own page is to replace; nothing of it was sent.
    pub fn replaced(&self) -> Option<Status> {
        self.replaced.map(Status::http).filter(|_| !self.is_answered())
    }

    /// Makes the client see that the rest of the response is missing.
    pub fn break_off(&mut self) -> Status {
        response::break_off(self.request, &mut self.output)
    }

    /// What to answer instead of a response that the application did not give.
    pub fn failure(&self) -> Status {
        // Mostly it failed because the body could not be read.
        self.unreadable.map_or(Status::INTERNAL_SERVER_ERROR, |body| body.status)
    }

    fn read(&mut self, buffer: &mut [u8]) -> isize {
        if buffer.is_empty() {
            if self.request.expects_continue() {
                self.request.send_continue();
            }
            return 0;
        }
        let input = self.input.get_or_insert_with(|| Input::new(self.request));
        match input.read(buffer, Blocking::Wait) {
            Ok(Read::Data(count)) => isize::try_from(count).unwrap_or(-3),
            Ok(Read::End) => 0,
            Ok(Read::Blocked) => -3,
            Err(error) => {
                let unreadable = Unreadable::new(self.request, error);
                self.unreadable = Some(unreadable);
                match unreadable.reason {
                    Abort::Gone => -1,
                    Abort::TimedOut => -2,
                    Abort::Failed => -3,
                    Abort::TooLarge => -4,
                }
            }
        }
    }

    /// httpd has answered the request itself.
    fn is_answered(&self) -> bool {
        self.unreadable.is_some_and(|body| body.answered)
    }

    fn send(&mut self, head: Option<&Head<'_>>, chunks: &[&[u8]], last: bool) -> c_int {
        if self.is_answered() {
            return -1;
        }
        self.start(head);
        if self.replaced.is_some() {
            return 0;
        }
        let after = if last { After::End } else { After::Flush };
        let passed = self.output.pass_slices(chunks, after);
        self.passed(passed.is_ok())
    }

    fn send_file(
        &mut self,
        head: Option<&Head<'_>>,
        file: BorrowedFd<'_>,
        part: Range<u64>,
        last: bool,
    ) -> c_int {
        if self.is_answered() {
            return -1;
        }
        self.start(head);
        if self.replaced.is_some() {
            return 0;
        }
        let length = part.end.saturating_sub(part.start);
        let by = SendBy {
            sendfile: sendfile::is_allowed(self.sendfile, file, length),
            mmap: self.request.maps_files(),
        };
        let added = self.output.file(file, part.start, length, by);
        let after = if last { After::End } else { After::Flush };
        let passed = added.and_then(|()| self.output.pass_slices(&[], after));
        self.passed(passed.is_ok())
    }

    /// What the engine is told of output that was handed to httpd.
    fn passed(&self, well: bool) -> c_int {
        if well && !self.request.is_aborted() {
            return 0;
        }
        response::client_gone(self.request);
        -1
    }

    fn start(&mut self, head: Option<&Head<'_>>) {
        if let Some(head) = head {
            // SAFETY: the engine's head and its parts live for the call.
            let (line, headers) = unsafe {
                (head.status_line.as_slice(), Pair::slice(head.headers, head.headers_len))
            };
            let headers = headers.iter().map(|header| header.parts());
            if response::is_replaced(self.error_override, head.status) {
                response::start_replaced(self.request, headers);
                self.replaced = Some(head.status);
            } else {
                // The engine keeps to the length itself.
                let _ = response::start(self.request, head.status, line, headers);
            }
        }
    }
}

/// Runs a callback; a panic ends here, as a line of the log and the value given.
pub(super) fn guard<R>(otherwise: R, body: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        log::write(
            Main,
            Level::CRIT,
            format_args!("WRS9003: a bug in mod_wsgi_rs: a panic while the engine was served; please report it"),
        );
        otherwise
    })
}

unsafe extern "C" fn read(exchange: *mut c_void, buffer: *mut u8, len: usize) -> isize {
    guard(-3, || {
        // SAFETY: the engine gives back the pointer it got for this call, on the same thread, and a buffer of that length.
        let (exchange, buffer) = unsafe {
            let exchange = &mut *exchange.cast::<RequestExchange<'_>>();
            (exchange, std::slice::from_raw_parts_mut(buffer, len))
        };
        exchange.read(buffer)
    })
}

unsafe extern "C" fn send(
    exchange: *mut c_void,
    head: *const Head<'_>,
    chunks: *const Bytes,
    chunks_len: usize,
    last: bool,
) -> c_int {
    guard(-1, || {
        // SAFETY: the engine gives back the pointer it got for this call, on the same thread; head and chunks live for it.
        let (exchange, head, chunks) = unsafe {
            let exchange = &mut *exchange.cast::<RequestExchange<'_>>();
            let chunks: &[Bytes] = match chunks_len {
                0 => &[],
                len => std::slice::from_raw_parts(chunks, len),
            };
            (exchange, head.as_ref(), chunks)
        };
        // SAFETY: as above.
        let slice = |chunk: &Bytes| unsafe { chunk.as_slice() };
        match chunks {
            [] => exchange.send(head, &[], last),
            [one] => exchange.send(head, &[slice(one)], last),
            many => exchange.send(head, &many.iter().map(slice).collect::<Vec<_>>(), last),
        }
    })
}

unsafe extern "C" fn send_file(
    exchange: *mut c_void,
    head: *const Head<'_>,
    file: c_int,
    offset: u64,
    length: u64,
    last: bool,
) -> c_int {
    guard(-1, || {
        // SAFETY: the engine gives back the pointer it got for this call, on the same thread; the head lives for it, and
        // the descriptor is open during it.
        let (exchange, head, file) = unsafe {
            let exchange = &mut *exchange.cast::<RequestExchange<'_>>();
            (exchange, head.as_ref(), BorrowedFd::borrow_raw(file))
        };
        exchange.send_file(head, file, offset..offset.saturating_add(length), last)
    })
}

unsafe extern "C" fn log_request(exchange: *mut c_void, level: c_int, line: Bytes) {
    guard((), || {
        // SAFETY: the engine gives back the pointer it got for this call, on the same thread; the line lives for it.
        let (exchange, line) =
            unsafe { (&*exchange.cast::<RequestExchange<'_>>(), line.as_slice()) };
        log::write_bytes(exchange.request, to_level(level), line);
    });
}

unsafe extern "C" fn server_metrics(
    to: *mut c_void,
    put: unsafe extern "C" fn(*mut c_void, Bytes),
) {
    guard((), || {
        if let Some(server) = scoreboard::look() {
            let bytes = server.encode();
            // SAFETY: the engine's function and its own pointer; the bytes live for the call.
            unsafe { put(to, Bytes::new(&bytes)) };
        }
    });
}

unsafe extern "C" fn log_line(level: c_int, line: Bytes) {
    guard((), || {
        // SAFETY: the line lives for the call.
        log::write_bytes(Main, to_level(level), unsafe { line.as_slice() });
    });
}

pub(super) fn to_level(level: c_int) -> Level {
    Level::from_number(u8::try_from(level).unwrap_or(3))
}

static TABLE: ExchangeTable =
    ExchangeTable { size: size_of::<ExchangeTable>(), read, send, send_file, log: log_request };

fn layer(section: &InterpreterSection) -> Layer {
    let switch = |said: Option<bool>| said.map_or(-1, i8::from);
    let text = |said: &Option<Vec<u8>>| said.as_deref().map_or(Bytes::EMPTY, Bytes::new);
    let options = &section.options;
    Layer {
        named: section.application_group.is_some(),
        application_group: text(&section.application_group),
        python_path: text(&options.python_path),
        restrict_stdin: switch(options.restrict_stdin),
        restrict_stdout: switch(options.restrict_stdout),
        restrict_signal: switch(options.restrict_signal),
        own_gil: switch(options.own_gil.as_ref().map(|switch| switch.on)),
        switch_interval: options.switch_interval.map_or(0.0, |time| time.as_secs_f64()),
    }
}

/// Starts Python in this process.
pub fn start(
    engine: &Engine,
    executable: &[u8],
    options: &PythonOptions,
    threads: u32,
    processes: u32,
) -> Result<(), String> {
    let warnings = options.warnings.join(&b'\n');
    let layers: Vec<Layer> = options.layers(b"").into_iter().map(layer).collect();
    let interpreter = &options.interpreter;
    let telemetry = &options.telemetry;
    let service = telemetry.service.as_ref();
    let start = StartUp {
        size: size_of::<StartUp>(),
        executable: Bytes::new(executable),
        python_path: Bytes::new(interpreter.python_path.as_deref().unwrap_or_default()),
        process_group: Bytes::EMPTY,
        multithread: threads != 1,
        multiprocess: processes != 1,
        threads,
        processes,
        server_version: VERSION,
        server_description: Bytes::new(server::description()),
        server_mpm: Bytes::new(server::mpm_name()),
        server_built: Bytes::new(server::built()),
        restrict_stdin: options.restricts_stdin(),
        restrict_stdout: options.restricts_stdout(),
        restrict_signal: options.restricts_signal(),
        own_gil: options.own_gil(),
        free_threading: options.free_threading(b""),
        layers: layers.as_ptr(),
        layers_len: layers.len(),
        telemetry_socket: service.map_or(Bytes::EMPTY, |it| Bytes::new(&it.socket)),
        telemetry_interval: service.map_or(0.0, |it| it.interval.as_secs_f64()),
        telemetry_user_agent: telemetry.capture_user_agent,
        slow_requests: telemetry.slow_requests.as_secs_f64(),
        server_pid: std::os::unix::process::parent_id(),
        python_eggs: options.eggs.as_deref().map_or(Bytes::EMPTY, Bytes::new),
        switch_interval: interpreter.switch_interval.map_or(0.0, |time| time.as_secs_f64()),
        dont_write_bytecode: options.dont_write_bytecode == Some(true),
        warnings: Bytes::new(&warnings),
        optimize: options.optimize.map_or(-1, i32::from),
        hash_seed: match options.hash_seed {
            None => engine_abi::SEED_OF_ENVIRONMENT,
            Some(HashSeed::Random) => engine_abi::SEED_RANDOM,
            Some(HashSeed::Fixed(seed)) => seed.into(),
        },
        shut_down: options.shuts_down(),
        case_sensitive: options.is_case_sensitive(),
        server_metrics: options.server_metrics.then_some(server_metrics),
        log: log_line,
    };
    // SAFETY: the engine's version was checked, and all that is handed over lives for the call.
    if unsafe { (engine.start)(&raw const start) } == 0 {
        Ok(())
    } else {
        Err("the lines before this one in the error log say what went wrong".to_owned())
    }
}

/// Loads a script before the first request. What goes wrong is in the log.
pub fn preload(engine: &Engine, filename: &[u8], application_group: &[u8]) {
    let script = Script {
        filename: Bytes::new(filename),
        application_group: Bytes::new(application_group),
        callable: Bytes::new(b"application"),
        reloading: false,
        modified: 0,
    };
    // SAFETY: Python was started, and the script lives for the call.
    unsafe { (engine.preload)(&raw const script) };
}

/// Calls the application.
pub fn call(
    engine: &Engine,
    request: Request<'_>,
    effective: &Effective<'_>,
    environ: &Environ<'_>,
    exchange: &mut RequestExchange<'_>,
) -> Outcome {
    let pairs = environ.pairs();
    let call = Call {
        script: Script {
            filename: Bytes::new(effective.script(bytes(request.filename()))),
            application_group: Bytes::new(&effective.application_group),
            callable: Bytes::new(&effective.callable_object),
            reloading: effective.script_reloading,
            modified: effective.script_time(request.file_time()),
        },
        environ: pairs.as_ptr(),
        environ_len: pairs.len(),
    };
    let exchange: *mut RequestExchange<'_> = exchange;
    // SAFETY: Python was started; what the call and the table point at lives for it, and only this thread uses it.
    let outcome = unsafe { (engine.call)(&raw const call, &raw const TABLE, exchange.cast()) };
    [Outcome::Done, Outcome::Broken, Outcome::NotFound, Outcome::Stopping]
        .into_iter()
        .find(|known| *known as c_int == outcome)
        .unwrap_or(Outcome::Failed)
}

/// Ends Python's life in this process.
pub fn stop(engine: &Engine, milliseconds: u32) {
    // SAFETY: Python was started, and this is the child's main thread.
    unsafe { (engine.stop)(milliseconds) };
}
