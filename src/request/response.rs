//! The head of a response, handed to httpd; the same in embedded and in daemon mode.
//!
//! Sources: PEP 3333 ("The start_response() Callable"), RFC 9110, and httpd's `http_filters.c`.

use crate::httpd::Request;
use wsgi::{content_length, header};

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
