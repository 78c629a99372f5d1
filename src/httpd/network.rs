//! The network bucket: the socket of a connection, as the last bucket of what httpd's core reads requests from.
//!
//! httpd's own (`apr_bucket_type_socket`) reads at most 8000 bytes with each system call, whatever is asked for. So does this one, but for
//! a large request body that we read: then it takes as much at once as is wanted of the body ([`Wide`]). Everything else is as
//! httpd does it, and what is above, which are the core's input filter, TLS and others, sees heap buckets either way.
//!
//! A connection is read by one thread at a time. What belongs to a connection is in its pool; our slot of its configuration points there.
//! See `insert_network_bucket` of `http_core.h` and `apr_buckets_socket.c` of APR-util.

use std::cell::Cell;
use std::ffi::{c_char, c_int};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering};

use super::connection::Connection;
use super::entry::entry;
use super::log::{self, Level};
use super::pool::Pool;
use super::sys;

/// The module whose slot in the configuration of connections is used; set before there are any.
static MODULE: AtomicPtr<sys::module> = AtomicPtr::new(ptr::null_mut());

/// Sets the module.
pub(super) fn set_module(module: *mut sys::module) {
    MODULE.store(module, Ordering::Relaxed);
}

/// What this hook answers to leave it to others (`AP_DECLINED`).
const DECLINED: sys::apr_status_t = sys::AP_DECLINED as sys::apr_status_t;

/// How much is read at once (`APR_BUCKET_BUFF_SIZE`).
const USUAL: usize = sys::APR_BUCKET_BUFF_SIZE as usize;

/// How much is read at once at most.
const MOST: usize = 64 * 1024;

/// What the network bucket of a connection refers to.
struct Network {
    socket: *mut sys::apr_socket_t,
    room: Cell<usize>,
}

/// The network bucket of a connection takes more at once, until this is dropped.
pub(super) struct Wide<'c>(&'c Network);

impl<'c> Wide<'c> {
    /// For `expected` bytes. `None` if that is no more than usual, or the connection has no network bucket of ours.
    pub(super) fn new(connection: Connection<'c>, expected: usize) -> Option<Self> {
        let module = MODULE.load(Ordering::Relaxed);
        if expected <= USUAL || module.is_null() {
            return None;
        }
        // SAFETY: a live conn_rec, and our module; its slot is null, or `insert` has put there what lives as long.
        let network = unsafe {
            let slot = sys::shim_connection_config(connection.as_ptr(), module);
            slot.cast::<Network>().as_ref()?
        };
        network.room.set(expected.min(MOST));
        Some(Self(network))
    }
}

impl Drop for Wide<'_> {
    fn drop(&mut self) {
        self.0.room.set(USUAL);
    }
}

/// The type of the bucket, which httpd only reads.
#[repr(transparent)]
struct Type(sys::apr_bucket_type_t);

// SAFETY: it is never changed, and its name is a constant.
unsafe impl Sync for Type {}

static TYPE: Type = Type(sys::apr_bucket_type_t {
    name: c"SOCKET".as_ptr(),
    num_func: 5,
    is_metadata: sys::apr_bucket_type_t_APR_BUCKET_DATA,
    destroy: Some(sys::apr_bucket_destroy_noop),
    read: Some(read),
    setaside: Some(sys::apr_bucket_setaside_notimpl),
    split: Some(sys::apr_bucket_split_notimpl),
    copy: Some(sys::apr_bucket_copy_notimpl),
});

entry! {
    /// The hook.
    pub(super) fn insert[](
        connection: *mut sys::conn_rec,
        brigade: *mut sys::apr_bucket_brigade,
        socket: *mut sys::apr_socket_t,
    ) -> sys::apr_status_t {
        // SAFETY: httpd passes a live connection, its socket, and the brigade that its core reads from.
        unsafe {
            let network = Network { socket, room: Cell::new(USUAL) };
            let network = Pool::from_ptr((*connection).pool).place(network);
            let Some(bucket) = bucket(network, (*connection).bucket_alloc) else {
                return DECLINED;
            };
            sys::shim_connection_set_config(connection, MODULE.load(Ordering::Relaxed), network.cast());
            sys::shim_brigade_append(brigade, bucket.as_ptr());
        }
        0
    }
    bug |text| {
        log::write(log::Main, Level::CRIT, format_args!("{text}"));
        DECLINED
    }
}

/// A network bucket; `None` if there is no memory.
///
/// # Safety
/// A live network and the allocator of its connection.
unsafe fn bucket(
    network: *mut Network,
    list: *mut sys::apr_bucket_alloc_t,
) -> Option<NonNull<sys::apr_bucket>> {
    // SAFETY: by this function's contract; what is allocated has room for a bucket, and `shim_bucket_init` fills what is not set here.
    unsafe {
        let bucket: *mut sys::apr_bucket =
            sys::apr_bucket_alloc(size_of::<sys::apr_bucket>(), list).cast();
        let bucket = NonNull::new(bucket)?;
        let place = bucket.as_ptr();
        sys::shim_bucket_init(place, list);
        (*place).type_ = &raw const TYPE.0;
        // As for all buckets whose length nobody knows.
        (*place).length = usize::MAX;
        (*place).start = -1;
        (*place).data = network.cast();
        Some(bucket)
    }
}

entry! {
    fn read[](
        bucket: *mut sys::apr_bucket,
        data: *mut *const c_char,
        length: *mut sys::apr_size_t,
        block: sys::apr_read_type_e,
    ) -> sys::apr_status_t {
        // SAFETY: httpd passes a bucket of our type in a brigade, and places for what is read.
        unsafe { receive(bucket, data, length, block == sys::apr_read_type_e_APR_BLOCK_READ) }
    }
    bug |text| {
        log::write(log::Main, Level::CRIT, format_args!("{text}"));
        libc::EIO
    }
}

/// Reads from the socket: the bucket becomes a heap bucket with what came, and a new network bucket follows it. At the end of the
/// stream it becomes empty, and none follows.
///
/// # Safety
/// A network bucket in a brigade of its connection, and places to write to.
unsafe fn receive(
    bucket: *mut sys::apr_bucket,
    data: *mut *const c_char,
    length: *mut sys::apr_size_t,
    may_wait: bool,
) -> sys::apr_status_t {
    // SAFETY: `data` of a network bucket is a network that lives as long as the connection. The calls are those of APR's own socket
    // bucket, in its order: a buffer is freed, or belongs to the heap bucket.
    unsafe {
        let network: *mut Network = (*bucket).data.cast();
        let (socket, room) = ((*network).socket, (*network).room.get());
        let list = (*bucket).list;
        *data = ptr::null();
        *length = 0;
        let buffer: *mut c_char = sys::apr_bucket_alloc(room, list).cast();
        if buffer.is_null() {
            return libc::ENOMEM;
        }
        let mut count = room;
        let status = receive_within(socket, buffer, &raw mut count, may_wait);
        if status != 0 && sys::shim_status_is_eof(status) == 0 {
            sys::apr_bucket_free(buffer.cast());
            return status;
        }
        if count == 0 {
            sys::apr_bucket_free(buffer.cast());
            let empty = sys::apr_bucket_immortal_make(bucket, c"".as_ptr(), 0);
            *data = (*empty).data.cast_const().cast();
            return 0;
        }
        let (buffer, room) = shrink(buffer, room, count, list);
        let heap = sys::apr_bucket_heap_make(bucket, buffer, count, Some(sys::apr_bucket_free));
        (*(*heap).data.cast::<sys::apr_bucket_heap>()).alloc_len = room;
        // Without memory for one the stream ends behind what has come.
        if let Some(next) = self::bucket(network, list) {
            sys::shim_bucket_insert_after(heap, next.as_ptr());
        }
        *data = buffer;
        *length = count;
        0
    }
}

/// Puts what does not fill half of a large buffer into a smaller one, as the core keeps as many as it is asked for: a client can send bytes one
/// by one. The buffer and its size.
///
/// # Safety
/// A buffer of this size of the allocator, with so many bytes in it.
unsafe fn shrink(
    buffer: *mut c_char,
    size: usize,
    count: usize,
    list: *mut sys::apr_bucket_alloc_t,
) -> (*mut c_char, usize) {
    if size <= USUAL || count > size / 2 {
        return (buffer, size);
    }
    // SAFETY: by this function's contract; both have room for the bytes, and are not the same.
    unsafe {
        let small: *mut c_char = sys::apr_bucket_alloc(count, list).cast();
        if small.is_null() {
            return (buffer, size);
        }
        ptr::copy_nonoverlapping(buffer, small, count);
        sys::apr_bucket_free(buffer.cast());
        (small, count)
    }
}

/// # Safety
/// A live socket, and room for `length` bytes.
unsafe fn receive_within(
    socket: *mut sys::apr_socket_t,
    buffer: *mut c_char,
    length: *mut sys::apr_size_t,
    may_wait: bool,
) -> c_int {
    // SAFETY: by this function's contract.
    unsafe {
        if may_wait {
            return sys::apr_socket_recv(socket, buffer, length);
        }
        let mut before = 0;
        sys::apr_socket_timeout_get(socket, &raw mut before);
        sys::apr_socket_timeout_set(socket, 0);
        let status = sys::apr_socket_recv(socket, buffer, length);
        sys::apr_socket_timeout_set(socket, before);
        status
    }
}
