//! Whether a user can get to a file, judged by the permission bits of every directory on the way.
//!
//! Runs while the configuration is tested, as the user that httpd is started by, about users that
//! httpd will become. It therefore cannot just try: it computes what the kernel would say. Access
//! control lists are not seen, so that a denial here is a reason to warn and not to refuse.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::finding::Closed;

/// Who wants to get there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user's name, for messages.
    pub name: Vec<u8>,
    /// The uid.
    pub uid: u32,
    /// The gid and the supplementary groups.
    pub groups: Vec<u32>,
}

/// What is wanted of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To read it.
    Read,
    /// To execute a file, or to enter a directory.
    Execute,
}

/// What the file system says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its permission bits.
    pub mode: u32,
    /// Whether it is a directory.
    pub directory: bool,
}

/// The file system and accounts, as far as checks need them.
pub trait System {
    /// The file's status, symbolic links followed.
    ///
    /// # Errors
    /// The system's reason.
    fn status(&self, path: &Path) -> io::Result<Status>;

    /// The path without symbolic links.
    ///
    /// # Errors
    /// The system's reason.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf>;

    /// What is in a file.
    ///
    /// # Errors
    /// The system's reason.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The groups of a user: `gid` and those that list it as a member.
    fn groups_of(&self, user: &[u8], gid: u32) -> Vec<u32>;
}

/// The system this process runs on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Host;

impl System for Host {
    fn status(&self, path: &Path) -> io::Result<Status> {
        let found = std::fs::metadata(path)?;
        Ok(Status {
            uid: found.uid(),
            gid: found.gid(),
            mode: found.mode() & 0o7777,
            directory: found.is_dir(),
        })
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        std::fs::canonicalize(path)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn groups_of(&self, user: &[u8], gid: u32) -> Vec<u32> {
        super::account::groups_of(user, gid)
    }
}

/// The path these bytes are.
pub fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// Whether it is certain that nothing is there.
pub fn is_missing(system: &impl System, path: &Path) -> bool {
    match system.status(path) {
        Ok(_) => false,
        Err(error) => {
            matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        }
    }
}

/// Where the way to `path` ends for `who`, if it certainly does: both the way that is written and
/// the one that symbolic links lead along. What cannot be looked at is not judged.
pub fn closed(system: &impl System, path: &Path, who: &Identity, access: Access) -> Option<Closed> {
    let written = walk(system, path, who, access);
    written.or_else(|| walk(system, &system.resolve(path).ok()?, who, access))
}

fn walk(system: &impl System, path: &Path, who: &Identity, access: Access) -> Option<Closed> {
    let mut way: Vec<&Path> = path.ancestors().skip(1).collect();
    way.reverse();
    let directories = way.into_iter().map(|directory| (directory, Access::Execute));
    directories.chain([(path, access)]).find_map(|(at, access)| {
        let status = system.status(at).ok()?;
        (!who.may(access, &status))
            .then(|| Closed { user: who.name.clone(), at: at.as_os_str().as_bytes().to_vec() })
    })
}

impl Identity {
    /// What the permission bits say.
    fn may(&self, access: Access, status: &Status) -> bool {
        let bit = match access {
            Access::Read => 0o4,
            Access::Execute => 0o1,
        };
        if self.uid == 0 {
            // Root passes, except that a file nobody may execute is not executable.
            return access == Access::Read || status.directory || status.mode & 0o111 != 0;
        }
        let bits = if self.uid == status.uid {
            status.mode >> 6
        } else if self.groups.contains(&status.gid) {
            status.mode >> 3
        } else {
            status.mode
        };
        bits & bit != 0
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A file system of a few paths; what is not in it is not there.
    #[derive(Default)]
    pub(crate) struct Tree {
        files: BTreeMap<PathBuf, Status>,
        links: BTreeMap<PathBuf, PathBuf>,
        texts: BTreeMap<PathBuf, Vec<u8>>,
    }

    impl Tree {
        pub(crate) fn new() -> Self {
            Self::default().with("/", 0, 0o755, true)
        }

        pub(crate) fn directory(self, path: &str, owner: u32, mode: u32) -> Self {
            self.with(path, owner, mode, true)
        }

        pub(crate) fn file(self, path: &str, owner: u32, mode: u32) -> Self {
            self.with(path, owner, mode, false)
        }

        pub(crate) fn text(mut self, path: &str, text: &str) -> Self {
            self.texts.insert(path.into(), text.into());
            self.file(path, 0, 0o644)
        }

        pub(crate) fn link(mut self, path: &str, to: &str) -> Self {
            self.links.insert(path.into(), to.into());
            self
        }

        fn with(mut self, path: &str, owner: u32, mode: u32, directory: bool) -> Self {
            self.files.insert(path.into(), Status { uid: owner, gid: owner, mode, directory });
            self
        }
    }

    impl System for Tree {
        fn status(&self, path: &Path) -> io::Result<Status> {
            let path = self.resolve(path)?;
            self.files.get(&path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
        }

        fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
            Ok(self.links.get(path).map_or(path, PathBuf::as_path).to_owned())
        }

        fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
            self.texts.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
        }

        fn groups_of(&self, _user: &[u8], gid: u32) -> Vec<u32> {
            vec![gid]
        }
    }

    fn who(uid: u32) -> Identity {
        Identity { name: format!("u{uid}").into_bytes(), uid, groups: vec![uid] }
    }

    fn at(tree: &Tree, to: &str, uid: u32, access: Access) -> Option<String> {
        closed(tree, Path::new(to), &who(uid), access)
            .map(|closed| String::from_utf8(closed.at).unwrap())
    }

    fn home() -> Tree {
        Tree::new()
            .directory("/home", 0, 0o755)
            .directory("/home/ann", 1000, 0o700)
            .file("/home/ann/python", 1000, 0o755)
            .file("/secret", 1000, 0o640)
    }

    #[test]
    fn a_private_home_stops_everybody_but_its_owner_and_root() {
        assert_eq!(
            at(&home(), "/home/ann/python", 33, Access::Execute).as_deref(),
            Some("/home/ann")
        );
        assert_eq!(at(&home(), "/home/ann/python", 1000, Access::Execute), None);
        assert_eq!(at(&home(), "/home/ann/python", 0, Access::Execute), None);
    }

    #[test]
    fn a_link_is_followed_to_where_it_leads() {
        let tree = home().directory("/srv", 0, 0o755).link("/srv/python", "/home/ann/python");
        assert_eq!(at(&tree, "/srv/python", 33, Access::Execute).as_deref(), Some("/home/ann"));
    }

    #[test]
    fn the_first_class_that_fits_decides() {
        assert_eq!(at(&home(), "/secret", 1000, Access::Read), None);
        assert_eq!(at(&home(), "/secret", 33, Access::Read).as_deref(), Some("/secret"));
        let mut group = who(33);
        group.groups.push(1000);
        assert_eq!(closed(&home(), Path::new("/secret"), &group, Access::Read), None);
        let tree = Tree::new().file("/odd", 33, 0o077);
        assert!(at(&tree, "/odd", 33, Access::Read).is_some(), "an owner gets no rights of others");
    }

    #[test]
    fn root_cannot_execute_what_nobody_can() {
        assert!(at(&home(), "/secret", 0, Access::Execute).is_some());
        assert_eq!(at(&home(), "/secret", 0, Access::Read), None);
    }

    #[test]
    fn what_is_not_there_is_missing_and_not_closed() {
        assert_eq!(at(&home(), "/home/ben/x", 33, Access::Read), None);
        assert!(is_missing(&home(), Path::new("/home/ben")));
        assert!(!is_missing(&home(), Path::new("/home")));
    }

    #[test]
    fn the_real_file_system_answers() {
        assert!(Host.status(Path::new("/")).unwrap().directory);
        assert!(is_missing(&Host, Path::new("/no/such/file")));
        assert_eq!(closed(&Host, Path::new("/"), &who(65534), Access::Execute), None);
    }
}
