//! The head at the start of `FCGI_STDOUT`, written as that of a CGI response (RFC 3875, section 6).
//!
//! Lines `Name: value` up to an empty line, `Status` being one of them. The front gives a
//! [`Parser`] what arrives until it returns the [`Head`]; a head that arrives at once, as it
//! usually does, is not copied.
//!
//! A second `Status` line is a header as any other: that is what a WSGI application's own header of
//! that name must be, for the status was said by the worker before.

use std::fmt;

use memchr::{memchr, memchr_iter};

/// The longest line unless said otherwise.
pub const MAX_LINE: usize = 32768;

/// The longest head unless said otherwise: 1 MiB.
pub const MAX_HEAD: usize = 1 << 20;

/// How much of a bad line an error shows.
const EXCERPT: usize = 80;

/// Why a response has no head that can be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadError {
    /// A line is too long.
    LineTooLong {
        /// The most bytes a line may have.
        limit: usize,
    },
    /// All lines together are too long.
    HeadTooLong {
        /// The most bytes a head may have.
        limit: usize,
    },
    /// A line without a colon, or without a name before it.
    NoColon {
        /// The beginning of the line.
        line: Box<[u8]>,
    },
    /// A line with a NUL or carriage return in it, or with a space or control character in its
    /// name.
    Character {
        /// The beginning of the line.
        line: Box<[u8]>,
    },
    /// A `Status` that does not begin with three digits.
    Status {
        /// The beginning of the line.
        line: Box<[u8]>,
    },
    /// The response ended before the empty line.
    Truncated {
        /// The number of bytes that came.
        received: usize,
    },
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineTooLong { limit } => {
                write!(f, "a header line of the response is longer than the limit of {limit} bytes")
            }
            Self::HeadTooLong { limit } => {
                write!(f, "the headers of the response are longer than the limit of {limit} bytes")
            }
            Self::NoColon { line } => write!(
                f,
                "a header line of the response is not of the form \"Name: value\": \"{}\"",
                line.escape_ascii()
            ),
            Self::Character { line } => write!(
                f,
                "a header line of the response has a character that is not allowed: \"{}\"",
                line.escape_ascii()
            ),
            Self::Status { line } => write!(
                f,
                "the status of the response does not begin with three digits: \"{}\"",
                line.escape_ascii()
            ),
            Self::Truncated { received: 0 } => write!(f, "the response ended before it began"),
            Self::Truncated { received } => {
                write!(f, "the response ended within its headers, after {received} bytes")
            }
        }
    }
}

impl std::error::Error for HeadError {}

/// Status and headers of a response.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The status code.
    pub status: u16,
    /// The whole status, for example `404 Not Found`.
    pub status_line: &'a [u8],
    /// All lines up to the empty one.
    lines: &'a [u8],
}

impl<'a> Head<'a> {
    /// Checks every line, so that [`headers`](Self::headers) has nothing to complain about.
    fn parse(lines: &'a [u8]) -> Result<Self, HeadError> {
        let mut status = None;
        for line in (Lines { rest: lines }) {
            let Some((name, value)) = split_line(line) else {
                return Err(HeadError::NoColon { line: excerpt(line) });
            };
            if !is_name(name) || value.iter().any(|byte| matches!(byte, 0 | b'\r')) {
                return Err(HeadError::Character { line: excerpt(line) });
            }
            if status.is_none() && is_status(name) {
                let Some(code) = status_code(value) else {
                    return Err(HeadError::Status { line: excerpt(line) });
                };
                status = Some((code, value));
            }
        }
        let (status, status_line) = status.unwrap_or((200, b"200 OK"));
        Ok(Self { status, status_line, lines })
    }

    /// The headers in the order they came, duplicates kept, without the status.
    #[must_use]
    pub fn headers(&self) -> Headers<'a> {
        Headers { lines: Lines { rest: self.lines }, status_seen: false }
    }
}

/// The iterator of [`Head::headers`]: name and value, the latter without the space around it.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    lines: Lines<'a>,
    status_seen: bool,
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let header @ (name, _) = split_line(self.lines.next()?)?;
        if self.status_seen || !is_status(name) {
            return Some(header);
        }
        self.status_seen = true;
        split_line(self.lines.next()?)
    }
}

/// The lines of a complete head, without their ends; stops before the empty line.
#[derive(Clone, Debug)]
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (line, rest) = self.rest.split_at_checked(memchr(b'\n', self.rest)?)?;
        self.rest = rest.get(1..)?;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        (!line.is_empty()).then_some(line)
    }
}

fn split_line(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = line.split_at_checked(memchr(b':', line)?)?;
    (!name.is_empty()).then_some((name, value.get(1..)?.trim_ascii()))
}

/// No space or control character: `Name : value` and folded lines are read differently by different
/// readers, which is what response splitting lives on (RFC 9112, section 5.1).
fn is_name(name: &[u8]) -> bool {
    !name.iter().any(|byte| matches!(byte, 0..=b' ' | 0x7f))
}

fn is_status(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"Status")
}

fn status_code(value: &[u8]) -> Option<u16> {
    let (digits, rest) = value.split_first_chunk::<3>()?;
    if !digits.iter().all(u8::is_ascii_digit) || !matches!(rest.first(), None | Some(b' ')) {
        return None;
    }
    Some(digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0')))
}

fn excerpt(line: &[u8]) -> Box<[u8]> {
    line.get(..EXCERPT).unwrap_or(line).into()
}

/// Finds the end of the head in what arrives.
#[derive(Debug)]
pub struct Parser {
    max_line: usize,
    max_head: usize,
    /// What came before the last call.
    kept: Vec<u8>,
    /// How many bytes at the end of `kept` are of a line that has not ended.
    line: usize,
}

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}

impl Parser {
    /// A parser with the limits [`MAX_LINE`] and [`MAX_HEAD`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(MAX_LINE, MAX_HEAD)
    }

    /// A parser with other limits, in bytes.
    #[must_use]
    pub fn with_limits(max_line: usize, max_head: usize) -> Self {
        Self { max_line, max_head, kept: Vec::new(), line: 0 }
    }

    /// Takes the bytes that came. Once the empty line is among them: the head, and those of the
    /// bytes that are of the body. Call [`reset`](Self::reset) before the next head.
    ///
    /// # Errors
    /// Any [`HeadError`] but [`HeadError::Truncated`].
    pub fn feed<'a>(
        &'a mut self,
        bytes: &'a [u8],
    ) -> Result<Option<(Head<'a>, &'a [u8])>, HeadError> {
        let Some(length) = self.find_end(bytes)? else {
            self.kept.extend_from_slice(bytes);
            return Ok(None);
        };
        let (lines, body) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
        if self.kept.is_empty() {
            return Ok(Some((Head::parse(lines)?, body)));
        }
        self.kept.extend_from_slice(lines);
        Ok(Some((Head::parse(&self.kept)?, body)))
    }

    /// How many of `bytes` are of the head, if it ends in them.
    fn find_end(&mut self, bytes: &[u8]) -> Result<Option<usize>, HeadError> {
        let mut start = 0;
        for newline in memchr_iter(b'\n', bytes) {
            // Of a line of one byte: that byte.
            let byte = if self.line > 0 { self.kept.last() } else { bytes.get(start) };
            let length = self.line + newline - start;
            self.check(length, start)?;
            self.line = 0;
            start = newline + 1;
            if length == 0 || (length == 1 && byte == Some(&b'\r')) {
                return Ok(Some(start));
            }
        }
        self.line += bytes.len() - start;
        self.check(self.line, bytes.len())?;
        Ok(None)
    }

    fn check(&self, line: usize, taken: usize) -> Result<(), HeadError> {
        if line > self.max_line {
            return Err(HeadError::LineTooLong { limit: self.max_line });
        }
        if self.kept.len() + taken > self.max_head {
            return Err(HeadError::HeadTooLong { limit: self.max_head });
        }
        Ok(())
    }

    /// The error if the response ends now.
    #[must_use]
    pub fn truncated(&self) -> HeadError {
        HeadError::Truncated { received: self.kept.len() }
    }

    /// Forgets everything, for the head of another response.
    pub fn reset(&mut self) {
        self.kept.clear();
        self.line = 0;
    }
}

/// Appends a head to `out`. Names and values must have been checked: a line break in one would be
/// taken for the end of its line.
pub fn encode<'a>(
    out: &mut Vec<u8>,
    status_line: &[u8],
    headers: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
) {
    push_line(out, b"Status", status_line);
    for (name, value) in headers {
        push_line(out, name, value);
    }
    out.extend_from_slice(b"\r\n");
}

fn push_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Status, status line, headers and body, all owned.
    type Found = (u16, String, Vec<(Vec<u8>, Vec<u8>)>, Vec<u8>);

    /// Reads a whole response that arrives in parts of at most `chunk` bytes.
    fn read(response: &[u8], chunk: usize) -> Result<Found, HeadError> {
        read_with(&mut Parser::new(), response, chunk)
    }

    fn read_with(parser: &mut Parser, response: &[u8], chunk: usize) -> Result<Found, HeadError> {
        let mut parts = response.chunks(chunk);
        for part in &mut parts {
            if let Some((head, rest)) = parser.feed(part)? {
                let headers = head.headers().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
                let status_line = String::from_utf8_lossy(head.status_line).into_owned();
                let mut body = rest.to_vec();
                body.extend(parts.flatten());
                return Ok((head.status, status_line, headers, body));
            }
        }
        Err(parser.truncated())
    }

    fn pair(name: &str, value: &str) -> (Vec<u8>, Vec<u8>) {
        (name.into(), value.into())
    }

    #[test]
    fn head_and_body_are_told_apart() {
        let response =
            b"Status: 404 Not Found\r\nContent-Type: text/plain\r\nX-Empty:\r\n\r\nnot\n\nhere";
        for chunk in 1..=response.len() {
            let (status, status_line, headers, body) = read(response, chunk).unwrap();
            assert_eq!((status, status_line.as_str()), (404, "404 Not Found"));
            assert_eq!(headers, [pair("Content-Type", "text/plain"), pair("X-Empty", "")]);
            assert_eq!(body, b"not\n\nhere");
        }
    }

    #[test]
    fn lines_may_end_without_a_carriage_return() {
        let (status, _, headers, body) = read(b"A: b\nStatus: 201\n\n\r\n", 1).unwrap();
        assert_eq!(status, 201);
        assert_eq!(headers, [pair("A", "b")]);
        assert_eq!(body, b"\r\n");
    }

    #[test]
    fn status_may_be_missing() {
        let (status, status_line, headers, _) = read(b"A: b\r\n\r\n", 100).unwrap();
        assert_eq!((status, status_line.as_str()), (200, "200 OK"));
        assert_eq!(headers, [pair("A", "b")]);
        assert_eq!(read(b"\r\nbody", 100).unwrap().3, b"body");
    }

    #[test]
    fn second_status_is_a_header() {
        let (status, _, headers, _) = read(b"Status: 200 OK\r\nstatus: fine\r\n\r\n", 100).unwrap();
        assert_eq!(status, 200);
        assert_eq!(headers, [pair("status", "fine")]);
    }

    #[test]
    fn bad_lines_are_errors() {
        fn line(text: &str) -> Box<[u8]> {
            text.as_bytes().into()
        }
        for (head, expected) in [
            ("A: b\r\nno colon\r\n\r\n", HeadError::NoColon { line: line("no colon") }),
            (": b\r\n\r\n", HeadError::NoColon { line: line(": b") }),
            ("A : b\r\n\r\n", HeadError::Character { line: line("A : b") }),
            (" folded: b\r\n\r\n", HeadError::Character { line: line(" folded: b") }),
            ("A: b\rc\r\n\r\n", HeadError::Character { line: line("A: b\rc") }),
            ("A: b\0\r\n\r\n", HeadError::Character { line: line("A: b\0") }),
            ("Status: fine\r\n\r\n", HeadError::Status { line: line("Status: fine") }),
            ("Status: 2000\r\n\r\n", HeadError::Status { line: line("Status: 2000") }),
        ] {
            assert_eq!(read(head.as_bytes(), 3), Err(expected), "{head:?}");
        }
    }

    #[test]
    fn error_shows_the_line_for_a_log() {
        let error = read(b"Traceback \x1b[1m\n\n", 100).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a header line of the response is not of the form \"Name: value\": \
             \"Traceback \\x1b[1m\""
        );
    }

    #[test]
    fn line_and_head_have_limits() {
        for chunk in [1, 7, 100] {
            let mut parser = Parser::with_limits(10, 30);
            assert!(read_with(&mut parser, b"A: 3456789\n\n", chunk).is_ok());
            parser.reset();
            let long = read_with(&mut parser, b"A: 34567890", chunk);
            assert_eq!(long, Err(HeadError::LineTooLong { limit: 10 }));
            parser.reset();
            let long = read_with(&mut parser, b"A: 34567\nA: 34567\nA: 34567\nA: 34567\n\n", chunk);
            assert_eq!(long, Err(HeadError::HeadTooLong { limit: 30 }));
        }
    }

    #[test]
    fn long_body_behind_the_head_is_no_long_head() {
        let mut response = b"A: b\n\n".to_vec();
        response.resize(1000, b'x');
        let found = read_with(&mut Parser::with_limits(10, 30), &response, 1000);
        assert_eq!(found.unwrap().3.len(), 994);
    }

    #[test]
    fn end_within_the_head_is_told_from_no_response() {
        assert_eq!(read(b"A: b\r\n", 2), Err(HeadError::Truncated { received: 6 }));
        assert_eq!(read(b"", 2), Err(HeadError::Truncated { received: 0 }));
    }

    proptest! {
        #[test]
        fn round_trip(
            status in "[1-5][0-9]{2}( [A-Z][a-z]{0,9})?",
            headers in vec(("[A-Za-z][A-Za-z0-9-]{0,9}", "([!-~]([ -~]{0,9}[!-~])?)?"), 0..9),
            body in vec(any::<u8>(), 0..99),
            chunk in 1..99_usize,
        ) {
            let mut response = Vec::new();
            let pairs = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
            encode(&mut response, status.as_bytes(), pairs);
            response.extend_from_slice(&body);
            let found = read(&response, chunk).unwrap();
            let headers: Vec<_> = headers.iter().map(|(name, value)| pair(name, value)).collect();
            prop_assert_eq!(found, (status[..3].parse().unwrap(), status, headers, body));
        }

        #[test]
        fn chunking_makes_no_difference(response in "[aS:\\x00 \r\n]{0,40}", chunk in 1..40_usize) {
            let whole = read(response.as_bytes(), 1000);
            let parts = read(response.as_bytes(), chunk);
            prop_assert_eq!(whole, parts);
        }
    }
}
