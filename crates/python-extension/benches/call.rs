//! What one call of an application costs the engine, without httpd: from the pairs of a request to the last byte of its response.
//!
//! Python and the engine are those of `MOD_WSGI_LIBPYTHON` and `MOD_WSGI_ENGINE`, as for the engine's tests; `tools/bench-engine` sets
//! them and runs this.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

#[path = "../tests/harness/mod.rs"]
mod harness;

use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use engine_abi::{Bytes, Call, Engine, ExchangeTable, Head, Level, Outcome, Pair, Script};

/// What httpd says of a small request.
const ENVIRON: [(&str, &str); 36] = [
    ("HTTP_HOST", "www.example.com"),
    ("HTTP_USER_AGENT", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("HTTP_ACCEPT", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("HTTP_ACCEPT_LANGUAGE", "en-GB,en;q=0.5"),
    ("HTTP_ACCEPT_ENCODING", "gzip, deflate"),
    ("HTTP_CONNECTION", "keep-alive"),
    ("HTTP_COOKIE", "sessionid=3q2yz1x0w9v8u7t6s5r4q3p2o1n0m9l8; csrftoken=a1b2c3d4e5f6"),
    ("SERVER_SOFTWARE", "Apache/2.4.65 (Debian)"),
    ("SERVER_NAME", "www.example.com"),
    ("SERVER_ADDR", "192.0.2.1"),
    ("SERVER_PORT", "80"),
    ("SERVER_ADMIN", "webmaster@example.com"),
    ("SERVER_PROTOCOL", "HTTP/1.1"),
    ("DOCUMENT_ROOT", "/var/www/html"),
    ("CONTEXT_PREFIX", ""),
    ("CONTEXT_DOCUMENT_ROOT", "/var/www/html"),
    ("REQUEST_SCHEME", "http"),
    ("REMOTE_ADDR", "192.0.2.200"),
    ("REMOTE_PORT", "50122"),
    ("REQUEST_METHOD", "GET"),
    ("REQUEST_URI", "/items/17?page=2"),
    ("QUERY_STRING", "page=2"),
    ("SCRIPT_NAME", ""),
    ("PATH_INFO", "/items/17"),
    ("SCRIPT_FILENAME", "/srv/example/site/wsgi.py"),
    ("mod_wsgi.request_handler", "wsgi-script"),
    ("mod_wsgi.handler_script", ""),
    ("mod_wsgi.script_name", ""),
    ("mod_wsgi.path_info", "/items/17"),
    ("mod_wsgi.listener_host", "192.0.2.1"),
    ("mod_wsgi.listener_port", "80"),
    ("mod_wsgi.x-request_start_us", "1764374400123456"),
    ("mod_wsgi.request_id", "aSn2gH8AAAEAAB1kBVQAAAAA"),
    ("mod_wsgi.process_group", ""),
    ("mod_wsgi.application_group", ""),
    ("mod_wsgi.callable_object", "application"),
];

const HELLO: &str = "
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '13')])
    return [b'Hello, world!']
";

const STREAM: &str = "
piece = b'x' * 1024
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return (piece for _ in range(100))
";

const UPLOAD: &str = "
def application(environ, start_response):
    read = 0
    while data := environ['wsgi.input'].read(65536):
        read += len(data)
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'%d' % read]
";

/// A server that takes everything and has a body of so many bytes.
#[derive(Default)]
struct Sink {
    left: usize,
    taken: usize,
}

/// # Safety
/// `exchange` is the [`Sink`] of the call that is running.
unsafe fn sink<'a>(exchange: *mut c_void) -> &'a mut Sink {
    // SAFETY: by this function's contract; one thread at a time has it.
    unsafe { &mut *exchange.cast() }
}

unsafe extern "C" fn read(exchange: *mut c_void, buffer: *mut u8, len: usize) -> isize {
    // SAFETY: the engine hands back what `call` gave it, and a buffer of that length.
    unsafe {
        let sink = sink(exchange);
        let count = len.min(sink.left);
        sink.left -= count;
        buffer.write_bytes(b'x', count);
        count as isize
    }
}

unsafe extern "C" fn send(
    exchange: *mut c_void,
    _: *const Head<'_>,
    _: *const Bytes,
    chunks: usize,
    _: bool,
) -> c_int {
    // SAFETY: the engine hands back what `call` gave it.
    unsafe { sink(exchange).taken += chunks };
    0
}

unsafe extern "C" fn send_file(
    _: *mut c_void,
    _: *const Head<'_>,
    _: c_int,
    _: u64,
    _: u64,
    _: bool,
) -> c_int {
    -1
}

unsafe extern "C" fn log(_: *mut c_void, level: c_int, line: Bytes) {
    if level < Level::Info as c_int {
        // SAFETY: the line lives for the call.
        eprintln!("{}", String::from_utf8_lossy(unsafe { line.as_slice() }));
    }
}

static TABLE: ExchangeTable =
    ExchangeTable { size: size_of::<ExchangeTable>(), read, send, send_file, log };

fn call(engine: &Engine, script: &Path, body: usize) -> usize {
    let environ = ENVIRON.map(|(name, value)| Pair::new(name.as_bytes(), value.as_bytes()));
    let call = Call {
        script: Script {
            filename: Bytes::new(script.as_os_str().as_bytes()),
            application_group: Bytes::EMPTY,
            callable: Bytes::new(b"application"),
            reloading: false,
            modified: 0,
        },
        environ: environ.as_ptr(),
        environ_len: environ.len(),
    };
    let mut sink = Sink { left: body, taken: 0 };
    // SAFETY: everything borrowed outlives the call.
    let outcome =
        unsafe { (engine.call)(&raw const call, &raw const TABLE, (&raw mut sink).cast()) };
    assert_eq!(outcome, Outcome::Done as c_int);
    sink.taken
}

fn calls(criterion: &mut Criterion) {
    let Some(engine) = harness::engine() else { return };
    let mut group = criterion.benchmark_group("call");
    let hello: PathBuf = harness::script(HELLO);
    group.bench_function("hello", |b| b.iter(|| call(engine, black_box(&hello), 0)));
    let stream = harness::script(STREAM);
    group.bench_function("100 pieces", |b| b.iter(|| call(engine, black_box(&stream), 0)));
    let upload = harness::script(UPLOAD);
    for body in [1 << 10, 1 << 20] {
        group.throughput(Throughput::Bytes(body as u64));
        group.bench_with_input(BenchmarkId::new("upload", body), &body, |b, body| {
            b.iter(|| call(engine, black_box(&upload), *body));
        });
    }
    group.finish();
}

criterion_group!(benches, calls);
criterion_main!(benches);
