//! `locale=`: what C functions write and compare by, in all categories.
//!
//! Python itself takes only the category of characters from the environment. Set by the leader before it has workers or
//! threads; they inherit it.

use crate::log::line;
use daemon_abi::launch::Launch;
use std::ffi::CString;

/// Sets the locale of this process. One that the system does not have is told, and the group works without.
pub(crate) fn set(launch: &Launch) {
    let Some(locale) = &launch.locale else { return };
    let set = CString::new(locale.as_slice()).is_ok_and(|name| {
        // SAFETY: a name that ends with NUL; this process has one thread.
        !unsafe { libc::setlocale(libc::LC_ALL, name.as_ptr()) }.is_null()
    });
    if !set {
        line!(
            Warning,
            "WRS5028: the locale '{}' of process group '{}' is not installed on this system: see `locale -a`",
            String::from_utf8_lossy(locale),
            String::from_utf8_lossy(&launch.group)
        );
    }
}
