"""The part of the engine that Python says better: setting an interpreter up, and ending it.

Executed once in each interpreter, in a namespace of its own that no application sees.
"""

import threading  # first: it takes the importing thread for the main one

import atexit
import io
import signal
import site
import sys
import traceback


def set_up(module, python_path, home, stdout, stderr, notes, serving):
    """Makes an interpreter what applications expect."""
    sys.argv = ["mod_wsgi"]
    sys.stderr = _text_stream(stderr)
    sys.stdout = _text_stream(stdout)
    _restrict_signals(notes, serving)
    _add_python_path(python_path)
    if home is not None:
        sys.path.insert(0, home)
    _install(module)


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
    module.RequestTimeout = type(
        "RequestTimeout",
        (BaseException,),
        {"__module__": "mod_wsgi", "__doc__": "Raised in a request that takes too long."},
    )
    sys.modules["mod_wsgi"] = module


def describe(exception):
    """The last line and all lines of a traceback, encoded for the log."""
    kind = type(exception)
    summary = "".join(traceback.format_exception_only(kind, exception)).strip()
    lines = "".join(traceback.format_exception(kind, exception, exception.__traceback__))
    return (
        (summary.splitlines() or [kind.__name__])[-1].encode("utf-8", "backslashreplace"),
        lines.encode("utf-8", "backslashreplace"),
    )


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
        if stream is not None:
            stream.flush()
            buffer = getattr(stream, "buffer", None)
            if buffer is not None and type(buffer).__module__ == "mod_wsgi":
                buffer.close()
