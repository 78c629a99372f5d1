//! Brigades: what is sent down the output filters of a request, or came up its input filters.
//!
//! The memory of the buckets belongs to the connection, the brigade itself to the pool of the request. Slices given to
//! [`Brigade::pass_slices`] are not copied: a filter that keeps them past the call copies them, as the contract of
//! filters says, and what is left in the brigade is dropped before the call returns.
//! See <https://httpd.apache.org/docs/2.4/developer/output-filters.html>.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};

use super::request::Request;
use super::status::{Error, Status};
use super::sys;

/// What follows the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// More data, some time: filters may wait for it.
    More,
    /// Nothing for now: filters send what they have to the client.
    Flush,
    /// The end of the response.
    End,
}

/// How a file may be sent besides being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendBy {
    /// By the kernel, as the directive `EnableSendfile` allows for static files.
    pub sendfile: bool,
    /// From memory that it is mapped to, as `EnableMMAP`. If it is truncated meanwhile, the process ends with SIGBUS.
    pub mmap: bool,
}

/// A brigade of one request; empty when new.
pub struct Brigade<'r> {
    ptr: NonNull<sys::apr_bucket_brigade>,
    buckets: *mut sys::apr_bucket_alloc_t,
    request: Request<'r>,
}

impl<'r> Brigade<'r> {
    /// An empty brigade. It costs memory of the pool until the request ends, so one is used again and again.
    pub fn new(request: Request<'r>) -> Self {
        let buckets = request.connection().bucket_alloc();
        // SAFETY: the pool and the bucket allocator are those of a live request.
        let ptr = unsafe {
            NonNull::new_unchecked(sys::apr_brigade_create(request.pool().as_ptr(), buckets))
        };
        Self { ptr, buckets, request }
    }

    pub(super) fn as_ptr(&self) -> *mut sys::apr_bucket_brigade {
        self.ptr.as_ptr()
    }

    fn append(&mut self, bucket: *mut sys::apr_bucket) {
        // SAFETY: a new bucket that is in no brigade yet, of the allocator of this one.
        unsafe { sys::shim_brigade_append(self.as_ptr(), bucket) };
    }

    /// Is there nothing in it?
    pub fn is_empty(&self) -> bool {
        // SAFETY: a live brigade.
        unsafe { sys::shim_brigade_empty(self.as_ptr()) != 0 }
    }

    /// Adds a copy of the bytes.
    pub fn copy(&mut self, data: &[u8]) {
        if !data.is_empty() {
            // SAFETY: without a free function the bytes are copied.
            let bucket = unsafe {
                sys::apr_bucket_heap_create(data.as_ptr().cast(), data.len(), None, self.buckets)
            };
            self.append(bucket);
        }
    }

    /// Adds bytes that live as long as the process, without copying.
    pub fn immortal(&mut self, data: &'static [u8]) {
        if !data.is_empty() {
            // SAFETY: the bytes are 'static.
            let bucket = unsafe {
                sys::apr_bucket_immortal_create(data.as_ptr().cast(), data.len(), self.buckets)
            };
            self.append(bucket);
        }
    }

    /// Adds a part of a file. The descriptor is duplicated; it is read from later, at `offset`, without moving its
    /// position. Only regular files can be sent so.
    pub fn file(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        length: u64,
        by: SendBy,
    ) -> Result<(), Error> {
        let too_large = |_| Error::from_code(libc::EINVAL);
        let offset = sys::apr_off_t::try_from(offset).map_err(too_large)?;
        let length = sys::apr_off_t::try_from(length).map_err(too_large)?;
        if length == 0 {
            return Ok(());
        }
        // SAFETY: a live brigade and pool; the descriptor is open, and duplicated before the call returns.
        Error::check(unsafe {
            sys::shim_brigade_append_file(
                self.as_ptr(),
                file.as_raw_fd(),
                offset,
                length,
                i32::from(by.sendfile),
                i32::from(by.mmap),
                self.request.pool().as_ptr(),
            )
        })
    }

    /// Adds a mark for filters to send what they have.
    pub fn flush(&mut self) {
        // SAFETY: a live allocator.
        let bucket = unsafe { sys::apr_bucket_flush_create(self.buckets) };
        self.append(bucket);
    }

    /// Adds the end of the response.
    pub fn end(&mut self) {
        // SAFETY: a live allocator.
        let bucket = unsafe { sys::apr_bucket_eos_create(self.buckets) };
        self.append(bucket);
    }

    /// Adds an error. With [`Status::BAD_GATEWAY`] a chunked response is cut without its last chunk, and mod_http2
    /// resets the stream, so that the client knows that the rest is missing.
    pub fn error(&mut self, status: Status) {
        // SAFETY: a live pool and allocator; without a text nothing is kept.
        let bucket = unsafe {
            sys::ap_bucket_error_create(
                status.code(),
                ptr::null(),
                self.request.pool().as_ptr(),
                self.buckets,
            )
        };
        self.append(bucket);
    }

    /// Sends all of it down the output filters of the request; it is empty afterwards.
    pub fn pass(&mut self) -> Result<(), Error> {
        // SAFETY: the filters and the brigade are of the same live request.
        let status = unsafe { sys::ap_pass_brigade(self.request.output_filters(), self.as_ptr()) };
        self.clear();
        Error::check(status)
    }

    /// Sends what is in the brigade, then the slices, then what `after` says. The slices are not copied unless a filter
    /// wants to keep them.
    pub fn pass_slices(&mut self, slices: &[&[u8]], after: After) -> Result<(), Error> {
        for data in slices.iter().filter(|data| !data.is_empty()) {
            // SAFETY: the bytes outlive this call, and `pass` leaves no bucket behind.
            let bucket = unsafe {
                sys::apr_bucket_transient_create(data.as_ptr().cast(), data.len(), self.buckets)
            };
            self.append(bucket);
        }
        match after {
            After::More => {}
            After::Flush => self.flush(),
            After::End => self.end(),
        }
        if self.is_empty() { Ok(()) } else { self.pass() }
    }

    /// Drops what is in it.
    pub fn clear(&mut self) {
        // SAFETY: a live brigade; the cleanup deletes its buckets and leaves it usable.
        unsafe { sys::apr_brigade_cleanup(self.as_ptr().cast()) };
    }
}

impl Drop for Brigade<'_> {
    fn drop(&mut self) {
        // SAFETY: made by `apr_brigade_create`, and the pool that would clean it up is still alive during `'r`.
        unsafe { sys::apr_brigade_destroy(self.as_ptr()) };
    }
}
