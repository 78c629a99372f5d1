//! One request while an application answers it, shared by the objects in its environ.
//!
//! The thread of the call owns the exchange; the Python objects own a share of this cell and reach the
//! exchange only through it. When the call ends the cell is emptied: an object that an application kept
//! finds nothing there and raises. Threads of the application may use the objects while the call runs; one
//! at a time touches the exchange.
//!
//! Locks: the exchange is locked without the GIL only (its holder may wait for the client), except for log
//! lines, which never wait for it. The other locks are held for moments and never across a call of Python
//! or of the exchange, so they may be taken with or without the GIL.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use engine_abi::Level;
use wsgi::LogLines;

use crate::clock;
use crate::errors::Stream;
use crate::exchange::{Exchange, FilePart, Gone, Head, ReadError};
use crate::fork;
use crate::input::Reader;
use crate::metrics::METRICS;
use crate::output::{Fault, Output};
use crate::python::{Gil, Kept, Owned};

/// Locks a mutex; a panic while it was held does not matter to plain data.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The exchange of a call that is running.
struct Borrowed(*mut (dyn Exchange + 'static));

// SAFETY: `Exchange` is `Send`, and the mutex around lets one thread at a time use it.
unsafe impl Send for Borrowed {}

/// A request.
pub(crate) struct Request {
    exchange: Mutex<Option<Borrowed>>,
    over: AtomicBool,
    /// Lines that were logged while another thread used the exchange.
    waiting: Mutex<Vec<(Level, Vec<u8>)>>,
    /// What was written to each stream of a line that has not ended.
    lines: Mutex<[LogLines; 3]>,
    /// What is known of the response.
    pub(crate) output: Mutex<Output>,
    /// What was read ahead of the application.
    pub(crate) input: Mutex<Reader>,
    /// A thread is in a method of `wsgi.input`.
    pub(crate) reading: AtomicBool,
    /// What went through it.
    pub(crate) traffic: Traffic,
    /// What `mod_wsgi.request_data()` answers; there while the application runs.
    registered: Mutex<Option<Registered>>,
}

/// By what an application finds its request again.
struct Registered {
    id: Option<Kept>,
    data: Kept,
}

/// Counts what goes through a request. Times, in microseconds, are taken only while somebody looks at them.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    input: [AtomicU64; 3],
    output: [AtomicU64; 3],
}

impl Traffic {
    /// Runs `body` and adds the time it took.
    fn timed<R>(times: &[AtomicU64; 3], body: impl FnOnce() -> R) -> R {
        if !METRICS.wants_times() {
            return body();
        }
        let before = clock::monotonic();
        let result = body();
        let [_, _, time] = times;
        time.fetch_add(clock::monotonic().saturating_sub(before), Ordering::Relaxed);
        result
    }

    fn add([count, bytes, _]: &[AtomicU64; 3], more: usize, size: usize) {
        count.fetch_add(more as u64, Ordering::Relaxed);
        bytes.fetch_add(size as u64, Ordering::Relaxed);
    }

    fn read(&self, at: fn(&Self) -> &AtomicU64) -> u64 {
        at(self).load(Ordering::Relaxed)
    }

    pub(crate) fn input_reads(&self) -> u64 {
        self.read(|it| &it.input[0])
    }

    pub(crate) fn input_bytes(&self) -> u64 {
        self.read(|it| &it.input[1])
    }

    pub(crate) fn input_time(&self) -> u64 {
        self.read(|it| &it.input[2])
    }

    pub(crate) fn output_writes(&self) -> u64 {
        self.read(|it| &it.output[0])
    }

    pub(crate) fn output_bytes(&self) -> u64 {
        self.read(|it| &it.output[1])
    }

    pub(crate) fn output_time(&self) -> u64 {
        self.read(|it| &it.output[2])
    }
}

/// An exchange whose reads are counted.
pub(crate) struct Metered<'a> {
    pub(crate) exchange: &'a mut dyn Exchange,
    pub(crate) traffic: &'a Traffic,
}

impl Exchange for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::result::Result<usize, ReadError> {
        let result = Traffic::timed(&self.traffic.input, || self.exchange.read(buffer));
        Traffic::add(&self.traffic.input, 1, *result.as_ref().unwrap_or(&0));
        result
    }

    fn send(
        &mut self,
        head: Option<&Head<'_>>,
        chunks: &[&[u8]],
        last: bool,
    ) -> std::result::Result<(), Gone> {
        self.exchange.send(head, chunks, last)
    }

    fn log(&mut self, level: Level, line: &[u8]) {
        self.exchange.log(level, line);
    }
}

/// The request is over.
#[derive(Debug)]
pub(crate) struct Over;

/// Ends the request when the call ends, however it ends.
pub(crate) struct Finish<'a>(pub(crate) &'a Request);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// How many lines wait for the exchange at most; what is beyond is lost.
const WAITING_LIMIT: usize = 1000;

impl Request {
    /// A request whose call has begun.
    ///
    /// # Safety
    /// `exchange` stays valid, and is used by nobody else, until [`Request::finish`] returned.
    pub(crate) unsafe fn new(exchange: &mut dyn Exchange, head_only: bool) -> Arc<Self> {
        let exchange: *mut (dyn Exchange + '_) = exchange;
        // SAFETY: only the lifetime changes, which this function's contract stands in for.
        let exchange: *mut (dyn Exchange + 'static) = unsafe { std::mem::transmute(exchange) };
        Arc::new(Self {
            exchange: Mutex::new(Some(Borrowed(exchange))),
            over: AtomicBool::new(false),
            waiting: Mutex::default(),
            lines: Mutex::default(),
            output: Mutex::new(Output::new(head_only)),
            input: Mutex::default(),
            reading: AtomicBool::new(false),
            traffic: Traffic::default(),
            registered: Mutex::default(),
        })
    }

    /// Gives the request the dict that `mod_wsgi.request_data()` answers.
    pub(crate) fn register(&self, id: Option<Kept>, data: Kept) {
        *lock(&self.registered) = Some(Registered { id, data });
    }

    /// Takes the dict away again.
    pub(crate) fn unregister(&self, py: Gil<'_>) {
        let registered = lock(&self.registered).take();
        if let Some(Registered { id, data }) = registered {
            id.into_iter().chain([data]).for_each(|object| object.release(py));
        }
    }

    /// The dict of the request, while the application runs.
    pub(crate) fn data<'py>(&self, py: Gil<'py>) -> Option<Owned<'py>> {
        lock(&self.registered).as_ref().map(|registered| registered.data.get(py))
    }

    /// The id that httpd gave the request.
    pub(crate) fn id<'py>(&self, py: Gil<'py>) -> Option<Owned<'py>> {
        lock(&self.registered).as_ref()?.id.as_ref().map(|id| id.get(py))
    }

    /// The status of the response; 500 if the application began none.
    pub(crate) fn status(&self) -> u16 {
        lock(&self.output).status().unwrap_or(500)
    }

    /// Whether the call has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Uses the exchange, waiting for another thread that uses it. Never with the GIL.
    pub(crate) fn exchange<R>(&self, body: impl FnOnce(&mut dyn Exchange) -> R) -> Result<R, Over> {
        if !fork::serves() {
            return Err(Over);
        }
        let mut guard = lock(&self.exchange);
        let borrowed = guard.as_mut().ok_or(Over)?;
        // SAFETY: valid until `finish`, by the contract of `new`; the lock makes us its only user.
        let exchange = unsafe { &mut *borrowed.0 };
        let result = body(exchange);
        self.log_waiting(exchange);
        drop(guard);
        self.log_what_came_late();
        Ok(result)
    }

    /// Sends pieces of the body, with the head if it was not sent before. `end`: the application has
    /// nothing more. Never with the GIL.
    pub(crate) fn send(&self, pieces: &[&[u8]], end: bool) -> Result<(), Fault> {
        self.exchange(|exchange| {
            let total = pieces.iter().map(|piece| piece.len()).sum();
            let admitted = lock(&self.output).admit(total, end)?;
            if admitted.nothing || (pieces.is_empty() && admitted.head.is_none() && !admitted.last)
            {
                return Ok(());
            }
            let cut;
            let pieces = if admitted.bytes < total {
                cut = first_bytes(pieces, admitted.bytes);
                &cut
            } else {
                pieces
            };
            let output = &self.traffic.output;
            Traffic::add(output, pieces.len(), total);
            let sent = Traffic::timed(output, || match &admitted.head {
                Some(head) => head.with(|head| exchange.send(Some(head), pieces, admitted.last)),
                None => exchange.send(None, pieces, admitted.last),
            });
            sent.map_err(|_| {
                lock(&self.output).set_gone();
                Fault::Gone
            })
        })
        .unwrap_or(Err(Fault::Over))
    }

    /// Sends a part of a file as the whole response. Never with the GIL.
    pub(crate) fn send_file(&self, mut part: FilePart) -> Result<(), Fault> {
        self.exchange(|exchange| {
            let admitted = lock(&self.output).admit_file(part.length)?;
            part.length = admitted.bytes;
            let send = |exchange: &mut dyn Exchange, head: Option<&Head<'_>>| {
                // The end goes out later, when the application is done.
                if part.length == 0 {
                    exchange.send(head, &[], false).map(|()| None)
                } else {
                    exchange.send_file(head, &part, false).map(Some)
                }
            };
            let sent = match &admitted.head {
                Some(head) => head.with(|head| send(exchange, Some(head))),
                None => send(exchange, None),
            };
            match sent {
                Ok(None) => {}
                Ok(Some(count)) => lock(&self.output).file_sent(count),
                Err(Gone) => {
                    lock(&self.output).set_gone();
                    return Err(Fault::Gone);
                }
            }
            Ok(())
        })
        .unwrap_or(Err(Fault::Over))
    }

    /// Writes a line to the log of the request. With or without the GIL; it never waits for the exchange.
    pub(crate) fn log(&self, level: Level, line: &[u8]) -> Result<(), Over> {
        if !fork::serves() {
            return Err(Over);
        }
        let mut guard = match self.exchange.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(guard)) => guard.into_inner(),
            Err(TryLockError::WouldBlock) => {
                self.wait(level, line);
                self.log_what_came_late();
                return Ok(());
            }
        };
        let borrowed = guard.as_mut().ok_or(Over)?;
        // SAFETY: valid until `finish`, by the contract of `new`; the lock makes us its only user.
        let exchange = unsafe { &mut *borrowed.0 };
        self.log_waiting(exchange);
        exchange.log(level, line);
        Ok(())
    }

    /// Takes what an application wrote to a stream and logs the lines that are complete.
    pub(crate) fn write_stream(&self, stream: Stream, text: &[u8]) -> Result<(), Over> {
        if self.is_over() {
            return Err(Over);
        }
        let mut ended = Vec::new();
        if let Some(lines) = lock(&self.lines).get_mut(stream as usize) {
            lines.write(text, |line| ended.push(line.to_vec()));
        }
        ended.iter().try_for_each(|line| self.log(Level::Error, line))
    }

    /// Logs the line of a stream that has not ended.
    pub(crate) fn flush_stream(&self, stream: Stream) -> Result<(), Over> {
        if self.is_over() {
            return Err(Over);
        }
        let mut rest = None;
        if let Some(lines) = lock(&self.lines).get_mut(stream as usize) {
            lines.flush(|line| rest = Some(line.to_vec()));
        }
        rest.map_or(Ok(()), |line| self.log(Level::Error, &line))
    }

    /// Logs what the streams have of lines that have not ended.
    ///
    /// Before the end of the response goes out: what a worker says later belongs to no request for the server.
    pub(crate) fn end_lines(&self) {
        let mut ended = Vec::new();
        for lines in lock(&self.lines).iter_mut() {
            lines.flush(|line| ended.push(line.to_vec()));
        }
        for line in ended {
            let _ = self.log(Level::Error, &line);
        }
    }

    /// Ends the request: waits for a thread that uses the exchange, then takes it away. Never with the GIL.
    pub(crate) fn finish(&self) {
        self.end_lines();
        self.over.store(true, Ordering::Release);
        let mut guard = lock(&self.exchange);
        if let Some(borrowed) = guard.take() {
            // SAFETY: valid until this function returns, by the contract of `new`; the lock is ours.
            self.log_waiting(unsafe { &mut *borrowed.0 });
        }
    }

    fn wait(&self, level: Level, line: &[u8]) {
        let mut waiting = lock(&self.waiting);
        if waiting.len() < WAITING_LIMIT {
            waiting.push((level, line.to_vec()));
        }
    }

    fn log_waiting(&self, exchange: &mut dyn Exchange) {
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        for (level, line) in waiting {
            exchange.log(level, &line);
        }
    }

    /// Logs lines that were put to wait just when the exchange was given back.
    fn log_what_came_late(&self) {
        if lock(&self.waiting).is_empty() {
            return;
        }
        // Whoever has the exchange now logs them.
        let Ok(mut guard) = self.exchange.try_lock() else { return };
        if let Some(borrowed) = guard.as_mut() {
            // SAFETY: valid until `finish`, by the contract of `new`; the lock makes us its only user.
            self.log_waiting(unsafe { &mut *borrowed.0 });
        }
    }
}

/// The first `count` bytes of some pieces.
fn first_bytes<'a>(pieces: &[&'a [u8]], mut count: usize) -> Vec<&'a [u8]> {
    let mut first = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let part = piece.get(..count).unwrap_or(piece);
        if part.is_empty() {
            break;
        }
        count -= part.len();
        first.push(part);
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surplus_is_cut_at_the_byte() {
        assert_eq!(first_bytes(&[b"abc", b"def"], 4), [&b"abc"[..], b"d"]);
        assert_eq!(first_bytes(&[b"abc", b"def"], 3), [&b"abc"[..]]);
        assert!(first_bytes(&[b"abc"], 0).is_empty());
    }
}
