//! Pools: the memory of httpd, freed all at once when a request, a connection or a configuration ends.
//!
//! A [`Pool`] is a borrowed view, so what is allocated from it lives as long as the view says and never longer than the
//! pool. A pool belongs to one thread at a time; the pool of a request may be destroyed on another thread than the one
//! that ran the handler, so what is put into it has to be `Send`.
//! See <https://apr.apache.org/docs/apr/1.7/group__apr__pools.html>.

use std::alloc::{Layout, handle_alloc_error};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use super::entry::entry;
use super::log::{self, Level};
use super::sys;

/// A borrowed pool.
#[derive(Clone, Copy)]
pub struct Pool<'p> {
    ptr: NonNull<sys::apr_pool_t>,
    alive: PhantomData<&'p sys::apr_pool_t>,
}

impl<'p> Pool<'p> {
    /// Wraps the pool that httpd passed.
    ///
    /// # Safety
    /// `ptr` is a pool that is not destroyed or cleared during `'p`, and no other thread uses it meanwhile.
    pub(super) unsafe fn from_ptr(ptr: *mut sys::apr_pool_t) -> Self {
        // SAFETY: the caller promises a pool.
        let ptr = unsafe { NonNull::new_unchecked(ptr) };
        Self { ptr, alive: PhantomData }
    }

    pub(super) fn as_ptr(self) -> *mut sys::apr_pool_t {
        self.ptr.as_ptr()
    }

    /// Copies bytes into the pool, with a NUL at the end. What follows a NUL inside is not seen by C, nor here.
    pub fn dup(self, bytes: &[u8]) -> &'p CStr {
        let length = bytes.len();
        let place: *mut u8 = self.reserve(length.saturating_add(1)).cast();
        // SAFETY: `place` has room for the bytes and the NUL, and is new, so it does not overlap `bytes`.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), place, length) };
        // SAFETY: the last byte of the room reserved above.
        unsafe { place.add(length).write(0) };
        // SAFETY: NUL-terminated, and pool memory stays where it is until the pool is destroyed.
        unsafe { CStr::from_ptr(place.cast()) }
    }

    /// Copies bytes into the pool, with nothing at the end.
    pub fn dup_bytes(self, bytes: &[u8]) -> &'p [u8] {
        self.dup_slice(bytes)
    }

    /// So many bytes of the pool, zero for now.
    pub fn room(self, length: usize) -> &'p mut [u8] {
        let place: *mut u8 = self.reserve(length).cast();
        // SAFETY: `place` has room for so many bytes.
        unsafe { place.write_bytes(0, length) };
        // SAFETY: initialised above, alive until the pool is destroyed, and given to nobody else.
        unsafe { std::slice::from_raw_parts_mut(place, length) }
    }

    /// A number in decimal digits.
    pub fn decimal(self, number: impl itoa::Integer) -> &'p [u8] {
        self.dup_bytes(itoa::Buffer::new().format(number).as_bytes())
    }

    /// Copies plain values into the pool.
    pub(super) fn dup_slice<T: Copy>(self, values: &[T]) -> &'p [T] {
        debug_assert!(align_of::<T>() <= 8);
        let place: *mut T = self.reserve(size_of_val(values)).cast();
        // SAFETY: `place` has room for the values; APR aligns what it allocates to 8 bytes.
        unsafe { ptr::copy_nonoverlapping(values.as_ptr(), place, values.len()) };
        // SAFETY: initialised above, never changed again, and alive until the pool is destroyed.
        unsafe { std::slice::from_raw_parts(place, values.len()) }
    }

    /// Puts a value into the pool that needs no drop. The pointer is valid until the pool is destroyed.
    pub(super) fn place<T>(self, value: T) -> *mut T {
        const { assert!(align_of::<T>() <= 8 && !std::mem::needs_drop::<T>()) };
        let place: *mut T = self.reserve(size_of::<T>()).cast();
        // SAFETY: `place` has room for the value; APR aligns what it allocates to 8 bytes.
        unsafe { place.write(value) };
        place
    }

    fn reserve(self, size: usize) -> *mut c_void {
        // SAFETY: the pool is alive during `'p` and used by this thread only.
        let place = unsafe { sys::apr_palloc(self.as_ptr(), size) };
        if place.is_null() {
            handle_alloc_error(Layout::from_size_align(size, 8).unwrap_or(Layout::new::<u64>()));
        }
        place
    }

    /// Gives a value to the pool, which drops it when the pool is destroyed or cleared.
    pub fn own<T: Send + 'static>(self, value: T) -> &'p T {
        // SAFETY: the box lives until the pool is destroyed, and only shared references to it are given out.
        unsafe { &*self.own_raw(value) }
    }

    /// As [`Pool::own`]; the pointer is valid until the pool is destroyed.
    pub(super) fn own_raw<T: Send + 'static>(self, value: T) -> *mut T {
        let value = Box::into_raw(Box::new(value));
        // SAFETY: the pool is alive; `drop_value::<T>` gets back exactly this pointer, once.
        unsafe {
            sys::apr_pool_cleanup_register(
                self.as_ptr(),
                value.cast_const().cast(),
                Some(drop_value::<T>),
                Some(sys::apr_pool_cleanup_null),
            );
        }
        value
    }

    /// Runs `action` when the pool is destroyed or cleared, before what was put into it earlier goes. It does not run
    /// in children that are forked to execute another program.
    pub fn on_cleanup(self, action: impl FnOnce() + Send + 'static) {
        self.own(OnDrop(Some(action)));
    }

    /// A pool inside this one; it ends with it, or earlier when the value is dropped.
    pub fn subpool(self) -> OwnedPool<'p> {
        // SAFETY: the parent is alive during `'p`.
        OwnedPool::adopt(unsafe { sys::shim_pool_create(self.as_ptr()) })
    }

    /// Names the pool for tools that show pools.
    pub fn tag(self, name: &'static CStr) {
        // SAFETY: the pool keeps the pointer, which is 'static.
        unsafe { sys::apr_pool_tag(self.as_ptr(), name.as_ptr()) };
    }
}

/// A pool of our own, destroyed when dropped.
pub struct OwnedPool<'p> {
    ptr: NonNull<sys::apr_pool_t>,
    parent: PhantomData<&'p sys::apr_pool_t>,
}

impl OwnedPool<'static> {
    /// A pool without a parent.
    pub fn new() -> Self {
        // SAFETY: without a parent APR takes its global pool, whose allocator has a lock.
        Self::adopt(unsafe { sys::shim_pool_create(ptr::null_mut()) })
    }
}

impl Default for OwnedPool<'static> {
    fn default() -> Self {
        Self::new()
    }
}

impl OwnedPool<'_> {
    fn adopt(ptr: *mut sys::apr_pool_t) -> Self {
        match NonNull::new(ptr) {
            Some(ptr) => Self { ptr, parent: PhantomData },
            None => handle_alloc_error(Layout::new::<[u8; 8192]>()),
        }
    }

    /// The pool, to allocate from.
    pub fn pool(&self) -> Pool<'_> {
        Pool { ptr: self.ptr, alive: PhantomData }
    }
}

impl Drop for OwnedPool<'_> {
    fn drop(&mut self) {
        // SAFETY: made by `shim_pool_create`; its parent outlives `self`, so it was not destroyed yet, and every
        // `Pool` that borrows `self` is gone.
        unsafe { sys::shim_pool_destroy(self.ptr.as_ptr()) };
    }
}

struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(action) = self.0.take() {
            action();
        }
    }
}

entry! {
    fn drop_value[T](value: *mut c_void) -> sys::apr_status_t {
        // SAFETY: `value` is the pointer that `own_raw::<T>` made of a box, and APR runs a cleanup once.
        drop(unsafe { Box::from_raw(value.cast::<T>()) });
        0
    }
    bug |text| {
        log::write(log::Main, Level::CRIT, format_args!("{text}"));
        0
    }
}

/// The C string, if there is one.
///
/// # Safety
/// `text` is null, or a NUL-terminated string that is neither freed nor changed during `'a`.
pub(super) unsafe fn text<'a>(text: *const c_char) -> Option<&'a CStr> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, and the caller promises the rest.
    Some(unsafe { CStr::from_ptr(text) })
}

/// A C int as a truth value.
pub(super) fn truth(value: c_int) -> bool {
    value != 0
}
