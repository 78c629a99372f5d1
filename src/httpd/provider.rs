//! Providers: whom mod_auth_basic, mod_auth_digest and mod_authz_core ask.
//!
//! They are registered like hooks, as functions or closures without captures; each gets its own C entries and a static
//! table of them. They are asked again for each internal redirect and subrequest to another URI, as what they say may
//! depend on it. See <https://httpd.apache.org/docs/2.4/developer/modguide.html> and `mod_auth.h`.

use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;
use std::ptr;

use super::entry::entry;
use super::hook::{Hooks, Plain, conjure};
use super::log::{self, Level};
use super::pool::{Pool, text};
use super::request::Request;
use super::sys;

/// What a provider knows of a user and the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Password {
    /// It is the right one.
    Right,
    /// It is a wrong one.
    Wrong,
    /// There is no such user here; the next provider is asked.
    NoUser,
    /// Nobody can say: 500.
    Error,
}

/// What a provider knows of a user in a realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RealmHash {
    /// The digest of user, realm and password, in hexadecimal digits.
    Found(Vec<u8>),
    /// There is no such user here; the next provider is asked.
    NoUser,
    /// Nobody can say: 500.
    Error,
}

/// Whether a user may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authorized {
    /// Yes.
    Granted,
    /// No.
    Denied,
    /// Nobody knows yet who it is: the client is asked.
    NoUser,
}

impl Hooks<'_> {
    /// Registers a provider of `AuthBasicProvider` and `AuthDigestProvider`.
    pub fn authentication<P, H>(&self, name: &'static CStr, _password: P, _realm_hash: H)
    where
        P: Plain + Fn(Request<'_>, &CStr, &CStr) -> Password,
        H: Plain + Fn(Request<'_>, &CStr, &CStr) -> RealmHash,
    {
        self.register(
            sys::AUTHN_PROVIDER_GROUP,
            name,
            ptr::from_ref(Authentication::<P, H>::TABLE).cast(),
        );
    }

    /// Registers a provider of `Require`. `parse` makes of the words behind its name, when the configuration is read,
    /// what `check` is asked about.
    pub fn authorization<T, P, C>(&self, name: &'static CStr, _parse: P, _check: C)
    where
        T: Send + Sync + 'static,
        P: Plain + Fn(&CStr) -> Result<T, String>,
        C: Plain + Fn(Request<'_>, &T) -> Authorized,
    {
        self.register(
            sys::AUTHZ_PROVIDER_GROUP,
            name,
            ptr::from_ref(Authorization::<T, P, C>::TABLE).cast(),
        );
    }

    fn register(&self, group: &'static [u8], name: &'static CStr, table: *const c_void) {
        // SAFETY: the table and the names are 'static, and all names end with NUL; the pool is that of the configuration.
        unsafe {
            sys::ap_register_auth_provider(
                self.pool().as_ptr(),
                group.as_ptr().cast(),
                name.as_ptr(),
                sys::AUTHN_PROVIDER_VERSION.as_ptr().cast(),
                table,
                sys::AP_AUTH_INTERNAL_PER_URI as i32,
            );
        }
    }
}

struct Authentication<P, H>(PhantomData<(P, H)>);

impl<P, H> Authentication<P, H>
where
    P: Plain + Fn(Request<'_>, &CStr, &CStr) -> Password,
    H: Plain + Fn(Request<'_>, &CStr, &CStr) -> RealmHash,
{
    const TABLE: &'static sys::authn_provider = &sys::authn_provider {
        check_password: Some(check_password::<P>),
        get_realm_hash: Some(get_realm_hash::<H>),
    };
}

struct Authorization<T, P, C>(PhantomData<(T, P, C)>);

impl<T, P, C> Authorization<T, P, C>
where
    T: Send + Sync + 'static,
    P: Plain + Fn(&CStr) -> Result<T, String>,
    C: Plain + Fn(Request<'_>, &T) -> Authorized,
{
    const TABLE: &'static sys::authz_provider = &sys::authz_provider {
        check_authorization: Some(check_authorization::<T, C>),
        parse_require_line: Some(parse_require_line::<T, P>),
    };
}

/// Two strings that httpd promises.
///
/// # Safety
/// As for `text`.
unsafe fn both<'a>(one: *const c_char, other: *const c_char) -> (&'a CStr, &'a CStr) {
    // SAFETY: the caller promises it.
    unsafe { (text(one).unwrap_or_default(), text(other).unwrap_or_default()) }
}

fn report(r: *mut sys::request_rec, bug: &str) {
    // SAFETY: httpd passes a live request_rec.
    log::write(unsafe { Request::from_ptr(r) }, Level::CRIT, format_args!("{bug}"));
}

entry! {
    fn check_password[P: Plain + Fn(Request<'_>, &CStr, &CStr) -> Password](
        r: *mut sys::request_rec,
        user: *const c_char,
        password: *const c_char,
    ) -> sys::authn_status {
        // SAFETY: httpd passes a live request_rec and two strings for the duration of the call.
        let (request, (user, password)) = unsafe { (Request::from_ptr(r), both(user, password)) };
        match conjure::<P>()(request, user, password) {
            Password::Right => sys::authn_status_AUTH_GRANTED,
            Password::Wrong => sys::authn_status_AUTH_DENIED,
            Password::NoUser => sys::authn_status_AUTH_USER_NOT_FOUND,
            Password::Error => sys::authn_status_AUTH_GENERAL_ERROR,
        }
    }
    bug |text| {
        report(r, &text);
        sys::authn_status_AUTH_GENERAL_ERROR
    }
}

entry! {
    fn get_realm_hash[H: Plain + Fn(Request<'_>, &CStr, &CStr) -> RealmHash](
        r: *mut sys::request_rec,
        user: *const c_char,
        realm: *const c_char,
        found: *mut *mut c_char,
    ) -> sys::authn_status {
        // SAFETY: httpd passes a live request_rec and two strings for the duration of the call.
        let (request, (user, realm)) = unsafe { (Request::from_ptr(r), both(user, realm)) };
        match conjure::<H>()(request, user, realm) {
            RealmHash::Found(hash) => {
                let hash = request.pool().dup(&hash);
                // SAFETY: httpd passes a place for the string, which it only reads; it is in the request's pool.
                unsafe { found.write(hash.as_ptr().cast_mut()) };
                sys::authn_status_AUTH_USER_FOUND
            }
            RealmHash::NoUser => sys::authn_status_AUTH_USER_NOT_FOUND,
            RealmHash::Error => sys::authn_status_AUTH_GENERAL_ERROR,
        }
    }
    bug |text| {
        report(r, &text);
        sys::authn_status_AUTH_GENERAL_ERROR
    }
}

entry! {
    fn check_authorization[
        T: Send + Sync + 'static,
        C: Plain + Fn(Request<'_>, &T) -> Authorized
    ](
        r: *mut sys::request_rec,
        _line: *const c_char,
        parsed: *const c_void,
    ) -> sys::authz_status {
        // SAFETY: httpd passes a live request_rec, and what `parse_require_line::<T, _>` made of the line.
        let (request, parsed) = unsafe { (Request::from_ptr(r), parsed.cast::<T>().as_ref()) };
        match parsed.map(|parsed| conjure::<C>()(request, parsed)) {
            Some(Authorized::Granted) => sys::authz_status_AUTHZ_GRANTED,
            Some(Authorized::NoUser) => sys::authz_status_AUTHZ_DENIED_NO_USER,
            Some(Authorized::Denied) | None => sys::authz_status_AUTHZ_DENIED,
        }
    }
    bug |text| {
        report(r, &text);
        sys::authz_status_AUTHZ_GENERAL_ERROR
    }
}

entry! {
    fn parse_require_line[
        T: Send + Sync + 'static,
        P: Plain + Fn(&CStr) -> Result<T, String>
    ](
        parms: *mut sys::cmd_parms,
        line: *const c_char,
        parsed: *mut *const c_void,
    ) -> *const c_char {
        // SAFETY: httpd passes a live cmd_parms with its pool, and the line.
        let (pool, line) = unsafe { (Pool::from_ptr((*parms).pool), text(line).unwrap_or_default()) };
        match conjure::<P>()(line) {
            Ok(value) => {
                // SAFETY: httpd passes a place for the pointer, which lives as long as the pool of the section.
                unsafe { parsed.write(pool.own_raw(value).cast_const().cast()) };
                ptr::null()
            }
            Err(error) => pool.dup(error.as_bytes()).as_ptr(),
        }
    }
    bug |text| {
        log::write(log::Main, Level::CRIT, format_args!("{text}"));
        c"mod_wsgi_rs: a bug, the error log says more".as_ptr()
    }
}
