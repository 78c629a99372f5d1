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
    let flushed = output.pass_slices(&[], After::Flush);
    // What stores responses looks at this at their end; before the head has left it would add a header to it.
    request.do_not_cache();
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

/// Gives status and headers to httpd; the length of the body that the application declares. The strings are copied.
///
/// `Content-Type` and `Content-Length` go through httpd, so that filters by type work; headers of authentication
/// survive an error document; everything else keeps its order and its duplicates.
pub fn start<'h>(
    request: Request<'_>,
    status: u16,
    status_line: &[u8],
    headers: impl Iterator<Item = (&'h [u8], &'h [u8])>,
) -> Option<u64> {
    let mut declared = None;
    request.keep_whole();
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
                declared = Some(length);
            }
        } else if header::is_www_authenticate(name) {
            kept.add_bytes(name, value);
        } else if !name.eq_ignore_ascii_case(b"Transfer-Encoding") {
            // How the body is framed is between httpd and its client: a header of the application's that says something else
            // would make the client see another response than there is.
            out.add_bytes(name, value);
        }
    }
    declared
}
