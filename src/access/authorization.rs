//! `WSGIAuthGroupScript`: `Require wsgi-group`, who may come in by the groups of the user.

use super::{Asked, Kind, no_script};
use crate::config::{HookScript, words};
use crate::embedded::Answer;
use crate::httpd::provider::Authorized;
use crate::httpd::{Level, Request, log};
use crate::module::Wsgi;
use crate::request::environ::bytes;
use std::ffi::CStr;

/// The groups that a line names.
#[derive(Debug)]
pub struct Groups(Vec<Vec<u8>>);

impl Groups {
    /// Whether one of these names is one of them; as in mod_wsgi, whatever its case.
    fn have_one_of(&self, names: &[Vec<u8>]) -> bool {
        names.iter().any(|name| self.0.iter().any(|group| group.eq_ignore_ascii_case(name)))
    }
}

/// Reads a line.
pub fn parse(line: &CStr) -> Result<Groups, String> {
    let groups = words::all(line.to_bytes());
    if groups.is_empty() {
        return Err("WRS1001: Require wsgi-group: the name of a group is missing".to_owned());
    }
    Ok(Groups(groups))
}

/// Whether the user is of one of the groups.
pub fn check(request: Request<'_>, groups: &Groups) -> Authorized {
    let Some(user) = request.user() else { return Authorized::NoUser };
    let Some(script) = &request.directory_config::<Wsgi>().auth_group_script else {
        no_script(request, "Require wsgi-group", HookScript::AUTH_GROUP);
        return Authorized::Denied;
    };
    let asked = Asked {
        request,
        script,
        function: "groups_for_user",
        expected: "an iterable of str or bytes, such as a list",
    };
    match asked.ask(Kind::Names, &[user.to_bytes()]) {
        Answer::Names(names) if groups.have_one_of(&names) => Authorized::Granted,
        Answer::Names(_) => {
            // httpd itself says who is denied, unless another line lets the user in.
            log::write(
                request,
                Level::INFO,
                format_args!(
                    "WRS2035: user '{}' is of none of the groups that Require wsgi-group names for '{}'",
                    String::from_utf8_lossy(user.to_bytes()),
                    String::from_utf8_lossy(bytes(request.uri()))
                ),
            );
            Authorized::Denied
        }
        answer => {
            asked.unexpected(&answer);
            Authorized::Denied
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_words_and_there_is_one_at_least() {
        let groups = parse(c"staff \"a b\"").unwrap();
        let have = |names: &[&[u8]]| {
            groups.have_one_of(&names.iter().map(|name| name.to_vec()).collect::<Vec<_>>())
        };
        assert!(have(&[b"x", b"STAFF"]) && have(&[b"a b"]));
        assert!(!have(&[b"a", b"b", b"", b"staff\0"]) && !have(&[]));
        for nothing in [c"", c"  "] {
            assert!(parse(nothing).unwrap_err().contains("the name of a group is missing"));
        }
    }
}
