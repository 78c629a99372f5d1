//! The head of a response, handed to httpd; the same in embedded and in daemon mode.
//!
//! Sources: PEP 3333 ("The start_response() Callable"), RFC 9110, and httpd's `http_filters.c`.

use crate::httpd::{Error, Level, Request, Status, log};
use wsgi::{content_length, header};

/// The client did not send the whole body of its request; the answer it would get.
pub fn body_failed(request: Request<'_>, error: Error) -> Status {
    request.connection().close_after_response();
    log::write(
        request,
        Level::INFO,
        format_args!("WRS2015: the client did not send the whole request body: {error}"),
    );
    error.request_status()
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
    request.set_status_line(status_line);
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
