//! How many bytes of a body may be sent.
//!
//! PEP 3333 ("Handling the Content-Length Header") forbids to send more than an application
//! declared: on a connection that is kept open the rest would be taken for the next response.

use std::fmt;

/// Why a `Content-Length` is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContentLengthError {
    /// It is not made of decimal digits.
    NotDecimal,
    /// It is larger than any body.
    TooLarge,
}

impl fmt::Display for ContentLengthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotDecimal => "the Content-Length must be a number of bytes in decimal digits",
            Self::TooLarge => "the Content-Length is larger than any body can be",
        })
    }
}

impl std::error::Error for ContentLengthError {}

/// Reads the value of a `Content-Length` header (RFC 9110, section 8.6). Blanks around it are not
/// part of a value.
///
/// # Errors
/// [`ContentLengthError::NotDecimal`] for anything but digits, [`ContentLengthError::TooLarge`]
/// above 2⁶³ - 1, beyond which neither files nor servers count.
pub fn parse(value: &[u8]) -> Result<u64, ContentLengthError> {
    let digits = value.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(ContentLengthError::NotDecimal);
    }
    digits
        .iter()
        .try_fold(0_i64, |length, digit| {
            length.checked_mul(10)?.checked_add(i64::from(digit - b'0'))
        })
        .map(i64::unsigned_abs)
        .ok_or(ContentLengthError::TooLarge)
}

/// What is left of a declared length, if there was one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    remaining: Option<u64>,
}

impl Limit {
    /// A body of the declared length, or of any.
    #[must_use]
    pub fn new(declared: Option<u64>) -> Self {
        Self { remaining: declared }
    }

    /// How many bytes at the beginning of a chunk may be sent. They count as sent.
    #[must_use = "bytes beyond must not be sent"]
    pub fn allow(&mut self, length: usize) -> usize {
        let Some(remaining) = &mut self.remaining else { return length };
        let allowed = usize::try_from(*remaining).map_or(length, |remaining| remaining.min(length));
        *remaining -= allowed as u64;
        allowed
    }

    /// Counts bytes as sent; what is still to come then.
    pub fn take(&mut self, length: u64) -> Option<u64> {
        self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(length));
        self.remaining
    }

    /// How many bytes are still to come; `None` if no length was declared.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.remaining
    }
}

/// Whether a response has a body at all (RFC 9110, section 6.4.1).
#[must_use]
pub fn has_body(status: u16, method_is_head: bool) -> bool {
    !(method_is_head || matches!(status, 100..=199 | 204 | 304))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn length_is_decimal() {
        assert_eq!(parse(b"0"), Ok(0));
        assert_eq!(parse(b"0042"), Ok(42));
        assert_eq!(parse(b" 42\t"), Ok(42));
        for value in ["", " ", "-1", "+1", "1 2", "1,1", "0x10", "1.0", "١"] {
            assert_eq!(parse(value.as_bytes()), Err(ContentLengthError::NotDecimal), "{value}");
        }
    }

    #[test]
    fn length_has_an_end() {
        assert_eq!(parse(b"9223372036854775807"), Ok(i64::MAX as u64));
        for value in ["9223372036854775808", "99999999999999999999999999999999"] {
            assert_eq!(parse(value.as_bytes()), Err(ContentLengthError::TooLarge), "{value}");
        }
    }

    #[test]
    fn no_more_than_declared_is_sent() {
        let mut limit = Limit::new(Some(5));
        assert_eq!([limit.allow(3), limit.allow(3), limit.allow(3)], [3, 2, 0]);
        assert_eq!(limit.remaining(), Some(0));
    }

    #[test]
    fn what_was_taken_is_no_longer_to_come() {
        let mut limit = Limit::new(Some(5));
        assert_eq!((limit.take(3), limit.take(3)), (Some(2), Some(0)));
        assert_eq!(Limit::new(None).take(3), None);
    }

    #[test]
    fn undeclared_length_is_no_limit() {
        let mut limit = Limit::new(None);
        assert_eq!(limit.allow(usize::MAX), usize::MAX);
        assert_eq!(limit.remaining(), None);
    }

    #[test]
    fn some_responses_have_no_body() {
        assert!(has_body(200, false) && has_body(404, false));
        assert!(!has_body(200, true));
        assert!(!has_body(204, false) && !has_body(304, false) && !has_body(103, false));
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(value in vec(any::<u8>(), 0..30)) {
            let _ = parse(&value);
        }

        #[test]
        fn number_round_trip(length in 0..=i64::MAX as u64) {
            prop_assert_eq!(parse(length.to_string().as_bytes()), Ok(length));
        }

        #[test]
        fn chunks_add_up_to_the_smaller(
            declared in 0..1000_u64,
            chunks in vec(0..300_usize, 0..10),
        ) {
            let mut limit = Limit::new(Some(declared));
            let sent: usize = chunks.iter().map(|&length| limit.allow(length)).sum();
            let offered: usize = chunks.iter().sum();
            prop_assert_eq!(sent as u64, declared.min(offered as u64));
            prop_assert_eq!(limit.remaining(), Some(declared - sent as u64));
        }
    }
}
