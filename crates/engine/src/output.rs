//! What an application has said of its response: the pending head, whether it is committed, and how much of
//! the declared length is left. Pure data, owned by the request; no Python objects, no GIL needed.
//!
//! See PEP 3333, "The start_response() Callable" and "Handling the Content-Length Header":
//! <https://peps.python.org/pep-3333/#the-start-response-callable>.

use engine_abi::Pair;
use smallvec::SmallVec;
use wsgi::content_length::{ContentLengthError, Limit};
use wsgi::header::is_content_length;

use crate::exchange::Head;

/// Status and headers as the application gave them, one behind the other in one buffer.
#[derive(Debug, Default)]
pub(crate) struct HeadText {
    code: u16,
    text: Vec<u8>,
    status_end: usize,
    /// Where each name ends, and where the value behind it does.
    ends: SmallVec<[(usize, usize); 8]>,
    /// What `Content-Length` says; the last one counts.
    length: Option<Result<u64, ContentLengthError>>,
}

impl HeadText {
    /// A head without headers.
    pub(crate) fn new(code: u16, status_line: &[u8]) -> Self {
        let mut text = Vec::with_capacity(512);
        text.extend_from_slice(status_line);
        Self { code, status_end: text.len(), text, ..Self::default() }
    }

    /// Adds a header.
    pub(crate) fn push(&mut self, name: &[u8], value: &[u8]) {
        self.text.extend_from_slice(name);
        let middle = self.text.len();
        self.text.extend_from_slice(value);
        self.ends.push((middle, self.text.len()));
        if is_content_length(name) {
            self.length = Some(wsgi::content_length::parse(value));
        }
    }

    /// The headers, in order.
    fn headers(&self) -> impl Iterator<Item = Pair<'_>> {
        let mut start = self.status_end;
        self.ends.iter().map(move |(middle, end)| {
            let bytes = |from, to| self.text.get(from..to).unwrap_or_default();
            let pair = Pair::new(bytes(start, *middle), bytes(*middle, *end));
            start = *end;
            pair
        })
    }

    /// The declared length of the body.
    fn declared_length(&self) -> Result<Option<u64>, Fault> {
        self.length.transpose().map_err(Fault::ContentLength)
    }

    /// Hands the head to `body` in the shape the exchange takes.
    pub(crate) fn with<R>(&self, body: impl FnOnce(&Head<'_>) -> R) -> R {
        let headers: SmallVec<[Pair<'_>; 16]> = self.headers().collect();
        body(&Head {
            status: self.code,
            status_line: self.text.get(..self.status_end).unwrap_or_default(),
            headers: &headers,
        })
    }
}

/// Why output is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Output before `start_response`.
    NotStarted,
    /// A `Content-Length` that is none.
    ContentLength(ContentLengthError),
    /// The client takes no more.
    Gone,
    /// The request is over.
    Over,
}

/// How a piece of output is to be sent.
#[derive(Debug, Default)]
pub(crate) struct Admitted {
    /// The head, if it goes with this piece.
    pub(crate) head: Option<HeadText>,
    /// How many bytes may go out; the rest is surplus.
    pub(crate) bytes: usize,
    /// The response is whole after this piece.
    pub(crate) last: bool,
    /// The response was whole before; nothing is to be sent.
    pub(crate) nothing: bool,
}

/// How a file is to be sent.
#[derive(Debug)]
pub(crate) struct FileAdmitted {
    /// The head, which always goes with it.
    pub(crate) head: Option<HeadText>,
    /// How many bytes may go out.
    pub(crate) bytes: u64,
}

/// The state of a response.
#[derive(Debug, Default)]
pub(crate) struct Output {
    head: Option<HeadText>,
    committed: bool,
    /// The status code, once the head is committed.
    code: u16,
    /// The request is a `HEAD`.
    head_only: bool,
    /// What is left of the declared length.
    limit: Limit,
    /// The declared length was reached, or the application has nothing more.
    whole: bool,
    /// The application has nothing more.
    ended: bool,
    short: bool,
    gone: bool,
    /// There was more than the declared length.
    surplus: bool,
}

impl Output {
    /// The response to a request.
    pub(crate) fn new(head_only: bool) -> Self {
        Self { head_only, ..Self::default() }
    }

    /// The head was handed to the server.
    pub(crate) fn is_committed(&self) -> bool {
        self.committed
    }

    /// The status code that went out; `None`: none did.
    pub(crate) fn status(&self) -> Option<u16> {
        self.committed.then_some(self.code)
    }

    /// The status code that went out, or that will if the response goes on as it is.
    pub(crate) fn status_to_be(&self) -> Option<u16> {
        self.status().or_else(|| self.head.as_ref().map(|head| head.code))
    }

    /// The response ended before its declared length.
    pub(crate) fn is_short(&self) -> bool {
        self.short
    }

    /// The whole response was sent.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    /// More was offered than the declared length.
    pub(crate) fn has_surplus(&self) -> bool {
        self.surplus
    }

    /// The client went away.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Notes that the client went away.
    pub(crate) fn set_gone(&mut self) {
        self.gone = true;
    }

    /// Replaces the pending head.
    pub(crate) fn set_head(&mut self, head: HeadText) {
        self.head = Some(head);
    }

    /// Decides about `bytes` more bytes. Commits the head. `end`: the application has nothing more.
    pub(crate) fn admit(&mut self, bytes: usize, end: bool) -> Result<Admitted, Fault> {
        if self.gone {
            return Err(Fault::Gone);
        }
        if self.ended || (self.whole && !end) {
            self.surplus |= bytes > 0;
            return Ok(Admitted { nothing: true, ..Admitted::default() });
        }
        let head = self.commit()?;
        let offered = bytes;
        let bytes = self.limit.allow(offered);
        self.surplus |= bytes < offered;
        let left = self.limit.remaining();
        // A declared length that is reached ends the response: what follows is dropped anyway.
        self.short = end && left.is_some_and(|left| left > 0);
        self.whole = (end && !self.short) || left == Some(0);
        self.ended = end;
        Ok(Admitted { head, bytes, last: end && !self.short, nothing: false })
    }

    /// Whether output can begin, or has begun.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        if self.committed {
            return Ok(());
        }
        self.head.as_ref().ok_or(Fault::NotStarted)?.declared_length().map(drop)
    }

    /// Decides about a response that is `bytes` bytes of a file. Declares its length if the application has not.
    pub(crate) fn admit_file(&mut self, bytes: u64) -> Result<FileAdmitted, Fault> {
        if let Some(head) = self.head.as_mut().filter(|_| !self.committed) {
            // The length of the answer to a HEAD is that of the body it would have.
            if head.declared_length()?.is_none() && wsgi::has_body(head.code, false) {
                head.push(b"Content-Length", bytes.to_string().as_bytes());
            }
        }
        let has_body =
            self.head.as_ref().is_some_and(|head| wsgi::has_body(head.code, self.head_only));
        let bytes = if has_body { bytes } else { 0 };
        let admitted = self.admit(0, false)?;
        let left = self.limit.remaining().unwrap_or(bytes);
        Ok(FileAdmitted { head: admitted.head, bytes: bytes.min(left) })
    }

    /// Notes how much of a file was sent.
    pub(crate) fn file_sent(&mut self, bytes: u64) {
        self.whole = self.limit.take(bytes) == Some(0);
    }

    fn commit(&mut self) -> Result<Option<HeadText>, Fault> {
        if self.committed {
            return Ok(None);
        }
        let head = self.head.as_ref().ok_or(Fault::NotStarted)?;
        let declared = head.declared_length()?;
        if wsgi::has_body(head.code, self.head_only) {
            self.limit = Limit::new(declared);
        }
        self.committed = true;
        self.code = head.code;
        Ok(self.head.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(headers: &[(&[u8], &[u8])], head_only: bool) -> Output {
        let mut head = HeadText::new(200, b"200 OK");
        for (name, value) in headers {
            head.push(name, value);
        }
        let mut output = Output::new(head_only);
        output.set_head(head);
        output
    }

    #[test]
    fn output_before_start_response_is_refused() {
        assert_eq!(Output::new(false).admit(1, false).unwrap_err(), Fault::NotStarted);
    }

    #[test]
    fn the_head_goes_with_the_first_piece_only() {
        let mut output = started(&[], false);
        assert!(output.admit(3, false).unwrap().head.is_some());
        assert!(output.admit(3, false).unwrap().head.is_none());
        assert!(output.admit(0, true).unwrap().last);
    }

    #[test]
    fn bytes_beyond_the_declared_length_are_dropped() {
        let mut output = started(&[(b"content-length", b"4")], false);
        assert_eq!(output.admit(3, false).unwrap().bytes, 3);
        let second = output.admit(3, false).unwrap();
        assert_eq!((second.bytes, second.last), (1, false));
        assert!(output.admit(3, false).unwrap().nothing);
        assert!(output.admit(0, true).unwrap().last);
        assert!(output.admit(0, true).unwrap().nothing);
        assert!(!output.is_short());
    }

    #[test]
    fn a_body_that_is_too_short_is_not_whole() {
        let mut output = started(&[(b"Content-Length", b"4")], false);
        assert!(!output.admit(3, true).unwrap().last);
        assert!(output.is_short());
    }

    #[test]
    fn an_answer_to_head_needs_no_body() {
        let mut output = started(&[(b"Content-Length", b"4")], true);
        assert!(output.admit(0, true).unwrap().last);
        assert!(!output.is_short());
    }

    #[test]
    fn a_content_length_that_is_none_is_refused_and_nothing_is_committed() {
        let mut output = started(&[(b"Content-Length", b"-4")], false);
        assert_eq!(
            output.admit(1, false).unwrap_err(),
            Fault::ContentLength(ContentLengthError::NotDecimal)
        );
        assert!(!output.is_committed());
    }

    #[test]
    fn the_head_keeps_order_and_duplicates() {
        let mut head = HeadText::new(200, b"200 Fine");
        head.push(b"A", b"1");
        head.push(b"a", b"2");
        head.with(|head| {
            assert_eq!(head.status_line, b"200 Fine");
            let headers: Vec<_> = head.headers.iter().map(|header| header.parts()).collect();
            assert_eq!(headers, [(&b"A"[..], &b"1"[..]), (b"a", b"2")]);
        });
    }

    /// How a file of `bytes` bytes is sent: how many go out, the length the client is told, and, if `sent` did, whether
    /// the response is whole.
    fn file(output: &mut Output, bytes: u64, sent: u64) -> (u64, Option<u64>, bool) {
        let admitted = output.admit_file(bytes).unwrap();
        let declared = admitted.head.as_ref().unwrap().declared_length().unwrap();
        output.file_sent(sent);
        let end = output.admit(0, true).unwrap();
        assert_eq!(end.last, !output.is_short());
        (admitted.bytes, declared, end.last)
    }

    #[test]
    fn the_length_of_a_file_is_declared_unless_the_application_did() {
        assert_eq!(file(&mut started(&[], false), 7, 7), (7, Some(7), true));
        let length: &[(&[u8], &[u8])] = &[(b"Content-Length", b"4")];
        assert_eq!(file(&mut started(length, false), 7, 4), (4, Some(4), true));
    }

    #[test]
    fn a_file_that_is_too_short_is_not_whole() {
        let length: &[(&[u8], &[u8])] = &[(b"Content-Length", b"9")];
        assert_eq!(file(&mut started(length, false), 7, 7), (7, Some(9), false));
        assert_eq!(file(&mut started(length, false), 0, 0), (0, Some(9), false));
    }

    #[test]
    fn a_file_whose_sending_ended_early_is_not_whole() {
        assert_eq!(file(&mut started(&[], false), 7, 6), (7, Some(7), false));
    }

    #[test]
    fn a_file_has_no_bytes_where_there_is_no_body() {
        assert_eq!(file(&mut started(&[], true), 7, 0), (0, Some(7), true));
        let mut output = Output::new(false);
        output.set_head(HeadText::new(304, b"304 Not Modified"));
        assert_eq!(file(&mut output, 7, 0), (0, None, true));
    }

    #[test]
    fn a_file_needs_a_head() {
        assert_eq!(Output::new(false).admit_file(1).unwrap_err(), Fault::NotStarted);
    }
}
