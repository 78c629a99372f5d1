//! What a request for a process group shows that it is httpd's.
//!
//! The socket of a worker can be opened by every program of httpd's user, such as CGI scripts or the processes of a group without a
//! `user`. They must not have scripts run by the user of another group. So the parent makes a secret for each group, which
//! only its own children and the processes of the group know.

use std::fs::File;
use std::io::{self, Read};

/// How many bytes it has.
pub const LENGTH: usize = 16;

/// Makes a secret.
///
/// # Errors
/// The system gives no random bytes.
pub fn make() -> io::Result<Vec<u8>> {
    let mut secret = vec![0; LENGTH];
    File::open("/dev/urandom")?.read_exact(&mut secret)?;
    Ok(secret)
}

/// Whether the secret is the one that was given; how long that takes does not tell where they differ.
pub fn is_same(secret: &[u8], given: &[u8]) -> bool {
    let differences = secret.iter().zip(given).fold(0, |found, (one, other)| found | (one ^ other));
    !secret.is_empty() && secret.len() == given.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_like_no_other() {
        let (one, other) = (make().unwrap(), make().unwrap());
        assert_eq!(one.len(), LENGTH);
        assert!(is_same(&one, &one.clone()));
        assert!(!is_same(&one, &other));
        assert!(!is_same(&one, b"") && !is_same(b"", b"") && !is_same(b"", &one));
        assert!(!is_same(&one, &[&one[..], b"x"].concat()) && !is_same(&one, &one[1..]));
    }
}
