//! What `ps` shows of a process: the name of its group instead of the interpreter's command line.
//!
//! The kernel shows the memory in which it placed the arguments at `exec`, so the title is written there.

use std::ffi::c_char;

/// Shows `title` in the place of the command line. Where the kernel does not tell the place, nothing happens.
// The suppressions of valgrind name it.
#[inline(never)]
pub(crate) fn set(title: &[u8]) {
    let Some((start, end)) = arguments() else { return };
    let room = end - start;
    let shown = title.get(..room.saturating_sub(1)).unwrap_or(title);
    let place = std::ptr::with_exposed_provenance_mut::<u8>(start);
    // SAFETY: the kernel says that this process's arguments lie in these `room` bytes of its stack,
    // which stay mapped and writable. Python and the C library have made their copies by now.
    unsafe {
        place.write_bytes(0, room);
        place.copy_from_nonoverlapping(shown.as_ptr(), shown.len());
    }
    let mut name: Vec<u8> = title.iter().copied().take(15).filter(|&byte| byte != 0).collect();
    name.push(0);
    // SAFETY: `name` ends with a zero byte; the kernel copies it.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr().cast::<c_char>()) };
}

/// Where the arguments lie: fields 48 and 49 of proc(5)'s `stat`.
fn arguments() -> Option<(usize, usize)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the name in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(45);
    let start: usize = fields.next()?.parse().ok()?;
    let end: usize = fields.next()?.parse().ok()?;
    (start != 0 && end > start).then_some((start, end))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_title_replaces_the_command_line() {
        let room = std::fs::read("/proc/self/cmdline").unwrap().len();
        super::set(b"(wsgi:test)");
        let shown = std::fs::read("/proc/self/cmdline").unwrap();
        assert_eq!(shown.len().min(room), shown.len());
        assert!(shown.starts_with(b"(wsgi:test)\0"), "{shown:?}");
    }
}
