//! What an application is told of its request: the CGI variables, as pairs of bytes.
//!
//! Borrowed from the request and its pool, so nothing is copied that httpd has already. The order matters: a later pair of the same
//! name wins, so what `SetEnv` says never replaces what is computed here. Sources: RFC 3875, PEP 3333 ("environ Variables"),
//! httpd's `util_script.c`.

use crate::config::{Effective, Facts, MapHead};
use crate::httpd::{Connection, Request, banner};
use engine_abi::Pair;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::ffi::CStr;
use std::sync::OnceLock;
use wsgi::environ::{KEY_PREFIX, collapse_slashes, key};

/// The pairs of one request.
pub struct Environ<'r> {
    request: Request<'r>,
    pairs: SmallVec<[Pair<'r>; 64]>,
}

/// Where a URI is cut into `SCRIPT_NAME` and `PATH_INFO`.
pub struct Mount<'r> {
    /// `SCRIPT_NAME`, runs of slashes made one.
    pub script_name: &'r [u8],
    /// `PATH_INFO`, runs of slashes made one.
    pub path_info: &'r [u8],
    /// Where the application is, runs of slashes made one: `SCRIPT_NAME`, but for a part of another page.
    pub application: &'r [u8],
}

impl<'r> Mount<'r> {
    /// As httpd mapped the request.
    pub fn of(request: Request<'r>) -> Self {
        let uri = bytes(request.uri());
        let path_info = bytes(request.path_info());
        let end = if path_info.is_empty() { uri.len() } else { path_info_start(uri, path_info) };
        let single = |path: &'r [u8]| match collapse_slashes(path) {
            Cow::Borrowed(path) => path,
            Cow::Owned(path) => request.pool().dup_bytes(&path),
        };
        let application = single(uri.get(..end).unwrap_or(uri));
        // httpd says the whole path for what mod_include and others put into a page.
        let included = request.protocol().is_some_and(|it| it.to_bytes() == b"INCLUDED");
        let script_name = if included { single(uri) } else { application };
        Self { script_name, path_info: single(path_info), application }
    }
}

/// Where in `uri` the part begins that `path_info` is, a run of slashes in one matching a run in the other
/// (as httpd's `ap_find_path_info`).
fn path_info_start(uri: &[u8], path_info: &[u8]) -> usize {
    let (mut left, mut right) = (uri.len(), path_info.len());
    while let (Some(from_uri), Some(from_path)) = (last(uri, left), last(path_info, right)) {
        if from_uri != from_path {
            break;
        }
        left -= 1;
        right -= 1;
        if from_path == b'/' {
            while last(uri, left) == Some(b'/') {
                left -= 1;
            }
        }
    }
    let rest = uri.get(left..).unwrap_or_default();
    left + rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len())
}

/// The byte before `end`.
fn last(bytes: &[u8], end: usize) -> Option<u8> {
    bytes.get(end.checked_sub(1)?).copied()
}

impl<'r> Environ<'r> {
    /// No pairs yet. They have their place in the value itself, which is better not moved.
    pub fn new(request: Request<'r>) -> Self {
        Self { request, pairs: SmallVec::new() }
    }

    /// Collects what httpd knows of the request.
    pub fn collect(&mut self, mount: &Mount<'r>, effective: &Effective<'_>) {
        let request = self.request;
        for (name, value) in request.subprocess_env().iter() {
            let name = name.to_bytes();
            // PATH is the server's own, and what goes to the engine is ours to say.
            if name != b"PATH" && !name.starts_with(b"mod_wsgi.x-") {
                self.push(name, value.to_bytes());
            }
        }
        let passed = request.passes_authorization();
        self.headers(effective.pass_authorization || passed, passed);
        self.server();
        self.context();
        self.client();
        self.user();
        self.method(effective.map_head_to_get);
        self.target(mount);
        self.file();
        self.module(mount, effective);
        self.proxies(effective);
    }

    /// Collects what a script is told that is asked about a request before anybody answers it.
    pub fn of_question(request: Request<'r>, mount: &Mount<'r>, application_group: &[u8]) -> Self {
        let mut environ = Self::new(request);
        environ.headers(false, false);
        environ.push(b"SERVER_SIGNATURE", bytes(request.signature()));
        environ.server();
        environ.push_text(b"REMOTE_HOST", request.client_host());
        environ.client();
        environ.method(MapHead::Off);
        environ.target(mount);
        environ.asked_in(application_group);
        environ
    }

    /// The same request as a script is told of it that chooses where it runs.
    pub fn of_dispatch(&self, application_group: &[u8]) -> Self {
        let mut environ = Self { request: self.request, pairs: self.pairs.clone() };
        environ.asked_in(application_group);
        environ
    }

    /// Says where the request runs.
    pub fn run_by(&mut self, effective: &Effective<'_>) {
        self.push_owned(b"mod_wsgi.process_group", &effective.process_group);
        self.push_owned(b"mod_wsgi.application_group", &effective.application_group);
        self.push_owned(b"mod_wsgi.callable_object", &effective.callable_object);
    }

    /// A script that is asked runs in httpd's own process.
    fn asked_in(&mut self, application_group: &[u8]) {
        self.push(b"mod_wsgi.process_group", b"");
        self.push_owned(b"mod_wsgi.application_group", application_group);
    }

    /// The pairs.
    pub fn pairs(&self) -> &[Pair<'r>] {
        &self.pairs
    }

    fn push(&mut self, name: &'r [u8], value: &'r [u8]) {
        self.pairs.push(Pair::new(name, value));
    }

    fn push_text(&mut self, name: &'static [u8], value: Option<&'r CStr>) {
        if let Some(value) = value {
            self.push(name, value.to_bytes());
        }
    }

    fn push_owned(&mut self, name: &'static [u8], value: &[u8]) {
        self.push(name, self.request.pool().dup_bytes(value));
    }

    fn headers(&mut self, authorization: bool, proxy_authorization: bool) {
        let pool = self.request.pool();
        for (header, value) in self.request.headers_in().iter() {
            let header = header.to_bytes();
            let passed = if header.eq_ignore_ascii_case(b"authorization") {
                authorization
            } else {
                proxy_authorization || !header.eq_ignore_ascii_case(b"proxy-authorization")
            };
            // Names with `_` and others that would be taken for another header are dropped, and so is Proxy (httpoxy).
            if let Some(name) = key(header, pool.room(header.len() + KEY_PREFIX)).filter(|_| passed)
            {
                self.push(name, value.to_bytes());
            }
        }
    }

    fn server(&mut self) {
        let request = self.request;
        let connection = request.connection();
        self.push(b"SERVER_SOFTWARE", banner(request.pool()).to_bytes());
        self.push_text(b"SERVER_NAME", request.server_name());
        self.push_text(b"SERVER_ADDR", connection.local_ip());
        self.push(b"SERVER_PORT", request.pool().decimal(request.server_port()));
        self.push_text(b"SERVER_ADMIN", request.server().admin());
        self.push_text(b"SERVER_PROTOCOL", request.protocol());
        self.push_text(b"DOCUMENT_ROOT", request.document_root());
    }

    fn context(&mut self) {
        let request = self.request;
        self.push_text(b"CONTEXT_PREFIX", request.context_prefix());
        self.push_text(b"CONTEXT_DOCUMENT_ROOT", request.context_document_root());
        self.push_text(b"REQUEST_SCHEME", request.scheme());
    }

    /// What trusted proxies say, and the scheme, which they may say too.
    fn proxies(&mut self, effective: &Effective<'_>) {
        let mut secure = self.request.is_https();
        if !effective.trusted_headers.is_empty() {
            let value = |key: &[u8]| {
                let found = self.pairs.iter().rev().find(|pair| pair.name() == key);
                found.map(|pair| pair.value())
            };
            let peer = value(b"REMOTE_ADDR").unwrap_or_default();
            let (headers, proxies) = (effective.trusted_headers, effective.trusted_proxies);
            let changes = wsgi::proxy::changes(headers, proxies, peer, value);
            self.pairs.retain(|pair: &mut Pair<'_>| !changes.remove.contains(&pair.name()));
            for (name, value) in &changes.set {
                self.push_owned(name, value);
            }
            secure &= !changes.scheme_given;
        }
        if secure {
            self.push(b"HTTPS", b"1");
        }
    }

    fn client(&mut self) {
        let request = self.request;
        self.push_text(b"REMOTE_ADDR", request.client_ip());
        if let Some(port) = request.connection().client_port() {
            self.push(b"REMOTE_PORT", request.pool().decimal(port));
        }
    }

    fn user(&mut self) {
        let request = self.request;
        if let Some(user) = request.user() {
            self.push(b"REMOTE_USER", user.to_bytes());
        } else {
            let mut ancestor = request.previous();
            while let Some(earlier) = ancestor {
                if let Some(user) = earlier.user() {
                    self.push(b"REDIRECT_REMOTE_USER", user.to_bytes());
                    break;
                }
                ancestor = earlier.previous();
            }
        }
        self.push_text(b"AUTH_TYPE", request.auth_type());
    }

    fn method(&mut self, map_head: MapHead) {
        let request = self.request;
        let as_get = request.is_head()
            && match map_head {
                MapHead::Off => false,
                MapHead::On => true,
                // A filter that works on the body makes the headers of GET from it.
                MapHead::Auto => request.has_body_filter(),
            };
        let method = if as_get { Some(c"GET") } else { request.method() };
        self.push_text(b"REQUEST_METHOD", method);
    }

    fn target(&mut self, mount: &Mount<'r>) {
        let request = self.request;
        self.push(b"REQUEST_URI", request_uri(request));
        self.push(b"QUERY_STRING", bytes(request.args()));
        self.push(b"SCRIPT_NAME", mount.script_name);
        self.push(b"PATH_INFO", mount.path_info);
    }

    fn file(&mut self) {
        let request = self.request;
        self.push_text(b"SCRIPT_FILENAME", request.filename());
        if let Some(previous) = request.previous() {
            self.push_text(b"REDIRECT_URL", request.redirect_url());
            self.push_text(b"REDIRECT_QUERY_STRING", previous.args());
        }
    }

    fn module(&mut self, mount: &Mount<'r>, effective: &Effective<'_>) {
        let connection: Connection<'r> = self.request.connection();
        let pool = self.request.pool();
        self.push_text(b"mod_wsgi.request_handler", self.request.handler());
        match effective.handler_script {
            b"" => self.push(b"mod_wsgi.handler_script", b""),
            script => self.push_owned(b"mod_wsgi.handler_script", script),
        }
        self.push(b"mod_wsgi.script_name", mount.script_name);
        self.push(b"mod_wsgi.path_info", mount.path_info);
        self.push(b"mod_wsgi.listener_host", bytes(connection.local_ip()));
        if let Some(port) = connection.local_port() {
            self.push(b"mod_wsgi.listener_port", pool.decimal(port));
        }
        self.push(b"mod_wsgi.server_pid", server_pid());
        // Microseconds; the engine makes them the times that mod_wsgi documents.
        self.push(b"mod_wsgi.x-request_start_us", pool.decimal(self.request.time()));
        self.push(b"mod_wsgi.x-queue_start_us", b"0");
        self.push(b"mod_wsgi.x-daemon_start_us", b"0");
        self.request.identify();
        self.push_text(b"mod_wsgi.request_id", self.request.log_id());
        self.push_text(b"mod_wsgi.connection_id", connection.log_id());
    }
}

/// The process id of this httpd child, as text: made with the first request, and no child forks another.
fn server_pid() -> &'static [u8] {
    static PID: OnceLock<String> = OnceLock::new();
    PID.get_or_init(|| std::process::id().to_string()).as_bytes()
}

/// A string's bytes; none for a missing one.
pub fn bytes(text: Option<&CStr>) -> &[u8] {
    text.map_or(b"", CStr::to_bytes)
}

/// The target of the request line as the client sent it, or as `CGIVar` says, like httpd's own CGI handlers.
fn request_uri(request: Request<'_>) -> &[u8] {
    if request.says_current_uri() {
        return bytes(request.uri());
    }
    target(bytes(request.request_line()))
}

fn target(line: &[u8]) -> &[u8] {
    let mut words = line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    words.nth(1).unwrap_or_default()
}

/// What names of groups are made of, for one request.
pub struct RequestFacts<'r> {
    request: Request<'r>,
    script_name: Cow<'r, [u8]>,
}

impl<'r> RequestFacts<'r> {
    /// The facts of a request. Paths that differ in case only may be the same (`WSGICaseSensitivity`).
    pub fn new(request: Request<'r>, mount: &Mount<'r>, case_sensitive: bool) -> Self {
        let script_name = if case_sensitive {
            Cow::Borrowed(mount.application)
        } else {
            Cow::Owned(mount.application.to_ascii_lowercase())
        };
        Self { request, script_name }
    }
}

impl Facts for RequestFacts<'_> {
    fn server_name(&self) -> &[u8] {
        bytes(self.request.server().hostname())
    }

    fn port(&self) -> u16 {
        self.request.server_port()
    }

    fn host(&self) -> &[u8] {
        bytes(self.request.hostname())
    }

    fn script_name(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.script_name)
    }

    fn variable(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        use std::os::unix::ffi::{OsStrExt, OsStringExt};
        let name_c = self.request.pool().dup(name);
        let found = self.request.notes().get(name_c);
        let found = found.or_else(|| self.request.subprocess_env().get(name_c));
        match found {
            Some(value) => Some(Cow::Borrowed(value.to_bytes())),
            None => std::env::var_os(std::ffi::OsStr::from_bytes(name))
                .map(|value| Cow::Owned(value.into_vec())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uri_is_cut_where_path_info_begins() {
        for (uri, path_info, script_name) in [
            ("/app/x/y", "/x/y", "/app"),
            ("/app//x//y", "/x/y", "/app"),
            ("/x/y", "/x/y", ""),
            ("//x", "/x", ""),
            ("/app/", "/", "/app"),
            ("/app", "", "/app"),
        ] {
            let end = path_info_start(uri.as_bytes(), path_info.as_bytes());
            assert_eq!(&uri[..end], script_name, "{uri} {path_info}");
        }
    }

    #[test]
    fn the_target_is_taken_as_the_client_sent_it() {
        assert_eq!(target(b"GET /a%20b?c=d HTTP/1.1"), b"/a%20b?c=d");
        assert_eq!(target(b"GET http://host/a?b HTTP/1.1"), b"http://host/a?b");
        assert_eq!(target(b"OPTIONS * HTTP/1.1"), b"*");
        assert_eq!(target(b"GET http://host HTTP/1.1"), b"http://host");
        assert_eq!(target(b""), b"");
    }
}
