//! The error log: one line, with the client and the virtual host that httpd puts before it.
//!
//! A level is compared with `LogLevel` (also `LogLevel wsgi:debug`) before anything is formatted. Texts are bytes, and
//! `%` has no meaning in them. httpd escapes control characters, and cuts what is too long for it; so a long line of
//! bytes is continued by another.
//! See <https://httpd.apache.org/docs/2.4/developer/modguide.html#logging>.

use std::ffi::{CStr, CString, c_int};
use std::fmt::{self, Write as _};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

use super::connection::Connection;
use super::pool::Pool;
use super::request::Request;
use super::server::Server;
use super::sys;

/// How serious a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(c_int);

impl Level {
    /// The system cannot go on.
    pub const EMERG: Self = Self(sys::APLOG_EMERG as c_int);
    /// Someone has to act at once.
    pub const ALERT: Self = Self(sys::APLOG_ALERT as c_int);
    /// Something essential is broken.
    pub const CRIT: Self = Self(sys::APLOG_CRIT as c_int);
    /// A request, a process or a setting failed.
    pub const ERROR: Self = Self(sys::APLOG_ERR as c_int);
    /// Something will fail, or works with less than it should.
    pub const WARNING: Self = Self(sys::APLOG_WARNING as c_int);
    /// What an operator wants to see of ordinary work.
    pub const NOTICE: Self = Self(sys::APLOG_NOTICE as c_int);
    /// For information.
    pub const INFO: Self = Self(sys::APLOG_INFO as c_int);
    /// For those who look for a fault.
    pub const DEBUG: Self = Self(sys::APLOG_DEBUG as c_int);
    /// Every step.
    pub const TRACE1: Self = Self(sys::APLOG_TRACE1 as c_int);
    /// Every step, and its data.
    pub const TRACE4: Self = Self(sys::APLOG_TRACE4 as c_int);

    /// The level of a number as in syslog, 0 (emergency) to 15 (trace8); larger numbers are 15.
    pub fn from_number(number: u8) -> Self {
        Self(c_int::from(number.min(15)))
    }

    /// The line also goes to the console while httpd starts.
    #[must_use]
    pub fn at_startup(self) -> Self {
        Self(self.0 | sys::APLOG_STARTUP as c_int)
    }
}

/// The index of our module, by which `LogLevel wsgi:` finds its level; -1 before httpd has loaded us.
static MODULE_INDEX: AtomicI32 = AtomicI32::new(sys::APLOG_NO_MODULE);

pub(super) fn set_module_index(index: c_int) {
    MODULE_INDEX.store(index, Ordering::Relaxed);
}

fn module_index() -> c_int {
    MODULE_INDEX.load(Ordering::Relaxed)
}

/// What a line is about; it decides which error log gets it.
pub trait Subject: Copy {
    /// Is a line of this level written at all?
    fn logs(self, level: Level) -> bool;

    /// Writes the line, whatever `LogLevel` says.
    fn put(self, level: Level, line: &CStr);
}

/// The error log of the main server, when nothing nearer is known.
#[derive(Clone, Copy, Debug)]
pub struct Main;

/// Writes a line; it is formatted only if its level is wanted.
pub fn write(subject: impl Subject, level: Level, text: fmt::Arguments<'_>) {
    if !subject.logs(level) {
        return;
    }
    let mut line = String::with_capacity(200);
    if line.write_fmt(text).is_ok() {
        subject.put(level, &terminated(line.into_bytes()));
    }
}

/// Writes a line that is bytes, as several if it is too long for one.
pub fn write_bytes(subject: impl Subject, level: Level, text: &[u8]) {
    if subject.logs(level) {
        for piece in wsgi::log_pieces(text) {
            subject.put(level, &terminated(piece.to_vec()));
        }
    }
}

/// A C string. A NUL would hide what follows it, so it is written out.
fn terminated(text: Vec<u8>) -> CString {
    CString::new(text).unwrap_or_else(|error| {
        let shown: Vec<u8> = error
            .into_vec()
            .into_iter()
            .flat_map(|byte| if byte == 0 { b"\\x00".to_vec() } else { vec![byte] })
            .collect();
        CString::new(shown).unwrap_or_default()
    })
}

impl Subject for Request<'_> {
    fn logs(self, level: Level) -> bool {
        // SAFETY: httpd passes a live request_rec for the duration of the hook.
        unsafe { sys::shim_log_request_level(self.as_ptr(), module_index(), level.0) != 0 }
    }

    fn put(self, level: Level, line: &CStr) {
        // SAFETY: a live request_rec, and the one argument that "%s" asks for.
        unsafe {
            sys::ap_log_rerror_(
                ptr::null(),
                0,
                module_index(),
                level.0,
                0,
                self.as_ptr(),
                c"%s".as_ptr(),
                line.as_ptr(),
            );
        }
    }
}

impl Subject for Connection<'_> {
    fn logs(self, level: Level) -> bool {
        // SAFETY: httpd passes a live conn_rec for the duration of the hook.
        unsafe { sys::shim_log_connection_level(self.as_ptr(), module_index(), level.0) != 0 }
    }

    fn put(self, level: Level, line: &CStr) {
        // SAFETY: a live conn_rec, and the one argument that "%s" asks for.
        unsafe {
            sys::ap_log_cerror_(
                ptr::null(),
                0,
                module_index(),
                level.0,
                0,
                self.as_ptr(),
                c"%s".as_ptr(),
                line.as_ptr(),
            );
        }
    }
}

fn put_server(server: *const sys::server_rec, level: Level, line: &CStr) {
    // SAFETY: a live server_rec, or null for the main log, and the one argument that "%s" asks for.
    unsafe {
        sys::ap_log_error_(
            ptr::null(),
            0,
            module_index(),
            level.0,
            0,
            server,
            c"%s".as_ptr(),
            line.as_ptr(),
        );
    }
}

impl Subject for Server<'_> {
    fn logs(self, level: Level) -> bool {
        // SAFETY: httpd keeps the server_rec as long as its configuration.
        unsafe { sys::shim_log_server_level(self.as_ptr(), module_index(), level.0) != 0 }
    }

    fn put(self, level: Level, line: &CStr) {
        put_server(self.as_ptr(), level, line);
    }
}

/// The main server of a child, whose configuration lives as long as the child; null in the parent, which reads another
/// one now and then.
static MAIN: AtomicPtr<sys::server_rec> = AtomicPtr::new(ptr::null_mut());

/// This process is a child: from now on [`Main`] is this server, with its `LogLevel`.
pub fn set_main(server: Server<'_>) {
    MAIN.store(server.as_ptr(), Ordering::Release);
}

impl Subject for Main {
    fn logs(self, level: Level) -> bool {
        let server = MAIN.load(Ordering::Acquire);
        // SAFETY: a server_rec that lives as long as this process, or null, with which the default level is compared.
        unsafe { sys::shim_log_server_level(server, module_index(), level.0) != 0 }
    }

    fn put(self, level: Level, line: &CStr) {
        put_server(MAIN.load(Ordering::Acquire), level, line);
    }
}

impl Subject for Pool<'_> {
    fn logs(self, level: Level) -> bool {
        Main.logs(level)
    }

    fn put(self, level: Level, line: &CStr) {
        // SAFETY: the pool is alive, and there is the one argument that "%s" asks for.
        unsafe {
            sys::ap_log_perror_(
                ptr::null(),
                0,
                module_index(),
                level.0,
                0,
                self.as_ptr(),
                c"%s".as_ptr(),
                line.as_ptr(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_hides_nothing() {
        assert_eq!(terminated(b"one\0two".to_vec()).as_bytes(), b"one\\x00two");
        assert_eq!(terminated(b"one %s".to_vec()).as_bytes(), b"one %s");
    }

    #[test]
    fn the_syslog_numbers_are_the_levels() {
        assert_eq!(Level::from_number(3), Level::ERROR);
        assert_eq!(Level::from_number(200).0, 15);
    }
}
