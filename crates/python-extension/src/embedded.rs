//! The table of [`engine_abi`] for the httpd module: the engine in embedded mode.
//!
//! The one engine of the process is made by `start` on the main thread of an httpd child and lives until the
//! process ends. `call` runs on any httpd thread, without the GIL; a panic becomes a failed call.

use std::ffi::{c_int, c_void};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::time::Duration;

use engine::{Engine, Exchange, FilePart, Gone, Head, Level, Outcome, ReadError, Reload};
use engine_abi::{Bytes, ExchangeTable, Pair, VERSION};
use smallvec::SmallVec;

use crate::asking;

pub(crate) static ENGINE: OnceLock<Engine> = OnceLock::new();
static SERVER_METRICS: OnceLock<engine_abi::ServerMetrics> = OnceLock::new();
static LOG: OnceLock<unsafe extern "C" fn(c_int, Bytes)> = OnceLock::new();

static TABLE: engine_abi::Engine =
    engine_abi::Engine { version: VERSION, start, preload, call, ask: asking::ask, stop };

/// The symbol [`engine_abi::ENTRY`].
#[unsafe(no_mangle)]
pub extern "C" fn mod_wsgi_rs_engine() -> *const engine_abi::Engine {
    &raw const TABLE
}

fn log(level: Level, line: &[u8]) {
    if let Some(log) = LOG.get() {
        // SAFETY: the module's function may be called on any thread; the line is borrowed for the call.
        unsafe { log(level as c_int, Bytes::new(line)) };
    }
}

/// Runs what the module called; a panic ends here.
pub(crate) fn guard<R>(otherwise: R, body: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        log(Level::Critical, b"WRS4009: a fault in mod_wsgi_rs itself; the line above says where");
        otherwise
    })
}

unsafe extern "C" fn start(start: *const engine_abi::StartUp) -> c_int {
    guard(-1, || {
        // SAFETY: the module hands in a live value, and what it borrows lives as long as this call.
        let start = unsafe { &*start };
        if start.size != size_of::<engine_abi::StartUp>() || LOG.set(start.log).is_err() {
            return -1;
        }
        // SAFETY: as above.
        let startup = unsafe { startup(start) };
        match open(startup) {
            Ok(engine) => {
                if ENGINE.set(engine).is_ok() {
                    0
                } else {
                    -1
                }
            }
            Err(error) => {
                log(Level::Critical, error.to_string().as_bytes());
                -1
            }
        }
    })
}

fn open(startup: engine::StartUp) -> Result<Engine, engine::Error> {
    engine::initialise(&startup)?;
    let opened = engine::open(startup);
    // The thread state stays with this thread, also when opening failed.
    let _kept = engine::release_gil();
    if let Ok(engine) = &opened {
        engine.start_telemetry();
    }
    opened
}

/// # Safety
/// What `start` borrows is alive.
unsafe fn startup(start: &engine_abi::StartUp) -> engine::StartUp {
    // SAFETY: by this function's contract.
    let (python_path, process_group) =
        unsafe { (start.python_path.as_slice(), start.process_group.as_slice()) };
    let layers = match start.layers_len {
        0 => &[][..],
        // SAFETY: as above.
        len => unsafe { std::slice::from_raw_parts(start.layers, len) },
    };
    let some = |bytes: Bytes| {
        // SAFETY: as above.
        let bytes = unsafe { bytes.as_slice() };
        (!bytes.is_empty()).then(|| bytes.to_vec())
    };
    engine::StartUp {
        executable: some(start.executable),
        python_path: python_path.to_vec(),
        home: None,
        process_group: process_group.to_vec(),
        multithread: start.multithread,
        multiprocess: start.multiprocess,
        threads: start.threads,
        processes: start.processes,
        server_version: start.server_version,
        // A process of httpd never serves one request only.
        run_once: false,
        restrict_stdin: start.restrict_stdin,
        restrict_stdout: start.restrict_stdout,
        restrict_signal: start.restrict_signal,
        own_gil: start.own_gil,
        // SAFETY: as above.
        layers: layers.iter().map(|given| unsafe { layer(given) }).collect(),
        telemetry: some(start.telemetry_socket).map(|socket| engine::Telemetry {
            socket,
            interval: Duration::try_from_secs_f64(start.telemetry_interval)
                .unwrap_or(Duration::MAX),
            slow_requests: Duration::try_from_secs_f64(start.slow_requests).unwrap_or_default(),
            user_agent: start.telemetry_user_agent,
            server_pid: start.server_pid,
        }),
        service: false,
        python_eggs: some(start.python_eggs),
        switch_interval: (start.switch_interval > 0.0).then_some(start.switch_interval),
        settings: engine::Settings {
            free_threading: start.free_threading,
            dont_write_bytecode: start.dont_write_bytecode,
            warnings: some(start.warnings)
                .map(|lines| lines.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect())
                .unwrap_or_default(),
            optimize: (start.optimize >= 0).then_some(start.optimize),
            hash_seed: match start.hash_seed {
                engine_abi::SEED_RANDOM => Some(engine::HashSeed::Random),
                seed => u32::try_from(seed).ok().map(engine::HashSeed::Fixed),
            },
        },
        shut_down: start.shut_down,
        case_sensitive: start.case_sensitive,
        server: engine::ServerWords {
            description: some(start.server_description).unwrap_or_default(),
            mpm_name: some(start.server_mpm).unwrap_or_default(),
            build_date: some(start.server_built).unwrap_or_default(),
            processes: start.processes,
            threads: start.threads,
        },
        reload: Reload::InPlace,
        server_metrics: start
            .server_metrics
            .filter(|ask| SERVER_METRICS.set(*ask).is_ok())
            .map(|_| server_metrics as _),
        log,
    }
}

/// httpd's scoreboard, from the module.
fn server_metrics() -> Option<Vec<u8>> {
    unsafe extern "C" fn put(to: *mut c_void, bytes: Bytes) {
        // SAFETY: the module passes on what it was given below, and the bytes live for the call.
        let (to, bytes) = unsafe { (&mut *to.cast::<Option<Vec<u8>>>(), bytes.as_slice()) };
        *to = Some(bytes.to_vec());
    }
    let mut found: Option<Vec<u8>> = None;
    // SAFETY: the module's function may be called on any thread; `found` outlives the call.
    unsafe { (SERVER_METRICS.get()?)((&raw mut found).cast(), put) };
    found
}

/// # Safety
/// What `given` borrows is alive.
unsafe fn layer(given: &engine_abi::Layer) -> engine::Layer {
    // SAFETY: by this function's contract.
    let (name, python_path) =
        unsafe { (given.application_group.as_slice(), given.python_path.as_slice()) };
    let switch = |value: i8| (value >= 0).then_some(value != 0);
    engine::Layer {
        application_group: given.named.then(|| name.to_vec()),
        python_path: python_path.to_vec(),
        restrict_stdin: switch(given.restrict_stdin),
        restrict_stdout: switch(given.restrict_stdout),
        restrict_signal: switch(given.restrict_signal),
        own_gil: switch(given.own_gil),
        switch_interval: (given.switch_interval > 0.0).then_some(given.switch_interval),
    }
}

/// # Safety
/// What `script` borrows lives for `'a`.
unsafe fn script<'a>(script: &engine_abi::Script) -> engine::Script<'a> {
    // SAFETY: by this function's contract.
    unsafe {
        engine::Script {
            filename: script.filename.as_slice(),
            application_group: script.application_group.as_slice(),
            callable: script.callable.as_slice(),
            reloading: script.reloading,
            modified: (script.modified != 0).then_some(script.modified),
        }
    }
}

unsafe extern "C" fn preload(given: *const engine_abi::Script) -> c_int {
    guard(-1, || {
        // SAFETY: the module hands in a live value, and what it borrows lives as long as this call.
        let script = unsafe { script(&*given) };
        let loaded = ENGINE.get().is_some_and(|engine| engine.preload(&script).is_ok());
        if loaded { 0 } else { -1 }
    })
}

unsafe extern "C" fn call(
    call: *const engine_abi::Call<'_>,
    table: *const ExchangeTable,
    exchange: *mut c_void,
) -> c_int {
    let outcome = guard(Outcome::Failed, || {
        // SAFETY: the module hands in live values, and what they borrow lives as long as this call.
        let (call, table) = unsafe { (&*call, &*table) };
        let Some(engine) = ENGINE.get() else { return Outcome::Failed };
        if table.size != size_of::<ExchangeTable>() {
            return Outcome::Failed;
        }
        // SAFETY: as above.
        let environ = unsafe { Pair::slice(call.environ, call.environ_len) };
        // SAFETY: as above.
        let script = unsafe { script(&call.script) };
        let call = engine::Call { script, environ };
        engine.call(&call, &mut Server { table, exchange })
    });
    outcome as c_int
}

unsafe extern "C" fn stop(milliseconds: u32) {
    guard((), || {
        if let Some(engine) = ENGINE.get() {
            engine.stop(Duration::from_millis(u64::from(milliseconds)));
        }
    });
}

/// The server's side of one request.
struct Server<'a> {
    table: &'a ExchangeTable,
    exchange: *mut c_void,
}

// SAFETY: the pointer means something to the functions of the table only, and the engine calls them from
// one thread at a time while the thread that has the request waits for the call to return.
unsafe impl Send for Server<'_> {}

/// A head in the table's shape.
fn given<'a>(head: &Head<'a>) -> engine_abi::Head<'a> {
    engine_abi::Head {
        status: head.status,
        status_line: Bytes::new(head.status_line),
        headers: head.headers.as_ptr(),
        headers_len: head.headers.len(),
    }
}

impl Exchange for Server<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        // SAFETY: the module's function and its own pointer; the buffer has this length.
        let count = unsafe { (self.table.read)(self.exchange, buffer.as_mut_ptr(), buffer.len()) };
        match count {
            -1 => Err(ReadError::Gone),
            -2 => Err(ReadError::TimedOut),
            -4 => Err(ReadError::TooLarge),
            count => usize::try_from(count).map_err(|_| ReadError::Failed),
        }
    }

    fn send(&mut self, head: Option<&Head<'_>>, chunks: &[&[u8]], last: bool) -> Result<(), Gone> {
        let head = head.map(given);
        let head = head.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        let chunks: SmallVec<[Bytes; 16]> = chunks.iter().map(|chunk| Bytes::new(chunk)).collect();
        // SAFETY: the module's function and its own pointer; all that is borrowed outlives the call.
        let status =
            unsafe { (self.table.send)(self.exchange, head, chunks.as_ptr(), chunks.len(), last) };
        if status == 0 { Ok(()) } else { Err(Gone) }
    }

    fn send_file(
        &mut self,
        head: Option<&Head<'_>>,
        part: &FilePart,
        last: bool,
    ) -> Result<u64, Gone> {
        let head = head.map(given);
        let head = head.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        let file = part.file.as_raw_fd();
        let (exchange, send) = (self.exchange, self.table.send_file);
        // SAFETY: the module's function and its own pointer; all that is borrowed outlives the call.
        let status = unsafe { send(exchange, head, file, part.offset, part.length, last) };
        if status == 0 { Ok(part.length) } else { Err(Gone) }
    }

    fn log(&mut self, level: Level, line: &[u8]) {
        // SAFETY: the module's function and its own pointer; the line is borrowed for the call.
        unsafe { (self.table.log)(self.exchange, level as c_int, Bytes::new(line)) };
    }
}
