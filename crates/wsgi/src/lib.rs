//! The rules of PEP 3333 and of the CGI environment as pure functions.
//!
//! What a status or a header may look like, how much of a body may be sent, how lines are read and
//! written, how requests map to scripts and headers to environ keys. Nothing here knows Python,
//! httpd or I/O; text is bytes, as it comes from a client and as `latin-1` makes it of Python's
//! `str`. Errors are sentences for whoever wrote the application or runs it.
//!
//! Specification: <https://peps.python.org/pep-3333/>
#![forbid(unsafe_code)]

pub mod content_length;
pub mod environ;
pub mod header;
pub mod lines;
pub mod module_name;
pub mod mount;
pub mod network;
pub mod proxy;
pub mod status;

pub use content_length::{Limit, has_body};
pub use lines::{LineBuffer, LogLines, log_pieces};
pub use module_name::module_name;
pub use status::Status;
