//! Writing a request: the front's side (FastCGI 1.0, sections 5.1 to 5.4 and 6.2).
//!
//! A request is [`begin`], the parameters, the body as `FCGI_STDIN` and [`stdin_end`]. The small
//! parts are appended to one buffer; a large body goes from where it is, between the headers of
//! [`split`], in the same `writev`.

pub use crate::record::{head, split, stream};

use crate::pairs;
use crate::record::{HEADER_LEN, Kind, Role};

/// The flag of `FCGI_BEGIN_REQUEST` that leaves the connection open after the request.
pub(crate) const KEEP_CONN: u8 = 1;

/// Begins a request. With `keep_conn` the worker leaves the connection open after it.
pub fn begin(out: &mut Vec<u8>, request_id: u16, role: Role, keep_conn: bool) {
    let [role_1, role_0] = u16::from(role).to_be_bytes();
    let flags = if keep_conn { KEEP_CONN } else { 0 };
    out.extend_from_slice(&head(Kind::BeginRequest, request_id, 8));
    out.extend_from_slice(&[role_1, role_0, flags, 0, 0, 0, 0, 0]);
}

/// Appends parameters that are already encoded as [`pairs`], and their end.
pub fn params(out: &mut Vec<u8>, request_id: u16, pairs: &[u8]) {
    stream(out, Kind::Params, request_id, pairs);
    out.extend_from_slice(&head(Kind::Params, request_id, 0));
}

/// Parameters that are written where they are sent from.
///
/// ```
/// use fastcgi::request;
///
/// let mut out = Vec::new();
/// let mut params = request::Params::new(&mut out, 1);
/// params.push(b"REQUEST_METHOD", b"GET");
/// params.finish();
/// ```
#[derive(Debug)]
#[must_use = "the records are complete only after `finish`"]
pub struct Params<'a> {
    out: &'a mut Vec<u8>,
    request_id: u16,
    /// Where the header of the first record is.
    header: usize,
}

impl<'a> Params<'a> {
    /// Reserves the header of a record at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>, request_id: u16) -> Self {
        let header = out.len();
        out.extend_from_slice(&[0; HEADER_LEN]);
        Self { out, request_id, header }
    }

    /// Appends one parameter.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        pairs::push(self.out, name, value);
    }

    /// Writes the header, and the empty record that ends the parameters. Only if they need more
    /// than one record they are copied.
    pub fn finish(self) {
        let Self { out, request_id, header } = self;
        let content = header + HEADER_LEN;
        let length = out.len() - content;
        match u16::try_from(length) {
            // An empty record would end the parameters already.
            Ok(0) => out.truncate(header),
            Ok(length) => {
                if let Some(bytes) = out.get_mut(header..content) {
                    bytes.copy_from_slice(&head(Kind::Params, request_id, length));
                }
            }
            Err(_) => {
                let pairs = out.split_off(content);
                out.truncate(header);
                stream(out, Kind::Params, request_id, &pairs);
            }
        }
        out.extend_from_slice(&head(Kind::Params, request_id, 0));
    }
}

/// The header of a record of the request body; `length` bytes follow it.
#[must_use]
pub fn stdin_header(request_id: u16, length: u16) -> [u8; HEADER_LEN] {
    head(Kind::Stdin, request_id, length)
}

/// The end of the request body.
#[must_use]
pub fn stdin_end(request_id: u16) -> [u8; HEADER_LEN] {
    head(Kind::Stdin, request_id, 0)
}

/// Says that the response is not wanted any more. The worker still ends the request.
#[must_use]
pub fn abort(request_id: u16) -> [u8; HEADER_LEN] {
    head(Kind::AbortRequest, request_id, 0)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn begin_is_laid_out_as_in_the_specification() {
        let mut out = Vec::new();
        begin(&mut out, 1, Role::Responder, true);
        assert_eq!(out, [1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn ends_are_empty_records() {
        assert_eq!(stdin_end(1), [1, 5, 0, 1, 0, 0, 0, 0]);
        assert_eq!(abort(1), [1, 2, 0, 1, 0, 0, 0, 0]);
        assert_eq!(stdin_header(1, 258), [1, 5, 0, 1, 1, 2, 0, 0]);
    }

    #[test]
    fn no_parameters_are_one_empty_record() {
        let mut out = Vec::new();
        Params::new(&mut out, 1).finish();
        assert_eq!(out, [1, 4, 0, 1, 0, 0, 0, 0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn parameters_in_place_are_those_encoded_before(
            values in vec((0..40_000_usize, any::<u8>()), 0..6),
        ) {
            let mut encoded = Vec::new();
            let mut in_place = b"what was there".to_vec();
            let mut params_in_place = Params::new(&mut in_place, 1);
            for (length, byte) in values {
                let value = vec![byte; length];
                pairs::push(&mut encoded, b"NAME", &value);
                params_in_place.push(b"NAME", &value);
            }
            params_in_place.finish();
            let mut expected = b"what was there".to_vec();
            params(&mut expected, 1, &encoded);
            prop_assert!(in_place == expected);
        }
    }
}
