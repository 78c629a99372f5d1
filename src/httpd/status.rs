//! What a hook answers to httpd, and what APR answers to us.
//!
//! See <https://httpd.apache.org/docs/2.4/developer/request.html>.

use std::ffi::{CStr, c_char, c_int};
use std::fmt;

use super::sys;

/// The answer of a hook: done, not mine, or an HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(c_int);

impl Status {
    /// The hook did its work; for a handler: the response was sent.
    pub const OK: Self = Self(sys::OK as c_int);
    /// Not for this module: the next one is asked.
    pub const DECLINED: Self = Self(sys::DECLINED);
    /// The request is over, whatever else was to come.
    pub const DONE: Self = Self(sys::DONE);
    /// A filter has failed, and has or will have answered.
    pub const FILTER_ERROR: Self = Self(sys::AP_FILTER_ERROR);
    /// 400
    pub const BAD_REQUEST: Self = Self(400);
    /// 401
    pub const UNAUTHORIZED: Self = Self(401);
    /// 403
    pub const FORBIDDEN: Self = Self(403);
    /// 404
    pub const NOT_FOUND: Self = Self(404);
    /// 408
    pub const REQUEST_TIMEOUT: Self = Self(408);
    /// 411
    pub const LENGTH_REQUIRED: Self = Self(411);
    /// 413
    pub const CONTENT_TOO_LARGE: Self = Self(413);
    /// 500
    pub const INTERNAL_SERVER_ERROR: Self = Self(500);
    /// 501
    pub const NOT_IMPLEMENTED: Self = Self(501);
    /// 502
    pub const BAD_GATEWAY: Self = Self(502);
    /// 503
    pub const SERVICE_UNAVAILABLE: Self = Self(503);
    /// 504
    pub const GATEWAY_TIMEOUT: Self = Self(504);

    /// An HTTP status code.
    pub const fn http(code: u16) -> Self {
        Self(code as c_int)
    }

    /// The number as C has it.
    pub const fn code(self) -> c_int {
        self.0
    }

    pub(super) const fn from_code(code: c_int) -> Self {
        Self(code)
    }
}

/// A failed call of APR or httpd.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Error(sys::apr_status_t);

impl Error {
    /// `Ok` for `APR_SUCCESS`.
    pub(super) fn check(status: sys::apr_status_t) -> Result<(), Self> {
        if status == 0 { Ok(()) } else { Err(Self(status)) }
    }

    /// It took too long.
    pub const TIMED_OUT: Self = Self(sys::APR_TIMEUP as sys::apr_status_t);

    pub(super) const fn from_code(code: sys::apr_status_t) -> Self {
        Self(code)
    }

    /// The number as C has it; below 20000 it is an `errno`.
    pub const fn code(self) -> c_int {
        self.0
    }

    /// Would the call have had to wait?
    pub fn would_block(self) -> bool {
        // SAFETY: a macro over a number.
        unsafe { sys::shim_status_is_again(self.0) != 0 }
    }

    /// Did it take too long?
    pub fn timed_out(self) -> bool {
        // SAFETY: a macro over a number.
        unsafe { sys::shim_status_is_timeout(self.0) != 0 }
    }

    /// Did the other side go away?
    pub fn is_gone(self) -> bool {
        // SAFETY: a macro over a number.
        unsafe { sys::shim_status_is_gone(self.0) != 0 }
    }

    /// Has a filter refused it? httpd's own filter for request bodies has answered the request then.
    pub fn is_refusal(self) -> bool {
        self.0 == sys::AP_FILTER_ERROR
    }

    /// Was it more than there may be? The filter that counts a request body says so.
    pub fn is_too_much(self) -> bool {
        // SAFETY: a macro over a number.
        unsafe { sys::shim_status_is_no_space(self.0) != 0 }
    }

    /// Was it the end of the data?
    pub fn is_end(self) -> bool {
        // SAFETY: a macro over a number.
        unsafe { sys::shim_status_is_eof(self.0) != 0 }
    }

    /// The answer of a handler that could not read the request body for this reason.
    pub fn request_status(self) -> Status {
        // SAFETY: a function over two numbers.
        Status(unsafe { sys::ap_map_http_request_error(self.0, Status::BAD_REQUEST.code()) })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == sys::AP_FILTER_ERROR {
            return f.write_str("a filter has refused it");
        }
        let mut room: [c_char; 160] = [0; 160];
        // SAFETY: `apr_strerror` writes at most the length given, with a NUL, and returns the room.
        let text =
            unsafe { CStr::from_ptr(sys::apr_strerror(self.0, room.as_mut_ptr(), room.len())) };
        write!(f, "{} ({})", text.to_string_lossy(), self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}
