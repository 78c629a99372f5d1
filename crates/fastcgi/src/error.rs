//! The ways in which a peer can break the protocol (FastCGI 1.0).
//!
//! Every one of them means that the connection is of no use any more: after a record that cannot be
//! understood nobody knows where the next one begins.

use std::fmt;

use crate::record::Kind;

/// Why the bytes of a peer are not FastCGI 1.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A record of another version than 1: most likely the peer speaks another protocol.
    Version(u8),
    /// A record of a kind with a fixed size has another size.
    ContentLength {
        /// The kind of the record.
        kind: Kind,
        /// The number of bytes it has.
        length: usize,
    },
    /// A name-value pair says it is longer than the bytes that hold it.
    Pair,
    /// The record has no place at this point of a request.
    Unexpected(Kind),
    /// A request cannot have the id 0, which is that of management records.
    NullRequestId,
    /// The record belongs to a request that is not on this connection.
    RequestId {
        /// The id of the request that is on the connection.
        expected: u16,
        /// The id in the record.
        found: u16,
    },
    /// The parameters of a request are longer than allowed.
    ParamsTooLong {
        /// The most bytes that are allowed.
        limit: usize,
    },
    /// An `FCGI_END_REQUEST` with a protocol status the specification does not have.
    ProtocolStatus(u8),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(found) => {
                write!(f, "the peer does not speak FastCGI 1.0: its record has version {found}")
            }
            Self::ContentLength { kind, length } => {
                write!(f, "the peer sent {kind} with {length} bytes, which is not its size")
            }
            Self::Pair => write!(f, "the peer sent a name-value pair that is cut off"),
            Self::Unexpected(kind) => write!(f, "the peer sent {kind} where it has no place"),
            Self::NullRequestId => write!(f, "the peer began a request with the id 0"),
            Self::RequestId { expected, found } => write!(
                f,
                "the peer sent a record of request {found} amid the response to request {expected}"
            ),
            Self::ParamsTooLong { limit } => {
                write!(
                    f,
                    "the parameters of the request are longer than the limit of {limit} bytes"
                )
            }
            Self::ProtocolStatus(found) => {
                write!(f, "the peer ended the request with the unknown protocol status {found}")
            }
        }
    }
}

impl std::error::Error for Error {}
