//! The table of directives: which there are, where they may stand, and what runs for each.
//!
//! The setters are in [`setters`](super::setters); `reference` has the words of the manual for each
//! row, and is checked against this table. Runs on the one thread that reads the configuration;
//! directives that are allowed in `.htaccess` also run during requests, and then only see the
//! record of the section.

use std::ffi::CStr;

use super::directory::DirectoryConfig;
use super::server::ServerConfig;
use super::setters::{groups, later, python, requests, scripts, telemetry};
use crate::httpd::{Answer, Command, Context, Directive, Handler, Merge, Scope};
use crate::module::Wsgi;

/// All directives.
pub const DIRECTIVES: &[Directive<Wsgi>] = &[
    raw(
        c"WSGIScriptAlias",
        Context::SERVER,
        groups::script_alias,
        c"a URL path, the script or directory for it, and options",
    ),
    raw(
        c"WSGIScriptAliasMatch",
        Context::SERVER,
        groups::script_alias_match,
        c"a regular expression for URL paths, the script with $1 to $9, and options",
    ),
    raw(
        c"WSGIDaemonProcess",
        Context::SERVER,
        groups::daemon_process,
        c"the name of a process group, and its options",
    ),
    raw(
        c"WSGIImportScript",
        Context::SERVER,
        groups::import_script,
        c"a script to load when processes start, its process-group and application-group",
    ),
    one(
        c"WSGIProcessGroup",
        Context::SERVER_OR_SECTION,
        requests::process_group,
        c"the process group that runs the application",
    ),
    one(
        c"WSGIApplicationGroup",
        Context::SERVER_OR_SECTION,
        requests::application_group,
        c"the application group (interpreter) that runs the application",
    ),
    one(
        c"WSGICallableObject",
        Context::FILE_INFO,
        requests::callable_object,
        c"the name of the application in its script",
    ),
    one(
        c"WSGIPassAuthorization",
        Context::FILE_INFO,
        requests::pass_authorization,
        c"On to show the Authorization header to the application, or Off",
    ),
    one(
        c"WSGIScriptReloading",
        Context::FILE_INFO,
        requests::script_reloading,
        c"On to load a script again when it has changed, or Off",
    ),
    one(
        c"WSGIChunkedRequest",
        Context::FILE_INFO,
        requests::chunked_request,
        c"On to take request bodies in chunks, which is the default, or Off",
    ),
    one(
        c"WSGIEnableSendfile",
        Context::FILE_INFO,
        requests::enable_sendfile,
        c"On to let the kernel send files that an application wraps, or Off, which is the default",
    ),
    one(
        c"WSGIRestrictEmbedded",
        Context::SERVER,
        groups::restrict_embedded,
        c"On to forbid applications in httpd's own processes, or Off",
    ),
    one(
        c"WSGIPythonHome",
        Context::SERVER,
        python::python_home,
        c"the Python prefix or virtual environment",
    ),
    one(
        c"WSGIPythonPath",
        Context::SERVER,
        python::python_path,
        c"directories with Python modules, separated by colons, for embedded mode",
    ),
    one(
        c"WSGISocketPrefix",
        Context::SERVER,
        groups::socket_prefix,
        c"the path that the names of sockets begin with",
    ),
    one(
        c"WSGIAcceptMutex",
        Context::SERVER,
        later::accept_mutex,
        c"a kind of mutex; accepted for mod_wsgi's sake",
    ),
    one(
        c"WSGISocketRotation",
        Context::SERVER,
        later::socket_rotation,
        c"On or Off; accepted for mod_wsgi's sake",
    ),
    one(
        c"WSGIVerboseDebugging",
        Context::SERVER,
        later::verbose_debugging,
        c"On or Off; use LogLevel wsgi:debug instead",
    ),
    one(
        c"WSGIPassApacheRequest",
        Context::SERVER_OR_SECTION,
        later::pass_apache_request,
        c"On or Off; accepted for mod_wsgi's sake",
    ),
    one(
        c"WSGIErrorOverride",
        Context::FILE_INFO,
        requests::error_override,
        c"On to replace error responses of the application by httpd's own, or Off",
    ),
    one(
        c"WSGIMapHEADToGET",
        Context::FILE_INFO,
        requests::map_head_to_get,
        c"On, Off or Auto: whether the application sees GET for HEAD",
    ),
    one(
        c"WSGIIgnoreActivity",
        Context::FILE_INFO,
        requests::ignore_activity,
        c"On if requests do not count as activity, or Off",
    ),
    raw(
        c"WSGIRestrictProcess",
        Context::SERVER_OR_SECTION,
        requests::restrict_process,
        c"the process groups that may be used",
    ),
    raw(
        c"WSGITrustedProxyHeaders",
        Context::FILE_INFO,
        requests::trusted_proxy_headers,
        c"the headers of a proxy that are believed",
    ),
    raw(
        c"WSGITrustedProxies",
        Context::FILE_INFO,
        requests::trusted_proxies,
        c"the addresses and subnets of proxies that are believed",
    ),
    one(
        c"WSGIRestrictStdin",
        Context::SERVER,
        python::restrict_stdin,
        c"On to forbid applications to read sys.stdin, or Off",
    ),
    one(
        c"WSGIRestrictStdout",
        Context::SERVER,
        python::restrict_stdout,
        c"On to forbid applications to write to sys.stdout, or Off",
    ),
    one(
        c"WSGIRestrictSignal",
        Context::SERVER,
        python::restrict_signal,
        c"On to keep applications from setting signal handlers, which is the default, or Off",
    ),
    one(
        c"WSGICaseSensitivity",
        Context::SERVER,
        python::case_sensitivity,
        c"Off if paths that differ in case only are the same file, or On",
    ),
    one(
        c"WSGIDontWriteBytecode",
        Context::SERVER,
        python::dont_write_bytecode,
        c"On to have Python write no .pyc files, or Off",
    ),
    one(
        c"WSGIPythonWarnings",
        Context::SERVER,
        python::warnings,
        c"one filter for warnings, as of the option -W of Python",
    ),
    one(
        c"WSGIPythonOptimize",
        Context::SERVER,
        python::optimize,
        c"how much Python optimizes: 0, 1 or 2",
    ),
    one(
        c"WSGIPythonEggs",
        Context::SERVER,
        python::eggs,
        c"the directory where eggs are unpacked, in embedded mode",
    ),
    one(
        c"WSGIPythonHashSeed",
        Context::SERVER,
        python::hash_seed,
        c"random, or the number that hashes are seeded with",
    ),
    one(
        c"WSGISwitchInterval",
        Context::SERVER,
        python::switch_interval,
        c"seconds after which a thread gives way to another one",
    ),
    one(
        c"WSGIDestroyInterpreter",
        Context::SERVER,
        python::destroy_interpreter,
        c"Off to end processes without running what Python runs at its end, or On",
    ),
    one(
        c"WSGIPerInterpreterGIL",
        Context::SERVER,
        python::own_gil,
        c"On to give interpreters of application groups a GIL of their own, or Off",
    ),
    one(
        c"WSGIFreeThreading",
        Context::SERVER,
        python::free_threading,
        c"On to let a Python that can do without the GIL do so, or Off",
    ),
    one(c"WSGIServerMetrics", Context::SERVER, python::server_metrics, c"On or Off"),
    one(
        c"WSGISlowRequests",
        Context::SERVER,
        telemetry::slow_requests,
        c"seconds after which a request is slow",
    ),
    raw(
        c"WSGITelemetryService",
        Context::SERVER,
        telemetry::service,
        c"unix: and the path of a socket, and interval=SECONDS",
    ),
    raw(c"WSGITelemetryOptions", Context::SERVER, telemetry::options, c"what is captured"),
    one(
        c"WSGIGroupAuthoritative",
        Context::AUTH_CONFIG,
        later::group_authoritative,
        c"On or Off; accepted for mod_wsgi's sake",
    ),
    raw(
        c"WSGIHandlerScript",
        Context::SERVER_OR_SECTION,
        scripts::handler_script,
        c"the name of a handler, the script for it, and options",
    ),
    raw(
        c"WSGIDispatchScript",
        Context::SERVER_OR_SECTION,
        scripts::dispatch_script,
        c"the script that chooses where a request runs, and its application-group",
    ),
    raw(
        c"WSGIAccessScript",
        Context::AUTH_CONFIG,
        scripts::access_script,
        c"the script that decides who may ask, and its application-group",
    ),
    raw(
        c"WSGIAuthUserScript",
        Context::AUTH_CONFIG,
        scripts::auth_user_script,
        c"the script that checks passwords, and its application-group",
    ),
    raw(
        c"WSGIAuthGroupScript",
        Context::AUTH_CONFIG,
        scripts::auth_group_script,
        c"the script that knows the groups of users, and its application-group",
    ),
    section(
        c"<WSGIInterpreterOptions",
        Context::SERVER,
        python::interpreter_options,
        c"the process-group and application-group of the interpreters it is for",
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

const fn section(
    name: &'static CStr,
    context: Context,
    set: Words,
    help: &'static CStr,
) -> Directive<Wsgi> {
    Directive { name, context, handler: Handler::Section(set), help }
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
