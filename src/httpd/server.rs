//! The servers of a configuration (main server and virtual hosts), and what httpd as a whole says about itself.
//!
//! A `server_rec` belongs to the configuration; after start-up it is only read, by all threads.
//! See <https://ci.apache.org/projects/httpd/trunk/doxygen/structserver__rec.html>.

use std::ffi::{CStr, c_char, c_int};
use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::ptr::NonNull;
use std::time::Duration;

use super::config::Module;
use super::pool::{Pool, text, truth};
use super::sys;

/// What httpd calls itself in full, for example `Apache/2.4.62 (Debian)`.
pub fn description() -> &'static [u8] {
    // SAFETY: a string that httpd keeps as long as its configuration; at least as long as a child lives.
    unsafe { text(sys::ap_get_server_description()) }.unwrap_or_default().to_bytes()
}

/// The name of the MPM, for example `event`.
pub fn mpm_name() -> &'static [u8] {
    // SAFETY: a string constant of the MPM.
    unsafe { text(sys::ap_show_mpm()) }.unwrap_or_default().to_bytes()
}

/// When httpd was built.
pub fn built() -> &'static [u8] {
    // SAFETY: a string constant of httpd.
    unsafe { text(sys::ap_get_server_built()) }.unwrap_or_default().to_bytes()
}

/// The version of the headers this module was built with: major, minor, patch.
pub const VERSION: [u32; 3] = [
    sys::AP_SERVER_MAJORVERSION_NUMBER,
    sys::AP_SERVER_MINORVERSION_NUMBER,
    sys::AP_SERVER_PATCHLEVEL_NUMBER,
];

/// A borrowed server.
#[derive(Clone, Copy)]
pub struct Server<'s> {
    ptr: NonNull<sys::server_rec>,
    alive: PhantomData<&'s sys::server_rec>,
}

impl PartialEq for Server<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.ptr == other.ptr
    }
}

/// A `<Directory>` section.
#[derive(Clone, Copy, Debug)]
pub struct Section<'s> {
    path: *const c_char,
    /// How many slashes its path has.
    pub depth: u32,
    /// Its path has `*`, `?` or `[`.
    pub has_wildcards: bool,
    alive: PhantomData<&'s sys::server_rec>,
}

impl<'s> Section<'s> {
    /// Its path, with a slash at the end; `None` if it is a regular expression.
    pub fn path(self) -> Option<&'s CStr> {
        // SAFETY: null, or a string of the configuration's pool.
        unsafe { text(self.path) }
    }
}

impl<'s> Server<'s> {
    /// Wraps the server that httpd passed.
    ///
    /// # Safety
    /// `ptr` is a server_rec whose configuration lives during `'s`.
    pub(super) unsafe fn from_ptr(ptr: *mut sys::server_rec) -> Self {
        // SAFETY: the caller promises a server_rec.
        let ptr = unsafe { NonNull::new_unchecked(ptr) };
        Self { ptr, alive: PhantomData }
    }

    pub(super) fn as_ptr(self) -> *mut sys::server_rec {
        self.ptr.as_ptr()
    }

    fn record(&self) -> &sys::server_rec {
        // SAFETY: a live server_rec; the reference ends before httpd is called again.
        unsafe { self.ptr.as_ref() }
    }

    /// The main server of the configuration this one belongs to.
    pub fn main(self) -> Self {
        // SAFETY: httpd sets this variable before it calls `post_config`, and changes it only between configurations.
        let main = unsafe { sys::ap_server_conf };
        // SAFETY: the main server lives as long as its virtual hosts.
        if main.is_null() { self } else { unsafe { Self::from_ptr(main) } }
    }

    /// The next server of the configuration; from the main server all are reached.
    pub fn next(self) -> Option<Self> {
        // SAFETY: all servers of a configuration live as long.
        (!self.record().next.is_null()).then(|| unsafe { Self::from_ptr(self.record().next) })
    }

    /// This server and those after it.
    pub fn iter(self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self), |server| server.next())
    }

    /// Our configuration of this server.
    pub fn config<M: Module>(self) -> &'s M::Server {
        // SAFETY: the vector lives as long as the configuration, and so does what is in it.
        unsafe { M::record().server_config(self.record().module_config) }
    }

    /// Our configuration of directories without a section in this server.
    pub fn directory_config<M: Module>(self) -> &'s M::Directory {
        // SAFETY: as above.
        unsafe { M::record().directory_config(self.record().lookup_defaults) }
    }

    /// The `<Directory>` sections that hold in this server, those with few components first and regular expressions last.
    pub fn sections(self) -> impl Iterator<Item = Section<'s>> {
        (0..).map_while(move |place| {
            let (mut path, mut depth, mut wildcard) = (std::ptr::null(), 0, 0);
            // SAFETY: a live server_rec whose configuration is complete; the places are ours.
            let is_there = unsafe {
                sys::shim_server_section(
                    self.as_ptr(),
                    place,
                    &raw mut path,
                    &raw mut depth,
                    &raw mut wildcard,
                )
            };
            truth(is_there).then(|| Section {
                path,
                depth,
                has_wildcards: truth(wildcard),
                alive: PhantomData,
            })
        })
    }

    /// `ServerName`
    pub fn hostname(self) -> Option<&'s CStr> {
        // SAFETY: a string of the configuration's pool.
        unsafe { text(self.record().server_hostname) }
    }

    /// `ServerAdmin`
    pub fn admin(self) -> Option<&'s CStr> {
        // SAFETY: a string of the configuration's pool.
        unsafe { text(self.record().server_admin) }
    }

    /// The scheme given with `ServerName`.
    pub fn scheme(self) -> Option<&'s CStr> {
        // SAFETY: a string of the configuration's pool.
        unsafe { text(self.record().server_scheme) }
    }

    /// The port, zero if unknown.
    pub fn port(self) -> u16 {
        self.record().port
    }

    /// The port that clients mostly ask it by: that of its name, of its address, or for the main server the first one that httpd
    /// listens to; zero if unknown.
    pub fn usual_port(self) -> u16 {
        // SAFETY: null, or the first address of the server, of its configuration.
        let address = unsafe { self.record().addrs.as_ref() }.map_or(0, |first| first.host_port);
        // SAFETY: null, or a list that httpd has made while it read the configuration.
        let listened = unsafe {
            let listener = sys::ap_listeners.as_ref();
            listener.and_then(|it| it.bind_addr.as_ref()).map_or(0, |address| address.port)
        };
        let all = [self.port(), address, if self.is_virtual() { 0 } else { listened }];
        all.into_iter().find(|&port| port != 0).unwrap_or(0)
    }

    /// Is it a virtual host?
    pub fn is_virtual(self) -> bool {
        self.record().is_virtual != 0
    }

    /// `Timeout`
    pub fn timeout(self) -> Duration {
        Duration::from_micros(u64::try_from(self.record().timeout).unwrap_or(0))
    }

    /// `KeepAliveTimeout`
    pub fn keep_alive_timeout(self) -> Duration {
        Duration::from_micros(u64::try_from(self.record().keep_alive_timeout).unwrap_or(0))
    }

    /// The file and line of its `<VirtualHost>`.
    pub fn defined_at(self) -> Option<(&'s CStr, u32)> {
        // SAFETY: a string of the configuration's pool.
        unsafe { text(self.record().defn_name) }.map(|name| (name, self.record().defn_line_number))
    }

    /// `ServerPath`
    pub fn path(self) -> Option<&'s CStr> {
        // SAFETY: a string of the configuration's pool.
        unsafe { text(self.record().path) }
    }

    /// The argument of its `ErrorLog`.
    pub fn error_log_name(self) -> Option<&'s CStr> {
        // SAFETY: a string of the configuration's pool.
        unsafe { text(self.record().error_fname) }
    }

    /// The file or pipe of its `ErrorLog`; none before logs are opened, and with syslog.
    pub fn error_log(self) -> Option<BorrowedFd<'s>> {
        let file = self.record().error_log;
        let mut fd: sys::apr_os_file_t = -1;
        // SAFETY: an open file of APR, and room for its descriptor.
        if file.is_null() || unsafe { sys::apr_os_file_get(&raw mut fd, file) } != 0 || fd < 0 {
            return None;
        }
        // SAFETY: httpd keeps the log open as long as the configuration.
        Some(unsafe { BorrowedFd::borrow_raw(fd) })
    }
}

/// Who httpd's children run as: `User` and `Group`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'s> {
    /// The id of `User`.
    pub uid: u32,
    /// The id of `Group`.
    pub gid: u32,
    /// The name of `User`.
    pub user: Option<&'s CStr>,
    /// `ChrootDir`
    pub chroot: Option<&'s CStr>,
}

/// Who the children run as, after the configuration was read.
pub fn identity(_configured: Server<'_>) -> Identity<'_> {
    // SAFETY: a plain C structure, written only while the configuration is read; copied here.
    let record = unsafe { sys::ap_unixd_config };
    // SAFETY: strings of the configuration, which lives as long as the server given.
    let (user, chroot) = unsafe { (text(record.user_name), text(record.chroot_dir)) };
    Identity { uid: record.user_id, gid: record.group_id, user, chroot }
}

/// A path relative to `ServerRoot`.
pub fn root_relative<'p>(pool: Pool<'p>, path: &CStr) -> Option<&'p CStr> {
    let path = pool.dup(path.to_bytes());
    // SAFETY: the pool is alive; the result is in it, or is the argument, which is too.
    unsafe { text(sys::ap_server_root_relative(pool.as_ptr(), path.as_ptr())) }
}

/// A path relative to `DefaultRuntimeDir`.
pub fn runtime_relative<'p>(pool: Pool<'p>, path: &CStr) -> Option<&'p CStr> {
    let path = pool.dup(path.to_bytes());
    // SAFETY: as above.
    unsafe { text(sys::ap_runtime_dir_relative(pool.as_ptr(), path.as_ptr())) }
}

/// Adds a component to the `Server` header; from `post_config` on, before the server runs.
pub fn add_version_component(config: Pool<'_>, component: &CStr) {
    // SAFETY: httpd copies the text.
    unsafe { sys::ap_add_version_component(config.as_ptr(), component.as_ptr()) };
}

/// The `Server` header, as `ServerTokens` says.
pub fn banner(pool: Pool<'_>) -> &CStr {
    // SAFETY: never null once `post_config` ran; copied, as later components replace the string.
    let banner = unsafe { text(sys::ap_get_server_banner()) };
    pool.dup(banner.unwrap_or_default().to_bytes())
}

/// Was httpd started with `-D name`, or is there a `Define name`?
pub fn is_defined(name: &CStr) -> bool {
    // SAFETY: compares strings.
    truth(unsafe { sys::ap_exists_config_define(name.as_ptr()) })
}

/// Where httpd is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading the configuration for the first of two times; what is started now is lost.
    FirstPass,
    /// Reading the configuration that will be used.
    Configuring,
    /// Between two configurations.
    Restarting,
    /// The MPM runs.
    Running,
    /// Ending.
    Exiting,
    /// Before the first configuration, or unknown.
    Starting,
}

/// Where httpd is in its life.
pub fn phase() -> Phase {
    match state(sys::AP_SQ_MAIN_STATE) {
        sys::AP_SQ_MS_CREATE_PRE_CONFIG => Phase::FirstPass,
        sys::AP_SQ_MS_CREATE_CONFIG => Phase::Configuring,
        sys::AP_SQ_MS_DESTROY_CONFIG => Phase::Restarting,
        sys::AP_SQ_MS_RUN_MPM => Phase::Running,
        sys::AP_SQ_MS_EXITING => Phase::Exiting,
        _ => Phase::Starting,
    }
}

/// Is the configuration only tested (`-t`) or shown (`-S`, `-D DUMP_...`), not run?
pub fn is_config_test() -> bool {
    matches!(state(sys::AP_SQ_RUN_MODE), sys::AP_SQ_RM_CONFIG_TEST | sys::AP_SQ_RM_CONFIG_DUMP)
}

fn state(question: u32) -> u32 {
    let question = c_int::try_from(question).unwrap_or(-1);
    // SAFETY: reads a variable of httpd.
    u32::try_from(unsafe { sys::ap_state_query(question) }).unwrap_or(0)
}

/// What the MPM does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MpmState {
    /// It starts.
    Starting,
    /// It serves requests.
    Running,
    /// It stops, gracefully or not.
    Stopping,
}

/// The multi-processing module; it answers from `post_config` on.
#[derive(Clone, Copy, Debug)]
pub struct Mpm;

impl Mpm {
    /// `event`, `worker`, `prefork`
    pub fn name(self, pool: Pool<'_>) -> &CStr {
        // SAFETY: a string constant of the MPM; copied, as the MPM may be unloaded with the configuration.
        let name = unsafe { text(sys::ap_show_mpm()) };
        pool.dup(name.unwrap_or_default().to_bytes())
    }

    /// Does a child have several threads?
    pub fn is_threaded(self) -> bool {
        query(sys::AP_MPMQ_IS_THREADED).unwrap_or(0) != sys::AP_MPMQ_NOT_SUPPORTED
    }

    /// Are there several children?
    pub fn is_forked(self) -> bool {
        query(sys::AP_MPMQ_IS_FORKED).unwrap_or(0) != sys::AP_MPMQ_NOT_SUPPORTED
    }

    /// Threads of a child, at most.
    pub fn max_threads(self) -> Option<u32> {
        query(sys::AP_MPMQ_MAX_THREADS)
    }

    /// Children, at most.
    pub fn max_children(self) -> Option<u32> {
        query(sys::AP_MPMQ_MAX_DAEMONS)
    }

    /// Threads of a child, of which there is one at least.
    pub fn threads(self) -> u32 {
        if self.is_threaded() { self.max_threads().unwrap_or(1) } else { 1 }
    }

    /// Children, of which there is one at least.
    pub fn processes(self) -> u32 {
        if self.is_forked() { self.max_children().unwrap_or(1) } else { 1 }
    }

    /// Children, at most, whatever a later configuration says: `ServerLimit`.
    pub fn hard_limit_children(self) -> Option<u32> {
        query(sys::AP_MPMQ_HARD_LIMIT_DAEMONS)
    }

    /// Threads of a child, at most, whatever a later configuration says: `ThreadLimit`.
    pub fn hard_limit_threads(self) -> Option<u32> {
        query(sys::AP_MPMQ_HARD_LIMIT_THREADS)
    }

    /// How often the configuration was replaced.
    pub fn generation(self) -> u32 {
        query(sys::AP_MPMQ_GENERATION).unwrap_or(0)
    }

    /// What it does.
    pub fn state(self) -> Option<MpmState> {
        match query(sys::AP_MPMQ_MPM_STATE)? {
            sys::AP_MPMQ_STARTING => Some(MpmState::Starting),
            sys::AP_MPMQ_RUNNING => Some(MpmState::Running),
            sys::AP_MPMQ_STOPPING => Some(MpmState::Stopping),
            _ => None,
        }
    }
}

fn query(question: u32) -> Option<u32> {
    let mut answer: c_int = -1;
    let question = c_int::try_from(question).ok()?;
    // SAFETY: room for the answer; without an MPM httpd returns an error.
    let status = unsafe { sys::ap_mpm_query(question, &raw mut answer) };
    if status == 0 { u32::try_from(answer).ok() } else { None }
}

/// A path of the configuration, as bytes.
pub fn as_path(text: &CStr) -> &Path {
    use std::os::unix::ffi::OsStrExt as _;
    Path::new(std::ffi::OsStr::from_bytes(text.to_bytes()))
}
