//! The bytes of telemetry: fields with a number and a type each, behind a header in one datagram.
//!
//! Plain data. The format is mod_wsgi's, so that its service reads it: little endian, and a reader skips what it
//! does not know.

/// What a datagram is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// What was counted since the last one.
    Requests = 2,
    /// One request that takes long.
    SlowRequest = 4,
    /// The process began.
    Started = 5,
    /// It is about to end.
    Stopping = 6,
    /// It ends now.
    Stopped = 7,
    /// What the garbage collector of an interpreter counts.
    CollectorState = 8,
    /// One collection.
    Collection = 9,
}

/// Fields of a datagram.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record(Vec<u8>);

impl Record {
    /// A whole number.
    pub(crate) fn int(&mut self, id: u16, value: u64) {
        self.begin(id, 1);
        self.0.extend(value.to_le_bytes());
    }

    /// A number.
    pub(crate) fn float(&mut self, id: u16, value: f64) {
        self.begin(id, 2);
        self.0.extend(value.to_le_bytes());
    }

    /// A time in microseconds, which is sent in seconds.
    pub(crate) fn time(&mut self, id: u16, microseconds: u64) {
        self.float(id, microseconds as f64 / 1e6);
    }

    /// Text of less than `limit` bytes, cut if it is longer; nothing if there is none.
    pub(crate) fn text(&mut self, id: u16, value: &[u8], limit: usize) {
        const CUT: &[u8] = b"...";
        if value.is_empty() {
            return;
        }
        let most = limit.saturating_sub(1);
        let (kept, end) = if value.len() > most {
            (value.get(..most.saturating_sub(CUT.len())).unwrap_or_default(), CUT)
        } else {
            (value, &b""[..])
        };
        self.begin(id, 4);
        self.count(kept.len() + end.len());
        self.0.extend(kept);
        self.0.extend(end);
    }

    /// A list of whole numbers.
    pub(crate) fn ints(&mut self, id: u16, values: impl ExactSizeIterator<Item = u64>) {
        self.begin(id, 5);
        self.count(values.len());
        for value in values {
            self.0.extend(i32::try_from(value).unwrap_or(i32::MAX).to_le_bytes());
        }
    }

    /// A list of times in microseconds.
    pub(crate) fn times(&mut self, id: u16, values: impl ExactSizeIterator<Item = u64>) {
        self.floats(id, values.map(|microseconds| microseconds as f64 / 1e6));
    }

    /// A list of numbers.
    pub(crate) fn floats(&mut self, id: u16, values: impl ExactSizeIterator<Item = f64>) {
        self.begin(id, 6);
        self.count(values.len());
        for value in values {
            self.0.extend(value.to_le_bytes());
        }
    }

    /// The fields of another one.
    pub(crate) fn append(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    /// The datagram of these fields; `time` in seconds since 1970.
    pub(crate) fn datagram(&self, kind: Kind, pid: u32, sequence: u32, time: f64) -> Vec<u8> {
        let mut out = Vec::with_capacity(24 + self.0.len());
        out.extend(b"WSGI");
        out.extend([1, kind as u8]);
        out.extend(0_u16.to_le_bytes());
        out.extend(pid.to_le_bytes());
        out.extend(sequence.to_le_bytes());
        out.extend(time.to_le_bytes());
        out.extend(&self.0);
        out
    }

    fn begin(&mut self, id: u16, kind: u8) {
        self.0.extend(id.to_le_bytes());
        self.0.push(kind);
    }

    fn count(&mut self, count: usize) {
        self.0.extend(u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_has_its_header_and_its_fields() {
        let mut record = Record::default();
        record.int(20, 7);
        record.time(21, 500_000);
        record.text(5, b"host", 64);
        record.ints(110, [1, u64::MAX].into_iter());
        record.times(111, [2_000_000].into_iter());
        let bytes = record.datagram(Kind::Requests, 0x0102, 3, 1.0);
        let expected = [
            &b"WSGI\x01\x02\0\0\x02\x01\0\0\x03\0\0\0"[..],
            &1.0_f64.to_le_bytes(),
            b"\x14\0\x01\x07\0\0\0\0\0\0\0",
            b"\x15\0\x02",
            &0.5_f64.to_le_bytes(),
            b"\x05\0\x04\x04\0host",
            b"\x6e\0\x05\x02\0\x01\0\0\0\xff\xff\xff\x7f",
            b"\x6f\0\x06\x01\0",
            &2.0_f64.to_le_bytes(),
        ]
        .concat();
        assert_eq!(bytes, expected);
    }

    #[test]
    fn long_text_is_cut_and_no_text_is_no_field() {
        let mut record = Record::default();
        record.text(1, b"", 16);
        assert!(record.0.is_empty());
        record.text(1, b"123456789012345", 16);
        assert!(record.0.ends_with(b"\x0f\x00123456789012345"));
        record.text(1, b"1234567890123456", 16);
        assert!(record.0.ends_with(b"\x0f\x00123456789012..."));
    }
}
