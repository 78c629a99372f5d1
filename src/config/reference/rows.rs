//! The rows of the directives. `meaning` is Markdown.

use super::{Place, Row};

const fn row(
    name: &'static str,
    place: Place,
    syntax: &'static str,
    default: &'static str,
    meaning: &'static str,
    example: &'static str,
) -> Row {
    Row { name, place, syntax, default, meaning, example }
}

pub(super) static ROWS: &[Row] = &[
    row(
        "WSGIScriptAlias",
        Place::Server,
        "WSGIScriptAlias URL-path script [process-group=NAME] [application-group=NAME] \
         [callable-object=NAME] [pass-authorization=On|Off]",
        "none",
        "Has the script answer what is below the URL path; with a directory, the next part of \
         the URL names a script in it. The first alias that fits takes the request, so longer \
         paths come first; those of a virtual host come before those of the main server. The \
         options come before the directives of the same meaning. With both groups given \
         literally the script is loaded when the processes start. Access to the script must \
         be granted by `Require`.",
        "WSGIScriptAlias / /srv/site/app.wsgi process-group=site",
    ),
    row(
        "WSGIScriptAliasMatch",
        Place::Server,
        "WSGIScriptAliasMatch regex script-with-$1 [options]",
        "none",
        "As `WSGIScriptAlias`, for what a regular expression matches; the script may have \
         `$0` to `$9`.",
        "WSGIScriptAliasMatch ^/~(\\w+)/app /home/$1/app.wsgi",
    ),
    row(
        "WSGIDaemonProcess",
        Place::Server,
        "WSGIDaemonProcess NAME [option=value ...]",
        "none",
        "Declares a process group: processes of its own that run applications, as a user of \
         their own and with a Python of their own. The name is unique over all virtual hosts. \
         A group of the main server can be used everywhere, one of a virtual host only there \
         and in those with the same `ServerName`.",
        "WSGIDaemonProcess site user=site processes=2 threads=15 python-home=/srv/site/venv",
    ),
    row(
        "WSGIImportScript",
        Place::Server,
        "WSGIImportScript script process-group=NAME application-group=NAME",
        "none",
        "Loads a script when the processes start, before the first request.",
        "WSGIImportScript /srv/site/app.wsgi process-group=site application-group=%{GLOBAL}",
    ),
    row(
        "WSGIProcessGroup",
        Place::Section,
        "WSGIProcessGroup NAME",
        "`%{GLOBAL}`: embedded",
        "Which process group runs the application.",
        "WSGIProcessGroup site",
    ),
    row(
        "WSGIApplicationGroup",
        Place::Section,
        "WSGIApplicationGroup NAME",
        "`%{RESOURCE}`; the main interpreter if the process group has one application only, on whatever ports",
        "Which interpreter of the process runs the application. Extension modules that do not \
         know several interpreters need `%{GLOBAL}`.",
        "WSGIApplicationGroup %{GLOBAL}",
    ),
    row(
        "WSGICallableObject",
        Place::FileInfo,
        "WSGICallableObject NAME",
        "`application`",
        "The name of the application in its script; `%{ENV:NAME}` is expanded.",
        "WSGICallableObject app",
    ),
    row(
        "WSGIPassAuthorization",
        Place::FileInfo,
        "WSGIPassAuthorization On|Off",
        "Off",
        "Shows the `Authorization` header to the application.",
        "WSGIPassAuthorization On",
    ),
    row(
        "WSGIScriptReloading",
        Place::FileInfo,
        "WSGIScriptReloading On|Off",
        "On",
        "Loads a script again when its file has changed: embedded in the same process, in a \
         process group by new processes.",
        "WSGIScriptReloading Off",
    ),
    row(
        "WSGIChunkedRequest",
        Place::FileInfo,
        "WSGIChunkedRequest On|Off",
        "On",
        "Takes request bodies that come in chunks, without a length. Off answers them with \
         411.",
        "WSGIChunkedRequest Off",
    ),
    row(
        "WSGIErrorOverride",
        Place::FileInfo,
        "WSGIErrorOverride On|Off",
        "Off",
        "Replaces responses of status 400 to 599 by httpd's own page for that status \
         (`ErrorDocument`).",
        "WSGIErrorOverride On",
    ),
    row(
        "WSGIMapHEADToGET",
        Place::FileInfo,
        "WSGIMapHEADToGET Off|On|Auto",
        "Auto",
        "Whether the application sees `GET` for a `HEAD` request; the client gets no body in \
         any case. Auto: when an output filter, such as compression, needs the body to make \
         the same headers.",
        "WSGIMapHEADToGET On",
    ),
    row(
        "WSGIIgnoreActivity",
        Place::FileInfo,
        "WSGIIgnoreActivity On|Off",
        "Off",
        "Requests, such as those of a monitor, do not keep a process from being idle as \
         `inactivity-timeout` means it.",
        "<Location /health>\n    WSGIIgnoreActivity On\n</Location>",
    ),
    row(
        "WSGIEnableSendfile",
        Place::FileInfo,
        "WSGIEnableSendfile On|Off",
        "where it is safe",
        "Has the kernel send files that an application returns in `wsgi.file_wrapper`, without copying them. If nothing is said \
         it does so with files of 64 KB or more on a file system of this machine (ext4, xfs, btrfs, tmpfs, overlayfs and others). `Off` has \
         them read: for files that are written to while they are sent. `On` has every file sent so, also from NFS or CIFS.",
        "WSGIEnableSendfile On",
    ),
    row(
        "WSGIRestrictProcess",
        Place::Section,
        "WSGIRestrictProcess [NAME ...]",
        "all",
        "The process groups that requests may be sent to, whatever chose them; `%{GLOBAL}` \
         allows embedded mode. Others get 500. A line replaces an earlier one of the same \
         section.",
        "WSGIRestrictProcess site %{GLOBAL}",
    ),
    row(
        "WSGITrustedProxyHeaders",
        Place::FileInfo,
        "WSGITrustedProxyHeaders HEADER ...",
        "none",
        "Which headers of a proxy in front are believed; lines of a section add up. \
         `X-Forwarded-For`, `X-Client-IP`, `X-Real-IP` set `REMOTE_ADDR`; `X-Forwarded-Host`, \
         `X-Host` `HTTP_HOST`; `X-Forwarded-Server` `SERVER_NAME`; `X-Forwarded-Port` \
         `SERVER_PORT`; `X-Script-Name`, `X-Forwarded-Script-Name` `SCRIPT_NAME`; \
         `X-Forwarded-Proto`, `X-Forwarded-Scheme`, `X-Scheme`, `X-Forwarded-HTTPS`, \
         `X-Forwarded-SSL`, `X-HTTPS` `wsgi.url_scheme`. Of headers that mean the same the \
         last one named wins; all others are removed, named or not. From a peer that is not \
         trusted all are removed.",
        "WSGITrustedProxyHeaders X-Forwarded-For X-Forwarded-Proto",
    ),
    row(
        "WSGITrustedProxies",
        Place::FileInfo,
        "WSGITrustedProxies ADDRESS|SUBNET ...",
        "every peer",
        "From whom `WSGITrustedProxyHeaders` are believed, and which addresses in \
         `X-Forwarded-For` are proxies. IPv4 or IPv6, with the number of bits or a mask; \
         lines of a section add up.",
        "WSGITrustedProxies 127.0.0.1 10.0.0.0/8 fd00::/8",
    ),
    row(
        "WSGIRestrictEmbedded",
        Place::Main,
        "WSGIRestrictEmbedded On|Off",
        "Off",
        "Forbids applications in httpd's own processes: such requests get 500.",
        "WSGIRestrictEmbedded On",
    ),
    row(
        "WSGIPythonHome",
        Place::Main,
        "WSGIPythonHome directory",
        "the system's Python",
        "The Python for embedded mode, and for process groups without `python-home`: a \
         virtual environment, a prefix, or an interpreter.",
        "WSGIPythonHome /srv/site/venv",
    ),
    row(
        "WSGIPythonPath",
        Place::Main,
        "WSGIPythonPath directory[:directory ...]",
        "none",
        "Directories with modules for embedded mode; `.pth` files in them count. Process \
         groups have `python-path`.",
        "WSGIPythonPath /srv/site",
    ),
    row(
        "WSGIPythonEggs",
        Place::Main,
        "WSGIPythonEggs directory",
        "none",
        "`PYTHON_EGG_CACHE` in embedded mode. Process groups have `python-eggs`.",
        "WSGIPythonEggs /var/cache/eggs",
    ),
    row(
        "WSGIDontWriteBytecode",
        Place::Main,
        "WSGIDontWriteBytecode On|Off",
        "Off",
        "Has Python write no `.pyc` files, as its option `-B`.",
        "WSGIDontWriteBytecode On",
    ),
    row(
        "WSGIPythonWarnings",
        Place::Main,
        "WSGIPythonWarnings filter",
        "none",
        "A filter of warnings, as of Python's option `-W`; lines add up.",
        "WSGIPythonWarnings ignore::DeprecationWarning",
    ),
    row(
        "WSGIPythonOptimize",
        Place::Main,
        "WSGIPythonOptimize 0|1|2",
        "as `PYTHONOPTIMIZE` says, else 0",
        "1 leaves out assertions, 2 docstrings too, as Python's option `-O`.",
        "WSGIPythonOptimize 1",
    ),
    row(
        "WSGIPythonHashSeed",
        Place::Main,
        "WSGIPythonHashSeed random|NUMBER",
        "as `PYTHONHASHSEED` says, else random",
        "What hashes of strings begin with, 0 to 4294967295. A number makes them the same in \
         every process, and known to who attacks.",
        "WSGIPythonHashSeed random",
    ),
    row(
        "WSGISwitchInterval",
        Place::Main,
        "WSGISwitchInterval seconds",
        "Python's own, 0.005",
        "After what time a thread lets another one run, in embedded mode. Process groups have \
         `switch-interval`.",
        "WSGISwitchInterval 0.01",
    ),
    row(
        "WSGIRestrictStdin",
        Place::Main,
        "WSGIRestrictStdin On|Off",
        "Off",
        "Makes every use of `sys.stdin` an error.",
        "WSGIRestrictStdin On",
    ),
    row(
        "WSGIRestrictStdout",
        Place::Main,
        "WSGIRestrictStdout On|Off",
        "Off",
        "Makes every use of `sys.stdout` an error. Off: it is the error log.",
        "WSGIRestrictStdout On",
    ),
    row(
        "WSGIRestrictSignal",
        Place::Main,
        "WSGIRestrictSignal On|Off",
        "On",
        "`signal.signal` installs nothing and logs who called it, as signals belong to the \
         server.",
        "WSGIRestrictSignal Off",
    ),
    row(
        "WSGICaseSensitivity",
        Place::Main,
        "WSGICaseSensitivity On|Off",
        "On",
        "Off: paths of scripts that differ in case only are the same script.",
        "WSGICaseSensitivity Off",
    ),
    row(
        "WSGIDestroyInterpreter",
        Place::Main,
        "WSGIDestroyInterpreter On|Off",
        "On",
        "Off: processes end without waiting for Python's threads and without running \
         `atexit`. Functions of `mod_wsgi.subscribe_shutdown` are run in any case.",
        "WSGIDestroyInterpreter Off",
    ),
    row(
        "WSGISocketPrefix",
        Place::Main,
        "WSGISocketPrefix path",
        "`wsgi` in `DefaultRuntimeDir`",
        "What the paths of sockets begin with; relative to `ServerRoot`.",
        "WSGISocketPrefix /run/apache2/wsgi",
    ),
    row(
        "WSGISocketRotation",
        Place::Main,
        "WSGISocketRotation On|Off",
        "On",
        "Accepted for configurations of mod_wsgi; it does nothing, as running requests keep \
         their connections over a restart whatever sockets are called.",
        "WSGISocketRotation Off",
    ),
    row(
        "WSGIAcceptMutex",
        Place::Main,
        "WSGIAcceptMutex default|flock|fcntl|sysvsem|posixsem|pthread",
        "default",
        "Accepted for configurations of mod_wsgi; it does nothing, as the module chooses the \
         worker of a request without a mutex.",
        "WSGIAcceptMutex default",
    ),
    row(
        "WSGIVerboseDebugging",
        Place::Main,
        "WSGIVerboseDebugging On|Off",
        "Off",
        "Accepted for configurations of mod_wsgi; use `LogLevel wsgi:debug`.",
        "WSGIVerboseDebugging On",
    ),
    row(
        "WSGIPerInterpreterGIL",
        Place::Main,
        "WSGIPerInterpreterGIL On|Off",
        "Off",
        "Gives each interpreter of an application group a GIL of its own, so that applications in one process do not wait for \
         each other. From Python 3.13 on; before it has no effect, nor has it in a process that does without the GIL. The main \
         interpreter keeps that of the process. Python is strict in such an interpreter: extension modules that do not say \
         that they work there are refused (WRS4025), as are `os.fork()`, `os.exec*()` and daemon threads.",
        "WSGIPerInterpreterGIL On",
    ),
    row(
        "WSGIFreeThreading",
        Place::Main,
        "WSGIFreeThreading On|Off",
        "Off",
        "Lets a Python that was built for it (3.14t) do without the GIL, so that the threads of a process run at the same time. \
         Without it such a Python runs with the GIL, as in mod_wsgi. An extension module that does not declare that it works \
         without the GIL turns it on when it is imported, and the log tells which (WRS4026); the variable `PYTHON_GIL=0` in \
         the environment of httpd, or of a process group, keeps it off at one's own risk. It is a matter of the process, so \
         it has no effect in a section with `application-group`.",
        "WSGIFreeThreading On",
    ),
    row(
        "WSGIPassApacheRequest",
        Place::Section,
        "WSGIPassApacheRequest On|Off",
        "Off",
        "Accepted for configurations of mod_wsgi; httpd's own structures are not handed to \
         applications.",
        "WSGIPassApacheRequest Off",
    ),
    row(
        "WSGIGroupAuthoritative",
        Place::AuthConfig,
        "WSGIGroupAuthoritative On|Off",
        "On",
        "Accepted for configurations of mod_wsgi; it does nothing since httpd 2.4, which \
         decides by `<RequireAll>` and `<RequireAny>`.",
        "<Location />\n    WSGIGroupAuthoritative Off\n</Location>",
    ),
    row(
        "WSGIServerMetrics",
        Place::Main,
        "WSGIServerMetrics On|Off",
        "Off",
        "Whether `mod_wsgi.server_metrics()` answers in embedded mode, with httpd's scoreboard: what \
         each child of httpd and each of its threads does. `ExtendedStatus` decides how much \
         is in it. For a process group there is the option `server-metrics`.",
        "WSGIServerMetrics On",
    ),
    row(
        "WSGISlowRequests",
        Place::Main,
        "WSGISlowRequests seconds",
        "0: off",
        "How long a request takes that telemetry tells of by itself: while it runs, and when it is \
         done. Needs `WSGITelemetryService`.",
        "WSGISlowRequests 2.5",
    ),
    row(
        "WSGITelemetryService",
        Place::Main,
        "WSGITelemetryService unix:PATH [interval=SECONDS]",
        "none",
        "Has every process with Python send what it counts to a datagram socket, every so many \
         seconds (at least 0.5, otherwise 1), in the format of mod_wsgi 6: requests, times, \
         threads, processor time and memory, garbage collections, the beginning and the end of \
         processes. The users of the processes must be able to write to the socket. Nothing \
         waits for who listens: what is not taken at once is lost. `mod_wsgi.request_metrics()` then answers `None`.",
        "WSGITelemetryService unix:/run/telemetry.sock interval=5",
    ),
    row(
        "WSGITelemetryOptions",
        Place::Main,
        "WSGITelemetryOptions None|All|[+|-]CaptureUserAgent ...",
        "None",
        "What telemetry says of slow requests besides the rest: with `CaptureUserAgent` the \
         client's `User-Agent`. Flags with a sign change what earlier lines say, others replace \
         it.",
        "WSGITelemetryOptions +CaptureUserAgent",
    ),
    row(
        "WSGIAccessScript",
        Place::AuthConfig,
        "WSGIAccessScript script [application-group=NAME]",
        "none",
        "The function `allow_access(environ, host)` of the script decides who may come in, before anybody is asked for a \
         password: `True` lets in what other `Require` lines let in, `None` leaves it to them, `False` is 403. `host` is \
         the client's name, if `HostnameLookups` finds it, or else its address. Anything else that comes of it, a script \
         that is not there and an exception among them, is 403 too.\n\n\
         It runs in httpd's own processes, which load Python for it, in the main interpreter, or in that of \
         `application-group` (`%{SERVER}`, `%{HOST}` or a name). `environ` has the CGI variables of the request and \
         `wsgi.errors`; not its body, passwords, or variables of `SetEnv`. `mod_ssl.is_https()` and \
         `mod_ssl.var_lookup(name)` in it tell of the encryption.",
        "<Location /intern>\n    WSGIAccessScript /srv/access.py\n</Location>",
    ),
    row(
        "WSGIAuthUserScript",
        Place::AuthConfig,
        "WSGIAuthUserScript script [application-group=NAME]",
        "none",
        "The script that `AuthBasicProvider wsgi` and `AuthDigestProvider wsgi` ask.\n\n\
         For Basic, `check_password(environ, user, password)` answers `True` (it is the password), `False` (it is not), \
         `None` (there is no such user: the next provider is asked), or a `str`: it is the password, and `REMOTE_USER` \
         is that name. For Digest, `get_realm_hash(environ, user, realm)` answers `None` or the MD5 digest of \
         `user:realm:password` in hexadecimal digits. Anything else is 500, and lets nobody in. User and password are \
         the client's bytes, decoded as latin-1: `password.encode('latin-1').decode('utf-8')` undoes it for UTF-8.\n\n\
         Where it runs, and `environ`: as for `WSGIAccessScript`.",
        "<Location /intern>\n    AuthType Basic\n    AuthName intern\n    AuthBasicProvider wsgi\n    \
         WSGIAuthUserScript /srv/users.py\n    Require valid-user\n</Location>",
    ),
    row(
        "WSGIAuthGroupScript",
        Place::AuthConfig,
        "WSGIAuthGroupScript script [application-group=NAME]",
        "none",
        "The script that `Require wsgi-group NAME ...` asks: `groups_for_user(environ, user)` answers an iterable of the \
         names of the user's groups, `str` or `bytes`. The user is let in if one of them is named, whatever its case. \
         Anything else lets nobody in.\n\n\
         Where it runs, and `environ`: as for `WSGIAccessScript`.",
        "<Location /intern>\n    AuthType Basic\n    AuthName intern\n    AuthBasicProvider wsgi\n    \
         WSGIAuthUserScript /srv/users.py\n    WSGIAuthGroupScript /srv/users.py\n    \
         Require wsgi-group staff \"night shift\"\n</Location>",
    ),
    row(
        "WSGIDispatchScript",
        Place::Section,
        "WSGIDispatchScript script [application-group=NAME]",
        "none",
        "A script that chooses for each request where it runs. It may have the functions `process_group(environ)`, \
         `application_group(environ)` and `callable_object(environ)`, called in this order with the same `environ`. `None` \
         leaves what is configured; a `str` or `bytes` replaces it, also what an option of `WSGIScriptAlias` says, and is \
         expanded as the directive's value is. A script that cannot be loaded, an exception, or another answer is 500: \
         the request does not run where it might not belong.\n\n\
         It runs in httpd's own processes, as `WSGIAccessScript` does; `environ` is that of the application without the \
         keys of `wsgi.` but for `wsgi.errors`. `WSGIRestrictProcess` limits what it can choose. Where there is such \
         a script, no application runs in the main interpreter because it is the only one of its group.",
        "WSGIDispatchScript /srv/dispatch.py",
    ),
    row(
        "WSGIHandlerScript",
        Place::Section,
        "WSGIHandlerScript handler script [process-group=NAME] [application-group=NAME] [pass-authorization=On|Off]",
        "none",
        "A script that answers for all that httpd gives to the handler of that name, by `SetHandler` or `AddHandler`. Its \
         callable is `handle_request(environ, start_response)`. `SCRIPT_FILENAME` is the file that was asked for, which \
         need not exist; `mod_wsgi.handler_script` is the script. The options win over the directives of the same \
         meaning, as those of `WSGIScriptAlias` do; without `application-group` each file that is asked for has an \
         interpreter of its own, so name one.",
        "WSGIHandlerScript markdown /srv/markdown.py application-group=%{GLOBAL}\n<Location /docs>\n    AddHandler markdown .md\n</Location>",
    ),
    row(
        "<WSGIInterpreterOptions>",
        Place::Main,
        "<WSGIInterpreterOptions [process-group=NAME] [application-group=NAME]>",
        "none",
        "Says for single interpreters what `WSGIPythonPath`, `WSGIRestrictStdin`, \
         `WSGIRestrictStdout`, `WSGIRestrictSignal`, `WSGISwitchInterval`, `WSGIPerInterpreterGIL` and `WSGIFreeThreading` \
         say for all: for those of a process group (`%{GLOBAL}`: embedded mode), of an application group \
         (`%{GLOBAL}`: the main one), or of both. Names are not expanded. Where several sections \
         fit, the one with more selectors wins for each directive, of equals the later one; \
         directories of `WSGIPythonPath` add up, those of the winner first, also to those of \
         the option `python-path`. `switch-interval` of a process group comes before \
         `WSGISwitchInterval`, which is for the whole process: interpreters share it, unless they have a GIL of their own.",
        "<WSGIInterpreterOptions process-group=site application-group=%{GLOBAL}>\n    WSGIPythonPath /srv/site/lib\n    WSGIRestrictSignal Off\n</WSGIInterpreterOptions>",
    ),
];
