//! Responses: the worker writes them, the front reads them (FastCGI 1.0, sections 5.3, 5.5 and
//! 6.2).
//!
//! A response is `FCGI_STDOUT` (a [`cgi_head`](crate::cgi_head) and the body), `FCGI_STDERR` in
//! between, and `FCGI_END_REQUEST`, by which a complete response is told from one that was cut off.

pub use crate::record::{head, split, stream};

use crate::Error;
use crate::frame::{Frames, Span};
use crate::record::{HEADER_LEN, Kind, ProtocolStatus};

/// The length of [`end`].
pub const END_LEN: usize = 2 * HEADER_LEN;

/// The header of a record of the response; `length` bytes follow it.
#[must_use]
pub fn stdout_header(request_id: u16, length: u16) -> [u8; HEADER_LEN] {
    head(Kind::Stdout, request_id, length)
}

/// The header of a record for the log; `length` bytes follow it.
#[must_use]
pub fn stderr_header(request_id: u16, length: u16) -> [u8; HEADER_LEN] {
    head(Kind::Stderr, request_id, length)
}

/// The end of a request. `app_status` is what the exit status of a CGI program is: 0 if all went
/// well.
#[must_use]
pub fn end(request_id: u16, app_status: u32, status: ProtocolStatus) -> [u8; END_LEN] {
    let [v, kind, id_1, id_0, length_1, length_0, padding, reserved] =
        head(Kind::EndRequest, request_id, 8);
    let [app_3, app_2, app_1, app_0] = app_status.to_be_bytes();
    [
        v,
        kind,
        id_1,
        id_0,
        length_1,
        length_0,
        padding,
        reserved, // header
        app_3,
        app_2,
        app_1,
        app_0,
        status as u8,
        0,
        0,
        0,
    ]
}

/// Appends the end of `FCGI_STDOUT` and of the request, after an application that answered.
pub fn finish(out: &mut Vec<u8>, request_id: u16, app_status: u32) {
    out.extend_from_slice(&stdout_header(request_id, 0));
    out.extend_from_slice(&end(request_id, app_status, ProtocolStatus::RequestComplete));
}

/// What the worker said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Bytes of the response.
    Stdout(&'a [u8]),
    /// A message for the log.
    Stderr(&'a [u8]),
    /// The end of the request. Nothing comes after it.
    End {
        /// What the exit status of a CGI program is.
        app_status: u32,
        /// Whether the request was answered, or why not.
        protocol_status: ProtocolStatus,
    },
    /// A management record, or one that is not in the specification.
    Other {
        /// Its kind.
        kind: Kind,
        /// All of its content.
        content: &'a [u8],
    },
}

/// What a record came to; an [`Event`] without its borrow.
enum Step {
    Nothing,
    Stdout,
    Stderr,
    End { app_status: u32, protocol_status: ProtocolStatus },
    Other,
}

/// Reads the response to one request.
#[derive(Debug)]
pub struct Response {
    request_id: u16,
    ended: bool,
}

impl Response {
    /// The response to the request with this id.
    #[must_use]
    pub fn new(request_id: u16) -> Self {
        Self { request_id, ended: false }
    }

    /// Takes the next event from the records in `frames`; `None` if it needs more bytes, or after
    /// [`Event::End`].
    ///
    /// # Errors
    /// Any [`Error`]; the connection is to be closed then.
    pub fn next<'a>(&mut self, frames: &'a mut Frames) -> Result<Option<Event<'a>>, Error> {
        while !self.ended {
            let Some(span) = frames.next_span()? else { return Ok(None) };
            return Ok(Some(match self.step(span, frames.content(span))? {
                Step::Nothing => continue,
                Step::Stdout => Event::Stdout(frames.content(span)),
                Step::Stderr => Event::Stderr(frames.content(span)),
                Step::End { app_status, protocol_status } => {
                    self.ended = true;
                    Event::End { app_status, protocol_status }
                }
                Step::Other => Event::Other { kind: span.kind, content: frames.content(span) },
            }));
        }
        Ok(None)
    }

    fn step(&self, span: Span, content: &[u8]) -> Result<Step, Error> {
        match (span.kind, span.request_id) {
            (Kind::GetValuesResult | Kind::UnknownType | Kind::Other(_), 0) => Ok(Step::Other),
            (_, found) if found != self.request_id => {
                Err(Error::RequestId { expected: self.request_id, found })
            }
            // The end of a stream; what counts is the end of the request.
            (Kind::Stdout | Kind::Stderr, _) if content.is_empty() => Ok(Step::Nothing),
            (Kind::Stdout, _) => Ok(Step::Stdout),
            (Kind::Stderr, _) => Ok(Step::Stderr),
            (Kind::EndRequest, _) => {
                let &[app_3, app_2, app_1, app_0, status, _, _, _] = content else {
                    return Err(Error::ContentLength {
                        kind: Kind::EndRequest,
                        length: content.len(),
                    });
                };
                Ok(Step::End {
                    app_status: u32::from_be_bytes([app_3, app_2, app_1, app_0]),
                    protocol_status: status.try_into()?,
                })
            }
            (Kind::Other(_), _) => Ok(Step::Other),
            (kind, _) => Err(Error::Unexpected(kind)),
        }
    }

    /// Whether [`Event::End`] was seen.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn frames(bytes: &[u8]) -> Frames {
        let mut frames = Frames::new();
        frames.spare(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        frames.advance(bytes.len());
        frames
    }

    #[test]
    fn end_is_laid_out_as_in_the_specification() {
        let expected = [1, 3, 0, 1, 0, 8, 0, 0, 1, 2, 3, 4, 2, 0, 0, 0];
        assert_eq!(end(1, 0x0102_0304, ProtocolStatus::Overloaded), expected);
    }

    #[test]
    fn response_is_read_up_to_its_end() {
        let mut out = Vec::new();
        stream(&mut out, Kind::Stderr, 1, b"note");
        stream(&mut out, Kind::Stdout, 1, b"body");
        stream(&mut out, Kind::Other(64), 1, b"ours");
        finish(&mut out, 1, 3);
        out.extend_from_slice(b"garbage");
        let mut frames = frames(&out);
        let mut response = Response::new(1);
        let mut next = || response.next(&mut frames).map(|event| event.map(|e| format!("{e:?}")));
        for expected in [
            Event::Stderr(b"note"),
            Event::Stdout(b"body"),
            Event::Other { kind: Kind::Other(64), content: b"ours" },
            Event::End { app_status: 3, protocol_status: ProtocolStatus::RequestComplete },
        ] {
            assert_eq!(next(), Ok(Some(format!("{expected:?}"))));
        }
        assert_eq!(next(), Ok(None));
        assert!(response.is_ended());
        assert!(!frames.is_empty());
    }

    #[test]
    fn record_of_another_request_is_an_error() {
        let mut frames = frames(&end(2, 0, ProtocolStatus::RequestComplete));
        let found = Response::new(1).next(&mut frames);
        assert_eq!(found, Err(Error::RequestId { expected: 1, found: 2 }));
    }

    #[test]
    fn record_of_a_front_is_an_error() {
        let mut frames = frames(&head(Kind::Stdin, 1, 0));
        assert_eq!(Response::new(1).next(&mut frames), Err(Error::Unexpected(Kind::Stdin)));
    }

    #[test]
    fn end_of_another_size_is_an_error() {
        let mut frames = frames(&head(Kind::EndRequest, 1, 0));
        let expected = Error::ContentLength { kind: Kind::EndRequest, length: 0 };
        assert_eq!(Response::new(1).next(&mut frames), Err(expected));
    }

    #[test]
    fn answers_to_management_records_pass() {
        let mut frames = frames(&head(Kind::GetValuesResult, 0, 0));
        let expected = Event::Other { kind: Kind::GetValuesResult, content: b"" };
        assert_eq!(Response::new(1).next(&mut frames), Ok(Some(expected)));
    }

    proptest! {
        #[test]
        fn body_survives_any_chunking(body in vec(any::<u8>(), 0..5000), chunk in 1..600_usize) {
            let mut out = Vec::new();
            for part in body.chunks(700) {
                stream(&mut out, Kind::Stdout, 7, part);
                stream(&mut out, Kind::Stderr, 7, b"note");
            }
            finish(&mut out, 7, 0);
            let mut frames = Frames::with_capacity(64);
            let mut response = Response::new(7);
            let mut found = Vec::new();
            for bytes in out.chunks(chunk) {
                prop_assert!(!response.is_ended());
                frames.spare(bytes.len())[..bytes.len()].copy_from_slice(bytes);
                frames.advance(bytes.len());
                while let Some(event) = response.next(&mut frames).unwrap() {
                    match event {
                        Event::Stdout(bytes) => found.extend_from_slice(bytes),
                        Event::Stderr(bytes) => prop_assert_eq!(bytes, b"note"),
                        Event::End { .. } => {}
                        Event::Other { .. } => prop_assert!(false),
                    }
                }
            }
            prop_assert_eq!(found, body);
            prop_assert!(response.is_ended() && frames.is_empty());
        }

        #[test]
        fn any_bytes_come_to_an_end(bytes in vec(0..12_u8, 0..3000)) {
            let mut frames = frames(&bytes);
            let mut response = Response::new(1);
            let mut events = 0;
            while let Ok(Some(_)) = response.next(&mut frames) {
                events += 1;
            }
            prop_assert!(events <= bytes.len());
        }
    }
}
