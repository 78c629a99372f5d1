//! Tables: the headers, notes and variables of a request, names compared without regard to case.
//!
//! What [`Table::set`] and [`Table::add`] get is copied into the table's pool. Strings that were in a table stay alive
//! with that pool even when they are taken out of it. One thread at a time.
//! See <https://apr.apache.org/docs/apr/1.7/group__apr__tables.html>.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr::NonNull;

use super::pool::{Pool, text};
use super::sys;

/// A borrowed table.
#[derive(Clone, Copy)]
pub struct Table<'t> {
    ptr: NonNull<sys::apr_table_t>,
    alive: PhantomData<&'t sys::apr_table_t>,
}

impl<'t> Table<'t> {
    /// Wraps a table of httpd.
    ///
    /// # Safety
    /// `ptr` is a table whose pool is not destroyed during `'t`, used by this thread only.
    pub(super) unsafe fn from_ptr(ptr: *mut sys::apr_table_t) -> Self {
        // SAFETY: the caller promises a table.
        let ptr = unsafe { NonNull::new_unchecked(ptr) };
        Self { ptr, alive: PhantomData }
    }

    fn as_ptr(self) -> *mut sys::apr_table_t {
        self.ptr.as_ptr()
    }

    /// A new table with room for some entries.
    pub fn new(pool: Pool<'t>, room: u16) -> Self {
        // SAFETY: the pool is alive during `'t`, so is the table made from it.
        unsafe { Self::from_ptr(sys::apr_table_make(pool.as_ptr(), i32::from(room))) }
    }

    /// The value of the first entry of this name.
    pub fn get(self, name: &CStr) -> Option<&'t CStr> {
        // SAFETY: a live table; its values are strings of its pool, never changed in place.
        unsafe { text(sys::apr_table_get(self.as_ptr(), name.as_ptr())) }
    }

    /// Replaces all entries of this name by one.
    pub fn set(self, name: &CStr, value: &CStr) {
        // SAFETY: a live table, which copies both strings.
        unsafe { sys::apr_table_set(self.as_ptr(), name.as_ptr(), value.as_ptr()) };
    }

    /// As [`Table::set`], of bytes that have no NUL at their end.
    pub fn set_bytes(self, name: &[u8], value: &[u8]) {
        let pool = self.pool();
        // SAFETY: a live table, and both strings are in its own pool.
        unsafe {
            sys::apr_table_setn(self.as_ptr(), pool.dup(name).as_ptr(), pool.dup(value).as_ptr())
        };
    }

    /// As [`Table::set`], without copying.
    pub fn setn(self, name: &'static CStr, value: &'static CStr) {
        // SAFETY: a live table, and both strings outlive it.
        unsafe { sys::apr_table_setn(self.as_ptr(), name.as_ptr(), value.as_ptr()) };
    }

    /// Adds an entry; others of this name stay.
    pub fn add(self, name: &CStr, value: &CStr) {
        // SAFETY: a live table, which copies both strings.
        unsafe { sys::apr_table_add(self.as_ptr(), name.as_ptr(), value.as_ptr()) };
    }

    /// As [`Table::add`], of bytes that have no NUL at their end.
    pub fn add_bytes(self, name: &[u8], value: &[u8]) {
        let pool = self.pool();
        // SAFETY: a live table, and both strings are in its own pool.
        unsafe {
            sys::apr_table_addn(self.as_ptr(), pool.dup(name).as_ptr(), pool.dup(value).as_ptr())
        };
    }

    /// Takes out all entries of this name.
    pub fn unset(self, name: &CStr) {
        // SAFETY: a live table.
        unsafe { sys::apr_table_unset(self.as_ptr(), name.as_ptr()) };
    }

    /// Takes out all entries.
    pub fn clear(self) {
        // SAFETY: a live table.
        unsafe { sys::apr_table_clear(self.as_ptr()) };
    }

    /// How many entries there are.
    pub fn len(self) -> usize {
        usize::try_from(self.array().nelts).unwrap_or(0)
    }

    /// Are there no entries?
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The entries in their order. An entry without a value is left out.
    pub fn iter(self) -> Iter<'t> {
        Iter { table: self, next: 0 }
    }

    fn array(self) -> sys::apr_array_header_t {
        // SAFETY: a table begins with its array of entries, which `apr_table_elts` returns; read by value.
        unsafe { *sys::apr_table_elts(self.as_ptr()) }
    }

    fn pool(self) -> Pool<'t> {
        // SAFETY: the pool the table lives in is alive during `'t`.
        unsafe { Pool::from_ptr(self.array().pool) }
    }
}

impl<'t> IntoIterator for Table<'t> {
    type Item = (&'t CStr, &'t CStr);
    type IntoIter = Iter<'t>;

    fn into_iter(self) -> Iter<'t> {
        self.iter()
    }
}

/// The entries of a table. It looks at the table anew for each, so the table may change meanwhile.
pub struct Iter<'t> {
    table: Table<'t>,
    next: usize,
}

impl<'t> Iterator for Iter<'t> {
    type Item = (&'t CStr, &'t CStr);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let array = self.table.array();
            if self.next >= usize::try_from(array.nelts).unwrap_or(0) {
                return None;
            }
            let entries: *const sys::apr_table_entry_t = array.elts.cast();
            // SAFETY: `elts` holds `nelts` entries, and `next` is smaller.
            let entry = unsafe { *entries.add(self.next) };
            self.next += 1;
            // SAFETY: keys and values are strings of the pool of the table, or null.
            if let (Some(name), Some(value)) = unsafe { (text(entry.key), text(entry.val)) } {
                return Some((name, value));
            }
        }
    }
}
