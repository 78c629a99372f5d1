//! A connection of a client. With HTTP/2 each stream has a connection of its own, without a socket.
//!
//! See `struct conn_rec` of <https://ci.apache.org/projects/httpd/trunk/doxygen/structconn__rec.html>.

use std::ffi::{CStr, c_long};
use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::time::Duration;

use super::pool::text;
use super::server::Server;
use super::sys;

/// A borrowed connection.
#[derive(Clone, Copy)]
pub struct Connection<'c> {
    ptr: NonNull<sys::conn_rec>,
    alive: PhantomData<&'c sys::conn_rec>,
}

impl<'c> Connection<'c> {
    /// Wraps the connection that httpd passed.
    ///
    /// # Safety
    /// `ptr` is a conn_rec that lives during `'c`, used by this thread only.
    pub(super) unsafe fn from_ptr(ptr: *mut sys::conn_rec) -> Self {
        // SAFETY: the caller promises a conn_rec.
        let ptr = unsafe { NonNull::new_unchecked(ptr) };
        Self { ptr, alive: PhantomData }
    }

    pub(super) fn as_ptr(self) -> *mut sys::conn_rec {
        self.ptr.as_ptr()
    }

    fn record(&self) -> &sys::conn_rec {
        // SAFETY: a live conn_rec; the reference ends before httpd is called again.
        unsafe { self.ptr.as_ref() }
    }

    pub(super) fn bucket_alloc(self) -> *mut sys::apr_bucket_alloc_t {
        self.record().bucket_alloc
    }

    /// The number of the connection; unique among the open ones.
    pub fn id(self) -> c_long {
        self.record().id
    }

    /// Is the client known to be gone?
    pub fn is_aborted(self) -> bool {
        self.record().aborted != 0
    }

    /// The address httpd was reached at.
    pub fn local_ip(self) -> Option<&'c CStr> {
        // SAFETY: a string of the connection's pool.
        unsafe { text(self.record().local_ip) }
    }

    /// The port httpd was reached at.
    pub fn local_port(self) -> Option<u16> {
        port(self.record().local_addr)
    }

    /// The address of who connected; behind a proxy that is the proxy.
    pub fn client_ip(self) -> Option<&'c CStr> {
        // SAFETY: a string of the connection's pool.
        unsafe { text(self.record().client_ip) }
    }

    /// The port of who connected.
    pub fn client_port(self) -> Option<u16> {
        port(self.record().client_addr)
    }

    /// The id that `ErrorLogFormat %L` writes, once there is one.
    pub fn log_id(self) -> Option<&'c CStr> {
        // SAFETY: a string of the connection's pool.
        unsafe { text(self.record().log_id) }
    }

    /// The server that the address belongs to, before the virtual host is chosen by name.
    pub fn base_server(self) -> Server<'c> {
        // SAFETY: the configuration outlives the connection.
        unsafe { Server::from_ptr(self.record().base_server) }
    }

    /// Is it one stream of an HTTP/2 connection?
    pub fn is_secondary(self) -> bool {
        !self.record().master.is_null()
    }

    /// Is it encrypted?
    pub fn is_tls(self) -> bool {
        // SAFETY: a live conn_rec.
        unsafe { sys::shim_connection_is_ssl(self.as_ptr()) != 0 }
    }

    /// What to poll for input; it is only to be polled. An HTTP/2 stream has a pipe for that, which mod_http2 empties when
    /// it has nothing to read; before httpd 2.4.58 it has nothing.
    pub fn input_signal(self) -> Option<BorrowedFd<'c>> {
        // SAFETY: a live conn_rec.
        let fd = unsafe { sys::shim_connection_input(self.as_ptr()) };
        // SAFETY: httpd keeps the descriptor open as long as the connection.
        (fd >= 0).then(|| unsafe { BorrowedFd::borrow_raw(fd) })
    }

    /// Has httpd wait so long for the client, until the guard is dropped. Only for a connection with a socket: how long
    /// mod_http2 waits is its own matter.
    pub fn wait_for_client(self, time: Duration) -> Option<ClientWait<'c>> {
        let time = sys::apr_interval_time_t::try_from(time.as_micros()).ok()?;
        let mut before = 0;
        // SAFETY: a live conn_rec; `before` lives for the call.
        let set = unsafe { sys::shim_connection_wait(self.as_ptr(), time, &raw mut before) != 0 };
        set.then_some(ClientWait { connection: self, before })
    }

    /// Are there bytes in the input filters that polling the socket would not show?
    pub fn has_buffered_input(self) -> bool {
        self.record().data_in_input_filters != 0
    }

    /// Will the connection be used for another request, as far as is known?
    pub fn is_kept(self) -> bool {
        // SAFETY: a live conn_rec.
        unsafe { sys::shim_connection_kept(self.as_ptr()) != 0 }
    }

    /// The connection will not be used for another request.
    pub fn close_after_response(self) {
        // SAFETY: a live conn_rec.
        unsafe { sys::shim_connection_close(self.as_ptr()) };
    }
}

/// For how long httpd waited for the client before, which it does again when this is dropped.
pub struct ClientWait<'c> {
    connection: Connection<'c>,
    before: sys::apr_interval_time_t,
}

impl Drop for ClientWait<'_> {
    fn drop(&mut self) {
        let mut ours = 0;
        // SAFETY: a live conn_rec; `ours` lives for the call. That it was set before means that it can be set.
        unsafe {
            sys::shim_connection_wait(self.connection.as_ptr(), self.before, &raw mut ours);
        }
    }
}

fn port(address: *const sys::apr_sockaddr_t) -> Option<u16> {
    // SAFETY: null, or an address that lives as long as the connection.
    unsafe { address.as_ref() }.map(|address| address.port)
}
