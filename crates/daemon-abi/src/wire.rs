//! What the module and its workers say to each other beyond FastCGI 1.0.
//!
//! All of it is asked for by the front in the parameters of a request, so a worker behaves as any
//! FastCGI responder towards a front end that does not know of it.

/// Parameters with this prefix are between the module and the worker; applications do not see them.
pub const PRIVATE_PREFIX: &[u8] = b"mod_wsgi.x-";

/// The name of the interpreter to use; absent or empty: the main one.
pub const APPLICATION_GROUP: &[u8] = b"mod_wsgi.application_group";

/// The callable in the script; absent or empty: `application`.
pub const CALLABLE_OBJECT: &[u8] = b"mod_wsgi.callable_object";

/// The script that answers, if it is not the file that the request was mapped to (`SCRIPT_FILENAME`).
pub const HANDLER_SCRIPT: &[u8] = b"mod_wsgi.handler_script";

/// The secret of the process group ([`crate::secret`]): the request is httpd's. Another program may have the same user as
/// httpd, and so be able to connect.
pub const SECRET: &[u8] = b"mod_wsgi.x-secret";

/// `1`: look whether the script changed before the request is started.
pub const SCRIPT_RELOADING: &[u8] = b"mod_wsgi.x-script_reloading";

/// When the front saw that the script was last changed, in microseconds since 1970. If that is not the script which is
/// loaded, the worker looks itself.
pub const SCRIPT_MODIFIED: &[u8] = b"mod_wsgi.x-script_modified_us";

/// `1`: the front knows [`CONTINUE`], sends no more of the body than came with the parameters until it
/// gets one, knows [`LOG`], and understands an application status as the HTTP status of a failure.
pub const PULL_BODY: &[u8] = b"mod_wsgi.x-pull_body";

/// `1`: the request does not count as activity of the worker (`WSGIIgnoreActivity`).
pub const IGNORE_ACTIVITY: &[u8] = b"mod_wsgi.x-ignore_activity";

/// `1`: the front takes a part of a file as a [`FILE`] record and sends it itself.
pub const PASS_FILES: &[u8] = b"mod_wsgi.x-pass_files";

/// When the request was given to the group, in microseconds since 1970.
pub const QUEUE_START: &[u8] = b"mod_wsgi.x-queue_start_us";

/// When the worker took the request, in microseconds since 1970.
pub const DAEMON_START: &[u8] = b"mod_wsgi.x-daemon_start_us";

/// How often httpd connected to a worker, or took a connection, for the request; without it: once.
pub const DAEMON_CONNECTS: &[u8] = b"mod_wsgi.x-daemon_connects";

/// How often the request was sent again, as a worker that is being replaced turned it away; without it: never.
pub const DAEMON_RESTARTS: &[u8] = b"mod_wsgi.x-daemon_restarts";

/// Now, in microseconds since 1970, as text.
pub fn now() -> String {
    use std::time::{SystemTime, UNIX_EPOCH};
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_micros().to_string()
}

/// The record type by which a worker asks for the rest of the request body. It has no content.
///
/// Until then the front keeps what it sent, so a request that was refused with `FCGI_OVERLOADED` can go
/// to another worker; and a body that the application never reads is never sent.
pub const CONTINUE: u8 = 64;

/// The record type by which a worker sends a line for the log with its level: one byte, httpd's number, and the line.
/// A front that did not ask for [`PULL_BODY`] gets errors on `FCGI_STDERR`.
pub const LOG: u8 = 65;

/// The record type by which a worker gives the front a part of an open file instead of its bytes: [`file_part`]. The
/// descriptor goes along with the first byte of the message that has the record (`SCM_RIGHTS`).
pub const FILE: u8 = 66;

/// The length of the content of [`FILE`].
pub const FILE_PART: usize = 16;

/// The content of [`FILE`] for a part of a file.
#[must_use]
pub fn file_part(offset: u64, length: u64) -> [u8; FILE_PART] {
    (u128::from(offset) << 64 | u128::from(length)).to_be_bytes()
}

/// Offset and length of a part of a file, if the content is that of [`FILE`].
#[must_use]
pub fn parse_file_part(content: &[u8]) -> Option<(u64, u64)> {
    let both = u128::from_be_bytes(content.try_into().ok()?);
    Some((u64::try_from(both >> 64).ok()?, both as u64))
}

/// Why the front has no more of a request body: the content of its `FCGI_ABORT_REQUEST`, which FastCGI leaves empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abort {
    /// The client went away.
    Gone,
    /// The client sent nothing for too long.
    TimedOut,
    /// The client sends more than the server allows.
    TooLarge,
    /// Anything else; the server's log has it.
    Failed,
}

impl Abort {
    /// The content of the record.
    #[must_use]
    pub fn content(self) -> [u8; 1] {
        [match self {
            Self::Gone => 1,
            Self::TimedOut => 2,
            Self::TooLarge => 3,
            Self::Failed => 4,
        }]
    }

    /// The reason in a record. Other front ends give none: their client went away.
    #[must_use]
    pub fn parse(content: &[u8]) -> Self {
        match content {
            [] | [1] => Self::Gone,
            [2] => Self::TimedOut,
            [3] => Self::TooLarge,
            _ => Self::Failed,
        }
    }
}

/// The most bytes of a body that the front sends along with the parameters.
pub const EAGER_BODY: usize = 16 * 1024;

/// A message up to this size is taken by the kernel in one piece, so a worker that closed the connection with
/// part of it unread has read nothing of it.
pub const WHOLE_MESSAGE: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_file_comes_back() {
        let content = file_part(u64::MAX - 1, 7);
        assert_eq!(parse_file_part(&content), Some((u64::MAX - 1, 7)));
        assert_eq!(parse_file_part(content.get(1..).unwrap()), None);
    }

    #[test]
    fn a_reason_comes_back_and_none_is_a_client_that_went_away() {
        for reason in [Abort::Gone, Abort::TimedOut, Abort::TooLarge, Abort::Failed] {
            assert_eq!(Abort::parse(&reason.content()), reason);
        }
        assert_eq!((Abort::parse(&[]), Abort::parse(&[9])), (Abort::Gone, Abort::Failed));
    }
}
