//! `WSGIAuthUserScript`: the provider `wsgi` of `AuthBasicProvider` and `AuthDigestProvider`.
//!
//! User names and passwords are bytes of the client's, handed on as latin-1; they are never logged here.

use super::{Asked, Kind, is_usable, no_script};
use crate::config::HookScript;
use crate::embedded::Answer;
use crate::httpd::Request;
use crate::httpd::provider::{Password, RealmHash};
use crate::module::Wsgi;
use std::ffi::CStr;

fn script(request: Request<'_>) -> Option<&HookScript> {
    let script = request.directory_config::<Wsgi>().auth_user_script.as_deref();
    if script.is_none() {
        no_script(request, "the authentication provider wsgi", HookScript::AUTH_USER);
    }
    script
}

/// Basic authentication: whether it is the password.
pub fn password(request: Request<'_>, user: &CStr, password: &CStr) -> Password {
    let Some(script) = script(request) else { return Password::Error };
    let asked = Asked {
        request,
        script,
        function: "check_password",
        expected: "True, False, None, or the user's name as str",
    };
    match asked.ask(Kind::Utf8, &[user.to_bytes(), password.to_bytes()]) {
        Answer::Verdict(true) => Password::Right,
        Answer::Verdict(false) => Password::Wrong,
        Answer::Nothing => Password::NoUser,
        // It is another one's password, or the name is written otherwise.
        Answer::Text(name) if is_usable(&name) => {
            request.set_user(&name);
            Password::Right
        }
        answer => {
            asked.unexpected(&answer);
            Password::Error
        }
    }
}

/// Digest authentication: what the password of a user would give.
pub fn realm_hash(request: Request<'_>, user: &CStr, realm: &CStr) -> RealmHash {
    let Some(script) = script(request) else { return RealmHash::Error };
    let asked = Asked {
        request,
        script,
        function: "get_realm_hash",
        expected: "None, or the MD5 digest of user:realm:password in hexadecimal digits",
    };
    match asked.ask(Kind::Value, &[user.to_bytes(), realm.to_bytes()]) {
        Answer::Nothing => RealmHash::NoUser,
        Answer::Text(hash) | Answer::Bytes(hash) if is_usable(&hash) => RealmHash::Found(hash),
        answer => {
            asked.unexpected(&answer);
            RealmHash::Error
        }
    }
}
