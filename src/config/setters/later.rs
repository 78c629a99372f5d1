//! Setters: directives that are checked and do nothing, of which the administrator is told.
//!
//! Nobody's safety rests on what they would do.

use std::ffi::CStr;

use super::{flag, globals, idle, idle_globally, idle_if_on};
use crate::config::setting::Setting;
use crate::httpd::{Answer, Command, Scope};
use crate::module::Wsgi;

pub fn accept_mutex(command: &Command<'_>, mut scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    const DIRECTIVE: &str = "WSGIAcceptMutex";
    const KINDS: &[&str] = &["default", "flock", "fcntl", "sysvsem", "posixsem", "pthread"];
    globals(command, again(&mut scope), DIRECTIVE)?;
    Setting::argument(DIRECTIVE, word.to_bytes()).one_of(KINDS)?;
    let because = "the module itself chooses the worker of a request, without a mutex";
    idle_globally(command, scope, DIRECTIVE, because)
}

pub fn socket_rotation(command: &Command<'_>, mut scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    const DIRECTIVE: &str = "WSGISocketRotation";
    globals(command, again(&mut scope), DIRECTIVE)?;
    flag(DIRECTIVE, word)?;
    let because =
        "running requests keep their connections over a restart whatever sockets are called";
    idle_globally(command, scope, DIRECTIVE, because)
}

pub fn verbose_debugging(command: &Command<'_>, mut scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    const DIRECTIVE: &str = "WSGIVerboseDebugging";
    globals(command, again(&mut scope), DIRECTIVE)?;
    flag(DIRECTIVE, word)?;
    idle_globally(command, scope, DIRECTIVE, "use LogLevel wsgi:debug")
}

pub fn pass_apache_request(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    let because = "httpd's own structures are not handed to applications";
    idle_if_on(command, scope, "WSGIPassApacheRequest", word, because)
}

pub fn group_authoritative(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    const DIRECTIVE: &str = "WSGIGroupAuthoritative";
    flag(DIRECTIVE, word)?;
    let because = "httpd 2.4 decides by <RequireAll> and <RequireAny>; remove this line";
    idle(command, scope, DIRECTIVE, because);
    Ok(())
}

/// The scope once more, for a look before it is used.
fn again<'s>(scope: &'s mut Scope<'_, Wsgi>) -> Scope<'s, Wsgi> {
    Scope { server: scope.server.as_deref_mut(), directory: scope.directory }
}
