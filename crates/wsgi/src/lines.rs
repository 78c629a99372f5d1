//! Lines: read from `wsgi.input`, written to `wsgi.errors` (PEP 3333, "Input and Error Streams").
//!
//! [`LineBuffer`] holds what was read ahead of the application, [`LogLines`] what it wrote of a
//! line that has not ended. Both belong to one request and keep their memory.

use memchr::memchr;

/// The longest line of a log unless said otherwise. httpd cuts a record at 8192 bytes, and what it puts before and
/// behind the line (time, client, referrer) is in them.
pub const MAX_LOG_LINE: usize = 7500;

/// Bytes between a source and a reader that wants lines, or any number of bytes.
#[derive(Clone, Debug, Default)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    /// What is before was taken.
    start: usize,
    /// No line ends between `start` and here, so that no byte is looked at twice.
    searched: usize,
}

impl LineBuffer {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes of the source.
    pub fn push(&mut self, bytes: &[u8]) {
        // Moving what is left costs less than was taken since it was moved the last time.
        if self.start >= self.len() {
            self.bytes.drain(..self.start);
            self.searched = self.searched.saturating_sub(self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a line with its `\n`, or `limit` bytes of a longer one. `None` if neither is here yet:
    /// push more, or [`take_all`](Self::take_all) at the end of the source.
    #[must_use]
    pub fn line(&mut self, limit: Option<usize>) -> Option<&[u8]> {
        let limit = limit.unwrap_or(usize::MAX);
        let searched = self.searched.max(self.start);
        let end = self.start.saturating_add(limit).min(self.bytes.len());
        // Empty if a longer line was searched before.
        match memchr(b'\n', self.bytes.get(searched..end).unwrap_or_default()) {
            Some(at) => Some(self.take(searched + at + 1 - self.start)),
            None if self.len() >= limit => Some(self.take(limit)),
            None => {
                self.searched = end;
                None
            }
        }
    }

    /// Takes `count` bytes, or all if there are less.
    pub fn take(&mut self, count: usize) -> &[u8] {
        let start = self.start;
        self.start = start.saturating_add(count).min(self.bytes.len());
        self.bytes.get(start..self.start).unwrap_or_default()
    }

    /// Takes all bytes.
    pub fn take_all(&mut self) -> &[u8] {
        self.take(usize::MAX)
    }
}

/// Cuts a line into pieces that a log takes whole, when it writes each byte that is no printable ASCII character as
/// `\\xNN`. There is at least one piece, and none is empty unless the line is.
pub fn log_pieces(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let mut left = MAX_LOG_LINE;
        let end = line.iter().position(|byte| {
            let plain = matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
            match left.checked_sub(if plain { 1 } else { 4 }) {
                Some(now) => left = now,
                None => return true,
            }
            false
        });
        let (piece, behind) = line.split_at(end.unwrap_or(line.len()));
        rest = (!behind.is_empty()).then_some(behind);
        Some(piece)
    })
}

/// Cuts what is written to a log into lines.
#[derive(Clone, Debug)]
pub struct LogLines {
    /// Of a line that has not ended; never more than `max`.
    partial: Vec<u8>,
    max: usize,
}

impl Default for LogLines {
    fn default() -> Self {
        Self::new(MAX_LOG_LINE)
    }
}

impl LogLines {
    /// Lines of at most `max` bytes, and at least one. The rest of a longer line becomes lines of
    /// its own, so that nothing is lost.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { partial: Vec::new(), max: max.max(1) }
    }

    /// Takes what was written and gives every line that is complete, without its `\n`, to `log`. A
    /// line that comes whole is not copied.
    pub fn write(&mut self, mut text: &[u8], mut log: impl FnMut(&[u8])) {
        while let Some((line, rest)) = memchr(b'\n', text).and_then(|at| text.split_at_checked(at))
        {
            text = rest.get(1..).unwrap_or_default();
            let line = self.fill(line, &mut log);
            if self.partial.is_empty() {
                log(line);
            } else {
                self.partial.extend_from_slice(line);
                log(&self.partial);
                self.partial.clear();
            }
        }
        let rest = self.fill(text, &mut log);
        self.partial.extend_from_slice(rest);
    }

    /// Logs as many full pieces of a long line as there are; what it returns fits behind `partial`.
    fn fill<'a>(&mut self, mut line: &'a [u8], log: &mut impl FnMut(&[u8])) -> &'a [u8] {
        while let Some((piece, rest)) = line.split_at_checked(self.max - self.partial.len()) {
            if rest.is_empty() {
                break;
            }
            if self.partial.is_empty() {
                log(piece);
            } else {
                self.partial.extend_from_slice(piece);
                log(&self.partial);
                self.partial.clear();
            }
            line = rest;
        }
        line
    }

    /// Gives the line that has not ended, if there is one, to `log`.
    pub fn flush(&mut self, log: impl FnOnce(&[u8])) {
        if !self.partial.is_empty() {
            log(&self.partial);
            self.partial.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn line_has_its_end() {
        let mut buffer = LineBuffer::new();
        buffer.push(b"one\n\ntw");
        assert_eq!(buffer.line(None), Some(&b"one\n"[..]));
        assert_eq!(buffer.line(None), Some(&b"\n"[..]));
        assert_eq!(buffer.line(None), None);
        buffer.push(b"o\n");
        assert_eq!(buffer.line(None), Some(&b"two\n"[..]));
        assert_eq!(buffer.line(None), None);
        assert!(buffer.is_empty());
    }

    #[test]
    fn line_is_cut_at_the_limit() {
        let mut buffer = LineBuffer::new();
        buffer.push(b"abcdef\nx");
        assert_eq!(buffer.line(Some(4)), Some(&b"abcd"[..]));
        assert_eq!(buffer.line(Some(3)), Some(&b"ef\n"[..]));
        assert_eq!(buffer.line(Some(0)), Some(&b""[..]));
        assert_eq!(buffer.line(Some(2)), None);
        assert_eq!(buffer.take_all(), b"x");
    }

    #[test]
    fn limit_after_a_search_without_one_is_kept() {
        let mut buffer = LineBuffer::new();
        buffer.push(b"abcdef");
        assert_eq!(buffer.line(None), None);
        assert_eq!(buffer.line(Some(2)), Some(&b"ab"[..]));
        buffer.push(b"\n");
        assert_eq!(buffer.line(None), Some(&b"cdef\n"[..]));
    }

    #[test]
    fn log_line_is_whole() {
        assert_eq!(logged(8, &[b"a", b"b\nc", b"\n\n", b"d"]), ["ab", "c", "", "d"]);
    }

    #[test]
    fn long_log_line_is_continued() {
        assert_eq!(logged(3, &[b"abcdefgh\n"]), ["abc", "def", "gh"]);
        assert_eq!(logged(3, &[b"abc", b"\n", b"abcd"]), ["abc", "abc", "d"]);
    }

    #[test]
    fn log_line_of_the_greatest_length_has_no_empty_rest() {
        assert_eq!(logged(3, &[b"abcdef\n", b"abc\n"]), ["abc", "def", "abc"]);
    }

    #[test]
    fn a_log_takes_each_piece_of_a_line_whole() {
        fn lengths(line: &[u8]) -> Vec<usize> {
            log_pieces(line).map(<[u8]>::len).collect()
        }
        assert_eq!(lengths(b""), [0]);
        assert_eq!(lengths(&[b'x'; MAX_LOG_LINE]), [MAX_LOG_LINE]);
        assert_eq!(lengths(&[b'x'; MAX_LOG_LINE + 1]), [MAX_LOG_LINE, 1]);
        assert_eq!(lengths(&[0xff; MAX_LOG_LINE / 4 + 1]), [MAX_LOG_LINE / 4, 1]);
    }

    fn logged(max: usize, writes: &[&[u8]]) -> Vec<String> {
        let mut found = Vec::new();
        let mut log = |line: &[u8]| found.push(String::from_utf8_lossy(line).into_owned());
        let mut lines = LogLines::new(max);
        for text in writes {
            lines.write(text, &mut log);
        }
        lines.flush(&mut log);
        found
    }

    /// What a reader does with a [`LineBuffer`].
    #[derive(Clone, Debug)]
    enum Step {
        Push(Vec<u8>),
        Line(Option<usize>),
        Take(usize),
        TakeAll,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => text().prop_map(Step::Push),
            4 => proptest::option::of(0..12_usize).prop_map(Step::Line),
            2 => (0..12_usize).prop_map(Step::Take),
            1 => Just(Step::TakeAll),
        ]
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        "[a-c\n]{0,12}".prop_map(String::into_bytes)
    }

    proptest! {
        #[test]
        fn line_buffer_is_a_queue_of_bytes(steps in vec(step(), 0..40)) {
            let mut buffer = LineBuffer::new();
            let mut naive: Vec<u8> = Vec::new();
            for step in steps {
                match step {
                    Step::Push(bytes) => {
                        buffer.push(&bytes);
                        naive.extend(bytes);
                    }
                    Step::Line(limit) => {
                        let limit = limit.unwrap_or(usize::MAX);
                        let newline = naive.iter().position(|&byte| byte == b'\n');
                        let end = newline.map_or(usize::MAX, |at| at + 1);
                        let count = end.min(limit);
                        let expected: Option<Vec<u8>> =
                            (count <= naive.len()).then(|| naive.drain(..count).collect());
                        let limit = (limit != usize::MAX).then_some(limit);
                        prop_assert_eq!(buffer.line(limit), expected.as_deref());
                    }
                    Step::Take(count) => {
                        let expected: Vec<u8> = naive.drain(..count.min(naive.len())).collect();
                        prop_assert_eq!(buffer.take(count), &expected[..]);
                    }
                    Step::TakeAll => {
                        prop_assert_eq!(buffer.take_all(), &naive[..]);
                        naive.clear();
                    }
                }
                prop_assert_eq!(buffer.len(), naive.len());
            }
        }

        #[test]
        fn log_lines_do_not_depend_on_the_writes(writes in vec(text(), 0..12), max in 1..8_usize) {
            let whole = writes.concat();
            let mut expected: Vec<String> = Vec::new();
            let mut lines: Vec<&[u8]> = whole.split(|&b| b == b'\n').collect();
            let last = lines.pop().unwrap_or_default();
            for line in lines {
                if line.is_empty() {
                    expected.push(String::new());
                }
                expected.extend(line.chunks(max).map(|c| String::from_utf8_lossy(c).into_owned()));
            }
            expected.extend(last.chunks(max).map(|c| String::from_utf8_lossy(c).into_owned()));
            let writes: Vec<&[u8]> = writes.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(logged(max, &writes), expected);
        }
    }
}
