//! A request: what the client asks, where it was mapped to, and the answer being made.
//!
//! [`Request`] is a view of the `request_rec` that httpd passes to a hook. It cannot be made elsewhere, so nothing taken
//! from it outlives the hook. One thread at a time. Strings that are replaced stay alive until the request ends.
//! See <https://ci.apache.org/projects/httpd/trunk/doxygen/structrequest__rec.html>.

use std::ffi::{CStr, c_int, c_uint};
use std::marker::PhantomData;
use std::ptr::NonNull;

use super::config::Module;
use super::connection::Connection;
use super::pool::{Pool, text, truth};
use super::server::Server;
use super::status::Status;
use super::sys;
use super::table::Table;

/// A borrowed request.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    ptr: NonNull<sys::request_rec>,
    alive: PhantomData<&'r sys::request_rec>,
}

/// What the file of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// There is none.
    Missing,
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Something else: a socket, a device.
    Other,
}

/// What `AcceptPathInfo` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathInfo {
    /// The handler decides.
    Default,
    /// `On`
    Accept,
    /// `Off`
    Reject,
}

/// Fields that are strings which may be missing.
macro_rules! strings {
    ($($(#[$meta:meta])* $name:ident = $field:ident;)*) => {
        impl<'r> Request<'r> {
            $(
                $(#[$meta])*
                pub fn $name(self) -> Option<&'r CStr> {
                    // SAFETY: null, or a string of a pool that is alive during the request and does not change.
                    unsafe { text(self.record().$field) }
                }
            )*
        }
    };
}

strings! {
    /// The first line of the request.
    request_line = the_request;
    /// `HTTP/1.1`
    protocol = protocol;
    /// The host the client asked for, without the port.
    hostname = hostname;
    /// The method as it was sent; `HEAD` has the number of `GET`, see [`Request::is_head`].
    method = method;
    /// The path, decoded.
    uri = uri;
    /// The path and query as the client sent them.
    unparsed_uri = unparsed_uri;
    /// The query.
    args = args;
    /// The file the path was mapped to.
    filename = filename;
    /// What follows the file in the path.
    path_info = path_info;
    /// The name of the handler that was chosen.
    handler = handler;
    /// The `Content-Type` of the response.
    content_type = content_type;
    /// The status line of the response, if one was set.
    status_line = status_line;
    /// Who the client was authenticated as.
    user = user;
    /// How the client was authenticated.
    auth_type = ap_auth_type;
    /// The address of the client; behind a trusted proxy (mod_remoteip) that of the real one.
    client_ip = useragent_ip;
}

/// Fields that are tables.
macro_rules! tables {
    ($($(#[$meta:meta])* $name:ident;)*) => {
        impl<'r> Request<'r> {
            $(
                $(#[$meta])*
                pub fn $name(self) -> Table<'r> {
                    // SAFETY: httpd makes these tables before the first hook; they live as long as the request.
                    unsafe { Table::from_ptr(self.record().$name) }
                }
            )*
        }
    };
}

tables! {
    /// The headers of the request.
    headers_in;
    /// The headers of the response, dropped when an error document replaces it.
    headers_out;
    /// The headers of the response, also sent with an error document.
    err_headers_out;
    /// The variables set by `SetEnv` and others.
    subprocess_env;
    /// Notes of one module for another.
    notes;
}

impl<'r> Request<'r> {
    /// The id that `ErrorLogFormat %L` writes. httpd makes it when it is first asked for.
    pub fn log_id(self) -> Option<&'r CStr> {
        let record = self.as_ptr();
        // SAFETY: a live request_rec with a live connection; httpd's own function writes a string of the request's pool
        // to that place, as it does before it writes a line.
        unsafe {
            if (*record).log_id.is_null() {
                sys::ap_run_generate_log_id(
                    (*record).connection,
                    record,
                    &raw mut (*record).log_id,
                );
            }
            text((*record).log_id)
        }
    }

    /// Wraps the request that httpd passed.
    ///
    /// # Safety
    /// `ptr` is a request_rec that lives during `'r`, used by this thread only.
    pub(super) unsafe fn from_ptr(ptr: *mut sys::request_rec) -> Self {
        // SAFETY: the caller promises a request_rec.
        let ptr = unsafe { NonNull::new_unchecked(ptr) };
        Self { ptr, alive: PhantomData }
    }

    pub(super) fn as_ptr(self) -> *mut sys::request_rec {
        self.ptr.as_ptr()
    }

    fn record(&self) -> &sys::request_rec {
        // SAFETY: a live request_rec; the reference ends before httpd is called again.
        unsafe { self.ptr.as_ref() }
    }

    pub(super) fn output_filters(self) -> *mut sys::ap_filter_t {
        self.record().output_filters
    }

    pub(super) fn input_filters(self) -> *mut sys::ap_filter_t {
        self.record().input_filters
    }

    /// The pool of the request.
    pub fn pool(self) -> Pool<'r> {
        // SAFETY: the pool lives as long as the request.
        unsafe { Pool::from_ptr(self.record().pool) }
    }

    /// The connection it came on.
    pub fn connection(self) -> Connection<'r> {
        // SAFETY: the connection outlives the request.
        unsafe { Connection::from_ptr(self.record().connection) }
    }

    /// The virtual host.
    pub fn server(self) -> Server<'r> {
        // SAFETY: the configuration outlives the request.
        unsafe { Server::from_ptr(self.record().server) }
    }

    /// The request that this one is a part of, for a subrequest.
    pub fn main(self) -> Option<Self> {
        // SAFETY: the main request outlives its subrequests.
        (!self.record().main.is_null()).then(|| unsafe { Self::from_ptr(self.record().main) })
    }

    /// The request that was redirected internally to this one.
    pub fn previous(self) -> Option<Self> {
        // SAFETY: the earlier request lives as long as the one it was redirected to.
        (!self.record().prev.is_null()).then(|| unsafe { Self::from_ptr(self.record().prev) })
    }

    /// Our configuration of where the request was mapped to.
    pub fn directory_config<M: Module>(self) -> &'r M::Directory {
        // SAFETY: the vector lives as long as the request, and so does what is in it.
        unsafe { M::record().directory_config(self.record().per_dir_config) }
    }

    /// Our configuration of the virtual host.
    pub fn server_config<M: Module>(self) -> &'r M::Server {
        self.server().config::<M>()
    }

    /// The number of the method, one of `M_GET` and so on.
    pub fn method_number(self) -> c_int {
        self.record().method_number
    }

    /// Does the client want the head of the response only?
    pub fn is_head(self) -> bool {
        truth(self.record().header_only)
    }

    /// Is it an HTTP/0.9 request, which has no headers?
    pub fn is_simple(self) -> bool {
        truth(self.record().assbackwards)
    }

    /// The protocol as a number, 1001 for HTTP/1.1.
    pub fn protocol_number(self) -> c_int {
        self.record().proto_num
    }

    /// When it came, in microseconds since 1970.
    pub fn time(self) -> i64 {
        self.record().request_time
    }

    /// The port of the client.
    pub fn client_port(self) -> Option<u16> {
        // SAFETY: null, or an address that lives as long as the request.
        unsafe { self.record().useragent_addr.as_ref() }.map(|address| address.port)
    }

    /// The name of the client, if `HostnameLookups` has found or finds it.
    pub fn client_host(self) -> Option<&'r CStr> {
        let kind = c_int::try_from(sys::REMOTE_HOST).unwrap_or(0);
        // SAFETY: a live request_rec; the result is a string of its pool.
        unsafe { text(sys::ap_get_useragent_host(self.as_ptr(), kind, std::ptr::null_mut())) }
    }

    /// Is `EnableMMAP On` configured here? It is httpd's default for static files, which does not count.
    pub fn maps_files(self) -> bool {
        // SAFETY: a live request_rec.
        unsafe { sys::shim_request_maps_files(self.as_ptr()) != 0 }
    }

    /// Does `CGIVar REQUEST_URI current-uri` hold here?
    pub fn says_current_uri(self) -> bool {
        // SAFETY: a live request_rec.
        truth(unsafe { sys::shim_request_says_current_uri(self.as_ptr()) })
    }

    /// The address that was redirected internally to this one: its path, or with `QualifyRedirectURL On` the whole of it.
    pub fn redirect_url(self) -> Option<&'r CStr> {
        // SAFETY: a live request_rec; the result is null or a string of its pool or of that earlier request's.
        unsafe { text(sys::shim_request_redirect_url(self.as_ptr())) }
    }

    /// What the file of the request is.
    pub fn file_type(self) -> FileType {
        match self.record().finfo.filetype {
            sys::apr_filetype_e_APR_NOFILE => FileType::Missing,
            sys::apr_filetype_e_APR_REG => FileType::File,
            sys::apr_filetype_e_APR_DIR => FileType::Directory,
            _ => FileType::Other,
        }
    }

    /// When the file was changed, in microseconds since 1970; zero if there is none.
    pub fn file_time(self) -> i64 {
        self.record().finfo.mtime
    }

    /// What `AcceptPathInfo` says.
    pub fn path_info_use(self) -> PathInfo {
        match c_uint::try_from(self.record().used_path_info).unwrap_or(c_uint::MAX) {
            sys::AP_REQ_ACCEPT_PATH_INFO => PathInfo::Accept,
            sys::AP_REQ_REJECT_PATH_INFO => PathInfo::Reject,
            _ => PathInfo::Default,
        }
    }

    /// Does `Options ExecCGI` hold here?
    pub fn may_execute(self) -> bool {
        // SAFETY: a live request_rec.
        let options = unsafe { sys::ap_allow_options(self.as_ptr()) };
        c_uint::try_from(options).is_ok_and(|options| options & sys::OPT_EXECCGI != 0)
    }

    /// The name of the server for `SERVER_NAME`, as `UseCanonicalName` says.
    pub fn server_name(self) -> Option<&'r CStr> {
        // SAFETY: a live request_rec; the result is a string of its pool.
        unsafe { text(sys::ap_get_server_name_for_url(self.as_ptr())) }
    }

    /// Sees to it that the request has the id that `ErrorLogFormat %L` writes.
    pub fn identify(self) {
        let request = self.as_ptr();
        // SAFETY: a live request_rec, which no other thread uses; the hook makes a string of its pool.
        unsafe {
            if (*request).log_id.is_null() {
                let mut id = std::ptr::null();
                sys::ap_run_generate_log_id((*request).connection, request, &raw mut id);
                (*request).log_id = id;
            }
        }
    }

    /// The port of the server for `SERVER_PORT`, as `UseCanonicalPhysicalPort` says.
    pub fn server_port(self) -> u16 {
        // SAFETY: a live request_rec.
        unsafe { sys::ap_get_server_port(self.as_ptr()) }
    }

    /// `http` or `https`.
    pub fn scheme(self) -> Option<&'r CStr> {
        // SAFETY: a live request_rec; the hook returns a string that lives at least as long.
        unsafe { text(sys::ap_run_http_scheme(self.as_ptr())) }
    }

    /// Is the connection of the request encrypted?
    pub fn is_https(self) -> bool {
        self.connection().is_tls()
    }

    /// A variable of mod_ssl or another TLS module.
    pub fn tls_variable(self, name: &CStr) -> Option<&'r CStr> {
        // SAFETY: a live request_rec; the result is a string of its pool.
        unsafe { text(sys::shim_ssl_variable(self.as_ptr(), name.as_ptr())) }
    }

    /// The `DocumentRoot`.
    pub fn document_root(self) -> Option<&'r CStr> {
        // SAFETY: a live request_rec; the result is a string of the configuration or its pool.
        unsafe { text(sys::ap_document_root(self.as_ptr())) }
    }

    /// The path prefix that mod_alias and others have mapped.
    pub fn context_prefix(self) -> Option<&'r CStr> {
        // SAFETY: a live request_rec; the result is a string of the configuration or its pool.
        unsafe { text(sys::ap_context_prefix(self.as_ptr())) }
    }

    /// The directory that the prefix was mapped to.
    pub fn context_document_root(self) -> Option<&'r CStr> {
        // SAFETY: a live request_rec; the result is a string of the configuration or its pool.
        unsafe { text(sys::ap_context_document_root(self.as_ptr())) }
    }

    /// The line under a page of the server, as `ServerSignature` says.
    pub fn signature(self) -> Option<&'r CStr> {
        // SAFETY: a live request_rec; the prefix is copied, the result is a string of its pool.
        unsafe { text(sys::ap_psignature(c"".as_ptr(), self.as_ptr())) }
    }

    /// `LimitRequestBody`, zero for no limit.
    pub fn body_limit(self) -> u64 {
        // SAFETY: a live request_rec.
        u64::try_from(unsafe { sys::ap_get_limit_req_body(self.as_ptr()) }).unwrap_or(0)
    }

    /// Does the client wait for `100 Continue`?
    pub fn expects_continue(self) -> bool {
        self.record().expecting_100 != 0
    }

    /// How many bytes of the body were sent.
    pub fn bytes_sent(self) -> i64 {
        self.record().bytes_sent
    }

    /// Was the end of the response sent?
    pub fn is_ended(self) -> bool {
        truth(self.record().eos_sent)
    }

    /// Is the client known to be gone?
    pub fn is_aborted(self) -> bool {
        self.connection().is_aborted()
    }

    /// The status of the response.
    pub fn status(self) -> c_int {
        self.record().status
    }
}

/// Changes.
impl Request<'_> {
    fn field(self) -> *mut sys::request_rec {
        self.ptr.as_ptr()
    }

    /// Sets the status of the response.
    pub fn set_status(self, status: u16) {
        // SAFETY: httpd lets modules write this field of a live request_rec.
        unsafe { (*self.field()).status = c_int::from(status) };
    }

    /// Sets the status line, `200 OK`; httpd uses it if it begins with the status.
    pub fn set_status_line(self, line: &[u8]) {
        let line = self.pool().dup(line);
        // SAFETY: as above; the string is in the request's pool.
        unsafe { (*self.field()).status_line = line.as_ptr() };
    }

    /// Sets the `Content-Type`. Filters by type are inserted by this.
    pub fn set_content_type(self, value: &[u8]) {
        let value = self.pool().dup(value);
        // SAFETY: a live request_rec; the string is in its pool.
        unsafe { sys::ap_set_content_type(self.as_ptr(), value.as_ptr()) };
    }

    /// Sets the `Content-Length`.
    pub fn set_content_length(self, length: u64) {
        let length = sys::apr_off_t::try_from(length).unwrap_or(sys::apr_off_t::MAX);
        // SAFETY: a live request_rec.
        unsafe { sys::ap_set_content_length(self.as_ptr(), length) };
    }

    /// Sets the file.
    pub fn set_filename(self, name: &[u8]) {
        let name = self.pool().dup(name);
        // SAFETY: as for the status; httpd does not free the string, which is in the request's pool.
        unsafe { (*self.field()).filename = name.as_ptr().cast_mut() };
    }

    /// Sets the canonical name of the file, by which the walk over its directories is skipped when both are the same.
    pub fn set_canonical_filename(self, name: &[u8]) {
        let name = self.pool().dup(name);
        // SAFETY: as above.
        unsafe { (*self.field()).canonical_filename = name.as_ptr().cast_mut() };
    }

    /// Looks at the file of the request as httpd's walk over its directories does, which then need not do it again. What it is.
    pub fn look_at_file(self) -> FileType {
        // SAFETY: a live request_rec whose file is set, or null, which no system call takes for a name.
        let found = truth(unsafe { sys::shim_request_look_at_file(self.as_ptr()) });
        if found { self.file_type() } else { FileType::Missing }
    }

    /// Nothing is known of the file of the request.
    pub fn forget_file(self) {
        // SAFETY: httpd lets modules write this field of a live request_rec.
        unsafe { (*self.field()).finfo.filetype = sys::apr_filetype_e_APR_NOFILE };
    }

    /// Sets what follows the file in the path.
    pub fn set_path_info(self, path: &[u8]) {
        let path = self.pool().dup(path);
        // SAFETY: as above.
        unsafe { (*self.field()).path_info = path.as_ptr().cast_mut() };
    }

    /// Sets the handler.
    pub fn set_handler(self, name: &[u8]) {
        let name = self.pool().dup(name);
        // SAFETY: as above.
        unsafe { (*self.field()).handler = name.as_ptr() };
    }

    /// Sets who the client is.
    pub fn set_user(self, name: &[u8]) {
        let name = self.pool().dup(name);
        // SAFETY: as above.
        unsafe { (*self.field()).user = name.as_ptr().cast_mut() };
    }

    /// Would authentication be enough to come in, if the address of the client is not (`Satisfy Any`)?
    pub fn may_authenticate_instead(self) -> bool {
        // SAFETY: a live request_rec.
        unsafe {
            u32::try_from(sys::ap_satisfies(self.as_ptr())) == Ok(sys::SATISFY_ANY)
                && truth(sys::ap_some_auth_required(self.as_ptr()))
        }
    }

    /// Sets the method, name and number.
    pub fn set_method(self, name: &'static CStr, number: c_int) {
        // SAFETY: as above; the name is 'static.
        unsafe { (*self.field()).method = name.as_ptr() };
        // SAFETY: as above.
        unsafe { (*self.field()).method_number = number };
    }

    /// Is there an output filter that works on the body, as compression does, and not on the protocol only?
    pub fn has_body_filter(self) -> bool {
        // SAFETY: null, or the first filter of a live request, whose record is static.
        let first =
            unsafe { self.output_filters().as_ref().and_then(|filter| filter.frec.as_ref()) };
        first.is_some_and(|record| record.ftype < sys::ap_filter_type_AP_FTYPE_PROTOCOL)
    }

    /// May a body have come with it? Over HTTP/2 neither header is needed.
    pub fn may_have_body(self) -> bool {
        let headers = self.headers_in();
        let is_read = || matches!(self.method().map(CStr::to_bytes), Some(b"GET" | b"HEAD"));
        headers.get(c"Transfer-Encoding").is_some()
            || headers.get(c"Content-Length").is_some_and(|length| length.to_bytes() != b"0")
            || (self.connection().is_secondary() && !is_read())
    }

    /// Has httpd cut no ranges out of the response: who made it answers `Range`, or does not.
    pub fn keep_whole(self) {
        let headers = self.headers_in();
        // The older name is one that httpd knows too.
        if headers.get(c"Range").is_some() || headers.get(c"Request-Range").is_some() {
            // SAFETY: the filters of a live request; one that is not there is no fault.
            unsafe {
                sys::ap_remove_output_filter_byhandle(self.output_filters(), c"BYTERANGE".as_ptr())
            };
        }
    }

    /// Does `CGIPassAuth On` let applications see the headers of authorisation?
    pub fn passes_authorization(self) -> bool {
        // SAFETY: a live request_rec.
        truth(unsafe { sys::shim_request_passes_authorization(self.as_ptr()) })
    }

    /// Fills `subprocess_env` with the variables of CGI that do not depend on the file.
    pub fn add_common_vars(self) {
        // SAFETY: a live request_rec.
        unsafe { sys::ap_add_common_vars(self.as_ptr()) };
    }

    /// Fills `subprocess_env` with the other variables of CGI.
    pub fn add_cgi_vars(self) {
        // SAFETY: a live request_rec.
        unsafe { sys::ap_add_cgi_vars(self.as_ptr()) };
    }

    /// Tells a client that waits for it to send the body.
    pub fn send_continue(self) {
        // SAFETY: a live request_rec.
        unsafe { sys::shim_request_send_continue(self.as_ptr()) };
    }

    /// The response is not to be kept by mod_cache.
    pub fn do_not_cache(self) {
        // SAFETY: a live request_rec, and those that it is a part of.
        unsafe { sys::shim_request_not_cached(self.as_ptr()) };
    }

    /// Reads the rest of the request body and drops it.
    pub fn discard_body(self) -> Status {
        // SAFETY: a live request_rec.
        Status::from_code(unsafe { sys::ap_discard_request_body(self.as_ptr()) })
    }

    /// Decides now whether the connection is kept, from the headers of request and response.
    pub fn decide_keepalive(self) -> bool {
        // SAFETY: a live request_rec.
        truth(unsafe { sys::ap_set_keepalive(self.as_ptr()) })
    }

    /// Serves another path of this server instead; the handler returns [`Status::OK`] afterwards.
    pub fn redirect_internally(self, uri: &CStr) {
        let uri = self.pool().dup(uri.to_bytes());
        // SAFETY: a live request_rec; the path is in its pool.
        unsafe { sys::ap_internal_redirect(uri.as_ptr(), self.as_ptr()) };
    }

    /// Adds the `WWW-Authenticate` header that goes with a 401.
    pub fn note_auth_failure(self) {
        // SAFETY: a live request_rec.
        unsafe { sys::ap_note_auth_failure(self.as_ptr()) };
    }
}
