//! Takes the records of a connection apart as their bytes arrive (FastCGI 1.0, section 3.3).
//!
//! [`Frames`] owns the one buffer of a connection. Its owner reads from the socket straight into
//! [`Frames::spare`], says with [`Frames::advance`] how many bytes came, and takes pieces until
//! there are no more; their content is borrowed from the buffer. The buffer never grows beyond
//! [`CAPACITY`]: the largest record fits.

use crate::Error;
use crate::record::{HEADER_LEN, Header, Kind};

/// The size of the buffer: the largest record with its header.
pub const CAPACITY: usize = HEADER_LEN + 64 * 1024;

/// A record, or a part of one.
///
/// Records of the streams `FCGI_PARAMS`, `FCGI_STDIN`, `FCGI_STDOUT` and `FCGI_DATA` are handed out
/// in as many pieces as they arrive in, all others whole. Empty content is only ever that of an
/// empty record, which ends a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// What the record is for.
    pub kind: Kind,
    /// The request it belongs to; 0 for management records.
    pub request_id: u16,
    /// The bytes of it that are there.
    pub content: &'a [u8],
    /// Whether the record ends with them.
    pub last: bool,
}

/// A [`Piece`] by its place in the buffer, which can be looked at before the borrow begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) kind: Kind,
    pub(crate) request_id: u16,
    start: usize,
    end: usize,
    last: bool,
}

/// The buffer of a connection and what is known about the records in it.
#[derive(Debug)]
pub struct Frames {
    /// All of it is initialised; only `start..end` holds bytes that are not taken yet.
    buffer: Vec<u8>,
    /// The size to go back to.
    usual: usize,
    start: usize,
    end: usize,
    /// The record that is under way, with the content that is still to be handed out.
    open: Option<Header>,
    /// Padding still to be skipped before the next header.
    padding: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self::new()
    }
}

impl Frames {
    /// A buffer of [`CAPACITY`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(CAPACITY)
    }

    /// A smaller buffer, for connections that mostly carry small records; it grows up to
    /// [`CAPACITY`] when a record needs it.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let usual = capacity.clamp(HEADER_LEN, CAPACITY);
        Self { buffer: vec![0; usual], usual, start: 0, end: 0, open: None, padding: 0 }
    }

    /// Room for bytes from the socket: `min` of them, or as many as [`CAPACITY`] allows. It is
    /// never empty once [`next_piece`](Self::next_piece) returned `None`.
    pub fn spare(&mut self, min: usize) -> &mut [u8] {
        let min = min.max(1);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
        if self.buffer.len() - self.end < min {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.end < min && self.buffer.len() < CAPACITY {
            self.buffer.resize(CAPACITY, 0);
        }
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    /// Says that `count` bytes were put into [`spare`](Self::spare).
    pub fn advance(&mut self, count: usize) {
        self.end = self.end.saturating_add(count).min(self.buffer.len());
    }

    /// Takes the next piece, or `None` if it needs more bytes.
    ///
    /// # Errors
    /// [`Error::Version`]. The connection is to be closed then: the error is returned ever again.
    pub fn next_piece(&mut self) -> Result<Option<Piece<'_>>, Error> {
        Ok(self.next_span()?.map(|span| Piece {
            kind: span.kind,
            request_id: span.request_id,
            content: self.content(span),
            last: span.last,
        }))
    }

    /// [`next_piece`](Self::next_piece), by its place.
    pub(crate) fn next_span(&mut self) -> Result<Option<Span>, Error> {
        let skipped = self.padding.min(self.buffered());
        self.start += skipped;
        self.padding -= skipped;
        if self.padding > 0 {
            return Ok(None);
        }

        let mut header = match self.open {
            Some(header) => header,
            None => {
                let unread = self.buffer.get(self.start..self.end).unwrap_or_default();
                let Some(bytes) = unread.first_chunk() else { return Ok(None) };
                let header = Header::decode(bytes)?;
                self.start += HEADER_LEN;
                header
            }
        };

        let left = usize::from(header.content_length);
        let here = left.min(self.buffered());
        let last = here == left;
        if !last && (here == 0 || !header.kind.is_stream()) {
            self.open = Some(header);
            return Ok(None);
        }

        let span = Span {
            kind: header.kind,
            request_id: header.request_id,
            start: self.start,
            end: self.start + here,
            last,
        };
        self.start = span.end;
        if last {
            self.open = None;
            self.padding = usize::from(header.padding_length);
        } else {
            // `here` is less than a number that came from an u16.
            header.content_length -= here as u16;
            self.open = Some(header);
        }
        Ok(Some(span))
    }

    /// The content of the span taken last.
    pub(crate) fn content(&self, span: Span) -> &[u8] {
        self.buffer.get(span.start..span.end).unwrap_or_default()
    }

    /// How much is missing of the content of the `FCGI_STDIN` record of this request that is under way, if nothing of it waits in
    /// the buffer: its owner can read it from the socket straight to where it is wanted, and says so with
    /// [`taken`](Self::taken).
    #[must_use]
    pub fn missing(&self, request_id: u16) -> usize {
        match self.open {
            Some(header) if self.buffered() == 0 && self.padding == 0 => {
                let is_wanted = header.kind == Kind::Stdin && header.request_id == request_id;
                if is_wanted { usize::from(header.content_length) } else { 0 }
            }
            _ => 0,
        }
    }

    /// Says that `count` bytes of the content that was [`missing`](Self::missing) went past the buffer.
    pub fn taken(&mut self, count: usize) {
        if let Some(header) = &mut self.open {
            let count = u16::try_from(count).unwrap_or(u16::MAX);
            header.content_length = header.content_length.saturating_sub(count);
            if header.content_length == 0 {
                self.padding = usize::from(header.padding_length);
                self.open = None;
            }
        }
    }

    /// Takes in what was read between two records: the bytes of a header, and those behind it. How many of the latter are
    /// content of the `FCGI_STDIN` record of this request, and taken; what else there is waits in the buffer, which has room for
    /// [`CAPACITY`] in all.
    pub fn begin(&mut self, request_id: u16, header: &[u8], behind: &[u8]) -> usize {
        self.put(header);
        let decoded = header.first_chunk().and_then(|bytes| Header::decode(bytes).ok());
        if decoded.is_some_and(|header| header.kind == Kind::Stdin && header.content_length > 0) {
            // Hands nothing out, as nothing of the content is in the buffer.
            let _ = self.next_span();
        }
        let count = self.missing(request_id).min(behind.len());
        if count > 0 {
            self.taken(count);
        }
        self.put(behind.get(count..).unwrap_or_default());
        count
    }

    fn put(&mut self, bytes: &[u8]) {
        if let Some(room) = self.spare(bytes.len()).get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
            self.advance(bytes.len());
        }
    }

    /// The number of bytes that came from the socket and were not taken yet.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.end - self.start
    }

    /// Whether the connection is between two records and nothing of the next one is here, so that
    /// it can rest, or end without anything being cut off.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffered() == 0 && self.padding == 0 && self.open.is_none()
    }

    /// Gives back the memory of a buffer that grew. Does nothing while there are bytes in it.
    pub fn shrink(&mut self) {
        if self.buffered() == 0 && self.buffer.len() > self.usual {
            self.start = 0;
            self.end = 0;
            self.buffer.truncate(self.usual);
            self.buffer.shrink_to_fit();
        }
    }

    /// Forgets everything, for another connection.
    pub fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
        self.open = None;
        self.padding = 0;
        self.shrink();
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::record::{MAX_CONTENT, head};

    /// A record with everything it owns.
    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Record {
        kind: Kind,
        request_id: u16,
        content: Vec<u8>,
        padding: u8,
    }

    impl Record {
        fn append(&self, out: &mut Vec<u8>) {
            let header = Header {
                kind: self.kind,
                request_id: self.request_id,
                content_length: self.content.len() as u16,
                padding_length: self.padding,
            };
            out.extend_from_slice(&header.encode());
            out.extend_from_slice(&self.content);
            out.resize(out.len() + usize::from(self.padding), 0xff);
        }
    }

    /// Puts `bytes` in as a socket would, `chunk` at most at a time, and gives every piece to
    /// `take`.
    fn feed(frames: &mut Frames, mut bytes: &[u8], chunk: usize, mut take: impl FnMut(Piece<'_>)) {
        while !bytes.is_empty() {
            let spare = frames.spare(1);
            assert!(!spare.is_empty());
            let count = spare.len().min(chunk).min(bytes.len());
            spare[..count].copy_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
            frames.advance(count);
            while let Some(piece) = frames.next_piece().unwrap() {
                take(piece);
            }
        }
    }

    #[test]
    fn stream_is_handed_out_as_it_arrives() {
        let mut frames = Frames::new();
        let mut bytes = head(Kind::Stdin, 1, 10).to_vec();
        bytes.extend_from_slice(b"01234");
        let mut pieces = Vec::new();
        feed(&mut frames, &bytes, 100, |piece| pieces.push((piece.content.to_vec(), piece.last)));
        assert!(!frames.is_empty());
        feed(&mut frames, b"56789", 100, |piece| pieces.push((piece.content.to_vec(), piece.last)));
        assert_eq!(pieces, [(b"01234".to_vec(), false), (b"56789".to_vec(), true)]);
        assert!(frames.is_empty());
    }

    #[test]
    fn content_may_go_past_the_buffer() {
        let mut frames = Frames::new();
        let mut bytes = Vec::new();
        let record = |content: &[u8], padding| Record {
            kind: Kind::Stdin,
            request_id: 1,
            content: content.to_vec(),
            padding,
        };
        record(b"0123456789", 3).append(&mut bytes);
        record(b"next", 0).append(&mut bytes);
        let mut pieces = Vec::new();
        feed(&mut frames, &bytes[..12], 100, |piece| pieces.push(piece.content.to_vec()));
        assert_eq!((frames.missing(1), frames.missing(2)), (6, 0));
        frames.taken(2);
        assert_eq!(frames.missing(1), 4);
        frames.taken(4);
        assert_eq!(frames.missing(1), 0);
        feed(&mut frames, &bytes[18..], 100, |piece| pieces.push(piece.content.to_vec()));
        assert_eq!(pieces, [b"0123".to_vec(), b"next".to_vec()]);
        assert!(frames.is_empty());
    }

    #[test]
    fn what_comes_behind_a_header_may_be_content_or_anything() {
        let stdin = |content: &[u8], padding| {
            let mut bytes = Vec::new();
            let (kind, content) = (Kind::Stdin, content.to_vec());
            Record { kind, request_id: 1, content, padding }.append(&mut bytes);
            bytes
        };
        let all = [stdin(b"0123456789", 3), stdin(b"next", 0), stdin(b"", 0)].concat();
        for end in 0..=all.len() {
            for id in [1, 2] {
                let mut frames = Frames::new();
                let now = &all[..end];
                let (header, behind) = now.split_at(HEADER_LEN.min(end));
                let taken = frames.begin(id, header, behind);
                let mut content = behind[..taken].to_vec();
                let mut take = |piece: Piece<'_>| content.extend_from_slice(piece.content);
                while let Some(piece) = frames.next_piece().unwrap() {
                    take(piece);
                }
                feed(&mut frames, &all[end..], 100, take);
                assert_eq!(content, b"0123456789next", "{end}");
                assert_eq!(taken, if id == 1 { end.saturating_sub(HEADER_LEN).min(10) } else { 0 });
                assert!(frames.is_empty());
            }
        }
    }

    #[test]
    fn message_is_handed_out_whole() {
        let mut frames = Frames::new();
        let mut bytes = head(Kind::Stderr, 1, 10).to_vec();
        bytes.extend_from_slice(b"0123456789");
        let mut pieces = Vec::new();
        feed(&mut frames, &bytes, 1, |piece| pieces.push((piece.content.to_vec(), piece.last)));
        assert_eq!(pieces, [(b"0123456789".to_vec(), true)]);
    }

    #[test]
    fn padding_that_is_still_to_come_is_not_the_end() {
        let mut frames = Frames::new();
        let mut bytes = Vec::new();
        Record { kind: Kind::Stdin, request_id: 1, content: vec![7], padding: 9 }
            .append(&mut bytes);
        let length = bytes.len();
        feed(&mut frames, &bytes[..length - 1], 100, |_| {});
        assert!(!frames.is_empty());
        feed(&mut frames, &bytes[length - 1..], 100, |_| panic!("padding was taken for content"));
        assert!(frames.is_empty());
    }

    #[test]
    fn small_buffer_grows_for_the_largest_record_and_shrinks_again() {
        let mut frames = Frames::with_capacity(100);
        let record = Record {
            kind: Kind::Stderr,
            request_id: 1,
            content: vec![7; MAX_CONTENT],
            padding: 255,
        };
        let mut bytes = Vec::new();
        record.append(&mut bytes);
        record.append(&mut bytes);
        let mut count = 0;
        feed(&mut frames, &bytes, 1000, |piece| {
            assert_eq!(piece.content, record.content);
            count += 1;
        });
        assert_eq!(count, 2);
        assert!(frames.buffer.len() <= CAPACITY);
        frames.shrink();
        assert_eq!(frames.spare(1).len(), 100);
    }

    #[test]
    fn stream_needs_no_larger_buffer() {
        let mut frames = Frames::with_capacity(100);
        let mut bytes = head(Kind::Stdout, 1, u16::MAX).to_vec();
        bytes.resize(bytes.len() + MAX_CONTENT, 7);
        feed(&mut frames, &bytes, 1000, |_| {});
        assert_eq!(frames.buffer.len(), 100);
    }

    #[test]
    fn wanted_room_is_made() {
        let mut frames = Frames::with_capacity(100);
        assert!(frames.spare(101).len() >= 101);
        assert_eq!(frames.spare(usize::MAX).len(), CAPACITY);
    }

    #[test]
    fn another_protocol_is_an_error_for_good() {
        let mut frames = Frames::new();
        frames.spare(8)[..8].copy_from_slice(b"HTTP/1.1");
        frames.advance(8);
        assert_eq!(frames.next_piece(), Err(Error::Version(b'H')));
        assert_eq!(frames.next_piece(), Err(Error::Version(b'H')));
        frames.clear();
        assert_eq!(frames.next_piece(), Ok(None));
    }

    fn record() -> impl Strategy<Value = Record> {
        (1..13_u8, any::<u16>(), vec(any::<u8>(), 0..300), any::<u8>()).prop_map(
            |(kind, request_id, content, padding)| Record {
                kind: kind.into(),
                request_id,
                content,
                padding,
            },
        )
    }

    proptest! {
        #[test]
        fn records_survive_any_chunking(
            records in vec(record(), 0..20),
            chunk in 1..700_usize,
            capacity in 0..700_usize,
        ) {
            let mut bytes = Vec::new();
            for record in &records {
                record.append(&mut bytes);
            }
            let mut frames = Frames::with_capacity(capacity);
            let mut found: Vec<Record> = Vec::new();
            let mut open = false;
            feed(&mut frames, &bytes, chunk, |piece| {
                if open {
                    found.last_mut().unwrap().content.extend_from_slice(piece.content);
                } else {
                    found.push(Record {
                        kind: piece.kind,
                        request_id: piece.request_id,
                        content: piece.content.to_vec(),
                        padding: 0,
                    });
                }
                open = !piece.last;
            });
            let expected: Vec<_> =
                records.into_iter().map(|record| Record { padding: 0, ..record }).collect();
            prop_assert_eq!(found, expected);
            prop_assert!(frames.is_empty());
        }

        #[test]
        fn any_bytes_are_taken_or_refused(bytes in vec(0..3_u8, 0..2000), chunk in 1..100_usize) {
            let mut frames = Frames::with_capacity(64);
            for chunk in bytes.chunks(chunk) {
                frames.spare(chunk.len())[..chunk.len()].copy_from_slice(chunk);
                frames.advance(chunk.len());
                let mut pieces = 0;
                while let Ok(Some(_)) = frames.next_piece() {
                    pieces += 1;
                }
                prop_assert!(pieces <= bytes.len());
                if frames.next_piece().is_err() {
                    break;
                }
            }
        }
    }
}
