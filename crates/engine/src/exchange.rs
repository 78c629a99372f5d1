//! What the engine asks of whoever serves a request: httpd in embedded mode, a FastCGI connection in
//! daemon mode.
//!
//! Implementations own the connection; the engine borrows one for the length of a call. Every function
//! is called without the GIL (except `log`, which must be quick) and may wait. It is called on the thread of
//! that call, or on a thread of the application that uses `wsgi.input` or `write` while the thread of the call is
//! in Python: never by two threads at once, hence `Send`.

use engine_abi::Level;

/// Status and headers of a response, borrowed from Python objects that outlive the call they are given to.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The status code.
    pub status: u16,
    /// The whole status line as the application gave it, for example `404 Not Found`.
    pub status_line: &'a [u8],
    /// The headers in the application's order, duplicates kept.
    pub headers: &'a [(&'a [u8], &'a [u8])],
}

/// Why no more of the request body can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The client went away.
    Gone,
    /// The client sent nothing for too long.
    TimedOut,
    /// Anything else; the server's log has it.
    Failed,
}

/// The client takes no more of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// One request and its response.
pub trait Exchange: Send {
    /// Reads at least one byte of the request body into `buffer`, waiting for it; 0 at its end.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError>;

    /// Sends a head (`None`: it was sent before) and pieces of the body, which may be empty. With `last` the response is
    /// whole; without it what was given is on its way to the client when the function returns.
    fn send(&mut self, head: Option<&Head<'_>>, chunks: &[&[u8]], last: bool) -> Result<(), Gone>;

    /// Writes one line, without its newline, to the log of the request's virtual host.
    fn log(&mut self, level: Level, line: &[u8]);
}
