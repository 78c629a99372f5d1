//! The module as httpd sees it: its record, and its configuration as typed Rust values.
//!
//! httpd keeps one untyped pointer per module in each server and each section. [`Record`] is the only one that fills and
//! reads ours, so what is read has the type that was put there. The values belong to the pool of the configuration (or
//! of the request, where sections are merged per request); they are changed only by directives, then shared by all
//! threads. See <https://httpd.apache.org/docs/2.4/developer/modguide.html>.

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_char, c_int, c_ulong, c_void};
use std::marker::PhantomData;
use std::ptr;

use super::directive::{Commands, Directive};
use super::entry::{self, entry};
use super::hook::Hooks;
use super::log::{self, Level};
use super::pool::{Pool, text};
use super::sys;

/// Configuration that is inherited.
pub trait Merge: Send + Sync + Sized + 'static {
    /// The configuration of an inner scope: what `over` says, and what it does not say from `base`.
    fn merge(base: &Self, over: &Self) -> Self;
}

/// What a module is made of. One type of the crate implements it.
pub trait Module: Sized + 'static {
    /// The configuration of a server.
    type Server: Merge;
    /// The configuration of a section: `<Directory>`, `<Location>`, `.htaccess`.
    type Directory: Merge;
    /// The directives.
    const DIRECTIVES: &'static [Directive<Self>];

    /// An empty configuration of a server.
    fn new_server() -> Self::Server;

    /// An empty configuration of a section; the path is that of `<Directory>`, none for the server as a whole.
    fn new_directory(path: Option<&CStr>) -> Self::Directory;

    /// Registers the hooks, once per configuration.
    fn register(hooks: &Hooks<'_>);

    /// The record that httpd loads.
    fn record() -> &'static Record<Self>;
}

/// The `module` structure that httpd finds in the shared object by its name.
#[repr(C)]
pub struct Record<M: Module> {
    module: UnsafeCell<sys::module>,
    of: PhantomData<fn() -> M>,
}

// SAFETY: only httpd writes to the structure, while it loads and unloads modules on the one thread of start-up.
unsafe impl<M: Module> Sync for Record<M> {}

impl<M: Module> Record<M> {
    /// The record of a module whose C file would have this name: `<IfModule>` and other modules know it by that.
    pub const fn new<const N: usize>(
        name: &'static CStr,
        commands: &'static Commands<M, N>,
    ) -> Self {
        Self {
            module: UnsafeCell::new(sys::module {
                version: sys::MODULE_MAGIC_NUMBER_MAJOR as c_int,
                minor_version: sys::MODULE_MAGIC_NUMBER_MINOR as c_int,
                module_index: -1,
                name: name.as_ptr(),
                dynamic_load_handle: ptr::null_mut(),
                next: ptr::null_mut(),
                magic: sys::MODULE_MAGIC_COOKIE as c_ulong,
                rewrite_args: None,
                create_dir_config: Some(create_directory::<M>),
                merge_dir_config: Some(merge::<M::Directory>),
                create_server_config: Some(create_server::<M>),
                merge_server_config: Some(merge::<M::Server>),
                cmds: commands.as_ptr(),
                register_hooks: Some(register::<M>),
                flags: 0,
            }),
            of: PhantomData,
        }
    }

    fn index(&self) -> c_int {
        // SAFETY: httpd writes the index when it loads the module, before it calls any entry of it.
        unsafe { (*self.module.get()).module_index }
    }

    pub(super) fn as_ptr(&self) -> *mut sys::module {
        self.module.get()
    }

    /// # Safety
    /// `vector` is the configuration of a server, alive during `'a`.
    pub(super) unsafe fn server_config<'a>(
        &self,
        vector: *mut sys::ap_conf_vector_t,
    ) -> &'a M::Server {
        // SAFETY: the slot was filled by `create_server::<M>` or `merge::<M::Server>`.
        unsafe { &*self.slot(vector).cast() }
    }

    /// # Safety
    /// `vector` is the configuration of a section, alive during `'a`.
    pub(super) unsafe fn directory_config<'a>(
        &self,
        vector: *mut sys::ap_conf_vector_t,
    ) -> &'a M::Directory {
        // SAFETY: the slot was filled by `create_directory::<M>` or `merge::<M::Directory>`.
        unsafe { &*self.slot(vector).cast() }
    }

    /// The value a directive may change.
    ///
    /// # Safety
    /// `vector` is the configuration of a server that is being read.
    pub(super) unsafe fn server_slot(&self, vector: *mut sys::ap_conf_vector_t) -> *mut M::Server {
        // SAFETY: the caller promises the vector.
        unsafe { self.slot(vector).cast() }
    }

    unsafe fn slot(&self, vector: *mut sys::ap_conf_vector_t) -> *mut c_void {
        assert!(self.index() >= 0, "the module is not loaded");
        // SAFETY: the vector has a slot for every loaded module.
        let slot = unsafe { sys::shim_module_config(vector, self.module.get()) };
        assert!(!slot.is_null(), "httpd has made no configuration for the module");
        slot
    }
}

fn report(bug: &str) {
    log::write(log::Main, Level::CRIT, format_args!("{bug}"));
}

entry! {
    fn create_server[M: Module](pool: *mut sys::apr_pool_t, _server: *mut sys::server_rec) -> *mut c_void {
        // SAFETY: httpd passes the pool of the configuration.
        unsafe { Pool::from_ptr(pool) }.own_raw(M::new_server()).cast()
    }
    bug |text| {
        report(&text);
        ptr::null_mut()
    }
}

entry! {
    fn create_directory[M: Module](pool: *mut sys::apr_pool_t, path: *mut c_char) -> *mut c_void {
        // SAFETY: httpd passes null or the path of the section.
        let path = unsafe { text(path) };
        // SAFETY: httpd passes the pool of the configuration, or of the request for `.htaccess`.
        unsafe { Pool::from_ptr(pool) }.own_raw(M::new_directory(path)).cast()
    }
    bug |text| {
        report(&text);
        ptr::null_mut()
    }
}

entry! {
    fn merge[C: Merge](pool: *mut sys::apr_pool_t, base: *mut c_void, over: *mut c_void) -> *mut c_void {
        // SAFETY: httpd passes two values that the creating or merging entry of the same type has made.
        let (base, over) = unsafe { (&*base.cast::<C>(), &*over.cast::<C>()) };
        // SAFETY: httpd passes the pool of the configuration, or of the request.
        unsafe { Pool::from_ptr(pool) }.own_raw(C::merge(base, over)).cast()
    }
    bug |text| {
        report(&text);
        // The inner scope without what it inherits: wrong, but of the right type.
        over
    }
}

entry! {
    fn register[M: Module](pool: *mut sys::apr_pool_t) {
        entry::install_panic_hook();
        log::set_module_index(M::record().index());
        // SAFETY: httpd passes the pool of the configuration, on the thread that reads it.
        M::register(&Hooks::new(unsafe { Pool::from_ptr(pool) }));
    }
    bug |text| {
        report(&text);
    }
}
