//! Clocks, and what the system counts for this process: processor time and memory.
//!
//! Plain numbers, on any thread, with or without the GIL.
//! See <https://man7.org/linux/man-pages/man2/getrusage.2.html>.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
pub(crate) fn wall() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// Microseconds since 1970.
pub(crate) fn wall_microseconds() -> u64 {
    (wall() * 1e6) as u64
}

/// Microseconds of a clock that never goes back; never 0.
pub(crate) fn monotonic() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is ours; the clock is there on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let rest = u64::try_from(now.tv_nsec / 1000).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(rest).max(1)
}

/// Processor time in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) user: f64,
    pub(crate) system: f64,
}

impl Cpu {
    /// What was used since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            user: (self.user - before.user).max(0.0),
            system: (self.system - before.system).max(0.0),
        }
    }

    /// Both together.
    pub(crate) fn total(self) -> f64 {
        self.user + self.system
    }
}

fn usage(who: libc::c_int) -> libc::rusage {
    // SAFETY: an all-zero rusage is a value of that type.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is ours; it stays zero if the call fails.
    unsafe { libc::getrusage(who, &raw mut usage) };
    usage
}

fn cpu(who: libc::c_int) -> Cpu {
    let usage = usage(who);
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Cpu { user: seconds(usage.ru_utime), system: seconds(usage.ru_stime) }
}

/// What this thread used so far.
pub(crate) fn thread_cpu() -> Cpu {
    cpu(libc::RUSAGE_THREAD)
}

/// What this process used so far.
pub(crate) fn process_cpu() -> Cpu {
    cpu(libc::RUSAGE_SELF)
}

/// The memory of this process that is in RAM, in bytes: now (0 if it cannot be read), and at most.
pub(crate) fn memory() -> (u64, u64) {
    // SAFETY: has no conditions.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(0);
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok())
        .unwrap_or(0);
    let most = u64::try_from(usage(libc::RUSAGE_SELF).ru_maxrss).unwrap_or(0);
    let now = pages.saturating_mul(page);
    // The kernel brings the second up to date now and then only.
    (now, most.saturating_mul(1024).max(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let (now, most) = memory();
        assert!(now > 0 && most > 0);
        assert!(process_cpu().total() >= thread_cpu().total() * 0.5);
        assert!(monotonic() <= monotonic());
        assert!(wall() > 1e9);
    }
}
