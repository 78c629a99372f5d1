//! Open files: httpd may have few of them, and many process groups need many.
//!
//! For each group the parent keeps open what its next leader needs, and each child a descriptor for each socket and the
//! connections that rest. The limit that httpd is started with is meant for its clients and logs, so what the groups need comes on
//! top of it, as far as the system lets it be raised. A group for which there is no room is not made: without it the others would find
//! none for their leaders. Runs in httpd's parent on its only thread, but for [`most_resting`].

use crate::config::DaemonGroup;
use nix::libc::rlim_t;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A worker's socket and its name.
const OF_A_WORKER: rlim_t = 2;

/// Log, scoreboard, lifeline, the pipe of its leader, and what only some groups have.
const OF_A_GROUP: rlim_t = 8;

/// To start a leader, and for httpd itself to go on.
const MARGIN: rlim_t = 32;

/// Connections that rest in a child have this part of the files that it may open.
const PART_OF_CONNECTIONS: rlim_t = 4;

/// By how much this process has raised the limit that it was started with, for the configuration before.
static RAISED: AtomicU64 = AtomicU64::new(0);

/// Files that can still be opened for groups.
#[derive(Debug)]
pub struct Room {
    limit: rlim_t,
    left: rlim_t,
}

impl Room {
    /// Makes room for these groups, as far as that is possible.
    pub fn make<'c>(groups: impl Iterator<Item = &'c DaemonGroup>) -> Self {
        let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
            return Self { limit: rlim_t::MAX, left: rlim_t::MAX };
        };
        let needed = groups.map(need).fold(MARGIN, rlim_t::saturating_add);
        let usual = soft.saturating_sub(RAISED.load(Relaxed));
        let mut limit = usual.saturating_add(needed).min(hard);
        // Everybody may raise it up to the hard limit; who may not has less room.
        if setrlimit(Resource::RLIMIT_NOFILE, limit, hard).is_err() {
            limit = soft;
        }
        RAISED.store(limit.saturating_sub(usual), Relaxed);
        let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count) as rlim_t;
        Self { limit, left: limit.saturating_sub(open).saturating_sub(MARGIN) }
    }

    /// Takes what a group needs; if it is not there, a sentence that says so.
    pub fn take(&mut self, group: &DaemonGroup) -> Result<(), String> {
        let needed = need(group);
        self.left = self.left.checked_sub(needed).ok_or_else(|| {
            format!(
                "it needs {needed} open files and httpd may have {} in all, of which {} are left: raise its limit (`ulimit -Hn`, \
                 LimitNOFILE= of systemd)",
                self.limit, self.left
            )
        })?;
        Ok(())
    }
}

fn need(group: &DaemonGroup) -> rlim_t {
    rlim_t::from(group.processes).saturating_mul(OF_A_WORKER).saturating_add(OF_A_GROUP)
}

/// How many connections may rest in this process, of all groups together.
pub fn most_resting() -> usize {
    static MOST: OnceLock<usize> = OnceLock::new();
    *MOST.get_or_init(|| {
        let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
        usize::try_from(limit / PART_OF_CONNECTIONS).unwrap_or(usize::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DaemonGroup;

    fn group(text: &str) -> DaemonGroup {
        DaemonGroup::parse(text.as_bytes(), Default::default(), false).unwrap()
    }

    #[test]
    fn a_group_gets_what_it_needs_or_nothing() {
        let mut room = Room { limit: 100, left: 30 };
        assert_eq!(room.take(&group("a processes=5")), Ok(()));
        let refused = room.take(&group("b processes=3")).unwrap_err();
        assert!(refused.starts_with(
            "it needs 14 open files and httpd may have 100 in all, of which 12 are left"
        ));
        assert_eq!(room.take(&group("c processes=2")), Ok(()));
    }

    #[test]
    fn nonsense_does_not_overflow() {
        let mut room = Room { limit: 100, left: 100 };
        assert!(room.take(&group("a processes=2147483647")).is_err());
    }
}
