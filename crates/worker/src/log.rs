//! Lines for the error log that belong to no request.
//!
//! Leader and workers have the error log of their virtual host as standard error. A line looks as httpd's
//! own lines do and is written with one call, so lines of several processes do not mix.

use engine::Level;
use std::io::Write;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

static LEAST: AtomicI32 = AtomicI32::new(Level::Info as i32);

/// Lines less important than this httpd level are not written from now on.
pub(crate) fn set_level(level: u32) {
    LEAST.store(i32::try_from(level).unwrap_or(i32::MAX), Relaxed);
}

/// Writes a line of level notice, whatever the least level is, as httpd does.
pub(crate) fn notice(text: &[u8]) {
    wsgi::log_pieces(text).for_each(|piece| write_piece("notice", piece));
}

/// Writes a line, as several if it is too long for one of httpd's.
pub(crate) fn write(level: Level, text: &[u8]) {
    if level as i32 > LEAST.load(Relaxed) {
        return;
    }
    let name = match level {
        Level::Critical => "crit",
        Level::Error => "error",
        Level::Warning => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
    };
    wsgi::log_pieces(text).for_each(|piece| write_piece(name, piece));
}

fn write_piece(level: &str, text: &[u8]) {
    let mut line = Vec::with_capacity(text.len() + 96);
    push_time(&mut line);
    // Writing to a vector cannot fail.
    let _ = write!(line, " [wsgi:{level}] [pid {}] ", std::process::id());
    escape(&mut line, text);
    line.push(b'\n');
    // There is nowhere to report that the log cannot be written.
    let _ = std::io::stderr().write_all(&line);
}

/// Writes text as httpd does. A line of the log is a line: control characters would let an application forge one.
fn escape(line: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b'\\' => line.extend_from_slice(b"\\\\"),
            b' '..=b'~' => line.push(byte),
            b'\t' => line.extend_from_slice(b"\\t"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\n' => line.extend_from_slice(b"\\n"),
            // Writing to a vector cannot fail.
            _ => drop(write!(line, "\\x{byte:02x}")),
        }
    }
}

/// Writes one line of formatted text.
macro_rules! line {
    ($level:ident, $($text:tt)*) => {
        crate::log::write(engine::Level::$level, format!($($text)*).as_bytes())
    };
}
pub(crate) use line;

/// `[Mon Nov 23 16:40:50.123456 2026]`, local time, as httpd writes it.
fn push_time(line: &mut Vec<u8>) {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: an all-zero `tm` is a value of that type.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both structures are owned here and live for the calls.
    unsafe {
        libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now);
        libc::localtime_r(&raw const now.tv_sec, &raw mut parts);
    }
    let day = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    let month =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let name = |names: &[&'static str], index: libc::c_int| {
        usize::try_from(index).ok().and_then(|index| names.get(index).copied()).unwrap_or("???")
    };
    let _ = write!(
        line,
        "[{} {} {:02} {:02}:{:02}:{:02}.{:06} {}]",
        name(&day, parts.tm_wday),
        name(&month, parts.tm_mon),
        parts.tm_mday,
        parts.tm_hour,
        parts.tm_min,
        parts.tm_sec,
        now.tv_nsec / 1000,
        parts.tm_year + 1900
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_printable_ascii_is_escaped() {
        let mut line = Vec::new();
        escape(&mut line, b"a\\\t\x00\xe9\n\"");
        assert_eq!(line, b"a\\\\\\t\\x00\\xe9\\n\"");
    }
}
