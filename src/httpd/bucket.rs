//! Buckets: the pieces a brigade is made of, data or marks between data.
//!
//! A [`Bucket`] is the first one of a brigade, borrowed from it; it ends with the next change of the brigade.
//! See <https://apr.apache.org/docs/apr-util/1.6/group___a_p_r___util___bucket___brigades.html>.

use std::ffi::c_char;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use super::brigade::Brigade;
use super::status::Error;
use super::sys;

/// May a call wait for the network?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocking {
    /// Wait, at most as long as the `Timeout` of the server.
    Wait,
    /// Take what is there.
    Now,
}

/// What a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes, in memory or still to be read.
    Data,
    /// The end of the body.
    End,
    /// An error, from a filter.
    Error,
    /// Another mark without data.
    Mark,
}

/// The first bucket of a brigade.
pub struct Bucket<'b> {
    ptr: NonNull<sys::apr_bucket>,
    brigade: PhantomData<&'b mut sys::apr_bucket_brigade>,
}

impl<'b> Bucket<'b> {
    /// The first bucket, if there is one.
    pub fn first(brigade: &'b mut Brigade<'_>) -> Option<Self> {
        // SAFETY: a live brigade.
        let first = unsafe { sys::shim_brigade_first(brigade.as_ptr()) };
        NonNull::new(first).map(|ptr| Self { ptr, brigade: PhantomData })
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        let bucket = self.ptr.as_ptr();
        // SAFETY: a bucket in a brigade that is borrowed.
        let (end, error, mark) = unsafe {
            (
                sys::shim_bucket_is_eos(bucket) != 0,
                sys::shim_bucket_is_error(bucket) != 0,
                sys::shim_bucket_is_metadata(bucket) != 0,
            )
        };
        match (end, error, mark) {
            (true, _, _) => Kind::End,
            (_, true, _) => Kind::Error,
            (_, _, true) => Kind::Mark,
            _ => Kind::Data,
        }
    }

    /// Its bytes. A bucket that is not in memory is read, and may become two for that.
    pub fn read(&mut self, blocking: Blocking) -> Result<&[u8], Error> {
        let mut data: *const c_char = ptr::null();
        let mut length = 0;
        let block = i32::from(blocking == Blocking::Wait);
        // SAFETY: a bucket in a brigade that is borrowed mutably, so splitting it is allowed.
        Error::check(unsafe {
            sys::shim_bucket_read(self.ptr.as_ptr(), &raw mut data, &raw mut length, block)
        })?;
        if length == 0 || data.is_null() {
            return Ok(&[]);
        }
        // SAFETY: the bucket keeps these bytes until it is deleted, which needs `self`.
        Ok(unsafe { std::slice::from_raw_parts(data.cast(), length) })
    }

    /// Makes two of it, this one with so many bytes.
    pub fn split(&mut self, length: usize) -> Result<(), Error> {
        // SAFETY: as for `read`.
        Error::check(unsafe { sys::shim_bucket_split(self.ptr.as_ptr(), length) })
    }

    /// Takes it out of the brigade.
    pub fn delete(self) {
        // SAFETY: it is in the brigade and `self` is the only one that knows it.
        unsafe { sys::shim_bucket_delete(self.ptr.as_ptr()) };
    }
}
