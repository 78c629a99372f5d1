//! Bytes of a request body on their way to a worker: one record at a time, in a block that is used again.
//!
//! Owned by the relay of one attempt, on the httpd thread of the request.

use crate::daemon::dispatch::REQUEST_ID;
use fastcgi::{HEADER_LEN, Kind, record};
use std::ops::Range;

/// Body bytes in one record: nearly as many as fit, so that the worker is woken seldom.
const MOST: usize = 65_528;

/// A record, and how much of it was sent.
#[derive(Debug, Default)]
pub struct Outgoing {
    block: Vec<u8>,
    /// What is still to be sent.
    left: Range<usize>,
}

impl Outgoing {
    /// Is there nothing to be sent?
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// What is to be sent.
    pub fn rest(&self) -> &[u8] {
        self.block.get(self.left.clone()).unwrap_or_default()
    }

    /// So many bytes of it were sent.
    pub fn sent(&mut self, count: usize) {
        self.left.start = self.left.start.saturating_add(count).min(self.left.end);
    }

    /// Nothing is to be sent.
    pub fn clear(&mut self) {
        self.left = 0..0;
    }

    /// Room for the bytes of a record of the body. It is cleared once, and not for each record.
    pub fn room(&mut self) -> &mut [u8] {
        self.clear();
        self.block.resize(HEADER_LEN + MOST, 0);
        self.block.get_mut(HEADER_LEN..).unwrap_or_default()
    }

    /// The first `count` bytes of the room are to be sent, as a record.
    pub fn set_body(&mut self, count: usize) {
        let count = count.min(MOST);
        let header =
            record::head(Kind::Stdin, REQUEST_ID, u16::try_from(count).unwrap_or(u16::MAX));
        if let Some(place) = self.block.get_mut(..HEADER_LEN) {
            place.copy_from_slice(&header);
            self.left = 0..HEADER_LEN + count;
        }
    }

    /// These bytes are to be sent as well.
    pub fn add(&mut self, record: &[u8]) {
        self.block.truncate(self.left.end);
        self.block.extend_from_slice(record);
        self.left.end = self.block.len();
    }

    /// These records are to be sent.
    pub fn set(&mut self, records: &[&[u8]]) {
        self.block.clear();
        records.iter().for_each(|bytes| self.block.extend_from_slice(bytes));
        self.left = 0..self.block.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_sent_as_a_record_and_the_block_is_used_again() {
        let mut outgoing = Outgoing::default();
        assert!(outgoing.is_empty() && outgoing.rest().is_empty());
        let room = outgoing.room();
        assert_eq!(room.len(), MOST);
        room[..3].copy_from_slice(b"abc");
        outgoing.set_body(3);
        assert_eq!(outgoing.rest(), b"\x01\x05\x00\x01\x00\x03\x00\x00abc");
        outgoing.sent(9);
        assert_eq!(outgoing.rest(), b"bc");
        outgoing.add(b"end");
        assert_eq!(outgoing.rest(), b"bcend");
        outgoing.sent(5);
        assert!(outgoing.is_empty());
        outgoing.set(&[b"end", b"ed"]);
        assert_eq!(outgoing.rest(), b"ended");
        outgoing.clear();
        assert!(outgoing.is_empty());
    }
}
