//! Hooks: the points where httpd asks its modules.
//!
//! What is registered is a function or a closure without captures, so that nothing of one configuration survives into
//! the next; each gets its own C entry from the compiler. Views passed to a hook end with the call.
//! See <https://httpd.apache.org/docs/2.4/developer/hooks.html>.

use std::ffi::{CStr, c_char, c_int};
use std::ptr::{self, NonNull};

use super::config::Module;
use super::entry::entry;
use super::log::{self, Level};
use super::network;
use super::pool::Pool;
use super::request::Request;
use super::server::Server;
use super::status::Status;
use super::sys;

/// When a hook runs, compared with those of other modules.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    position: c_int,
    after: &'static [&'static CStr],
    before: &'static [&'static CStr],
}

impl Order {
    /// Before all others.
    pub const REALLY_FIRST: Self = Self::at(sys::APR_HOOK_REALLY_FIRST);
    /// Early.
    pub const FIRST: Self = Self::at(sys::APR_HOOK_FIRST as c_int);
    /// As most do.
    pub const MIDDLE: Self = Self::at(sys::APR_HOOK_MIDDLE as c_int);
    /// Late.
    pub const LAST: Self = Self::at(sys::APR_HOOK_LAST as c_int);
    /// Right before what is after all others, which is mostly httpd's own.
    pub const NEXT_TO_LAST: Self = Self::at(sys::APR_HOOK_REALLY_LAST as c_int - 1);
    /// After all others.
    pub const REALLY_LAST: Self = Self::at(sys::APR_HOOK_REALLY_LAST as c_int);

    const fn at(position: c_int) -> Self {
        Self { position, after: &[], before: &[] }
    }

    /// After these modules, `mod_alias.c`.
    #[must_use]
    pub const fn after(self, modules: &'static [&'static CStr]) -> Self {
        Self { after: modules, ..self }
    }

    /// Before these modules.
    #[must_use]
    pub const fn before(self, modules: &'static [&'static CStr]) -> Self {
        Self { before: modules, ..self }
    }
}

/// The pools of a configuration.
#[derive(Clone, Copy)]
pub struct Pools<'p> {
    /// Lives as long as the configuration.
    pub config: Pool<'p>,
    /// Lives as long as the logs are open, to the next restart.
    pub log: Pool<'p>,
    /// Ends when the configuration was read.
    pub temporary: Pool<'p>,
}

/// What happened to a child of the MPM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildState {
    /// It was started.
    Started,
    /// It has ended.
    Exited,
    /// It goes on without its place in httpd's scoreboard.
    LostSlot,
}

/// A child of the MPM, as its parent sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Child {
    /// Its process.
    pub pid: libc::pid_t,
    /// The generation of its configuration.
    pub generation: u32,
    /// Its place in httpd's scoreboard, unless it has lost it.
    pub slot: Option<u32>,
    /// What happened.
    pub state: ChildState,
}

/// A function that can be a hook: without captures, so it can be made from nothing.
pub trait Plain: Copy + Send + Sync + 'static {}
impl<F: Copy + Send + Sync + 'static> Plain for F {}

pub(super) fn conjure<F: Plain>() -> F {
    const { assert!(size_of::<F>() == 0, "a hook is a function or a closure without captures") };
    // SAFETY: a value without bytes, of a type of which a value was given when the hook was registered; it is `Copy`,
    // so another one may exist.
    unsafe { NonNull::<F>::dangling().read() }
}

/// Where hooks are registered.
pub struct Hooks<'p> {
    pool: Pool<'p>,
}

macro_rules! hooks {
    ($($(#[$meta:meta])* $name:ident($($type:ty),*) $(-> $return:ty)? = $register:ident, $entry:ident;)*) => {
        $(
            $(#[$meta])*
            pub fn $name<F: Plain + Fn($($type),*) $(-> $return)?>(&self, order: Order, _hook: F) {
                let (after, before) = self.lists(order);
                // SAFETY: the entry has the signature of this hook; the lists live in the pool of the configuration,
                // which httpd clears together with the hooks.
                unsafe { sys::$register(Some($entry::<F>), after, before, order.position) };
            }
        )*
    };
}

impl<'p> Hooks<'p> {
    pub(super) fn new(pool: Pool<'p>) -> Self {
        Self { pool }
    }

    /// The pool of the configuration.
    pub fn pool(&self) -> Pool<'p> {
        self.pool
    }

    fn lists(&self, order: Order) -> (*const *const c_char, *const *const c_char) {
        (self.list(order.after), self.list(order.before))
    }

    fn list(&self, modules: &[&'static CStr]) -> *const *const c_char {
        if modules.is_empty() {
            return ptr::null();
        }
        let mut names: Vec<*const c_char> = modules.iter().map(|name| name.as_ptr()).collect();
        names.push(ptr::null());
        self.pool.dup_slice(&names).as_ptr()
    }

    hooks! {
        /// Before the configuration is read.
        pre_config(Pools<'_>) -> Status = ap_hook_pre_config, pre_config;
        /// After it was read, before it is used: to check it.
        check_config(Pools<'_>, Server<'_>) -> Status = ap_hook_check_config, check_config;
        /// When the configuration is only tested (`-t`), after it was checked.
        test_config(Pool<'_>, Server<'_>) = ap_hook_test_config, test_config;
        /// When logs are opened.
        open_logs(Pools<'_>, Server<'_>) -> Status = ap_hook_open_logs, open_logs;
        /// When the configuration is about to be used; also in the first of two passes at start-up.
        post_config(Pools<'_>, Server<'_>) -> Status = ap_hook_post_config, post_config;
        /// After the scoreboard was made, before children are; once per life of httpd.
        pre_mpm(Pool<'_>) -> Status = ap_hook_pre_mpm, pre_mpm;
        /// In a new child of the MPM, as `User`, before it has threads. The pool ends with the child.
        child_init(Pool<'_>, Server<'_>) = ap_hook_child_init, child_init;
        /// In a child that begins to stop; `true` if it may finish its requests. Not all MPMs call it.
        child_stopping(Pool<'_>, bool) = ap_hook_child_stopping, child_stopping;
        /// In the parent, when a child was started or has ended.
        child_status(Server<'_>, Child) = ap_hook_child_status, child_status;
        /// In the parent, when the last child of a generation has ended.
        end_generation(Server<'_>, u32) = ap_hook_end_generation, end_generation;
        /// In the parent, every few seconds.
        monitor(Pool<'_>, Server<'_>) -> Status = ap_hook_monitor, monitor;
        /// To map a path to a file.
        translate_name(Request<'_>) -> Status = ap_hook_translate_name, request;
        /// To find the file and the sections of a path that was mapped.
        map_to_storage(Request<'_>) -> Status = ap_hook_map_to_storage, request;
        /// To refuse a client by where it comes from.
        access_checker(Request<'_>) -> Status = ap_hook_access_checker, request;
        /// Last chance before the handler.
        fixups(Request<'_>) -> Status = ap_hook_fixups, request;
        /// To answer a request.
        handler(Request<'_>) -> Status = ap_hook_handler, request;
    }
}

impl Hooks<'_> {
    /// Has large request bodies that [`Input`](super::input::Input) reads come in large pieces. Where another module has a
    /// network bucket of its own it is not ours.
    pub fn read_large_bodies_at_once<M: Module>(&self) {
        network::set_module(M::record().as_ptr());
        let Order { position, .. } = Order::NEXT_TO_LAST;
        // SAFETY: the entry has the signature of this hook.
        unsafe {
            sys::ap_hook_insert_network_bucket(
                Some(network::insert),
                ptr::null(),
                ptr::null(),
                position,
            );
        }
    }
}

/// # Safety
/// Three pools as httpd passes them to hooks of the configuration.
unsafe fn pools<'p>(
    config: *mut sys::apr_pool_t,
    log: *mut sys::apr_pool_t,
    temporary: *mut sys::apr_pool_t,
) -> Pools<'p> {
    // SAFETY: the caller promises three pools.
    unsafe {
        Pools {
            config: Pool::from_ptr(config),
            log: Pool::from_ptr(log),
            temporary: Pool::from_ptr(temporary),
        }
    }
}

fn report(bug: &str) -> c_int {
    log::write(log::Main, Level::CRIT, format_args!("{bug}"));
    Status::INTERNAL_SERVER_ERROR.code()
}

entry! {
    fn request[F: Plain + Fn(Request<'_>) -> Status](r: *mut sys::request_rec) -> c_int {
        // SAFETY: httpd passes a live request_rec for the duration of the hook.
        conjure::<F>()(unsafe { Request::from_ptr(r) }).code()
    }
    bug |text| {
        // SAFETY: as above.
        log::write(unsafe { Request::from_ptr(r) }, Level::CRIT, format_args!("{text}"));
        Status::INTERNAL_SERVER_ERROR.code()
    }
}

entry! {
    fn pre_config[F: Plain + Fn(Pools<'_>) -> Status](
        config: *mut sys::apr_pool_t,
        log: *mut sys::apr_pool_t,
        temporary: *mut sys::apr_pool_t,
    ) -> c_int {
        // SAFETY: httpd passes these pools for the duration of the hook.
        conjure::<F>()(unsafe { pools(config, log, temporary) }).code()
    }
    bug |text| { report(&text) }
}

macro_rules! config_entries {
    ($($name:ident)*) => {
        $(
            entry! {
                fn $name[F: Plain + Fn(Pools<'_>, Server<'_>) -> Status](
                    config: *mut sys::apr_pool_t,
                    log: *mut sys::apr_pool_t,
                    temporary: *mut sys::apr_pool_t,
                    server: *mut sys::server_rec,
                ) -> c_int {
                    // SAFETY: httpd passes these pools and the main server for the duration of the hook.
                    let (pools, server) = unsafe { (pools(config, log, temporary), Server::from_ptr(server)) };
                    conjure::<F>()(pools, server).code()
                }
                bug |text| { report(&text) }
            }
        )*
    };
}

config_entries! { check_config open_logs post_config }

entry! {
    fn test_config[F: Plain + Fn(Pool<'_>, Server<'_>)](pool: *mut sys::apr_pool_t, server: *mut sys::server_rec) {
        // SAFETY: httpd passes the pool and the main server for the duration of the hook.
        let (pool, server) = unsafe { (Pool::from_ptr(pool), Server::from_ptr(server)) };
        conjure::<F>()(pool, server);
    }
    bug |text| { report(&text); }
}

entry! {
    fn pre_mpm[F: Plain + Fn(Pool<'_>) -> Status](
        pool: *mut sys::apr_pool_t,
        _scoreboard: sys::ap_scoreboard_e,
    ) -> c_int {
        // SAFETY: httpd passes the pool for the duration of the hook.
        conjure::<F>()(unsafe { Pool::from_ptr(pool) }).code()
    }
    bug |text| { report(&text) }
}

entry! {
    fn child_init[F: Plain + Fn(Pool<'_>, Server<'_>)](pool: *mut sys::apr_pool_t, server: *mut sys::server_rec) {
        // SAFETY: httpd passes the pool of the child and the main server for the duration of the hook.
        let (pool, server) = unsafe { (Pool::from_ptr(pool), Server::from_ptr(server)) };
        conjure::<F>()(pool, server);
    }
    bug |text| { report(&text); }
}

entry! {
    fn child_stopping[F: Plain + Fn(Pool<'_>, bool)](pool: *mut sys::apr_pool_t, graceful: c_int) {
        // SAFETY: httpd passes the pool of the child for the duration of the hook.
        conjure::<F>()(unsafe { Pool::from_ptr(pool) }, graceful != 0);
    }
    bug |text| { report(&text); }
}

entry! {
    fn child_status[F: Plain + Fn(Server<'_>, Child)](
        server: *mut sys::server_rec,
        pid: sys::pid_t,
        generation: sys::ap_generation_t,
        slot: c_int,
        state: sys::mpm_child_status,
    ) {
        let state = match state {
            sys::mpm_child_status_MPM_CHILD_STARTED => ChildState::Started,
            sys::mpm_child_status_MPM_CHILD_EXITED => ChildState::Exited,
            sys::mpm_child_status_MPM_CHILD_LOST_SLOT => ChildState::LostSlot,
            _ => return,
        };
        let generation = u32::try_from(generation).unwrap_or(0);
        let child = Child { pid, generation, slot: u32::try_from(slot).ok(), state };
        // SAFETY: httpd passes the main server for the duration of the hook.
        conjure::<F>()(unsafe { Server::from_ptr(server) }, child);
    }
    bug |text| { report(&text); }
}

entry! {
    fn end_generation[F: Plain + Fn(Server<'_>, u32)](
        server: *mut sys::server_rec,
        generation: sys::ap_generation_t,
    ) {
        // SAFETY: httpd passes the main server for the duration of the hook.
        conjure::<F>()(unsafe { Server::from_ptr(server) }, u32::try_from(generation).unwrap_or(0));
    }
    bug |text| { report(&text); }
}

entry! {
    fn monitor[F: Plain + Fn(Pool<'_>, Server<'_>) -> Status](
        pool: *mut sys::apr_pool_t,
        server: *mut sys::server_rec,
    ) -> c_int {
        // SAFETY: httpd passes the pool and the main server for the duration of the hook.
        let (pool, server) = unsafe { (Pool::from_ptr(pool), Server::from_ptr(server)) };
        conjure::<F>()(pool, server).code()
    }
    bug |text| { report(&text) }
}
