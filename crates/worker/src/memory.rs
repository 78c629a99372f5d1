//! How much memory this process has, as the system shares it out.

use std::fs;

/// The proportional set size in bytes: what is shared with other processes counts in part. `None`: the system does not tell.
pub(crate) fn proportional() -> Option<u64> {
    field(&fs::read_to_string("/proc/self/smaps_rollup").ok()?, "Pss:")
}

/// Whether the process has more than so many bytes.
pub(crate) fn exceeds(limit: u64) -> bool {
    // The resident set is told at once and never smaller; only above the limit it is worth counting pages.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    match field(&status, "VmRSS:") {
        Some(resident) if resident <= limit => false,
        resident => proportional().or(resident).is_some_and(|size| size > limit),
    }
}

/// A line of `/proc` in kB.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_some_memory() {
        assert!(exceeds(1 << 16));
        assert!(!exceeds(1 << 50));
        assert!(proportional().is_some_and(|size| size > 1 << 16));
    }

    #[test]
    fn a_line_of_proc_is_in_kilobytes() {
        assert_eq!(field("Rss:  9 kB\nPss:     12 kB\n", "Pss:"), Some(12 * 1024));
        assert_eq!(field("Pss: many\n", "Pss:"), None);
    }
}
