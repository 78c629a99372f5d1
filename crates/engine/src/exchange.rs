//! What the engine asks of whoever serves a request: httpd in embedded mode, a FastCGI connection in
//! daemon mode.
//!
//! Implementations own the connection; the engine borrows one for the length of a call. Every function
//! is called without the GIL (except `log`, which must be quick) and may wait. It is called on the thread of
//! that call, or on a thread of the application that uses `wsgi.input` or `write` while the thread of the call is
//! in Python: never by two threads at once, hence `Send`.

use std::fs::File;
use std::os::unix::fs::FileExt;

use engine_abi::{Level, Pair};

/// How much of a file is read at once where it must pass through this process.
const BLOCK: usize = 64 * 1024;

/// Status and headers of a response, borrowed from Python objects that outlive the call they are given to.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The status code.
    pub status: u16,
    /// The whole status line as the application gave it, for example `404 Not Found`.
    pub status_line: &'a [u8],
    /// The headers in the application's order, duplicates kept.
    pub headers: &'a [Pair<'a>],
}

/// Why no more of the request body can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The client went away.
    Gone,
    /// The client sent nothing for too long.
    TimedOut,
    /// The client sends more than the server allows.
    TooLarge,
    /// Anything else; the server's log has it.
    Failed,
}

/// The client takes no more of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// A part of a regular file.
#[derive(Debug)]
pub struct FilePart {
    /// The file, opened for this response alone, so that nobody else sees its position move.
    pub file: File,
    /// Where the part begins.
    pub offset: u64,
    /// How many bytes it has; at least one.
    pub length: u64,
}

/// Sends a file by reading it.
pub fn stream_file<E: Exchange + ?Sized>(
    exchange: &mut E,
    mut head: Option<&Head<'_>>,
    part: &FilePart,
    last: bool,
) -> Result<u64, Gone> {
    let room = usize::try_from(part.length).map_or(BLOCK, |length| length.min(BLOCK));
    let mut block = vec![0; room];
    let mut done = 0;
    while done < part.length {
        let wanted = usize::try_from(part.length - done).map_or(room, |left| left.min(room));
        let space = block.get_mut(..wanted).unwrap_or_default();
        // A file that cannot be read further is one that ends here.
        let count = part.file.read_at(space, part.offset.saturating_add(done)).unwrap_or(0);
        if count == 0 {
            break;
        }
        done += count as u64;
        let piece = space.get(..count).unwrap_or_default();
        exchange.send(head.take(), &[piece], last && done >= part.length)?;
    }
    if let Some(head) = head {
        exchange.send(Some(head), &[], false)?;
    }
    Ok(done)
}

/// One request and its response.
pub trait Exchange: Send {
    /// Reads at least one byte of the request body into `buffer`, waiting for it; 0 at its end. An empty buffer only
    /// lets a client know that waits for `100 Continue`.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError>;

    /// Sends a head (`None`: it was sent before) and pieces of the body, which may be empty. With `last` the response is
    /// whole; without it what was given is on its way to the client when the function returns.
    fn send(&mut self, head: Option<&Head<'_>>, chunks: &[&[u8]], last: bool) -> Result<(), Gone>;

    /// Sends a head (`None`: it was sent before) and a part of a file; `last` as for `send`. How many bytes: fewer than
    /// asked for if the file ends before, and then the response is not whole.
    fn send_file(
        &mut self,
        head: Option<&Head<'_>>,
        part: &FilePart,
        last: bool,
    ) -> Result<u64, Gone> {
        stream_file(self, head, part, last)
    }

    /// A variable of the server's TLS module.
    fn tls_variable(&mut self, _name: &[u8]) -> Option<Vec<u8>> {
        None
    }

    /// Writes one line, without its newline, to the log of the request's virtual host.
    fn log(&mut self, level: Level, line: &[u8]);
}
