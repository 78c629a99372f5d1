//! FastCGI 1.0 without I/O: records, name-value pairs, and both ends of a request.
//!
//! The front (the httpd module) writes with [`request`] and reads with [`Response`]; the worker
//! reads with [`Responder`] and writes with [`response`]. Both fill a [`Frames`] buffer from their
//! socket and take what is in it from there without copying. What a worker sends on STDOUT begins
//! with a head in the manner of CGI, which [`cgi_head`] writes and reads. What the two ask of each
//! other apart from requests is [`management`].
//!
//! Nothing here knows sockets, threads or clocks, allocates while a request runs (buffers are kept
//! and used again), or panics, whatever bytes the peer sends: a peer that breaks the protocol is an
//! [`Error`], whose text is meant for the log.
//!
//! Specification: <https://fastcgi-archives.github.io/FastCGI_Specification.html>
#![forbid(unsafe_code)]

pub mod cgi_head;
pub mod error;
pub mod frame;
pub mod management;
pub mod pairs;
pub mod record;
pub mod request;
pub mod responder;
pub mod response;

pub use error::Error;
pub use frame::{Frames, Piece};
pub use record::{HEADER_LEN, Header, Kind, MAX_CONTENT, ProtocolStatus, Role};
pub use responder::Responder;
pub use response::Response;
