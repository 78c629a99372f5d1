//! A response as FastCGI records: their headers, and the parts of one message in order. Pure, without I/O.
//!
//! See the FastCGI specification, section 3.3.

use fastcgi::{MAX_CONTENT, response};
use std::io::IoSlice;

/// The headers of the records that carry `total` bytes.
pub(crate) fn record_headers(id: u16, total: usize) -> Vec<[u8; fastcgi::HEADER_LEN]> {
    let mut headers = Vec::with_capacity(total.div_ceil(MAX_CONTENT));
    let mut left = total;
    while left > 0 {
        let length = left.min(MAX_CONTENT);
        headers.push(response::stdout_header(id, u16::try_from(length).unwrap_or(u16::MAX)));
        left -= length;
    }
    headers
}

/// Lays out a head and chunks as records: each header, and after it pieces that add up to its length.
pub(crate) fn gather<'a>(
    parts: &mut Vec<IoSlice<'a>>,
    headers: &'a [[u8; fastcgi::HEADER_LEN]],
    text: &'a [u8],
    chunks: &[&'a [u8]],
) {
    let mut headers = headers.iter();
    let mut room = 0;
    for mut piece in std::iter::once(text).chain(chunks.iter().copied()) {
        while !piece.is_empty() {
            if room == 0 {
                let Some(header) = headers.next() else { return };
                parts.push(IoSlice::new(header));
                room = MAX_CONTENT;
            }
            let (now, rest) = piece.split_at(piece.len().min(room));
            parts.push(IoSlice::new(now));
            room -= now.len();
            piece = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastcgi::{Frames, Response};

    #[test]
    fn a_head_and_chunks_of_any_size_come_out_as_records_in_order() {
        let text = b"Status: 200 OK\r\n\r\n".to_vec();
        let big = vec![7; 200_000];
        let chunks: [&[u8]; 4] = [b"one", &big, b"", b"two"];
        let expected = [text.as_slice(), b"one", &big, b"two"].concat();
        let headers = record_headers(3, expected.len());
        let mut parts = Vec::new();
        gather(&mut parts, &headers, &text, &chunks);
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_vec()).collect();
        let (mut frames, mut response) = (Frames::new(), Response::new(3));
        let mut found = Vec::new();
        for piece in bytes.chunks(1000) {
            let spare = frames.spare(piece.len());
            spare[..piece.len()].copy_from_slice(piece);
            frames.advance(piece.len());
            while let Some(event) = response.next(&mut frames).unwrap() {
                match event {
                    fastcgi::response::Event::Stdout(bytes) => found.extend_from_slice(bytes),
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(found, expected);
    }
}
