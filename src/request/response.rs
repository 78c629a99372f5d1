//! The head of a response, handed to httpd; the same in embedded and in daemon mode.
//!
//! Sources: PEP 3333 ("The start_response() Callable"), RFC 9110, and httpd's `http_filters.c`.

use crate::httpd::{After, Brigade, Level, Request, Status, log};
use wsgi::{content_length, header};

/// Ends a response whose head was given to httpd so that the client sees that the rest is missing.
///
/// Over HTTP/1.1 there is no last chunk, or less than `Content-Length` says, and the connection is closed; over HTTP/2 the
/// stream is reset. mod_http2 and httpd's chunk filter are both told by an error bucket in front of the end, which must
/// not come before the head has left: httpd would answer with an error document instead.
pub fn break_off(request: Request<'_>, output: &mut Brigade<'_>) -> Status {
    request.do_not_cache();
    let flushed = output.pass_slices(&[], After::Flush);
    // Not before: a head that says so is followed by a body without chunks, whose end looks like any other.
    request.connection().close_after_response();
    if flushed.is_ok() {
        output.error(Status::BAD_GATEWAY);
        output.end();
        // If this fails too, the client is gone.
        let _ = output.pass();
    }
    Status::OK
}

/// The client takes no more of the response.
pub fn client_gone(request: Request<'_>) {
    log::write(
        request,
        Level::INFO,
        format_args!("WRS2016: the client went away before the response was sent"),
    );
}

/// Whether httpd's own page replaces a response of this status (`WSGIErrorOverride`).
pub fn is_replaced(error_override: bool, status: u16) -> bool {
    error_override && (400..=599).contains(&status)
}

/// Takes from the head of a response that httpd's own page replaces what belongs to the status and
/// not to the page. The strings are copied.
pub fn start_replaced<'h>(
    request: Request<'_>,
    headers: impl Iterator<Item = (&'h [u8], &'h [u8])>,
) {
    for (name, value) in headers.filter(|(name, _)| header::is_www_authenticate(name)) {
        request.err_headers_out().add_bytes(name, value);
    }
}

/// Gives status and headers to httpd. The strings are copied.
///
/// `Content-Type` and `Content-Length` go through httpd, so that filters by type and ranges work; headers of authentication
/// survive an error document; everything else keeps its order and its duplicates.
pub fn start<'h>(
    request: Request<'_>,
    status: u16,
    status_line: &[u8],
    headers: impl Iterator<Item = (&'h [u8], &'h [u8])>,
) {
    request.set_status(status);
    // Without a reason httpd adds the usual one.
    request.set_status_line(status_line.trim_ascii_end());
    let (out, kept) = (request.headers_out(), request.err_headers_out());
    for (name, value) in headers {
        if header::is_content_type(name) {
            request.set_content_type(value);
        } else if header::is_content_length(name) {
            if let Ok(length) = content_length::parse(value) {
                request.set_content_length(length);
            }
        } else if header::is_www_authenticate(name) {
            kept.add_bytes(name, value);
        } else {
            out.add_bytes(name, value);
        }
    }
}
