//! Borrowed bytes and pairs of them, in a shape C functions can take.

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

/// A name and a value, both borrowed.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// The name, for example `REQUEST_METHOD`.
    pub name: Bytes,
    /// The value.
    pub value: Bytes,
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
}
