//! Name-value pairs, the content of `FCGI_PARAMS` and `FCGI_GET_VALUES` (FastCGI 1.0, section 3.4).
//!
//! The lengths of name and value, then name and value. A length below 128 is one byte; any other is
//! four bytes with the highest bit set.

use std::iter::FusedIterator;

use crate::Error;

/// The longest name or value that can be said.
const MAX_LENGTH: usize = 0x7fff_ffff;

/// Appends a pair to `out`. A name or value of 2 GiB or more cannot be said and is left out.
pub fn push(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    if name.len() > MAX_LENGTH || value.len() > MAX_LENGTH {
        return;
    }
    out.reserve(8 + name.len() + value.len());
    match (u8::try_from(name.len()), u8::try_from(value.len())) {
        // Nearly all of them.
        (Ok(name @ 0..=127), Ok(value @ 0..=127)) => out.extend_from_slice(&[name, value]),
        _ => {
            push_length(out, name.len());
            push_length(out, value.len());
        }
    }
    out.extend_from_slice(name);
    out.extend_from_slice(value);
}

fn push_length(out: &mut Vec<u8>, length: usize) {
    match u8::try_from(length) {
        Ok(short @ 0..=127) => out.push(short),
        _ => out.extend_from_slice(&(length as u32 | 0x8000_0000).to_be_bytes()),
    }
}

/// The pairs in `bytes`, in order.
#[must_use]
pub fn iter(bytes: &[u8]) -> Pairs<'_> {
    Pairs { rest: bytes }
}

/// The iterator of [`iter`]; it ends after the first error.
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match split_pair(self.rest) {
            Some((pair, rest)) => {
                self.rest = rest;
                Some(Ok(pair))
            }
            None => {
                self.rest = &[];
                Some(Err(Error::Pair))
            }
        }
    }
}

impl FusedIterator for Pairs<'_> {}

/// A name and its value.
type Pair<'a> = (&'a [u8], &'a [u8]);

fn split_pair(bytes: &[u8]) -> Option<(Pair<'_>, &[u8])> {
    let (name_length, bytes) = split_length(bytes)?;
    let (value_length, bytes) = split_length(bytes)?;
    let (name, bytes) = bytes.split_at_checked(name_length)?;
    let (value, bytes) = bytes.split_at_checked(value_length)?;
    Some(((name, value), bytes))
}

fn split_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 128 {
        return Some((usize::from(first), rest));
    }
    let (long, rest) = bytes.split_first_chunk::<4>()?;
    Some(((u32::from_be_bytes(*long) & 0x7fff_ffff) as usize, rest))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_lengths_take_one_byte_and_long_ones_four() {
        let mut out = Vec::new();
        push(&mut out, b"NAME", &[b'v'; 127]);
        assert_eq!(out[..6], [4, 127, b'N', b'A', b'M', b'E']);
        out.clear();
        push(&mut out, b"NAME", &[b'v'; 128]);
        assert_eq!(out[..6], [4, 0x80, 0, 0, 128, b'N']);
    }

    #[test]
    fn length_in_the_long_form_may_be_small() {
        let bytes = [0x80, 0, 0, 1, 1, b'a', b'b'];
        assert_eq!(iter(&bytes).collect::<Vec<_>>(), [Ok((&b"a"[..], &b"b"[..]))]);
    }

    #[test]
    fn pair_that_is_cut_off_is_one_error_and_the_end() {
        let mut out = Vec::new();
        push(&mut out, b"NAME", b"value");
        push(&mut out, b"NAME", &[b'v'; 300]);
        let whole = 11;
        for length in whole + 1..out.len() {
            let found: Vec<_> = iter(&out[..length]).collect();
            assert_eq!(found, [Ok((&b"NAME"[..], &b"value"[..])), Err(Error::Pair)]);
        }
    }

    proptest! {
        #[test]
        fn round_trip(pairs in vec((vec(any::<u8>(), 0..200), vec(any::<u8>(), 0..200)), 0..20)) {
            let mut out = Vec::new();
            for (name, value) in &pairs {
                push(&mut out, name, value);
            }
            let found: Result<Vec<_>, _> =
                iter(&out).map(|pair| pair.map(|(n, v)| (n.to_vec(), v.to_vec()))).collect();
            prop_assert_eq!(found, Ok(pairs));
        }

        #[test]
        fn any_bytes_come_to_an_end(bytes in vec(any::<u8>(), 0..300)) {
            prop_assert!(iter(&bytes).count() <= bytes.len());
        }
    }
}
