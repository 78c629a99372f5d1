//! `chroot=`: paths as the processes of a group see them, and what must be inside.
//!
//! The leader's Python is executed after the root directory was changed, so all of it has to be inside: the
//! interpreter with its libraries, the engine by the path that it has outside, and the scripts. httpd itself stays
//! outside: what it checks of a script it checks there, and the path without its beginning is what the processes get.

use crate::config::DaemonGroup;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A path as the processes of a group see it; `None`: it is outside of their root directory.
pub fn inside<'p>(group: &DaemonGroup, path: &'p [u8]) -> Option<&'p [u8]> {
    match &group.chroot {
        Some(root) => below(root, path),
        None => Some(path),
    }
}

fn below<'p>(root: &[u8], path: &'p [u8]) -> Option<&'p [u8]> {
    match path.strip_prefix(trimmed(root))? {
        b"" => Some(b"/"),
        rest => rest.starts_with(b"/").then_some(rest),
    }
}

/// A directory without slashes at its end.
fn trimmed(mut path: &[u8]) -> &[u8] {
    while let [rest @ .., b'/'] = path {
        path = rest;
    }
    path
}

/// The sentence for a script that is outside.
pub fn outside(group: &DaemonGroup, script: &[u8]) -> String {
    format!(
        "the script '{}' is not inside of its chroot '{}'",
        String::from_utf8_lossy(script),
        String::from_utf8_lossy(group.chroot.as_deref().unwrap_or_default())
    )
}

/// Whether the engine can be loaded inside; if not, a sentence that says why.
pub fn check(root: &[u8], engine: &Path) -> Result<(), String> {
    let root = Path::new(OsStr::from_bytes(root));
    let copy = root.join(engine.strip_prefix("/").unwrap_or(engine));
    if copy.exists() {
        return Ok(());
    }
    Err(format!(
        "inside of the chroot '{}' there is no '{1}', which its Python loads: copy '{1}' to '{2}', again after each \
         installation of the module",
        root.display(),
        engine.display(),
        copy.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_inside_lose_their_beginning_and_others_are_none() {
        for root in [&b"/srv"[..], b"/srv/"] {
            assert_eq!(below(root, b"/srv/app.wsgi"), Some(&b"/app.wsgi"[..]));
            assert_eq!(below(root, b"/srv"), Some(&b"/"[..]));
            assert_eq!(below(root, b"/srv2/app.wsgi"), None);
            assert_eq!(below(root, b"/app.wsgi"), None);
        }
        assert_eq!(below(b"/", b"/srv/app.wsgi"), Some(&b"/srv/app.wsgi"[..]));
    }
}
