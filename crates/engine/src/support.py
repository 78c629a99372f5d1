"""The part of the engine that Python says better: setting an interpreter up, and ending it.

Executed once in each interpreter, in a namespace of its own that no application sees.
"""

import threading  # first: it takes the importing thread for the main one

import atexit
import importlib
import io
import logging
import os
import signal
import site
import sys
import traceback
import types


def set_up(module, options):
    """Makes an interpreter what applications expect."""
    if "switch_interval" in options:
        sys.setswitchinterval(options["switch_interval"])
    sys.argv = ["mod_wsgi"]
    # wsgi.errors is of this type too.
    io.TextIOBase.register(type(options["stderr"]))
    sys.stderr = _text_stream(options["stderr"])
    if options["restrict_stdout"]:
        sys.stdout = _Restricted("sys.stdout")
    else:
        sys.stdout = _text_stream(options["stdout"])
    if options["restrict_stdin"]:
        sys.stdin = _Restricted("sys.stdin")
    if options["restrict_signal"]:
        _restrict_signals(options["notes"], options["serving"])
    if not module.process_group:
        _let_programs_hear_signals()
    if options["without_gil"]:
        _watch_gil(options["warning"])
    if "garbage" in options:
        _watch_garbage(options["garbage"], options["application_group"])
    if options["python_eggs"] is not None:
        os.environ["PYTHON_EGG_CACHE"] = options["python_eggs"]
    for directories in options["python_paths"]:
        _add_python_path(directories)
    if options["home"] is not None:
        sys.path.insert(0, options["home"])
    _complete(module, options)
    _install(module)
    _install_apache(module, options)


class _Restricted:
    """A stream that an application must not use."""

    def __init__(self, name):
        self.__dict__["_name"] = name

    def __getattr__(self, name):
        raise OSError("%s access restricted by mod_wsgi" % self._name)


def _text_stream(buffer):
    return io.TextIOWrapper(
        buffer,
        encoding="utf-8",
        errors="backslashreplace",
        line_buffering=True,
        write_through=True,
    )


def _restrict_signals(notes, serving):
    """Handlers belong to the server; one that an application sets is not installed.

    In a process that the application forked, `serving` says no, and signals are its own.
    """
    original = signal.signal

    def signal_(signalnum, handler):
        if not serving():
            return original(signalnum, handler)
        stack = traceback.format_list(traceback.extract_stack(sys._getframe(1)))
        notes.write(
            "WRS4030: signal.signal(%s) is ignored, because the server handles signals; "
            "it was called here:\n%s" % (signalnum, "".join(stack))
        )
        return handler

    signal_.__name__ = signal_.__qualname__ = "signal"
    signal_.__doc__ = original.__doc__
    signal.signal = signal_


def _let_programs_hear_signals():
    """Lets programs that an application starts begin with no signal blocked, as they expect.

    The threads of httpd's children block nearly all. Who starts a program inherits that to it, and it would not hear
    SIGTERM: `Popen.terminate` would do nothing, and the end of a `multiprocessing.Pool` would wait for ever. So the thread
    unblocks them for the moment in which the program is started; but for those that wait already, which are httpd's.
    """
    try:
        import _posixsubprocess
    except ImportError:
        return
    original = _posixsubprocess.fork_exec

    def fork_exec(*arguments):
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        if not blocked:
            return original(*arguments)
        signal.pthread_sigmask(signal.SIG_SETMASK, signal.sigpending())
        try:
            return original(*arguments)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    _posixsubprocess.fork_exec = fork_exec
    # From Python 3.11 on it has a name of its own there.
    subprocess = sys.modules.get("subprocess")
    if getattr(subprocess, "_fork_exec", None) is original:
        subprocess._fork_exec = fork_exec
    os.register_at_fork(after_in_child=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, ()))


def _watch_gil(warning):
    """Says which import turned the GIL on: Python tells it as a warning, which easily gets lost among others."""
    import re
    import warnings

    show = getattr(warnings, "_showwarnmsg", None)
    if show is None:
        return
    found = re.compile(r"The global interpreter lock \(GIL\) has been enabled to load module '(.+?)'")

    def _showwarnmsg(message):
        match = found.match(str(message.message))
        if match is None:
            return show(message)
        stack = [entry for entry in traceback.extract_stack() if not entry.filename.startswith("<")]
        where = "".join(" (imported in %s, line %d)" % (entry.filename, entry.lineno) for entry in stack[-1:])
        warning.write(
            "WRS4026: the GIL is on from now on, for all threads of this process: the extension module '%s'%s does not "
            "declare that it works without; use a version of it that does, or give its applications a process group of "
            "their own" % (match.group(1), where)
        )

    warnings._showwarnmsg = _showwarnmsg


def _watch_garbage(tell, name):
    """Tells each garbage collection, and what the collector counts: after full ones, and others now and then."""
    import gc
    import struct
    import time

    began = [0.0, 0.0]
    told = 0.0

    def three(numbers):
        return [*numbers, 0, 0, 0][:3]

    def state():
        stats = gc.get_stats()
        numbers = three(gc.get_count()) + three(gc.get_threshold())
        for key in ("collections", "collected", "uncollectable"):
            numbers += three(generation[key] for generation in stats)
        numbers += [gc.isenabled(), gc.get_freeze_count()]
        # Without the GIL objects that other threads have freed are counted later, and a count may be less than nothing.
        tell(b"s" + struct.pack("<17Q", *(max(number, 0) for number in numbers)) + name)

    def watch(phase, info):
        nonlocal told
        now = time.perf_counter()
        if phase == "start":
            began[:] = time.time(), now
            return
        numbers = (info["generation"], info["collected"], info["uncollectable"])
        tell(b"c" + struct.pack("<2d3Q", began[0], now - began[1], *numbers) + name)
        if info["generation"] == 2 or now - told > 0.2:
            told = now
            state()

    state()
    gc.callbacks.append(watch)


def _add_python_path(directories):
    """Adds directories with their .pth files, and puts what they added first, in their order."""
    before = list(sys.path)
    for directory in directories:
        site.addsitedir(directory)
    added = [entry for entry in sys.path if entry not in before]
    # A directory that was in sys.path already still moves to the front, where it was asked to be.
    asked = [entry for entry in directories if entry in before]
    front = added + [entry for entry in asked if entry not in added]
    sys.path[:] = front + [entry for entry in sys.path if entry not in front]


def _install(module):
    """Puts the module where `import mod_wsgi` finds it, above the package of the same name on PyPI."""
    try:
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec("mod_wsgi")
        if spec is not None and spec.submodule_search_locations:
            module.__path__ = list(spec.submodule_search_locations)
    except Exception:
        pass
    sys.modules["mod_wsgi"] = module


def _complete(module, options):
    """Adds to the module what is Python."""
    module.RequestTimeout = type(
        "RequestTimeout",
        (BaseException,),
        {"__module__": "mod_wsgi", "__doc__": "Raised in a request that takes too long."},
    )
    module.active_requests = {}
    module.event_callbacks = []
    module.shutdown_callbacks = []
    module.signal_callbacks = []

    def subscribe_events(callback):
        """Has the callback called as callback(name, **payload) for every event."""
        module.event_callbacks.append(callback)
        return callback

    def subscribe_shutdown(callback):
        """Has the callback called when the process is about to end."""
        module.shutdown_callbacks.append(callback)
        return callback

    def subscribe_signals(callback):
        """Has the callback called when the process gets SIGHUP or SIGUSR2; in daemon mode only."""
        if module.process_group:
            module.signal_callbacks.append(callback)
        else:
            options["notes"].write(
                "WRS4032: a callback for signals was not subscribed, because in embedded mode signals are httpd's"
            )
        return callback

    for function in (subscribe_events, subscribe_shutdown, subscribe_signals):
        function.__module__ = "mod_wsgi"
        function.__qualname__ = function.__name__
        setattr(module, function.__name__, function)

    levels = [
        (logging.CRITICAL, options["critical"]),
        (logging.ERROR, options["error"]),
        (logging.WARNING, options["warning"]),
        (logging.INFO, options["info"]),
    ]

    def emit(self, record):
        try:
            text = self.format(record)
            for level, stream in levels:
                if record.levelno >= level:
                    break
            else:
                stream = options["debug"]
            stream.write(text)
        except Exception:
            self.handleError(record)

    module.LogHandler = type(
        "LogHandler",
        (logging.Handler,),
        {
            "__module__": "mod_wsgi",
            "__doc__": "Logs records in the server's error log, with their level.",
            "emit": emit,
        },
    )


def _install_apache(module, options):
    """Makes the module `apache`; in embedded mode a real one, if there is any, is extended."""
    apache = None
    if not module.process_group:
        try:
            apache = importlib.import_module("apache")
        except Exception:
            pass
    if apache is None:
        apache = types.ModuleType("apache")
        sys.modules["apache"] = apache
    apache.version = options["apache_version"]
    apache.description = options["apache_description"]
    apache.mpm_name = options["apache_mpm_name"]
    apache.build_date = options["apache_build_date"]
    apache.maximum_processes = options["apache_processes"]
    apache.threads_per_process = options["apache_threads"]


def publish(callbacks, name, payload):
    """Tells an event; what callbacks answer becomes part of the payload. The exceptions that they raised."""
    raised = []
    for callback in list(callbacks):
        try:
            answer = callback(name, **payload)
            if isinstance(answer, dict):
                payload.update(answer)
        except (Exception, SystemExit) as exception:
            raised.append(exception)
    return raised


def describe(exception):
    """The last line and all lines of a traceback, encoded for the log."""
    kind = type(exception)
    summary = "".join(traceback.format_exception_only(kind, exception)).strip()
    lines = "".join(traceback.format_exception(kind, exception, exception.__traceback__))
    return (
        (summary.splitlines() or [kind.__name__])[-1].encode("utf-8", "backslashreplace"),
        lines.encode("utf-8", "backslashreplace"),
    )


_REFUSALS = (
    # CPython, and what PyO3, Cython, NumPy and others say of themselves.
    "subinterpreter",
    "sub-interpreter",
    "more than once per process",
    "into one interpreter per process",
    "once per interpreter process",
)


def refusal(exception):
    """The extension module that an exception says does not work in a sub-interpreter; None if it says something else."""
    import re

    seen, unnamed = [], None
    while exception is not None and not any(exception is it for it in seen):
        seen.append(exception)
        text = str(exception)
        if isinstance(exception, ImportError) and any(words in text.lower() for words in _REFUSALS):
            match = re.search(r"module '?([\w.]+)'? does not support", text)
            name = match.group(1) if match else exception.name
            if name:
                return "the extension module '%s'" % name
            unnamed = exception
        exception = exception.__cause__ or exception.__context__
    if unnamed is None:
        return None
    # It was raised by the module itself, so the innermost line is the one that imports it.
    stack = traceback.extract_tb(unnamed.__traceback__)[-1:]
    return "an extension module" + "".join(" (imported in %s, line %s: %s)" % (it.filename, it.lineno, it.line) for it in stack)


def end_at_sigterm():
    """In a service script a signal to end raises SystemExit, and the script may tidy up."""

    def end(number, frame):
        raise SystemExit

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)


def locate(file):
    """The descriptor and the position of a file whose bytes are those that its `read` gives; else None."""
    try:
        for inner in (file, getattr(file, "file", None)):
            # The files of gzip, bz2 and lzma have the descriptor of what they decompress.
            if any(base.__name__ == "BaseStream" for base in type(inner).__mro__):
                return None
        descriptor, position = file.fileno(), file.tell()
    except Exception:
        return None
    return (descriptor, position) if type(descriptor) is type(position) is int else None


def shut_down():
    """What Python does before it ends, short of ending: the exceptions that were raised."""
    raised = []
    # Before 3.13 `threading` waits for the thread that imported it, even if that is not this one. It serves
    # requests and does not end before the process does.
    main = threading.main_thread()
    lock = getattr(main, "_tstate_lock", None)
    if lock is not None and main.ident != threading.get_ident():
        threading._shutdown_locks.discard(lock)
    for step in (_end_threads, atexit._run_exitfuncs, _flush):
        try:
            step()
        except BaseException as exception:
            if step is _end_threads and isinstance(exception, SystemExit):
                continue  # a signal, while the threads of a service script were waited for
            raised.append(exception)
    return raised


def _end_threads():
    """Waits for threads that are not daemons, like Python before it ends.

    Up to 3.12 the first thread of an interpreter is waited for too, unless it is this one; but that is a
    thread of the server, which does not end.
    """
    main = threading.main_thread()
    lock = getattr(main, "_tstate_lock", None)
    if lock is not None and main.ident != threading.get_ident():
        with threading._shutdown_locks_lock:
            threading._shutdown_locks.discard(lock)
    threading._shutdown()


def _flush():
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not isinstance(stream, _Restricted):
            stream.flush()
            buffer = getattr(stream, "buffer", None)
            if buffer is not None and type(buffer).__module__ == "mod_wsgi":
                buffer.close()
