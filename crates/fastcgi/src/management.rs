//! Management records: what a front asks a worker about itself (FastCGI 1.0, section 4).
//!
//! They have the request id 0 and may come at any time. How large a worker is, is all the
//! specification lets one ask; extensions are agreed upon by asking for names of their own.

use crate::record::{HEADER_LEN, Kind, MAX_CONTENT, head};
use crate::{Error, pairs};

/// What a worker tells of itself.
#[derive(Clone, Debug, Default)]
pub struct Values {
    values: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Values {
    /// Adds a value, or replaces the one of that name.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        self.values.retain(|(known, _)| known != name);
        self.values.push((name.to_vec(), value.to_vec()));
    }

    /// Appends to `out` the answer to an `FCGI_GET_VALUES` record with this content. Names that are
    /// not known are left out; each value is said once, however often it is asked for.
    ///
    /// # Errors
    /// [`Error::Pair`] if the content is not name-value pairs.
    pub fn answer(&self, out: &mut Vec<u8>, asked: &[u8]) -> Result<(), Error> {
        let asked = pairs::iter(asked).collect::<Result<Vec<_>, _>>()?;
        let known = self.values.iter().filter(|(name, _)| asked.iter().any(|(n, _)| n == name));
        push_record(out, Kind::GetValuesResult, known.map(|(name, value)| (&**name, &**value)));
        Ok(())
    }
}

/// Asks for values by their names, for example `FCGI_MAX_CONNS` (section 4.1).
pub fn ask_values(out: &mut Vec<u8>, names: &[&[u8]]) {
    push_record(out, Kind::GetValues, names.iter().map(|name| (*name, &b""[..])));
}

/// One record of pairs; those that do not fit into it are left out.
fn push_record<'a>(
    out: &mut Vec<u8>,
    kind: Kind,
    pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) {
    let mut content = Vec::new();
    for (name, value) in pairs {
        let before = content.len();
        pairs::push(&mut content, name, value);
        if content.len() > MAX_CONTENT {
            content.truncate(before);
        }
    }
    out.extend_from_slice(&head(kind, 0, content.len() as u16));
    out.extend_from_slice(&content);
}

/// The answer to a management record of a kind the worker does not know (section 4.2).
#[must_use]
pub fn unknown_type(kind: u8) -> [u8; 2 * HEADER_LEN] {
    let [v, unknown, id_1, id_0, length_1, length_0, padding, reserved] =
        head(Kind::UnknownType, 0, 8);
    [
        v, unknown, id_1, id_0, length_1, length_0, padding, reserved, // header
        kind, 0, 0, 0, 0, 0, 0, 0,
    ]
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_asked_for_by_name() {
        let mut out = Vec::new();
        ask_values(&mut out, &[b"FCGI_MAX_CONNS"]);
        assert_eq!(out[..10], [1, 9, 0, 0, 0, 16, 0, 0, 14, 0]);
        assert_eq!(out[10..], *b"FCGI_MAX_CONNS");
    }

    #[test]
    fn name_that_does_not_fit_is_not_asked_for() {
        let mut out = Vec::new();
        ask_values(&mut out, &[&[b'x'; MAX_CONTENT], b"NAME"]);
        assert_eq!(out, [1, 9, 0, 0, 0, 6, 0, 0, 4, 0, b'N', b'A', b'M', b'E']);
    }

    #[test]
    fn known_values_are_told_once() {
        let mut values = Values::default();
        values.set(b"A", b"old");
        values.set(b"A", b"1");
        values.set(b"B", b"2");
        let mut asked = Vec::new();
        for name in [&b"C"[..], b"A", b"A"] {
            pairs::push(&mut asked, name, b"");
        }
        let mut out = Vec::new();
        values.answer(&mut out, &asked).unwrap();
        assert_eq!(out, [1, 10, 0, 0, 0, 4, 0, 0, 1, 1, b'A', b'1']);
    }

    #[test]
    fn unknown_type_is_laid_out_as_in_the_specification() {
        assert_eq!(unknown_type(99), [1, 11, 0, 0, 0, 8, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0]);
    }

    proptest! {
        #[test]
        fn any_question_has_a_bounded_answer(asked in vec(0..3_u8, 0..300)) {
            let mut values = Values::default();
            values.set(b"\0", b"value");
            values.set(b"", b"value");
            let mut out = Vec::new();
            let _ = values.answer(&mut out, &asked);
            prop_assert!(out.len() <= 8 + 8 + 7);
        }
    }
}
