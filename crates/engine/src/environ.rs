//! The environ of a request: a copy of a template with the constants, then the pairs of the request.
//!
//! Template and keys belong to the interpreter. Keys are interned and kept in a bounded table by their bytes;
//! the usual ones are there from the start, so that a client which invents header names cannot push them out.
//! Everything runs with the GIL. See PEP 3333, "environ Variables":
//! <https://peps.python.org/pep-3333/#environ-variables>.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Mutex;

use crate::clock;
use crate::python::{Gil, Kept, Owned, Result};
use crate::request::lock;
use crate::start::StartUp;
use crate::thread_state;

/// What begins the names of pairs that are meant for us and not for the application.
const HIDDEN: &[u8] = b"mod_wsgi.x-";

/// How many keys the table holds at most.
const KEYS_LIMIT: usize = 1024;

/// Keys that most requests have.
const USUAL: &[&[u8]] = &[
    b"AUTH_TYPE",
    b"CONTENT_LENGTH",
    b"CONTENT_TYPE",
    b"CONTEXT_DOCUMENT_ROOT",
    b"CONTEXT_PREFIX",
    b"DOCUMENT_ROOT",
    b"GATEWAY_INTERFACE",
    b"HTTP_ACCEPT",
    b"HTTP_ACCEPT_CHARSET",
    b"HTTP_ACCEPT_ENCODING",
    b"HTTP_ACCEPT_LANGUAGE",
    b"HTTP_AUTHORIZATION",
    b"HTTP_CACHE_CONTROL",
    b"HTTP_CONNECTION",
    b"HTTP_COOKIE",
    b"HTTP_DNT",
    b"HTTP_EXPECT",
    b"HTTP_FORWARDED",
    b"HTTP_HOST",
    b"HTTP_IF_MATCH",
    b"HTTP_IF_MODIFIED_SINCE",
    b"HTTP_IF_NONE_MATCH",
    b"HTTP_IF_RANGE",
    b"HTTP_KEEP_ALIVE",
    b"HTTP_ORIGIN",
    b"HTTP_PRAGMA",
    b"HTTP_RANGE",
    b"HTTP_REFERER",
    b"HTTP_SEC_CH_UA",
    b"HTTP_SEC_CH_UA_MOBILE",
    b"HTTP_SEC_CH_UA_PLATFORM",
    b"HTTP_SEC_FETCH_DEST",
    b"HTTP_SEC_FETCH_MODE",
    b"HTTP_SEC_FETCH_SITE",
    b"HTTP_SEC_FETCH_USER",
    b"HTTP_TE",
    b"HTTP_TRANSFER_ENCODING",
    b"HTTP_UPGRADE",
    b"HTTP_UPGRADE_INSECURE_REQUESTS",
    b"HTTP_USER_AGENT",
    b"HTTP_VIA",
    b"HTTP_X_FORWARDED_FOR",
    b"HTTP_X_FORWARDED_HOST",
    b"HTTP_X_FORWARDED_PROTO",
    b"HTTP_X_REQUEST_ID",
    b"HTTP_X_REQUESTED_WITH",
    b"PATH",
    b"PATH_INFO",
    b"PATH_TRANSLATED",
    b"QUERY_STRING",
    b"REMOTE_ADDR",
    b"REMOTE_PORT",
    b"REMOTE_USER",
    b"REQUEST_METHOD",
    b"REQUEST_SCHEME",
    b"REQUEST_URI",
    b"SCRIPT_FILENAME",
    b"SCRIPT_NAME",
    b"SERVER_ADDR",
    b"SERVER_ADMIN",
    b"SERVER_NAME",
    b"SERVER_PORT",
    b"SERVER_PROTOCOL",
    b"SERVER_SIGNATURE",
    b"SERVER_SOFTWARE",
    b"mod_wsgi.application_group",
    b"mod_wsgi.callable_object",
    b"mod_wsgi.connection_id",
    b"mod_wsgi.handler_script",
    b"mod_wsgi.listener_host",
    b"mod_wsgi.listener_port",
    b"mod_wsgi.path_info",
    b"mod_wsgi.process_group",
    b"mod_wsgi.request_handler",
    b"mod_wsgi.request_id",
    b"mod_wsgi.script_name",
    b"mod_wsgi.server_pid",
];

/// FNV-1a: keys are short, and the table is bounded, so that a collision made on purpose costs little.
pub(crate) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn write_usize(&mut self, number: usize) {
        self.0 = (self.0 ^ number as u64).wrapping_mul(0x0100_0000_01b3);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

type Keys = HashMap<Box<[u8]>, Kept, BuildHasherDefault<Fnv>>;

/// What the environs of one interpreter have in common.
pub(crate) struct Environ {
    template: Kept,
    keys: Mutex<Keys>,
    url_scheme: Kept,
    http: Kept,
    https: Kept,
    input: Kept,
    errors: Kept,
    application_start: Kept,
    thread_id: Kept,
    request_id: Kept,
}

impl Environ {
    /// Makes template and keys.
    pub(crate) fn create(py: Gil<'_>, startup: &StartUp, file_wrapper: &Owned<'_>) -> Result<Self> {
        let template = py.dict()?;
        let version = |[major, minor, patch]: [u32; 3]| {
            py.tuple(&[
                py.int(i64::from(major))?,
                py.int(i64::from(minor))?,
                py.int(i64::from(patch))?,
            ])
        };
        let wsgi_version = py.tuple(&[py.int(1)?, py.int(0)?])?;
        let constants = [
            (&b"wsgi.version"[..], wsgi_version),
            (b"wsgi.multithread", py.bool(startup.multithread)),
            (b"wsgi.multiprocess", py.bool(startup.multiprocess)),
            (b"wsgi.run_once", py.bool(startup.run_once)),
            (b"wsgi.file_wrapper", file_wrapper.clone()),
            (b"wsgi.input_terminated", py.bool(true)),
            (b"mod_wsgi.version", version(crate::module::COMPATIBLE)?),
            (b"apache.version", version(startup.server_version)?),
        ];
        for (key, value) in &constants {
            template.set_item(&py.interned(key)?, value)?;
        }
        let mut keys = Keys::default();
        for key in USUAL {
            keys.insert(Box::from(*key), py.interned(key)?.keep());
        }
        let kept = |text: &[u8]| Ok(py.interned(text)?.keep());
        Ok(Self {
            template: template.keep(),
            keys: Mutex::new(keys),
            url_scheme: kept(b"wsgi.url_scheme")?,
            http: kept(b"http")?,
            https: kept(b"https")?,
            input: kept(b"wsgi.input")?,
            errors: kept(b"wsgi.errors")?,
            application_start: kept(b"mod_wsgi.application_start")?,
            thread_id: kept(b"mod_wsgi.thread_id")?,
            request_id: kept(b"mod_wsgi.request_id")?,
        })
    }

    /// Makes the environ of a request.
    pub(crate) fn build<'py>(
        &self,
        py: Gil<'py>,
        pairs: &[(&[u8], &[u8])],
        input: &Owned<'py>,
        errors: &Owned<'py>,
    ) -> Result<Owned<'py>> {
        let template = self.template.get(py);
        // SAFETY: the GIL is held; a live dict; a new reference or null.
        let environ = unsafe { Owned::new(py, pyo3_ffi::PyDict_Copy(template.as_ptr()))? };
        let mut secure = false;
        for (name, value) in pairs {
            if *name == b"HTTPS" {
                secure = wsgi::environ::is_https(value);
            } else if let Some(carried) = name.strip_prefix(HIDDEN) {
                carry(py, &environ, carried, value)?;
            } else if !is_constant(name) {
                // May run a codec that is written in Python, so no lock is held for it.
                let value = decode(py, name, value)?;
                let key = key(py, &mut lock(&self.keys), name)?;
                environ.set_item(&key, &value)?;
            }
        }
        let scheme = if secure { &self.https } else { &self.http };
        environ.set_item(&self.url_scheme.get(py), &scheme.get(py))?;
        environ.set_item(&self.input.get(py), input)?;
        environ.set_item(&self.errors.get(py), errors)?;
        environ.set_item(&self.application_start.get(py), &py.float(clock::wall())?)?;
        let number = py.int(i64::from(thread_state::number()))?;
        environ.set_item(&self.thread_id.get(py), &number)?;
        Ok(environ)
    }

    /// The id of the request, if httpd gave it one.
    pub(crate) fn request_id<'py>(&self, environ: &Owned<'py>) -> Result<Option<Owned<'py>>> {
        environ.item(&self.request_id.get(environ.py()))
    }
}

/// Whether the template says it, so that no configuration (`SetEnv wsgi.version 9`) says something else.
fn is_constant(name: &[u8]) -> bool {
    let of_wsgi: &[&[u8]] = &[
        b"version",
        b"multithread",
        b"multiprocess",
        b"run_once",
        b"file_wrapper",
        b"input_terminated",
    ];
    match name.strip_prefix(b"wsgi.") {
        Some(rest) => of_wsgi.contains(&rest),
        None => name == b"mod_wsgi.version" || name == b"apache.version",
    }
}

fn key<'py>(py: Gil<'py>, keys: &mut Keys, name: &[u8]) -> Result<Owned<'py>> {
    if let Some(kept) = keys.get(name) {
        return Ok(kept.get(py));
    }
    if keys.len() >= KEYS_LIMIT {
        return py.latin1(name);
    }
    let key = py.interned(name)?;
    keys.insert(Box::from(name), key.clone().keep());
    Ok(key)
}

fn decode<'py>(py: Gil<'py>, name: &[u8], value: &[u8]) -> Result<Owned<'py>> {
    match name {
        b"DOCUMENT_ROOT" | b"SCRIPT_FILENAME" => py.path(value),
        _ => py.latin1(value),
    }
}

/// Times in microseconds that the server sends along become seconds under the names mod_wsgi documents.
fn carry(py: Gil<'_>, environ: &Owned<'_>, name: &[u8], value: &[u8]) -> Result<()> {
    let key = match name {
        b"request_start_us" => c"mod_wsgi.request_start",
        b"queue_start_us" => c"mod_wsgi.queue_start",
        b"daemon_start_us" => c"mod_wsgi.daemon_start",
        _ => return Ok(()),
    };
    let seconds = parse(value).unwrap_or(0) as f64 / 1e6;
    environ.set_item_named(key, &py.float(seconds)?)
}

fn parse(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// A number that the server sends along for us, by its name behind the prefix. The last one counts.
pub(crate) fn carried(pairs: &[(&[u8], &[u8])], name: &[u8]) -> Option<u64> {
    let (_, value) = pairs.iter().rev().find(|(key, _)| key.strip_prefix(HIDDEN) == Some(name))?;
    parse(value)
}
