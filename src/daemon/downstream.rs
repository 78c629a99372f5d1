//! The way of a response to the client: bytes are gathered to larger pieces, and flushed when the worker pauses.
//!
//! Belongs to the relay of one request, on its thread. What httpd's filters keep back is sent when the worker has said
//! nothing more for `response-flush-delay`, and each `response-buffer-size` bytes in any case.

use crate::config::DaemonGroup;
use crate::httpd::{After, Brigade, ClientWait, Error, Request, SendBy, Status};
use crate::request::response;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// Pieces of a response that are worth copying to make fewer and larger ones, and how large those get.
const SMALL: usize = 16 * 1024;
const GATHERED: usize = 64 * 1024;

/// Where the bytes of a response go.
pub struct Downstream<'r> {
    request: Request<'r>,
    output: Brigade<'r>,
    /// Bytes that httpd did not get yet.
    pending: Vec<u8>,
    /// Since when there is something that the client may not have seen.
    unflushed: Option<Instant>,
    /// So many bytes came since the last flush, and so many may.
    kept: u64,
    most: u64,
    /// How long the worker may pause.
    delay: Duration,
    /// Waits for a slow client as long as the group says.
    _wait: Option<ClientWait<'r>>,
}

impl<'r> Downstream<'r> {
    /// The way to the client of `request`, as a group wants it.
    pub fn new(request: Request<'r>, group: &DaemonGroup) -> Self {
        let waits = [group.response_socket_timeout, group.socket_timeout];
        // Without either httpd's own `Timeout` holds, as it does already.
        let wait = waits.into_iter().find(|time| !time.is_zero());
        Self {
            request,
            output: Brigade::new(request),
            pending: Vec::new(),
            unflushed: None,
            kept: 0,
            most: group.response_buffer_size.into(),
            delay: group.response_flush_delay,
            _wait: wait.and_then(|time| request.connection().wait_for_client(time)),
        }
    }

    /// The head was given to httpd, which sends it with the first bytes or flush.
    pub fn begin(&mut self) {
        self.unflushed.get_or_insert_with(Instant::now);
    }

    /// Whether there is something that the client may not have seen.
    pub fn is_unflushed(&self) -> bool {
        self.unflushed.is_some()
    }

    /// How long to wait for more before [`Downstream::flush`]; `None`: there is nothing to flush. The time is that of the
    /// first byte, so that a trickle comes through too.
    pub fn delay(&self) -> Option<Duration> {
        self.unflushed.map(|since| self.delay.saturating_sub(since.elapsed()))
    }

    /// Takes bytes of the body.
    pub fn pass(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.begin();
        let full = self.count(bytes.len() as u64);
        let together = self.pending.len() + bytes.len();
        if !full && bytes.len() <= SMALL && together <= GATHERED {
            self.pending.extend_from_slice(bytes);
            return Ok(());
        }
        let after = if full { After::Flush } else { After::More };
        let passed = self.output.pass_slices(&[&self.pending, bytes], after);
        self.pending.clear();
        if full {
            self.unflushed = None;
        }
        passed
    }

    /// Takes a part of a file; see [`Brigade::file`].
    pub fn file(
        &mut self,
        file: BorrowedFd<'_>,
        (offset, length): (u64, u64),
        by: SendBy,
    ) -> Result<(), Error> {
        self.output.copy(&self.pending);
        self.pending.clear();
        self.begin();
        self.output.file(file, offset, length, by)
    }

    /// Has the client see all there is.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.kept = 0;
        let passed = self.output.pass_slices(&[&self.pending], After::Flush);
        self.pending.clear();
        self.unflushed = None;
        passed
    }

    /// The response is complete.
    pub fn end(&mut self) -> Result<(), Error> {
        let passed = self.output.pass_slices(&[&self.pending], After::End);
        self.pending.clear();
        passed
    }

    /// The response ends here, and the client is to see that it is not all.
    pub fn break_off(&mut self) -> Status {
        // What the application sent before it failed belongs to the client.
        self.output.copy(&self.pending);
        self.pending.clear();
        response::break_off(self.request, &mut self.output)
    }

    /// Whether a flush is due with so many bytes more.
    fn count(&mut self, more: u64) -> bool {
        self.kept += more;
        let full = self.kept >= self.most;
        if full {
            self.kept = 0;
        }
        full
    }
}
