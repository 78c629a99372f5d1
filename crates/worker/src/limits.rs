//! The limits that the system keeps for a worker: CPU time and memory, and its priority.
//!
//! Set in the worker, before it has threads: the leader needs none, and CPU time is counted anew for each process.
//! A limit that the system does not accept is told and left out.

use crate::log::line;
use daemon_abi::launch::Launch;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Sets the limits of this process.
pub(crate) fn set(launch: &Launch) {
    if launch.cpu_time_limit > 0 {
        // SIGXCPU comes at the soft limit; the time after it is for the requests that run, and for the end.
        let shutdown = launch.shutdown_timeout.div_ceil(1000);
        let hard = launch.cpu_time_limit.saturating_add(1).saturating_add(shutdown);
        limit(launch, Resource::RLIMIT_CPU, "cpu-time-limit", launch.cpu_time_limit, hard);
    }
    set_memory(launch);
}

/// Sets the limits of memory of this process.
pub(crate) fn set_memory(launch: &Launch) {
    let (data, space) = (launch.memory_limit, launch.virtual_memory_limit);
    if data > 0 {
        limit(launch, Resource::RLIMIT_DATA, "memory-limit", data, data);
    }
    if space > 0 {
        limit(launch, Resource::RLIMIT_AS, "virtual-memory-limit", space, space);
    }
}

fn limit(launch: &Launch, resource: Resource, option: &str, soft: u64, hard: u64) {
    let most = getrlimit(resource).map_or(u64::MAX, |(_, hard)| hard);
    // Only root may raise a hard limit; one below it may always be set.
    if let Err(error) = setrlimit(resource, soft.min(most), hard.min(most)) {
        line!(
            Error,
            "WRS5008: {option} of process group '{}' cannot be set: {error}",
            String::from_utf8_lossy(&launch.group)
        );
    }
}

/// Tells if the leader, and so its workers, did not get the priority that was asked for.
pub(crate) fn check_priority(launch: &Launch) {
    if launch.cpu_priority == 0 {
        return;
    }
    Errno::clear();
    // SAFETY: has no conditions. -1 may be the value or an error; either way it is compared only.
    let found = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    // The system cuts what is outside of its range, which is not worth a word.
    let asked = launch.cpu_priority.clamp(-20, 19);
    if found != asked {
        line!(
            Warning,
            "WRS5009: cpu-priority of process group '{}' is {found} and not {asked}: only root may go below its own",
            String::from_utf8_lossy(&launch.group)
        );
    }
}
