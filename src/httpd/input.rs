//! The body of a request, read through its input filters (chunked encoding, TLS and others undo themselves there).
//!
//! See <https://httpd.apache.org/docs/2.4/developer/output-filters.html> and `ap_get_brigade` of `util_filter.h`.

use super::brigade::Brigade;
use super::bucket::{Blocking, Bucket, Kind};
use super::network::Wide;
use super::request::Request;
use super::status::Error;
use super::sys;
use std::time::{Duration, Instant};

/// What reading gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// So many bytes, at least one.
    Data(usize),
    /// Nothing there now; only with [`Blocking::Now`].
    Blocked,
    /// The body is over.
    End,
}

/// A piece of the body, given to a closure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk<R> {
    /// What the closure returned.
    Data(R),
    /// Nothing there now; only with [`Blocking::Now`].
    Blocked,
    /// The body is over.
    End,
}

/// How often a blocking filter may give nothing before that is an error.
const EMPTY_READS: u32 = 16;

/// How much the filters are asked for at once. They hold all of it in memory.
const AT_ONCE: usize = 256 * 1024;

/// The reader of one request's body.
pub struct Input<'r> {
    request: Request<'r>,
    brigade: Brigade<'r>,
    ended: bool,
    received: u64,
    failed: Option<Error>,
}

impl<'r> Input<'r> {
    /// A reader. The first read makes httpd send `100 Continue` to a client that waits for it.
    pub fn new(request: Request<'r>) -> Self {
        Self { request, brigade: Brigade::new(request), ended: false, received: 0, failed: None }
    }

    /// Was the end of the body seen?
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Reads into `room`: waits, if it may, for the first bytes, and takes what has come with them. An error stays.
    pub fn read(&mut self, room: &mut [u8], blocking: Blocking) -> Result<Read, Error> {
        self.read_into(room, blocking, false)
    }

    /// Fills `room` with what there is, without waiting, and sees the end if it is right behind that. An error stays.
    pub fn read_all(&mut self, room: &mut [u8]) -> Result<Read, Error> {
        let read = self.read_into(room, Blocking::Now, true);
        if !self.ended && !is_cut(self.request, self.received) {
            let next = Bucket::first(&mut self.brigade);
            self.ended = next.is_some_and(|bucket| bucket.kind() == Kind::End);
        }
        read
    }

    fn read_into(
        &mut self,
        room: &mut [u8],
        blocking: Blocking,
        eager: bool,
    ) -> Result<Read, Error> {
        let mut filled = 0;
        while let Some(rest) = room.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            if filled > 0 && !eager && self.brigade.is_empty() {
                break;
            }
            let may_wait = if filled == 0 { blocking } else { Blocking::Now };
            let chunk = self.with_chunk(rest.len(), may_wait, |data| {
                let count = data.len().min(rest.len());
                if let (Some(to), Some(from)) = (rest.get_mut(..count), data.get(..count)) {
                    to.copy_from_slice(from);
                }
                count
            });
            match chunk {
                Ok(Chunk::Data(length)) => filled += length,
                _ if filled > 0 => break,
                Ok(Chunk::Blocked) => return Ok(Read::Blocked),
                Ok(Chunk::End) => return Ok(Read::End),
                Err(error) => return Err(error),
            }
        }
        Ok(Read::Data(filled))
    }

    /// Gives the next piece of at most `most` bytes to `take`, without copying it. An error stays.
    pub fn with_chunk<R>(
        &mut self,
        most: usize,
        blocking: Blocking,
        take: impl FnOnce(&[u8]) -> R,
    ) -> Result<Chunk<R>, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let chunk = self.next_chunk(most.max(1), blocking, take);
        if let Err(error) = chunk {
            self.failed = Some(error);
        }
        chunk
    }

    fn next_chunk<R>(
        &mut self,
        most: usize,
        blocking: Blocking,
        take: impl FnOnce(&[u8]) -> R,
    ) -> Result<Chunk<R>, Error> {
        while !self.ended {
            let Some(mut bucket) = Bucket::first(&mut self.brigade) else {
                if self.fetch(most, blocking)? {
                    continue;
                }
                return Ok(Chunk::Blocked);
            };
            match bucket.kind() {
                Kind::End if is_cut(self.request, self.received) => {
                    return Err(Error::from_code(libc::ECONNRESET));
                }
                Kind::End => self.ended = true,
                Kind::Error => return Err(Error::from_code(sys::AP_FILTER_ERROR)),
                Kind::Mark => bucket.delete(),
                Kind::Data => {
                    let length = match bucket.read(blocking) {
                        Ok(data) => data.len(),
                        Err(error) if error.would_block() && blocking == Blocking::Now => {
                            return Ok(Chunk::Blocked);
                        }
                        Err(error) => return Err(error),
                    };
                    if length == 0 {
                        bucket.delete();
                        continue;
                    }
                    if length > most {
                        bucket.split(most)?;
                    }
                    let data = bucket.read(blocking)?;
                    self.received = self.received.saturating_add(data.len() as u64);
                    let value = take(data);
                    bucket.delete();
                    return Ok(Chunk::Data(value));
                }
            }
        }
        self.brigade.clear();
        Ok(Chunk::End)
    }

    /// How many of `most` bytes are likely to come: what is missing of the declared length, or else as many as came already.
    fn expected(&self, most: usize) -> usize {
        let missing = |length: u64| length.saturating_sub(self.received);
        let expected = declared(self.request).map_or(self.received, missing);
        usize::try_from(expected).map_or(most, |expected| expected.min(most))
    }

    /// Asks the filters for more; `false` if there is nothing now.
    fn fetch(&mut self, most: usize, blocking: Blocking) -> Result<bool, Error> {
        let most = most.min(AT_ONCE);
        let bytes = sys::apr_off_t::try_from(most).unwrap_or(sys::apr_off_t::MAX);
        let block = i32::from(blocking == Blocking::Wait);
        let _wide = Wide::new(self.request.connection(), self.expected(most));
        for _ in 0..EMPTY_READS {
            // SAFETY: the input filters and the brigade are of the same live request.
            let status = unsafe {
                sys::shim_get_brigade(
                    self.request.input_filters(),
                    self.brigade.as_ptr(),
                    bytes,
                    block,
                )
            };
            match Error::check(status) {
                Ok(()) if !self.brigade.is_empty() => return Ok(true),
                Ok(()) if blocking == Blocking::Now => return Ok(false),
                Ok(()) => {}
                Err(error) if error.would_block() && blocking == Blocking::Now => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Err(Error::from_code(libc::EIO))
    }
}

/// How long mod_http2 has to say that an end is none. Its other thread does so some microseconds after it, if the system lets it run.
const SETTLING: Duration = Duration::from_millis(5);

/// What `Content-Length` says. A filter that changes the length of the body removes it.
fn declared(request: Request<'_>) -> Option<u64> {
    let text = request.headers_in().get(c"Content-Length")?;
    text.to_str().ok()?.parse().ok()
}

/// Is the end of a body one that mod_http2 makes of a stream that was reset? Over HTTP/1.1 httpd itself looks after that.
fn is_cut(request: Request<'_>, received: u64) -> bool {
    let connection = request.connection();
    if !connection.is_secondary() {
        return false;
    }
    if let Some(length) = declared(request) {
        return connection.is_aborted() || received < length;
    }
    // Such a stream gets its end like any other, and only then is its connection marked as aborted.
    let settled = Instant::now() + SETTLING;
    while request.may_have_body() && !connection.is_aborted() && Instant::now() < settled {
        std::thread::sleep(SETTLING / 20);
    }
    connection.is_aborted()
}
