//! Where a worker asks httpd for its scoreboard, for `mod_wsgi.server_metrics()`.
//!
//! The leader inherits a socket to httpd's children, and its workers inherit it from the leader.

use daemon_abi::inquiry;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;

static SOCKET: OnceLock<OwnedFd> = OnceLock::new();

/// Where to ask from now on.
pub(crate) fn set_socket(socket: OwnedFd) {
    let _ = SOCKET.set(socket);
}

/// The scoreboard as the engine reads it; `None`: no answer. On any thread, without the GIL.
pub(crate) fn metrics() -> Option<Vec<u8>> {
    inquiry::ask(SOCKET.get()?.as_fd())
}
