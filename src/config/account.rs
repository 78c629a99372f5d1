//! Users and groups of the system, as options name them.
//!
//! A name or `#id` becomes an [`Account`] while the configuration is read, so that an account that
//! does not exist is told with its line and not found out by a worker that cannot start. The
//! look-ups block on the system's account service; they are made by httpd's parent on its only
//! thread.

use nix::unistd::{Gid, Group, Uid, User};

use super::error::Error;
use super::setting::Setting;

/// The most supplementary groups a process can have (`NGROUPS_MAX` of Linux).
const MAX_GROUPS: usize = 65536;

/// A user or a group of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name; `#id` for a group that has none.
    pub name: Vec<u8>,
    /// Its uid or gid.
    pub id: u32,
}

/// The user an option names, by name or `#uid`.
///
/// # Errors
/// [`Error::UnknownUser`], also for a `#uid` that no account has; [`Error::Lookup`].
pub fn user(setting: &Setting<'_>) -> Result<Account, Error> {
    let found = match number(setting.value) {
        Some(Some(uid)) => User::from_uid(Uid::from_raw(uid)),
        Some(None) => Ok(None),
        None => match std::str::from_utf8(setting.value) {
            Ok(name) => User::from_name(name),
            Err(_) => Ok(None),
        },
    };
    match found {
        Ok(Some(user)) => Ok(Account { name: user.name.into_bytes(), id: user.uid.as_raw() }),
        Ok(None) => Err(Error::UnknownUser {
            directive: setting.directive,
            option: setting.option.unwrap_or_default(),
            name: setting.text(),
        }),
        Err(reason) => Err(lookup(setting, setting.value, reason)),
    }
}

/// The user an option names, which must not be the superuser.
///
/// # Errors
/// As [`user`]; [`Error::RootUser`].
pub fn user_not_root(setting: &Setting<'_>) -> Result<Account, Error> {
    let account = user(setting)?;
    if account.id == 0 {
        return Err(Error::RootUser {
            directive: setting.directive,
            option: setting.option.unwrap_or_default(),
            name: setting.text(),
        });
    }
    Ok(account)
}

/// The group an option names, by name or `#gid`; a gid needs no entry in the list of groups.
///
/// # Errors
/// [`Error::UnknownGroup`], [`Error::Lookup`].
pub fn group(setting: &Setting<'_>) -> Result<Account, Error> {
    group_named(setting, setting.value)
}

/// The groups of a list separated by commas, as gids.
///
/// # Errors
/// As [`group`]; [`Error::InvalidValue`] for an empty place in the list and for too many groups.
pub fn group_list(setting: &Setting<'_>) -> Result<Vec<u32>, Error> {
    let mut list = Vec::new();
    for name in setting.value.split(|byte| *byte == b',') {
        let name = name.trim_ascii();
        if name.is_empty() {
            return Err(setting.invalid("group names or #gid, separated by commas"));
        }
        list.push(group_named(setting, name)?.id);
    }
    if list.len() > MAX_GROUPS {
        return Err(setting.invalid(format!("not more than {MAX_GROUPS} groups")));
    }
    Ok(list)
}

/// The groups a process of this user gets: `gid` and those that list the user as a member.
pub fn groups_of(user: &[u8], gid: u32) -> Vec<u32> {
    let listed = std::ffi::CString::new(user)
        .ok()
        .and_then(|name| nix::unistd::getgrouplist(&name, Gid::from_raw(gid)).ok());
    listed.map_or_else(|| vec![gid], |list| list.into_iter().map(Gid::as_raw).collect())
}

fn group_named(setting: &Setting<'_>, name: &[u8]) -> Result<Account, Error> {
    let found = match number(name) {
        Some(Some(gid)) => return Ok(Account { name: name.to_vec(), id: gid }),
        Some(None) => Ok(None),
        None => match std::str::from_utf8(name) {
            Ok(name) => Group::from_name(name),
            Err(_) => Ok(None),
        },
    };
    match found {
        Ok(Some(group)) => Ok(Account { name: group.name.into_bytes(), id: group.gid.as_raw() }),
        Ok(None) => Err(Error::UnknownGroup {
            directive: setting.directive,
            option: setting.option.unwrap_or_default(),
            name: name.to_vec(),
        }),
        Err(reason) => Err(lookup(setting, name, reason)),
    }
}

/// The number after a `#`: `None` for a name, `Some(None)` for a `#` without a number that can be
/// an id.
fn number(name: &[u8]) -> Option<Option<u32>> {
    let digits = name.strip_prefix(b"#")?;
    let id = std::str::from_utf8(digits)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        // The id of all ones means "unchanged" to the system calls.
        .filter(|id| *id != u32::MAX);
    Some(id)
}

fn lookup(setting: &Setting<'_>, name: &[u8], reason: nix::Error) -> Error {
    Error::Lookup {
        directive: setting.directive,
        option: setting.option.unwrap_or_default(),
        name: name.to_vec(),
        reason: reason.desc().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Setting<'_> {
        Setting::option("WSGIDaemonProcess", "user", value.as_bytes()).unwrap()
    }

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        let root = Account { name: b"root".to_vec(), id: 0 };
        assert_eq!(user(&of("root")), Ok(root.clone()));
        assert_eq!(user(&of("#0")), Ok(root));
    }

    #[test]
    fn an_unknown_user_is_a_sentence_and_not_the_end_of_httpd() {
        assert_eq!(
            user(&of("no-such-user")).unwrap_err().to_string(),
            "WRS1007: WSGIDaemonProcess: there is no user 'no-such-user' (option 'user'): \
             expected a user name or #uid of this system"
        );
        for wrong in ["#", "#x", "#-1", "#4294967295", "#3999999999", "a\0b"] {
            assert!(matches!(user(&of(wrong)), Err(Error::UnknownUser { .. })), "{wrong}");
        }
    }

    #[test]
    fn root_is_refused_under_both_its_names() {
        for name in ["root", "#0"] {
            assert!(matches!(user_not_root(&of(name)), Err(Error::RootUser { .. })));
        }
    }

    #[test]
    fn a_group_number_needs_no_entry() {
        assert_eq!(group(&of("#3999999999")).unwrap().id, 3_999_999_999);
        assert!(matches!(group(&of("no-such-group")), Err(Error::UnknownGroup { .. })));
    }

    #[test]
    fn a_group_list_is_separated_by_commas() {
        assert_eq!(group_list(&of("#7, root,#9")), Ok(vec![7, 0, 9]));
        assert!(matches!(group_list(&of("#7,,#9")), Err(Error::InvalidValue { .. })));
        assert!(matches!(group_list(&of("#7,nope-nope")), Err(Error::UnknownGroup { .. })));
    }

    #[test]
    fn the_groups_of_a_user_hold_its_own() {
        assert!(groups_of(b"root", 4242).contains(&4242));
        assert_eq!(groups_of(b"no\0user", 1), [1]);
    }
}
