//! The status an application gives to `start_response`: `"404 Not Found"`.
//!
//! PEP 3333 ("The start_response() Callable") wants three digits, a space and a reason, without
//! control characters. As in mod_wsgi the reason may be missing, and any three digits are taken.

use std::fmt;

/// A valid status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The number it begins with, 0 to 999.
    pub code: u16,
}

/// Why a status is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatusError {
    /// It does not begin with three digits.
    Code,
    /// Something else than a space follows the three digits.
    Space,
    /// There is a control character in the reason.
    Control,
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Code => "the status must begin with a code of three digits, as in \"200 OK\"",
            Self::Space => "the code of the status must be followed by a space, as in \"200 OK\"",
            Self::Control => "the reason of the status must not contain control characters",
        })
    }
}

impl std::error::Error for StatusError {}

/// Checks a status and reads its code.
///
/// # Errors
/// A [`StatusError`] that says which rule it breaks.
pub fn parse(status: &[u8]) -> Result<Status, StatusError> {
    let (digits, rest) = status.split_first_chunk::<3>().ok_or(StatusError::Code)?;
    if !digits.iter().all(u8::is_ascii_digit) || rest.first().is_some_and(u8::is_ascii_digit) {
        return Err(StatusError::Code);
    }
    if !matches!(rest.first(), None | Some(b' ')) {
        return Err(StatusError::Space);
    }
    if rest.iter().any(u8::is_ascii_control) {
        return Err(StatusError::Control);
    }
    Ok(Status { code: digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0')) })
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reason_may_be_missing() {
        for status in ["200 OK", "200", "200 "] {
            assert_eq!(parse(status.as_bytes()), Ok(Status { code: 200 }));
        }
    }

    #[test]
    fn reason_may_be_latin_1() {
        assert_eq!(parse(b"404 Nicht da f\xfcr Sie"), Ok(Status { code: 404 }));
    }

    #[test]
    fn code_is_three_digits() {
        for status in ["", "2", "20", "20 OK", "2000 OK", "OK", " 200 OK", "-20 OK", "20x OK"] {
            assert_eq!(parse(status.as_bytes()), Err(StatusError::Code), "{status}");
        }
    }

    #[test]
    fn space_follows_the_code() {
        for status in ["200OK", "200\tOK", "200\r\nX: y", "200\0"] {
            assert_eq!(parse(status.as_bytes()), Err(StatusError::Space), "{status}");
        }
    }

    #[test]
    fn reason_has_no_control_characters() {
        for status in ["200 OK\r\nX: y", "200 O\0K", "200 O\tK", "200 OK\x7f"] {
            assert_eq!(parse(status.as_bytes()), Err(StatusError::Control), "{status}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(status in vec(any::<u8>(), 0..20)) {
            let _ = parse(&status);
        }

        #[test]
        fn every_code_is_read(code in 0..1000u16, reason in "[ -~]{0,20}") {
            prop_assert_eq!(parse(format!("{code:03} {reason}").as_bytes()), Ok(Status { code }));
        }
    }
}
