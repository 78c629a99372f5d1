//! The boundary between C and Rust: every function that httpd calls is made by [`entry!`], which catches panics.
//!
//! A panic must not unwind into C. It ends here, as one line in the error log (`WRS9001`) and as the answer that the
//! entry names for this case. The entries run on whichever thread httpd calls them on.
//! See <https://doc.rust-lang.org/nomicon/ffi.html#ffi-and-unwinding>.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// How many entries are on the stack of this thread.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// Where the last panic inside an entry happened.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Makes one `unsafe extern "C"` function that httpd may call.
///
/// ```text
/// entry! {
///     fn handler[F: Fn(Request<'_>) -> Status](r: *mut sys::request_rec) -> c_int { ... }
///     bug |text| { log it; 500 }
/// }
/// ```
///
/// Generic parameters stand in square brackets. The part after `bug` runs when the body panicked: it gets the text for
/// the error log and gives the value that is returned to httpd.
macro_rules! entry {
    (
        $(#[$meta:meta])*
        $vis:vis fn $name:ident [$($generics:tt)*] ($($arg:ident : $type:ty),* $(,)?) $(-> $return:ty)? $body:block
        bug |$text:ident| $bug:block
    ) => {
        $(#[$meta])*
        $vis unsafe extern "C" fn $name<$($generics)*>($($arg: $type),*) $(-> $return)? {
            match $crate::httpd::entry::guard(stringify!($name), || $body) {
                Ok(value) => value,
                Err($text) => $crate::httpd::entry::last_resort(|| $bug),
            }
        }
    };
}
pub(super) use entry;

/// Runs the body of an entry; a panic in it becomes the text to log.
pub(super) fn guard<R>(name: &str, body: impl FnOnce() -> R) -> Result<R, String> {
    DEPTH.with(|depth| depth.set(depth.get() + 1));
    let result = panic::catch_unwind(AssertUnwindSafe(body));
    DEPTH.with(|depth| depth.set(depth.get().saturating_sub(1)));
    result.map_err(|payload| {
        let place = PLACE.with(|place| place.take());
        let text = format!(
            "WRS9001: a bug in mod_wsgi_rs: \"{}\" at {place} in the entry \"{name}\", please report it with the \
             lines before this one",
            reason(payload.as_ref())
        );
        // Dropping the payload could panic again, and would then leave Rust.
        std::mem::forget(payload);
        text
    })
}

/// Runs what an entry does after a panic. It only logs and returns; should even that panic, nothing sane is left.
pub(super) fn last_resort<R>(bug: impl FnOnce() -> R) -> R {
    match panic::catch_unwind(AssertUnwindSafe(bug)) {
        Ok(value) => value,
        Err(_) => std::process::abort(),
    }
}

/// Makes panics inside entries silent: they are logged by [`guard`] with their place. Panics on threads that are not
/// inside an entry are still written to stderr, which is the error log.
pub(super) fn install_panic_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if DEPTH.with(Cell::get) == 0 {
                return usual(info);
            }
            if let Some(place) = info.location() {
                let text = format!("{}:{}", place.file(), place.line());
                PLACE.with(|last| last.replace(text));
            }
        }));
    });
}

fn reason(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a panic without a text"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_text_that_names_the_entry_and_the_reason() {
        install_panic_hook();
        let text = guard("handler", || -> u8 { panic!("no {}", "luck") }).unwrap_err();
        assert!(text.starts_with("WRS9001: a bug in mod_wsgi_rs: \"no luck\" at "), "{text}");
        assert!(text.contains("entry.rs:"), "{text}");
        assert!(text.contains("\"handler\""), "{text}");
    }

    #[test]
    fn without_a_panic_the_value_passes() {
        assert_eq!(guard("handler", || 7), Ok(7));
    }
}
