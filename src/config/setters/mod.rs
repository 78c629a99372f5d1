//! What each directive writes into the configuration.
//!
//! A setter hands the argument text to the pure parsers of this folder's parent and stores what they
//! give. Here is what they share: which record a directive writes into.

use std::ffi::CStr;

use super::directory::DirectoryConfig;
use super::error::Error;
use super::interpreter_options::{InterpreterOptions, SECTION};
use super::origin::Origin;
use super::server::{Globals, IdleDirective, Line, ServerConfig};
use super::setting::Setting;
use crate::httpd::{Answer, Command, Scope};
use crate::module::Wsgi;

pub mod groups;
pub mod later;
pub mod python;
pub mod requests;
pub mod scripts;
pub mod telemetry;

/// Errors are shown with the file and line that httpd puts before them.
impl From<Error> for String {
    fn from(error: Error) -> Self {
        error.to_string()
    }
}

/// Where the directive stands.
fn origin(command: &Command<'_>) -> Origin {
    let file = command.file_name().map(CStr::to_bytes).unwrap_or_default();
    Origin::new(file, command.line().unwrap_or_default())
}

/// The server's record; httpd itself keeps directives of servers out of `.htaccess`.
fn server<'c>(
    scope: Scope<'c, Wsgi>,
    directive: &'static str,
) -> Result<&'c mut ServerConfig, Error> {
    scope.server.ok_or(Error::NotGlobal { directive })
}

/// What only the main server says.
fn globals<'c>(
    command: &Command<'_>,
    scope: Scope<'c, Wsgi>,
    directive: &'static str,
) -> Result<&'c mut Globals, Error> {
    main_server(command, scope, directive).map(|server| &mut server.globals)
}

fn main_server<'c>(
    command: &Command<'_>,
    scope: Scope<'c, Wsgi>,
    directive: &'static str,
) -> Result<&'c mut ServerConfig, Error> {
    if command.global_only().is_err() {
        return Err(Error::NotGlobal { directive });
    }
    server(scope, directive)
}

/// What is said for all interpreters, or for those of the section `<WSGIInterpreterOptions>` that the
/// directive stands in.
fn interpreter<'c>(
    command: &Command<'_>,
    scope: Scope<'c, Wsgi>,
    directive: &'static str,
) -> Result<&'c mut InterpreterOptions, Error> {
    let python = &mut globals(command, scope, directive)?.python;
    let opened = SECTION.trim_end_matches('>').as_bytes();
    let enclosed =
        command.parent().is_some_and(|(name, _)| name.to_bytes().eq_ignore_ascii_case(opened));
    match python.sections.last_mut() {
        Some(section) if enclosed => Ok(&mut section.options),
        _ => Ok(&mut python.interpreter),
    }
}

/// The settings of the section the directive stands in, or else of the server.
fn settings<'c>(command: &Command<'_>, scope: Scope<'c, Wsgi>) -> &'c mut DirectoryConfig {
    match scope.server {
        Some(server) if !command.is_in_section() => &mut server.requests,
        _ => scope.directory,
    }
}

fn flag(directive: &'static str, word: &CStr) -> Result<bool, Error> {
    Setting::argument(directive, word.to_bytes()).flag()
}

/// Keeps a line for the report. In `.htaccess` nobody could be told of it.
fn keep(
    command: &Command<'_>,
    scope: &mut Scope<'_, Wsgi>,
    directive: &'static str,
    words: Vec<Vec<u8>>,
) {
    if let Some(server) = &mut scope.server {
        let whole_server = !command.is_in_section();
        server.lines.push(Line { directive, words, whole_server, origin: origin(command) });
    }
}

/// Keeps for the report that a line has no effect. In `.htaccess` nobody could be told of it.
fn idle(
    command: &Command<'_>,
    scope: Scope<'_, Wsgi>,
    directive: &'static str,
    because: &'static str,
) {
    if let Some(server) = scope.server {
        server.idle.push(IdleDirective { directive, because, origin: origin(command) });
    }
}

/// As [`idle`], for a switch that only On would mean something for.
fn idle_if_on(
    command: &Command<'_>,
    scope: Scope<'_, Wsgi>,
    directive: &'static str,
    word: &CStr,
    because: &'static str,
) -> Answer {
    if flag(directive, word)? {
        idle(command, scope, directive, because);
    }
    Ok(())
}

/// As [`idle`], for a line of the main server.
fn idle_globally(
    command: &Command<'_>,
    scope: Scope<'_, Wsgi>,
    directive: &'static str,
    because: &'static str,
) -> Answer {
    let server = main_server(command, scope, directive)?;
    server.idle.push(IdleDirective { directive, because, origin: origin(command) });
    Ok(())
}
