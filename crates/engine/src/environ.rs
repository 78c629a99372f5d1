//! The environ of a request: a copy of a [`Template`] in which the pairs of the request are set.
//!
//! Templates and keys belong to the interpreter. Keys are interned and kept in a bounded table by their bytes;
//! the usual ones are there from the start, so that a client which invents header names cannot push them out.
//! Everything runs with the GIL. See PEP 3333, "environ Variables":
//! <https://peps.python.org/pep-3333/#environ-variables>.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use engine_abi::Pair;

use crate::clock;
use crate::python::{Gil, Kept, Owned, Result};
use crate::request::lock;
use crate::start::StartUp;
use crate::template::{Comparison, Meaning, Slot, Template};
use crate::thread_state;

/// What begins the names of pairs that are meant for us and not for the application.
const HIDDEN: &[u8] = b"mod_wsgi.x-";

/// Times in microseconds that the server sends along, by their names behind the prefix, and the names under which
/// mod_wsgi documents them.
const TIMES: [(&[u8], &[u8]); 3] = [
    (b"request_start_us", b"mod_wsgi.request_start"),
    (b"queue_start_us", b"mod_wsgi.queue_start"),
    (b"daemon_start_us", b"mod_wsgi.daemon_start"),
];

/// How many keys the table holds at most.
const KEYS_LIMIT: usize = 1024;

/// How many pairs a template has at most, and how long a value may be that it remembers.
const SLOTS_LIMIT: usize = 256;
const REMEMBERED_LIMIT: usize = 256;

/// How many pairs of a request may be in other places, and how many requests with more of them there may be, before the
/// template is learned anew.
const MISFITS_TOLERATED: usize = 3;
const MISFITS_LIMIT: usize = 16;

/// Usual keys whose values are not worth remembering, or are not to be.
const CHANGING: &[&[u8]] = &[
    b"CONTENT_LENGTH",
    b"HTTP_AUTHORIZATION",
    b"HTTP_COOKIE",
    b"HTTP_REFERER",
    b"HTTP_X_REQUEST_ID",
    b"QUERY_STRING",
    b"REMOTE_PORT",
    b"REQUEST_URI",
    b"mod_wsgi.connection_id",
    b"mod_wsgi.request_id",
];

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
    /// The dict that no request added to.
    constants: Kept,
    template: Mutex<Arc<Template>>,
    /// How many requests looked different since the template was learned.
    misfits: AtomicUsize,
    keys: Mutex<Keys>,
    times: [Kept; TIMES.len()],
    url_scheme: Kept,
    https: Kept,
    input: Kept,
    errors: Kept,
    application_start: Kept,
    thread_id: Kept,
    request_id: Kept,
}

impl Environ {
    /// Makes constants and keys.
    pub(crate) fn create(py: Gil<'_>, startup: &StartUp, file_wrapper: &Owned<'_>) -> Result<Self> {
        let constants = py.dict()?;
        let version = |[major, minor, patch]: [u32; 3]| {
            py.tuple(&[
                py.int(i64::from(major))?,
                py.int(i64::from(minor))?,
                py.int(i64::from(patch))?,
            ])
        };
        let wsgi_version = py.tuple(&[py.int(1)?, py.int(0)?])?;
        let items = [
            (&b"wsgi.version"[..], wsgi_version),
            (b"wsgi.multithread", py.bool(startup.multithread)),
            (b"wsgi.multiprocess", py.bool(startup.multiprocess)),
            (b"wsgi.run_once", py.bool(startup.run_once)),
            (b"wsgi.file_wrapper", file_wrapper.clone()),
            (b"wsgi.input_terminated", py.bool(true)),
            (b"mod_wsgi.version", version(crate::module::COMPATIBLE)?),
            (b"apache.version", version(startup.server_version)?),
            // Set for each request, as far as it is another; here, they have their place already.
            (b"wsgi.url_scheme", py.interned(b"http")?),
            (b"wsgi.input", py.none()),
            (b"wsgi.errors", py.none()),
            (b"mod_wsgi.application_start", py.none()),
            (b"mod_wsgi.thread_id", py.none()),
        ];
        for (key, value) in &items {
            constants.set_item(&py.interned(key)?, value)?;
        }
        let mut keys = Keys::default();
        for key in USUAL {
            keys.insert(Box::from(*key), py.interned(key)?.keep());
        }
        let kept = |text: &[u8]| Ok(py.interned(text)?.keep());
        let [request, queue, daemon] = TIMES.map(|(_, shown)| kept(shown));
        let template = Template { environ: constants.clone().keep(), slots: Vec::new() };
        Ok(Self {
            constants: constants.keep(),
            template: Mutex::new(Arc::new(template)),
            misfits: AtomicUsize::new(MISFITS_LIMIT),
            keys: Mutex::new(keys),
            times: [request?, queue?, daemon?],
            url_scheme: kept(b"wsgi.url_scheme")?,
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
        pairs: &[Pair<'_>],
        input: &Owned<'py>,
        errors: &Owned<'py>,
    ) -> Result<Owned<'py>> {
        let template = Arc::clone(&lock(&self.template));
        let (environ, misfits) = {
            let mut comparison = template.comparison();
            let environ = self.fill(py, &template, &mut comparison, pairs);
            (environ, comparison.misfits())
        };
        template.release(py);
        let environ = environ?;
        if misfits > MISFITS_TOLERATED
            && self.misfits.fetch_add(1, Ordering::Relaxed) >= MISFITS_LIMIT
        {
            self.learn(py, pairs)?;
        }
        environ.set_item(&self.input.get(py), input)?;
        environ.set_item(&self.errors.get(py), errors)?;
        environ.set_item(&self.application_start.get(py), &py.float(clock::wall())?)?;
        let number = py.int(i64::from(thread_state::number()))?;
        environ.set_item(&self.thread_id.get(py), &number)?;
        Ok(environ)
    }

    /// A copy of the template with the pairs of a request.
    fn fill<'py, 't>(
        &self,
        py: Gil<'py>,
        template: &'t Template,
        comparison: &mut Comparison<'t, 't>,
        pairs: &[Pair<'t>],
    ) -> Result<Owned<'py>> {
        let environ = template.environ.get(py).copy_of_dict()?;
        let mut secure = false;
        for (name, value) in pairs.iter().map(|pair| pair.parts()) {
            let (meaning, key) = match comparison.next(name, value) {
                Some((_, true)) => continue,
                Some((slot, false)) => (slot.meaning, slot.key.as_ref().map(|key| key.get(py))),
                None => self.look_up(py, name)?,
            };
            if meaning == Meaning::Scheme {
                secure = wsgi::environ::is_https(value);
            } else if let Some(key) = key {
                // May run a codec that is written in Python, so no lock is held for it.
                environ.set_item(&key, &decode(py, meaning, name, value)?)?;
            }
        }
        for slot in comparison.absent() {
            if let Some(key) = &slot.key {
                environ.remove_item(&key.get(py));
            }
        }
        if secure {
            environ.set_item(&self.url_scheme.get(py), &self.https.get(py))?;
        }
        Ok(environ)
    }

    /// Makes a template of the pairs of a request.
    fn learn(&self, py: Gil<'_>, pairs: &[Pair<'_>]) -> Result<()> {
        self.misfits.store(0, Ordering::Relaxed);
        let mut names: Vec<_> = pairs.iter().map(|pair| pair.name()).collect();
        names.sort_unstable();
        if pairs.len() > SLOTS_LIMIT || names.windows(2).any(|two| two.first() == two.last()) {
            return Ok(());
        }
        let environ = self.constants.get(py).copy_of_dict()?;
        let mut slots = Vec::with_capacity(pairs.len());
        for (name, value) in pairs.iter().map(|pair| pair.parts()) {
            let (meaning, key) = self.look_up(py, name)?;
            let remembered = is_remembered(meaning, name, value);
            if let Some(key) = &key {
                let value = if remembered { decode(py, meaning, name, value)? } else { py.none() };
                environ.set_item(key, &value)?;
            }
            let value = remembered.then(|| Box::from(value));
            let key = key.map(Owned::keep);
            slots.push(Slot { name: Box::from(name), meaning, key, value });
        }
        let learned = Arc::new(Template { environ: environ.keep(), slots });
        let previous = std::mem::replace(&mut *lock(&self.template), learned);
        previous.release(py);
        Ok(())
    }

    /// What a name means, and its key in environ if it has one.
    fn look_up<'py>(&self, py: Gil<'py>, name: &[u8]) -> Result<(Meaning, Option<Owned<'py>>)> {
        let meaning = meaning(name);
        let key = match meaning {
            Meaning::Variable => Some(self.key(py, name)?),
            Meaning::Time(which) => self.times.get(which).map(|key| key.get(py)),
            Meaning::Scheme | Meaning::Nothing => None,
        };
        Ok((meaning, key))
    }

    /// A string with one character for each byte; the same object for the same bytes, mostly.
    pub(crate) fn key<'py>(&self, py: Gil<'py>, name: &[u8]) -> Result<Owned<'py>> {
        let full = {
            let keys = lock(&self.keys);
            if let Some(kept) = keys.get(name) {
                return Ok(kept.get(py));
            }
            keys.len() >= KEYS_LIMIT
        };
        if full {
            return py.latin1(name);
        }
        // Without the lock: whoever interns a string may have to wait for a thread that waits for the lock.
        let key = py.interned(name)?;
        let kept = key.clone().keep();
        // Another thread may have been quicker, with the same string: it is interned.
        let previous = lock(&self.keys).insert(Box::from(name), kept);
        if let Some(previous) = previous {
            previous.release(py);
        }
        Ok(key)
    }

    /// Makes the environ of a question about a request: its pairs as they are, and no more of WSGI than `wsgi.errors`.
    pub(crate) fn for_question<'py>(
        &self,
        py: Gil<'py>,
        pairs: &[Pair<'_>],
        errors: &Owned<'py>,
        tls: &Owned<'py>,
    ) -> Result<Owned<'py>> {
        let environ = py.dict()?;
        for (name, value) in pairs.iter().map(|pair| pair.parts()) {
            let (meaning, key) = match self.look_up(py, name)? {
                // What the scheme is made of for an application.
                (Meaning::Scheme, _) => (Meaning::Variable, Some(self.key(py, name)?)),
                found => found,
            };
            if let Some(key) = key {
                environ.set_item(&key, &decode(py, meaning, name, value)?)?;
            }
        }
        let constants = self.constants.get(py);
        for version in [c"apache.version", c"mod_wsgi.version"] {
            environ.set_item_named(version, &constants.item_named(version)?)?;
        }
        environ.set_item(&self.errors.get(py), errors)?;
        environ.set_item_named(c"mod_ssl.is_https", &tls.attr(c"is_https")?)?;
        environ.set_item_named(c"mod_ssl.var_lookup", &tls.attr(c"var_lookup")?)?;
        Ok(environ)
    }

    /// The id of the request, if httpd gave it one.
    pub(crate) fn request_id<'py>(&self, environ: &Owned<'py>) -> Result<Option<Owned<'py>>> {
        environ.item(&self.request_id.get(environ.py()))
    }
}

fn meaning(name: &[u8]) -> Meaning {
    if name == b"HTTPS" {
        Meaning::Scheme
    } else if let Some(carried) = name.strip_prefix(HIDDEN) {
        TIMES.iter().position(|(sent, _)| *sent == carried).map_or(Meaning::Nothing, Meaning::Time)
    } else if is_ours(name) {
        Meaning::Nothing
    } else {
        Meaning::Variable
    }
}

/// Whether a template keeps a value for requests to come. Not what changes with every request, and nothing that may be
/// secret: what a client sends of itself, or what `SetEnv` says.
fn is_remembered(meaning: Meaning, name: &[u8], value: &[u8]) -> bool {
    match meaning {
        Meaning::Variable => {
            value.is_empty()
                || (value.len() <= REMEMBERED_LIMIT
                    && USUAL.contains(&name)
                    && !CHANGING.contains(&name))
        }
        Meaning::Time(_) => value == b"0",
        // The scheme is looked at each time.
        Meaning::Scheme | Meaning::Nothing => false,
    }
}

/// Whether the engine itself says it, so that no configuration (`SetEnv wsgi.version 9`) says something else.
fn is_ours(name: &[u8]) -> bool {
    let of_wsgi: &[&[u8]] = &[
        b"version",
        b"multithread",
        b"multiprocess",
        b"run_once",
        b"file_wrapper",
        b"input_terminated",
        b"url_scheme",
        b"input",
        b"errors",
    ];
    let of_module: &[&[u8]] = &[
        b"mod_wsgi.version",
        b"apache.version",
        b"mod_wsgi.application_start",
        b"mod_wsgi.thread_id",
    ];
    match name.strip_prefix(b"wsgi.") {
        Some(rest) => of_wsgi.contains(&rest),
        None => of_module.contains(&name) || TIMES.iter().any(|(_, shown)| *shown == name),
    }
}

fn decode<'py>(py: Gil<'py>, meaning: Meaning, name: &[u8], value: &[u8]) -> Result<Owned<'py>> {
    match (meaning, name) {
        // Microseconds become seconds.
        (Meaning::Time(_), _) => py.float(parse(value).unwrap_or(0) as f64 / 1e6),
        (_, b"DOCUMENT_ROOT" | b"SCRIPT_FILENAME") => py.path(value),
        _ => py.latin1(value),
    }
}

fn parse(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// What the server says of a name. The last one counts, as in environ: what `SetEnv` says comes before what is so.
pub(crate) fn find<'a>(pairs: &[Pair<'a>], name: &[u8]) -> Option<&'a [u8]> {
    pairs.iter().rev().find(|pair| pair.name() == name).map(|pair| pair.value())
}

/// A number that the server sends along for us, by its name behind the prefix. The last one counts.
pub(crate) fn carried(pairs: &[Pair<'_>], name: &[u8]) -> Option<u64> {
    let named = |pair: &&Pair<'_>| pair.name().strip_prefix(HIDDEN) == Some(name);
    parse(pairs.iter().rev().find(named)?.value())
}
