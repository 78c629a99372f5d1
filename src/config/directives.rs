//! The table of directives: which there are, where they may stand, and what each writes into the
//! configuration.
//!
//! A setter hands the argument text to the pure parsers of this folder and stores what they give.
//! Runs on the one thread that reads the configuration; those that are allowed in `.htaccess` also
//! run during requests, and then only see the record of the section.

use std::ffi::CStr;
use std::sync::Arc;

use super::alias::{Captures, Pattern, ScriptAlias};
use super::daemon_group::{self, DaemonGroup};
use super::directory::DirectoryConfig;
use super::error::Error;
use super::import::{self, ImportScript};
use super::origin::Origin;
use super::server::{Globals, IdleDirective, Mention, ServerConfig};
use super::setting::Setting;
use crate::httpd::regex::Regex;
use crate::httpd::server::root_relative;
use crate::httpd::{Answer, Command, Context, Directive, Handler, Merge, Scope};
use crate::module::Wsgi;

/// All directives.
pub const DIRECTIVES: &[Directive<Wsgi>] = &[
    raw(
        c"WSGIScriptAlias",
        Context::SERVER,
        script_alias,
        c"a URL path, the script or directory for it, and options",
    ),
    raw(
        c"WSGIScriptAliasMatch",
        Context::SERVER,
        script_alias_match,
        c"a regular expression for URL paths, the script with $1 to $9, and options",
    ),
    raw(
        c"WSGIDaemonProcess",
        Context::SERVER,
        daemon_process,
        c"the name of a process group, and its options",
    ),
    raw(
        c"WSGIImportScript",
        Context::SERVER,
        import_script,
        c"a script to load when processes start, its process-group and application-group",
    ),
    one(
        c"WSGIProcessGroup",
        Context::SERVER_OR_SECTION,
        process_group,
        c"the process group that runs the application",
    ),
    one(
        c"WSGIApplicationGroup",
        Context::SERVER_OR_SECTION,
        application_group,
        c"the application group (interpreter) that runs the application",
    ),
    one(
        c"WSGICallableObject",
        Context::FILE_INFO,
        callable_object,
        c"the name of the application in its script",
    ),
    one(
        c"WSGIPassAuthorization",
        Context::FILE_INFO,
        pass_authorization,
        c"On to show the Authorization header to the application, or Off",
    ),
    one(
        c"WSGIScriptReloading",
        Context::FILE_INFO,
        script_reloading,
        c"On to load a script again when it has changed, or Off",
    ),
    one(
        c"WSGIChunkedRequest",
        Context::FILE_INFO,
        chunked_request,
        c"On to take request bodies in chunks, which is the default, or Off",
    ),
    one(
        c"WSGIEnableSendfile",
        Context::FILE_INFO,
        enable_sendfile,
        c"On to let the kernel send files that an application wraps, or Off, which is the default",
    ),
    one(
        c"WSGIRestrictEmbedded",
        Context::SERVER,
        restrict_embedded,
        c"On to forbid applications in httpd's own processes, or Off",
    ),
    one(
        c"WSGIPythonHome",
        Context::SERVER,
        python_home,
        c"the Python prefix or virtual environment",
    ),
    one(
        c"WSGIPythonPath",
        Context::SERVER,
        python_path,
        c"directories with Python modules, separated by colons, for embedded mode",
    ),
    one(
        c"WSGISocketPrefix",
        Context::SERVER,
        socket_prefix,
        c"the path that the names of sockets begin with",
    ),
    one(
        c"WSGIAcceptMutex",
        Context::SERVER,
        accept_mutex,
        c"a kind of mutex; accepted for mod_wsgi's sake",
    ),
    one(
        c"WSGISocketRotation",
        Context::SERVER,
        socket_rotation,
        c"On or Off; accepted for mod_wsgi's sake",
    ),
    one(
        c"WSGIVerboseDebugging",
        Context::SERVER,
        verbose_debugging,
        c"On or Off; use LogLevel wsgi:debug instead",
    ),
];

type Words = fn(&Command<'_>, Scope<'_, Wsgi>, &CStr) -> Answer;

const fn raw(
    name: &'static CStr,
    context: Context,
    set: Words,
    help: &'static CStr,
) -> Directive<Wsgi> {
    Directive { name, context, handler: Handler::Raw(set), help }
}

const fn one(
    name: &'static CStr,
    context: Context,
    set: Words,
    help: &'static CStr,
) -> Directive<Wsgi> {
    Directive { name, context, handler: Handler::One(set), help }
}

impl Merge for ServerConfig {
    fn merge(base: &Self, over: &Self) -> Self {
        base.merge(over)
    }
}

impl Merge for DirectoryConfig {
    fn merge(base: &Self, over: &Self) -> Self {
        base.merge(over)
    }
}

/// Errors are shown with the file and line that httpd puts before them.
impl From<Error> for String {
    fn from(error: Error) -> Self {
        error.to_string()
    }
}

impl Pattern for Regex {
    fn source(&self) -> &[u8] {
        self.source().to_bytes()
    }

    fn captures(&self, uri: &[u8]) -> Option<Captures> {
        self.captures(uri)
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

fn script_alias(command: &Command<'_>, scope: Scope<'_, Wsgi>, text: &CStr) -> Answer {
    let alias = ScriptAlias::parse(text.to_bytes(), origin(command))?;
    server(scope, ScriptAlias::DIRECTIVE)?.add_alias(alias);
    Ok(())
}

fn script_alias_match(command: &Command<'_>, scope: Scope<'_, Wsgi>, text: &CStr) -> Answer {
    let compile = |source: &[u8]| -> Result<Arc<dyn Pattern>, String> {
        Ok(Arc::new(Regex::new(command.temporary_pool().dup(source))?))
    };
    let alias = ScriptAlias::parse_match(text.to_bytes(), origin(command), &compile)?;
    server(scope, ScriptAlias::DIRECTIVE_MATCH)?.add_alias(alias);
    Ok(())
}

fn daemon_process(command: &Command<'_>, scope: Scope<'_, Wsgi>, text: &CStr) -> Answer {
    let by_root = nix::unistd::Uid::effective().is_root();
    let group = DaemonGroup::parse(text.to_bytes(), origin(command), by_root)?;
    server(scope, daemon_group::DIRECTIVE)?.groups.push(group);
    Ok(())
}

fn import_script(command: &Command<'_>, scope: Scope<'_, Wsgi>, text: &CStr) -> Answer {
    let import = ImportScript::parse(text.to_bytes(), origin(command))?;
    server(scope, import::DIRECTIVE)?.imports.push(import);
    Ok(())
}

fn process_group(command: &Command<'_>, mut scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    let name = word.to_bytes().to_vec();
    if let Some(server) = &mut scope.server {
        server.mentions.push(Mention {
            name: name.clone(),
            whole_server: !command.is_in_section(),
            origin: origin(command),
        });
    }
    settings(command, scope).process_group = Some(name);
    Ok(())
}

fn application_group(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    settings(command, scope).application_group = Some(word.to_bytes().to_vec());
    Ok(())
}

fn callable_object(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    settings(command, scope).callable_object = Some(word.to_bytes().to_vec());
    Ok(())
}

fn pass_authorization(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    settings(command, scope).pass_authorization = Some(flag("WSGIPassAuthorization", word)?);
    Ok(())
}

fn script_reloading(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    settings(command, scope).script_reloading = Some(flag("WSGIScriptReloading", word)?);
    Ok(())
}

fn chunked_request(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    settings(command, scope).chunked_request = Some(flag("WSGIChunkedRequest", word)?);
    Ok(())
}

fn enable_sendfile(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    settings(command, scope).enable_sendfile = Some(flag("WSGIEnableSendfile", word)?);
    Ok(())
}

fn restrict_embedded(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    const DIRECTIVE: &str = "WSGIRestrictEmbedded";
    globals(command, scope, DIRECTIVE)?.set_restrict_embedded(flag(DIRECTIVE, word)?);
    Ok(())
}

fn python_home(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    globals(command, scope, "WSGIPythonHome")?.python_home = Some(word.to_bytes().to_vec());
    Ok(())
}

fn python_path(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    globals(command, scope, "WSGIPythonPath")?.python_path = Some(word.to_bytes().to_vec());
    Ok(())
}

fn socket_prefix(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    const DIRECTIVE: &str = "WSGISocketPrefix";
    let globals = globals(command, scope, DIRECTIVE)?;
    let path = root_relative(command.pool(), word)
        .ok_or_else(|| Error::BadPath { directive: DIRECTIVE, path: word.to_bytes().to_vec() })?;
    globals.socket_prefix = Some(path.to_bytes().to_vec());
    Ok(())
}

fn accept_mutex(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    const DIRECTIVE: &str = "WSGIAcceptMutex";
    const KINDS: &[&str] = &["default", "flock", "fcntl", "sysvsem", "posixsem", "pthread"];
    let server = main_server(command, scope, DIRECTIVE)?;
    Setting::argument(DIRECTIVE, word.to_bytes()).one_of(KINDS)?;
    let because = "the module itself chooses the worker of a request, without a mutex";
    server.idle.push(IdleDirective { directive: DIRECTIVE, because, origin: origin(command) });
    Ok(())
}

fn socket_rotation(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    const DIRECTIVE: &str = "WSGISocketRotation";
    let server = main_server(command, scope, DIRECTIVE)?;
    flag(DIRECTIVE, word)?;
    let because =
        "running requests keep their connections over a restart whatever sockets are called";
    server.idle.push(IdleDirective { directive: DIRECTIVE, because, origin: origin(command) });
    Ok(())
}

fn verbose_debugging(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    const DIRECTIVE: &str = "WSGIVerboseDebugging";
    let server = main_server(command, scope, DIRECTIVE)?;
    flag(DIRECTIVE, word)?;
    let because = "use LogLevel wsgi:debug";
    server.idle.push(IdleDirective { directive: DIRECTIVE, because, origin: origin(command) });
    Ok(())
}
