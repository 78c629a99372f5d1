//! The rows of the options of `WSGIDaemonProcess`.

use super::OptionRow;

const fn option(
    name: &'static str,
    value: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> OptionRow {
    OptionRow { name, value, default, meaning }
}

pub(super) static ROWS: &[OptionRow] = &[
    option(
        "user",
        "name or `#uid`",
        "httpd's `User`",
        "Whom the processes run as, if httpd is started by root. Never root.",
    ),
    option(
        "group",
        "name or `#gid`",
        "httpd's `Group`",
        "Their group, if httpd is started by root.",
    ),
    option(
        "supplementary-groups",
        "names or `#gid`, with commas",
        "those of the user",
        "Their other groups, if httpd is started by root.",
    ),
    option("umask", "octal number", "inherited", "What new files do not permit."),
    option(
        "chroot",
        "absolute path",
        "none",
        "Deprecated: the root directory of the processes, if httpd is started by root. All that they use must be inside: the Python with its libraries (`python-home`, `home` and `python-path` are paths inside), the engine by the path that it has outside, and the scripts, which directives name by their whole paths.",
    ),
    option(
        "home",
        "absolute path",
        "the user's, if it is not httpd's",
        "The working directory; also first in `sys.path`.",
    ),
    option("lang", "text", "inherited", "The variable `LANG`."),
    option("locale", "text", "inherited", "The variable `LC_ALL`."),
    option(
        "python-home",
        "directory",
        "`WSGIPythonHome`",
        "The Python: a virtual environment, a prefix, or an interpreter. Each group may have its own version.",
    ),
    option(
        "python-path",
        "directories, with `:`",
        "none",
        "Directories with modules; `.pth` files in them count.",
    ),
    option("python-eggs", "directory", "inherited", "The variable `PYTHON_EGG_CACHE`."),
    option(
        "switch-interval",
        "seconds",
        "Python's own",
        "After what time a thread lets another one run.",
    ),
    option("display-name", "text, or `%{GROUP}`", "`(wsgi:NAME)`", "What `ps` shows."),
    option(
        "processes",
        "number, or `MIN..MAX`",
        "1",
        "How many processes. If it is given at all, `wsgi.multiprocess` is true. With `MIN..MAX` the group starts with the least of them, \
         starts more when requests have waited for a tenth of a second, as many as those that wait need, and ends those that were \
         not needed for `shrink-timeout`. `mod_wsgi.maximum_processes` is the most.",
    ),
    option("threads", "number", "15", "How many requests a process answers at the same time."),
    option("stack-size", "bytes", "the system's", "The stack of a thread."),
    option("listen-backlog", "number", "100", "How many connections may wait for a process."),
    option(
        "maximum-requests",
        "number",
        "0: none",
        "After how many requests a process is replaced.",
    ),
    option(
        "cpu-time-limit",
        "seconds",
        "0: none",
        "How much processor time a process may use before it is replaced.",
    ),
    option("cpu-priority", "number", "0", "The nice value."),
    option("memory-limit", "bytes", "0: none", "The limit of its data (`RLIMIT_DATA`)."),
    option(
        "virtual-memory-limit",
        "bytes",
        "0: none",
        "The limit of its address space (`RLIMIT_AS`).",
    ),
    option("startup-timeout", "seconds", "0: none", "How long an application may take to load."),
    option(
        "deadlock-timeout",
        "seconds",
        "300",
        "How long the GIL may be held before a process is replaced.",
    ),
    option(
        "inactivity-timeout",
        "seconds",
        "0: none",
        "After how long without requests a process is replaced.",
    ),
    option("request-timeout", "seconds", "0: none", "How long a request may take."),
    option(
        "interrupt-timeout",
        "seconds",
        "0: none",
        "How long a request has to end after it was interrupted.",
    ),
    option(
        "graceful-timeout",
        "seconds",
        "15; 0: no limit",
        "How long requests may go on in a process that is replaced.",
    ),
    option(
        "eviction-timeout",
        "seconds",
        "0: `graceful-timeout`",
        "The same, for a process that is evicted by SIGUSR1.",
    ),
    option("restart-interval", "seconds", "0: never", "After how long a process is replaced."),
    option(
        "shutdown-timeout",
        "seconds",
        "5; 0: no limit",
        "How long a process has to end, with the requests that run in it, when httpd stops, or restarts without grace.",
    ),
    option(
        "queue-timeout",
        "seconds",
        "0: none",
        "How long a request may wait for a thread before it gets 504.",
    ),
    option(
        "connect-timeout",
        "seconds",
        "15",
        "How long a request waits where no process is there or loads its scripts, and for a place in the queue of one, before it gets 503.",
    ),
    option(
        "socket-timeout",
        "seconds",
        "httpd's `Timeout`",
        "How long httpd and a process wait for each other.",
    ),
    option(
        "response-socket-timeout",
        "seconds",
        "`socket-timeout`",
        "How long httpd waits for the client to take the response; not over HTTP/2, which has its own.",
    ),
    option(
        "send-buffer-size",
        "bytes, 512 or more",
        "the system's",
        "The send buffer of the sockets.",
    ),
    option(
        "receive-buffer-size",
        "bytes, 512 or more",
        "the system's",
        "The receive buffer of the sockets.",
    ),
    option(
        "header-buffer-size",
        "bytes, 8192 or more",
        "32768",
        "The longest line of a response's head.",
    ),
    option(
        "response-buffer-size",
        "bytes, 65536 or more",
        "8388608",
        "After how many bytes a response is flushed to the client though the application does not pause.",
    ),
    option(
        "response-flush-delay",
        "milliseconds",
        "5",
        "How long httpd waits for more of a response before what came is flushed to the client.",
    ),
    option(
        "socket-user",
        "name or `#uid`",
        "httpd's `User`",
        "Whom the sockets belong to, if httpd is started by root.",
    ),
    option("script-user", "name or `#uid`", "any", "Whom scripts must belong to."),
    option("script-group", "name or `#gid`", "any", "Which group scripts must belong to."),
    option(
        "server-metrics",
        "On or Off",
        "Off",
        "Whether `mod_wsgi.server_metrics()` answers, with httpd's scoreboard.",
    ),
    option(
        "env",
        "NAME=value",
        "none",
        "A variable of the environment. May be given several times; wins over `env-file`.",
    ),
    option(
        "env-file",
        "path",
        "none",
        "A file with lines `NAME=value` and comments after `#`, read by httpd's parent when the group starts: it may be root's alone. May be given several times.",
    ),
    option(
        "memory-restart",
        "bytes, or with K, M or G",
        "0: none",
        "Memory (the proportional set size) above which a process finishes its requests and is replaced.",
    ),
    option(
        "queue-limit",
        "number",
        "0: any",
        "How many requests may wait for the group; others get 503 with `Retry-After` at once.",
    ),
    option(
        "preload",
        "`On` or `Off`",
        "`Off`",
        "One process loads the scripts, and the others are forked from it: they share its memory and start at once. For scripts that run in the \
         main interpreter and are known before the first request: those of a `WSGIImportScript` or an alias whose process group and \
         application group `%{GLOBAL}` are given, and the only one of the group. Connections that a script opens when it is loaded would \
         be shared by all processes, so let it open them with the first request, or in `os.register_at_fork`; one that starts threads when it is loaded \
         is loaded by each process itself, which the error log tells. When a script changes, another process loads it.",
    ),
    option(
        "reload",
        "`replace` or `rolling`",
        "`replace`",
        "What happens when a script has changed (with `WSGIScriptReloading`). `replace`: the next request gets the new one, and waits \
         until a process has loaded it. `rolling`: requests get the old one until a new process has loaded the new one, one process after \
         the other, so none waits; if it cannot be loaded, the error log has the traceback and the old processes go on. \
         Meanwhile there is one process more, and those that finish requests.",
    ),
    option(
        "shrink-timeout",
        "seconds",
        "30",
        "With `processes=MIN..MAX`: after so long, in which one process less would have been enough with a quarter of its \
         threads to spare, one finishes its requests and ends. 0: none ends.",
    ),
];
