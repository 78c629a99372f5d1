//! Regular expressions as httpd's own directives have them (PCRE).
//!
//! A compiled expression belongs to its value, not to a pool, and is used by all threads.
//! See <https://ci.apache.org/projects/httpd/trunk/doxygen/ap__regex_8h.html>.

use std::ffi::{CStr, CString, c_char, c_int};
use std::fmt;
use std::ops::Range;

use super::sys;

/// A regular expression.
pub struct Regex {
    compiled: Box<sys::ap_regex_t>,
    source: CString,
}

// SAFETY: a compiled expression is only read; httpd itself uses its own on all threads at once.
unsafe impl Send for Regex {}
// SAFETY: as above.
unsafe impl Sync for Regex {}

impl Regex {
    /// Compiles an expression; an error says why it cannot be.
    pub fn new(source: &CStr) -> Result<Self, String> {
        let mut compiled = Box::new(sys::ap_regex_t {
            re_pcre: std::ptr::null_mut(),
            re_nsub: 0,
            re_erroffset: 0,
        });
        // SAFETY: fills the structure; it keeps nothing of the string.
        let code = unsafe { sys::ap_regcomp(&raw mut *compiled, source.as_ptr(), 0) };
        if code != 0 {
            return Err(reason(code, &compiled));
        }
        Ok(Self { compiled, source: source.to_owned() })
    }

    /// What it was compiled from.
    pub fn source(&self) -> &CStr {
        &self.source
    }

    /// Where it and its first nine groups match; an empty range for a group that takes no part.
    pub fn captures(&self, text: &[u8]) -> Option<[Range<usize>; 10]> {
        let mut places = [sys::ap_regmatch_t { rm_so: -1, rm_eo: -1 }; 10];
        // SAFETY: a compiled expression, the bytes with their length, and room for the places.
        let code = unsafe {
            sys::ap_regexec_len(
                &raw const *self.compiled,
                text.as_ptr().cast(),
                text.len(),
                places.len(),
                places.as_mut_ptr(),
                0,
            )
        };
        (code == 0).then(|| places.map(|place| range(place.rm_so, place.rm_eo, text.len())))
    }
}

fn range(start: c_int, end: c_int, length: usize) -> Range<usize> {
    match (usize::try_from(start), usize::try_from(end)) {
        (Ok(start), Ok(end)) if start <= end && end <= length => start..end,
        _ => 0..0,
    }
}

fn reason(code: c_int, compiled: &sys::ap_regex_t) -> String {
    let mut room: [c_char; 200] = [0; 200];
    // SAFETY: writes at most the length given, with a NUL.
    unsafe { sys::ap_regerror(code, compiled, room.as_mut_ptr(), room.len()) };
    // SAFETY: NUL-terminated by the call, or all zero.
    let text = unsafe { CStr::from_ptr(room.as_ptr()) }.to_string_lossy();
    text.trim_end().to_owned()
}

impl Drop for Regex {
    fn drop(&mut self) {
        // SAFETY: compiled by `ap_regcomp`, freed once.
        unsafe { sys::ap_regfree(&raw mut *self.compiled) };
    }
}

impl fmt::Debug for Regex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Regex").field(&self.source).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn a_group_that_takes_no_part_is_empty() {
        assert_eq!(range(-1, -1, 5), 0..0);
        assert_eq!(range(1, 3, 5), 1..3);
        assert_eq!(range(1, 9, 5), 0..0);
    }
}
