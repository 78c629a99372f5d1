//! Records: the header every one begins with, and the numbers in them (FastCGI 1.0, sections 3.3
//! and 8).
//!
//! A record is a header of eight bytes, up to 65535 bytes of content, and up to 255 bytes of
//! padding. We never pad what we write: it would cost an entry in each `writev`, and readers must
//! not rely on it.

use std::fmt;

use crate::Error;

/// The length of a record's header.
pub const HEADER_LEN: usize = 8;

/// The most content one record can have.
pub const MAX_CONTENT: usize = 65535;

/// The only version there is.
const VERSION: u8 = 1;

/// What a record is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The front begins a request.
    BeginRequest,
    /// The front wants no answer any more.
    AbortRequest,
    /// The worker has answered, or will not.
    EndRequest,
    /// Name-value pairs of the request.
    Params,
    /// Bytes of the request body.
    Stdin,
    /// Bytes of the response.
    Stdout,
    /// Bytes for the log.
    Stderr,
    /// A second input, of the Filter role only.
    Data,
    /// The front asks what the worker can do.
    GetValues,
    /// The worker's answer to that.
    GetValuesResult,
    /// The worker does not know a management record.
    UnknownType,
    /// A kind that is not in the specification.
    Other(u8),
}

impl Kind {
    /// Whether the content is a stream cut into records at places that mean nothing, so that a part
    /// of a record is as good as the whole. (`FCGI_STDERR` is a stream too, but one record is
    /// usually one message, which is better kept together.)
    pub(crate) fn is_stream(self) -> bool {
        matches!(self, Self::Params | Self::Stdin | Self::Stdout | Self::Data)
    }
}

impl From<u8> for Kind {
    fn from(number: u8) -> Self {
        match number {
            1 => Self::BeginRequest,
            2 => Self::AbortRequest,
            3 => Self::EndRequest,
            4 => Self::Params,
            5 => Self::Stdin,
            6 => Self::Stdout,
            7 => Self::Stderr,
            8 => Self::Data,
            9 => Self::GetValues,
            10 => Self::GetValuesResult,
            11 => Self::UnknownType,
            other => Self::Other(other),
        }
    }
}

impl From<Kind> for u8 {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::BeginRequest => 1,
            Kind::AbortRequest => 2,
            Kind::EndRequest => 3,
            Kind::Params => 4,
            Kind::Stdin => 5,
            Kind::Stdout => 6,
            Kind::Stderr => 7,
            Kind::Data => 8,
            Kind::GetValues => 9,
            Kind::GetValuesResult => 10,
            Kind::UnknownType => 11,
            Kind::Other(other) => other,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BeginRequest => "FCGI_BEGIN_REQUEST",
            Self::AbortRequest => "FCGI_ABORT_REQUEST",
            Self::EndRequest => "FCGI_END_REQUEST",
            Self::Params => "FCGI_PARAMS",
            Self::Stdin => "FCGI_STDIN",
            Self::Stdout => "FCGI_STDOUT",
            Self::Stderr => "FCGI_STDERR",
            Self::Data => "FCGI_DATA",
            Self::GetValues => "FCGI_GET_VALUES",
            Self::GetValuesResult => "FCGI_GET_VALUES_RESULT",
            Self::UnknownType => "FCGI_UNKNOWN_TYPE",
            Self::Other(other) => return write!(f, "a record of type {other}"),
        })
    }
}

/// What the front wants of the worker (section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// An HTTP request to answer, as with CGI.
    Responder,
    /// Whether a request is allowed.
    Authorizer,
    /// A file to transform.
    Filter,
    /// A role that is not in the specification.
    Other(u16),
}

impl From<u16> for Role {
    fn from(number: u16) -> Self {
        match number {
            1 => Self::Responder,
            2 => Self::Authorizer,
            3 => Self::Filter,
            other => Self::Other(other),
        }
    }
}

impl From<Role> for u16 {
    fn from(role: Role) -> Self {
        match role {
            Role::Responder => 1,
            Role::Authorizer => 2,
            Role::Filter => 3,
            Role::Other(other) => other,
        }
    }
}

/// How a request ended, as far as the protocol goes (section 5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProtocolStatus {
    /// It was answered.
    RequestComplete = 0,
    /// Not started: the worker takes one request at a time on a connection.
    CantMpxConn = 1,
    /// Not started: the worker has no room, another one may.
    Overloaded = 2,
    /// Not started: the worker does not have this role.
    UnknownRole = 3,
}

impl TryFrom<u8> for ProtocolStatus {
    type Error = Error;

    fn try_from(number: u8) -> Result<Self, Error> {
        match number {
            0 => Ok(Self::RequestComplete),
            1 => Ok(Self::CantMpxConn),
            2 => Ok(Self::Overloaded),
            3 => Ok(Self::UnknownRole),
            other => Err(Error::ProtocolStatus(other)),
        }
    }
}

/// The first eight bytes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the record is for.
    pub kind: Kind,
    /// The request it belongs to; 0 for management records.
    pub request_id: u16,
    /// The number of bytes that follow the header.
    pub content_length: u16,
    /// The number of bytes to skip after those.
    pub padding_length: u8,
}

impl Header {
    /// The bytes of the header.
    #[must_use]
    pub fn encode(self) -> [u8; HEADER_LEN] {
        let [id_1, id_0] = self.request_id.to_be_bytes();
        let [length_1, length_0] = self.content_length.to_be_bytes();
        [VERSION, self.kind.into(), id_1, id_0, length_1, length_0, self.padding_length, 0]
    }

    /// Reads a header; the reserved last byte can be anything.
    ///
    /// # Errors
    /// [`Error::Version`] if the version is not 1.
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, Error> {
        let [version, kind, id_1, id_0, length_1, length_0, padding_length, _] = *bytes;
        if version != VERSION {
            return Err(Error::Version(version));
        }
        Ok(Self {
            kind: kind.into(),
            request_id: u16::from_be_bytes([id_1, id_0]),
            content_length: u16::from_be_bytes([length_1, length_0]),
            padding_length,
        })
    }
}

/// The header of a record without padding, for writing its content from where it is.
#[must_use]
pub fn head(kind: Kind, request_id: u16, content_length: u16) -> [u8; HEADER_LEN] {
    Header { kind, request_id, content_length, padding_length: 0 }.encode()
}

/// Cuts `bytes` into records: the header and the content of each, for a `writev` that copies
/// nothing.
///
/// No bytes, no records: the empty record that ends a stream must be asked for with [`head`].
pub fn split(
    kind: Kind,
    request_id: u16,
    bytes: &[u8],
) -> impl Iterator<Item = ([u8; HEADER_LEN], &[u8])> {
    bytes.chunks(MAX_CONTENT).map(move |content| {
        // A chunk is never longer than MAX_CONTENT, so that nothing is lost here.
        let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
        (head(kind, request_id, length), content)
    })
}

/// Appends `bytes` as records to `out`; no bytes, no records.
pub fn stream(out: &mut Vec<u8>, kind: Kind, request_id: u16, bytes: &[u8]) {
    out.reserve(bytes.len() + HEADER_LEN * bytes.len().div_ceil(MAX_CONTENT));
    for (header, content) in split(kind, request_id, bytes) {
        out.extend_from_slice(&header);
        out.extend_from_slice(content);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn header_is_laid_out_as_in_the_specification() {
        let header = Header {
            kind: Kind::Params,
            request_id: 0x0102,
            content_length: 0x0304,
            padding_length: 5,
        };
        assert_eq!(header.encode(), [1, 4, 1, 2, 3, 4, 5, 0]);
    }

    #[test]
    fn another_version_is_refused() {
        // The begin of an HTTP response.
        assert_eq!(Header::decode(b"HTTP/1.1"), Err(Error::Version(b'H')));
    }

    #[test]
    fn stream_is_cut_at_the_largest_record() {
        let mut out = Vec::new();
        stream(&mut out, Kind::Stdin, 1, &vec![7; MAX_CONTENT + 1]);
        assert_eq!(out[..8], [1, 5, 0, 1, 255, 255, 0, 0]);
        assert_eq!(out[8 + MAX_CONTENT..], [1, 5, 0, 1, 0, 1, 0, 0, 7]);
    }

    #[test]
    fn stream_of_nothing_is_no_record() {
        let mut out = Vec::new();
        stream(&mut out, Kind::Stdin, 1, b"");
        assert!(out.is_empty());
    }

    #[test]
    fn every_number_of_a_kind_and_role_survives() {
        for number in 0..=u8::MAX {
            assert_eq!(u8::from(Kind::from(number)), number);
        }
        for number in 0..=u16::MAX {
            assert_eq!(u16::from(Role::from(number)), number);
        }
        for number in 0..=u8::MAX {
            match ProtocolStatus::try_from(number) {
                Ok(status) => assert_eq!(status as u8, number),
                Err(error) => assert_eq!(error, Error::ProtocolStatus(number)),
            }
        }
    }

    proptest! {
        #[test]
        fn header_round_trip(kind: u8, request_id: u16, content_length: u16, padding_length: u8) {
            let header = Header { kind: kind.into(), request_id, content_length, padding_length };
            prop_assert_eq!(Header::decode(&header.encode()), Ok(header));
        }

        #[test]
        fn eight_bytes_are_a_header_or_another_version(bytes: [u8; HEADER_LEN]) {
            match Header::decode(&bytes) {
                Ok(header) => prop_assert_eq!(&header.encode()[..7], &bytes[..7]),
                Err(error) => prop_assert_eq!(error, Error::Version(bytes[0])),
            }
        }
    }
}
