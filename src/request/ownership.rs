//! `script-user` and `script-group`: whose scripts a process group runs.
//!
//! Looked at for every request, in httpd's child, before the request goes to a worker: what somebody else put
//! there, or could put there, is refused. The script and the directory it is in are looked at, as in mod_wsgi.

use crate::config::DaemonGroup;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Who may write, besides the owner.
const GROUP: u32 = 0o020;
const OTHERS: u32 = 0o002;

/// Whether the group may run the script; if not, a sentence that says why.
pub fn check(script: &[u8], group: &DaemonGroup) -> Result<(), String> {
    let (option, account) = match (&group.script_user, &group.script_group) {
        (Some(user), _) => ("script-user", user),
        (None, Some(group)) => ("script-group", group),
        (None, None) => return Ok(()),
    };
    let script = Path::new(OsStr::from_bytes(script));
    let directory = script.parent().unwrap_or(script);
    for (what, path) in [("script", script), ("directory", directory)] {
        let found = std::fs::metadata(path).map_err(|error| {
            format!("the {what} '{}' cannot be looked at: {error}", path.display())
        })?;
        let fault = match option {
            "script-user" => user_fault(&found, account.id),
            _ => group_fault(&found, account.id),
        };
        if let Some(fault) = fault {
            return Err(format!(
                "the {what} '{}' {fault}, and {option}={} runs only what is its own",
                path.display(),
                String::from_utf8_lossy(&account.name)
            ));
        }
    }
    Ok(())
}

fn user_fault(found: &Metadata, uid: u32) -> Option<String> {
    if found.uid() != uid {
        return Some(format!("belongs to user {}", found.uid()));
    }
    writable(found.mode(), GROUP | OTHERS)
}

fn group_fault(found: &Metadata, gid: u32) -> Option<String> {
    if found.gid() != gid {
        return Some(format!("belongs to group {}", found.gid()));
    }
    writable(found.mode(), OTHERS)
}

fn writable(mode: u32, by: u32) -> Option<String> {
    match mode & by {
        0 => None,
        bits if bits & OTHERS != 0 => Some("can be written by everybody".to_owned()),
        _ => Some("can be written by its group".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_that_matter_are_those_of_the_option() {
        assert_eq!(writable(0o100_664, OTHERS), None);
        assert_eq!(writable(0o100_664, GROUP | OTHERS).unwrap(), "can be written by its group");
        assert_eq!(writable(0o100_666, OTHERS).unwrap(), "can be written by everybody");
        assert_eq!(writable(0o100_755, GROUP | OTHERS), None);
    }

    #[test]
    fn the_owner_is_compared() {
        let found = std::fs::metadata("/").unwrap();
        assert_eq!(user_fault(&found, found.uid()), None);
        assert!(user_fault(&found, found.uid() + 1).unwrap().starts_with("belongs to user "));
        assert!(group_fault(&found, found.gid() + 1).unwrap().starts_with("belongs to group "));
    }
}
