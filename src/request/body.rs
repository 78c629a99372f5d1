//! What a request body that cannot be read means; the same in embedded and in daemon mode.
//!
//! httpd's filter for request bodies answers some faults itself, while it is read from (`bail_out_on_error` of
//! `http_filters.c`): the response is over then, whatever the application says.

use crate::httpd::{Error, Level, Request, Status, log};
use daemon_abi::wire::Abort;

/// Why a body cannot be read.
#[derive(Clone, Copy, Debug)]
pub struct Unreadable {
    /// What the application is told.
    pub reason: Abort,
    /// What a handler answers, if the application does not.
    pub status: Status,
    /// httpd has answered: nothing that the application says reaches the client.
    pub answered: bool,
}

impl Unreadable {
    /// Of an error of the input filters. Logged; the connection is not used for another request.
    pub fn new(request: Request<'_>, error: Error) -> Self {
        request.connection().close_after_response();
        log::write(
            request,
            Level::INFO,
            format_args!("WRS2015: the client did not send the whole request body: {error}"),
        );
        let answered = error.is_refusal() && request.is_ended();
        let told = if answered { request.status() } else { error.request_status().code() };
        let reason = match error {
            _ if told == Status::CONTENT_TOO_LARGE.code() => Abort::TooLarge,
            _ if error.timed_out() || told == Status::REQUEST_TIMEOUT.code() => Abort::TimedOut,
            _ if error.is_gone() || request.is_aborted() => Abort::Gone,
            _ => Abort::Failed,
        };
        Self { reason, status: error.request_status(), answered }
    }
}
