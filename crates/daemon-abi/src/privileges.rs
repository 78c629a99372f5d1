//! Giving up privileges, with no way back.
//!
//! [`Identity::assume`] runs in the child that the httpd parent forked, before Python is executed: no line of
//! an application's environment ever runs as root. Everything that needs the user database was looked up before the
//! fork. Each call is checked, and so is the result (CVE-2014-0240 and CVE-2014-8583 were unchecked ones).

use nix::unistd::{self, Gid, Uid, User};
use std::ffi::CString;
use std::io;

/// Who a process group runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl Identity {
    /// `uid` and `gid`, and as supplementary groups those given or, without any, those the user database names for the user.
    pub fn new(uid: u32, gid: u32, supplementary: Option<&[u32]>) -> io::Result<Self> {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        let mut groups = vec![gid];
        match supplementary {
            Some(list) => groups.extend(list.iter().map(|&id| Gid::from_raw(id))),
            None => {
                if let Some(user) = User::from_uid(uid)? {
                    let name = CString::new(user.name).map_err(io::Error::other)?;
                    groups = unistd::getgrouplist(&name, gid)?;
                }
            }
        }
        Ok(Self { uid, gid, groups })
    }

    /// The user.
    pub fn uid(&self) -> u32 {
        self.uid.as_raw()
    }

    /// Becomes this user for good. Only root can become another; for anybody else this only checks that
    /// nothing is left of root. Makes system calls only, so it may run between `fork` and `exec`.
    pub fn assume(&self) -> io::Result<()> {
        if unistd::geteuid().is_root() {
            if self.uid.is_root() {
                return Err(io::Error::other("a process group does not run as root"));
            }
            unistd::setgroups(&self.groups)?;
            unistd::setresgid(self.gid, self.gid, self.gid)?;
            unistd::setresuid(self.uid, self.uid, self.uid)?;
            let ids = unistd::getresgid()?;
            if [ids.real, ids.effective, ids.saved] != [self.gid; 3] {
                return Err(io::Error::other("the group id did not change"));
            }
            verify(self.uid.as_raw())?;
        }
        verify(unistd::getuid().as_raw())
    }
}

/// Checks that this process is `uid` whole and cannot become root again.
pub fn verify(uid: u32) -> io::Result<()> {
    let uid = Uid::from_raw(uid);
    let ids = unistd::getresuid()?;
    if [ids.real, ids.effective, ids.saved] != [uid; 3] {
        return Err(io::Error::other("the user id did not change"));
    }
    if uid.is_root() || unistd::setuid(Uid::from_raw(0)).is_ok() {
        return Err(io::Error::other("root privileges are left"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primary_group_comes_first() {
        let identity = Identity::new(12345, 54321, Some(&[7, 8]));
        assert_eq!(
            identity.map(|it| it.groups).unwrap_or_default(),
            [54321, 7, 8].map(Gid::from_raw).to_vec()
        );
    }

    #[test]
    fn a_process_that_is_root_does_not_pass() {
        if unistd::getuid().is_root() {
            assert!(verify(0).is_err());
        } else {
            assert!(verify(unistd::getuid().as_raw()).is_ok());
        }
    }
}
