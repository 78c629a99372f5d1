//! Borrowed bytes and pairs of them, in a shape C functions can take.

use std::fmt;
use std::marker::PhantomData;

/// Borrowed bytes: valid for as long as the function that was handed them runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Bytes {
    data: *const u8,
    len: usize,
}

impl Bytes {
    /// No bytes.
    pub const EMPTY: Self = Self { data: std::ptr::null(), len: 0 };

    /// Borrows a slice. The caller keeps it alive while the value is used.
    pub const fn new(slice: &[u8]) -> Self {
        Self { data: slice.as_ptr(), len: slice.len() }
    }

    /// Whether this is no value, which is something else than one without bytes.
    pub const fn is_null(self) -> bool {
        self.data.is_null()
    }

    /// The bytes again.
    ///
    /// # Safety
    /// The slice this was made from must live, unchanged, for `'a`.
    pub const unsafe fn as_slice<'a>(self) -> &'a [u8] {
        if self.data.is_null() {
            return &[];
        }
        // SAFETY: made from a slice by `new` and alive for 'a by this function's contract.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

/// A name and a value, both borrowed for `'a`: `REQUEST_METHOD` and `GET`.
///
/// The same on both sides of the table, so that a request's pairs are written down once.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    name: Bytes,
    value: Bytes,
    borrowed: PhantomData<&'a [u8]>,
}

impl<'a> Pair<'a> {
    /// Borrows name and value.
    pub const fn new(name: &'a [u8], value: &'a [u8]) -> Self {
        Self { name: Bytes::new(name), value: Bytes::new(value), borrowed: PhantomData }
    }

    /// The name.
    pub const fn name(self) -> &'a [u8] {
        // SAFETY: `new` borrowed it for 'a.
        unsafe { self.name.as_slice() }
    }

    /// The value.
    pub const fn value(self) -> &'a [u8] {
        // SAFETY: `new` borrowed it for 'a.
        unsafe { self.value.as_slice() }
    }

    /// Both.
    pub const fn parts(self) -> (&'a [u8], &'a [u8]) {
        (self.name(), self.value())
    }

    /// The pairs that a function of the table was handed.
    ///
    /// # Safety
    /// `first` points at `len` pairs that live for `'s`, or is null, or `len` is 0.
    pub const unsafe fn slice<'s>(first: *const Self, len: usize) -> &'s [Self] {
        if first.is_null() || len == 0 {
            return &[];
        }
        // SAFETY: by this function's contract.
        unsafe { std::slice::from_raw_parts(first, len) }
    }
}

impl fmt::Debug for Pair<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}={:?}", self.name(), self.value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_were() {
        let text = b"abc".to_vec();
        // SAFETY: `text` lives to the end of the test.
        assert_eq!(unsafe { Bytes::new(&text).as_slice() }, b"abc");
        // SAFETY: nothing is borrowed.
        assert_eq!(unsafe { Bytes::EMPTY.as_slice() }, b"");
    }

    #[test]
    fn pairs_come_back_as_they_were() {
        let pairs = [Pair::new(b"A", b"1"), Pair::new(b"B", b"")];
        // SAFETY: `pairs` lives to the end of the test.
        let found = unsafe { Pair::slice(pairs.as_ptr(), pairs.len()) };
        let parts: Vec<_> = found.iter().map(|pair| pair.parts()).collect();
        assert_eq!(parts, [(&b"A"[..], &b"1"[..]), (b"B", b"")]);
        // SAFETY: nothing is borrowed.
        assert!(unsafe { Pair::slice(std::ptr::null(), 0) }.is_empty());
    }
}
