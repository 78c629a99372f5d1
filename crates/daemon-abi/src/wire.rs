//! What the module and its workers say to each other beyond FastCGI 1.0.
//!
//! All of it is asked for by the front in the parameters of a request, so a worker behaves as any
//! FastCGI responder towards a front end that does not know of it.

/// Parameters with this prefix are between the module and the worker; applications do not see them.
pub const PRIVATE_PREFIX: &[u8] = b"mod_wsgi.x-";

/// The name of the interpreter to use; absent or empty: the main one.
pub const APPLICATION_GROUP: &[u8] = b"mod_wsgi.application_group";

/// The callable in the script; absent or empty: `application`.
pub const CALLABLE_OBJECT: &[u8] = b"mod_wsgi.callable_object";

/// `1`: look whether the script changed before the request is started.
pub const SCRIPT_RELOADING: &[u8] = b"mod_wsgi.x-script_reloading";

/// `1`: the front knows [`CONTINUE`], sends no more of the body than came with the parameters until it
/// gets one, knows [`LOG`], and understands an application status as the HTTP status of a failure.
pub const PULL_BODY: &[u8] = b"mod_wsgi.x-pull_body";

/// `1`: the request does not count as activity of the worker (`WSGIIgnoreActivity`).
pub const IGNORE_ACTIVITY: &[u8] = b"mod_wsgi.x-ignore_activity";

/// When the request was given to the group, in microseconds since 1970.
pub const QUEUE_START: &[u8] = b"mod_wsgi.x-queue_start_us";

/// When the worker took the request, in microseconds since 1970.
pub const DAEMON_START: &[u8] = b"mod_wsgi.x-daemon_start_us";

/// Now, in microseconds since 1970, as text.
pub fn now() -> String {
    use std::time::{SystemTime, UNIX_EPOCH};
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_micros().to_string()
}

/// The record type by which a worker asks for the rest of the request body. It has no content.
///
/// Until then the front keeps what it sent, so a request that was refused with `FCGI_OVERLOADED` can go
/// to another worker; and a body that the application never reads is never sent.
pub const CONTINUE: u8 = 64;

/// The record type by which a worker sends a line for the log with its level: one byte, httpd's number, and the line.
/// A front that did not ask for [`PULL_BODY`] gets errors on `FCGI_STDERR`.
pub const LOG: u8 = 65;

/// The most bytes of a body that the front sends along with the parameters.
pub const EAGER_BODY: usize = 16 * 1024;

/// A message up to this size is taken by the kernel in one piece, so a worker that closed the connection with
/// part of it unread has read nothing of it.
pub const WHOLE_MESSAGE: usize = 32 * 1024;
