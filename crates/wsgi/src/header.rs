//! The headers an application gives to `start_response`.
//!
//! PEP 3333 ("The start_response() Callable") forbids control characters in them; a line break in a
//! value would let whoever chose the value write headers, or a whole response, of their own. As in
//! mod_wsgi other control characters are let through in values (RFC 9110, section 5.5 has the
//! server deal with them).

use std::fmt;

/// Why a header is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// The name is empty.
    NameEmpty,
    /// There is a control character in the name.
    NameControl,
    /// There is a space in the name.
    NameSpace,
    /// There is a colon in the name.
    NameColon,
    /// There is a carriage return or a line feed in the value.
    ValueLineBreak,
    /// There is a NUL in the value.
    ValueNul,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NameEmpty => "the name of a response header must not be empty",
            Self::NameControl => {
                "the name of a response header must not contain control characters"
            }
            Self::NameSpace => "the name of a response header must not contain spaces",
            Self::NameColon => "the name of a response header must not contain a colon",
            Self::ValueLineBreak => "the value of a response header must not contain line breaks",
            Self::ValueNul => "the value of a response header must not contain a NUL character",
        })
    }
}

impl std::error::Error for HeaderError {}

/// Checks a header.
///
/// # Errors
/// A [`HeaderError`] that says which rule it breaks.
pub fn check(name: &[u8], value: &[u8]) -> Result<(), HeaderError> {
    if name.is_empty() {
        return Err(HeaderError::NameEmpty);
    }
    let is_wrong = |byte: &&u8| matches!(**byte, 0..=b' ' | b':' | 0x7f);
    match name.iter().find(is_wrong) {
        None => {}
        Some(b' ') => return Err(HeaderError::NameSpace),
        Some(b':') => return Err(HeaderError::NameColon),
        Some(_) => return Err(HeaderError::NameControl),
    }
    match memchr::memchr3(b'\r', b'\n', 0, value).and_then(|at| value.get(at)) {
        None => Ok(()),
        Some(0) => Err(HeaderError::ValueNul),
        Some(_) => Err(HeaderError::ValueLineBreak),
    }
}

/// Whether this is the name of the header with the length of the body.
#[must_use]
pub fn is_content_length(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"Content-Length")
}

/// Whether this is the name of the header with the type of the body.
#[must_use]
pub fn is_content_type(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"Content-Type")
}

/// Whether this is the name of the header that asks for credentials; it is kept even when the
/// server writes the body of an error itself.
#[must_use]
pub fn is_www_authenticate(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"WWW-Authenticate")
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_headers_are_valid() {
        assert_eq!(check(b"Content-Type", b"text/html; charset=utf-8"), Ok(()));
        assert_eq!(check(b"X-Empty", b""), Ok(()));
        assert_eq!(check(b"X-Tab", b"a\tb"), Ok(()));
        assert_eq!(check(b"X-Latin-1", b"\xe9t\xe9"), Ok(()));
    }

    #[test]
    fn name_is_checked() {
        assert_eq!(check(b"", b"v"), Err(HeaderError::NameEmpty));
        assert_eq!(check(b"A B", b"v"), Err(HeaderError::NameSpace));
        assert_eq!(check(b"A:", b"v"), Err(HeaderError::NameColon));
        for name in [&b"A\0"[..], b"A\n", b"A\r", b"\tA", b"A\x7f"] {
            assert_eq!(check(name, b"v"), Err(HeaderError::NameControl));
        }
    }

    #[test]
    fn value_cannot_begin_another_line() {
        for value in [&b"a\r\nSet-Cookie: b"[..], b"a\n", b"\r"] {
            assert_eq!(check(b"A", value), Err(HeaderError::ValueLineBreak));
        }
        assert_eq!(check(b"A", b"a\0b"), Err(HeaderError::ValueNul));
    }

    #[test]
    fn names_are_known_in_any_case() {
        assert!(is_content_length(b"content-LENGTH") && !is_content_length(b"Content-Lengths"));
        assert!(is_content_type(b"CONTENT-TYPE") && !is_content_type(b"Content_Type"));
        assert!(is_www_authenticate(b"www-authenticate") && !is_www_authenticate(b"WWW"));
    }

    proptest! {
        #[test]
        fn valid_header_is_one_line(
            name in vec(any::<u8>(), 0..10),
            value in vec(any::<u8>(), 0..20),
        ) {
            let mut line = name.clone();
            line.extend_from_slice(b": ");
            line.extend_from_slice(&value);
            let one_line = !line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
                && line.iter().position(|&byte| byte == b':') == Some(name.len());
            if check(&name, &value).is_ok() {
                prop_assert!(one_line);
            }
        }
    }
}
