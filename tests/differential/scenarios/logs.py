"""What of an application ends in the error log."""

from ..scenario import Scenario, get, shown


def logging(*lines, before=""):
    """An application that executes these lines."""
    body = "\n".join("    " + line for line in lines)
    return f"""
import io, logging, sys
{before}
def application(environ, start_response):
    errors = environ["wsgi.errors"]
    start_response("200 OK", [("Content-Length", "2")])
{body}
    return [b"ok"]
"""


def shown_streams(*expressions):
    """An application that shows what its streams are."""
    return shown(*expressions, imports="import sys", before="errors = environ['wsgi.errors']")


SCENARIOS = [
    Scenario("print", logging('print("hello")'), (get(), get())),
    Scenario("print-to-stderr", logging('print("hello", file=sys.stderr)'), (get(),)),
    Scenario("print-to-errors", logging('print("hello", file=errors)'), (get(),)),
    Scenario("write", logging('errors.write("hello\\n")'), (get(),)),
    Scenario("write-without-newline", logging('errors.write("hello")'), (get(), get())),
    Scenario("write-in-parts", logging('errors.write("one ")', 'errors.write("two ")', 'errors.write("three\\n")'), (get(),)),
    Scenario("write-and-flush", logging('errors.write("one ")', "errors.flush()", 'errors.write("two\\n")'), (get(),)),
    Scenario("writelines", logging('errors.writelines(["one\\n", "two\\n", "three"])'), (get(),)),
    Scenario("several-lines", logging('errors.write("one\\ntwo\\n\\nfour\\n")'), (get(),)),
    Scenario("empty-lines", logging('errors.write("\\n\\n")'), (get(),)),
    Scenario("nothing", logging('errors.write("")', "errors.flush()"), (get(),)),
    Scenario("carriage-return", logging('errors.write("one\\r\\ntwo\\rthree\\n")'), (get(),)),
    Scenario("control-characters", logging('errors.write("a\\x01b\\x1b[1mc\\td\\n")'), (get(),)),
    Scenario("nul", logging('errors.write("a\\0b\\n")'), (get(),)),
    Scenario("backslash-and-quote", logging("errors.write('a\\\\\\\\b \"c\"\\n')"), (get(),)),
    Scenario("percent", logging('errors.write("100%s %d\\n")'), (get(),)),
    Scenario("latin-1", logging('print("caf\\xe9")'), (get(),)),
    Scenario("not-latin-1", logging('print("\\u20ac \\U0001f600")'), (get(),)),
    Scenario("surrogate", logging('print("a\\udce9b")'), (get(),)),
    Scenario("long-line", logging('print("x" * 5000)'), (get(),)),
    Scenario("very-long-line", logging('print("x" * 20000)'), (get(),)),
    Scenario("many-lines", logging('print("\\n".join(str(n) for n in range(200)))'), (get(),)),
    Scenario("streams-in-order", logging('print("1")', 'print("2", file=sys.stderr)', 'print("3", file=errors)', 'print("4")'), (get(),)),
    Scenario("streams-in-parts", logging('sys.stdout.write("out ")', 'sys.stderr.write("err ")', 'sys.stdout.write("more\\n")', 'sys.stderr.write("more\\n")'), (get(),)),
    Scenario("logging-module", logging('logger = logging.Logger("mine")', "logger.addHandler(logging.StreamHandler(errors))", 'logger.warning("hello %s", "you")'), (get(),)),
    Scenario("logging-stderr", logging('logging.getLogger("differential").warning("hello")', before="logger = logging.getLogger('differential'); logger.addHandler(logging.StreamHandler())"), (get(),)),
    Scenario("log-handler", logging(
        'logger = logging.Logger("mine", 1)', "logger.addHandler(mod_wsgi.LogHandler())",
        *(f'logger.{level}("(application) {level}")' for level in ("critical", "error", "warning", "info", "debug")), before="import mod_wsgi"), (get(),)),
    Scenario("log-handler-exception", logging(
        'logger = logging.Logger("mine", 1)', "logger.addHandler(mod_wsgi.LogHandler())",
        "try:", "    1 / 0", "except ZeroDivisionError:", '    logger.exception("(application) failed")', before="import mod_wsgi"), (get(),)),
    Scenario("warnings", logging('warnings.warn("careful", stacklevel=1)', before="import warnings"), (get(),)),
    Scenario("print-while-loading", logging(before='print("loading")'), (get(),)),
    Scenario("print-in-generator", """
def application(environ, start_response):
    start_response("200 OK", [])
    print("(application) first")
    yield b"a"
    print("(application) second")
    yield b"b"
    print("(application) third")
""", (get(),)),
    Scenario("print-in-close", """
class Body(list):
    def close(self):
        print("in close", end="")
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "1")])
    return Body([b"a"])
""", (get(),)),
    Scenario("traceback-module", logging("try:", "    1 / 0", "except ZeroDivisionError:", "    traceback.print_exc(file=errors)", before="import traceback"), (get(),)),
    Scenario("thread", logging('thread = threading.Thread(target=print, args=("from a thread",))', "thread.start()", "thread.join()", before="import threading"), (get(),)),
    Scenario("after-the-request", """
kept = []
def application(environ, start_response):
    shown = "first"
    if kept:
        try:
            kept[0].write("late\\n")
            shown = "accepted"
        except Exception as error:
            shown = type(error).__name__
    kept.append(environ["wsgi.errors"])
    start_response("200 OK", [])
    return [shown.encode()]
""", (get(), get())),
    Scenario("errors-attributes", shown_streams("errors.encoding", "errors.errors", "errors.isatty()", "errors.readable()", "errors.writable()", "errors.seekable()",
                                        "errors.fileno()", "errors.closed", "errors.name", "errors.line_buffering"), (get(),)),
    Scenario("stderr-attributes", shown_streams("sys.stderr.encoding", "sys.stderr.errors", "sys.stderr.isatty()", "sys.stderr.fileno()", "sys.stderr.name", "type(sys.stderr)"), (get(),)),
    Scenario("stdout-attributes", shown_streams("sys.stdout.encoding", "sys.stdout.errors", "sys.stdout.isatty()", "sys.stdout.fileno()", "sys.stdout.name", "type(sys.stdout)"), (get(),)),
    Scenario("errors-results", shown_streams('errors.write("abc\\n")', 'errors.write("caf\\xe9\\n")', "errors.flush()", 'errors.writelines(["x\\n"])', "errors.read()", "errors.write(1)", 'errors.write(b"bytes\\n")', "errors.write()"), (get(),)),
    Scenario("errors-as-a-text-stream", """
import codecs, io, json, logging, traceback, warnings
def application(environ, start_response):
    errors = environ["wsgi.errors"]
    results = [isinstance(errors, io.TextIOBase), isinstance(errors, io.IOBase), bool(errors), errors.line_buffering, errors.write_through, errors.newlines, errors.closed]
    def raised(call, *arguments):
        try:
            return call(*arguments)
        except Exception as error:
            return [kind.__name__ for kind in type(error).__mro__]
    results += [raised(getattr(errors, name)) for name in ("fileno", "isatty", "read", "readline", "readlines", "tell", "flush")]
    results += [raised(errors.seek, 0), errors.reconfigure(line_buffering=True), errors.writelines(line for line in ("one\\n", "two\\n"))]
    print("printed", 1, file=errors, flush=True)
    logging.StreamHandler(errors).emit(logging.makeLogRecord({"msg": "by a handler"}))
    warnings.showwarning(UserWarning("text"), UserWarning, "file", 1, file=errors)
    try:
        1 / 0
    except ZeroDivisionError:
        traceback.print_exc(file=errors)
    json.dump({"as": "json"}, errors)
    errors.write("\\n")
    with errors as same:
        results.append(same is errors)
        print("inside", file=same)
    start_response("200 OK", [])
    return [json.dumps(results).encode()]
""", (get(),)),
    Scenario("errors-buffer", shown_streams('errors.buffer.write(b"bytes\\n")', 'errors.buffer.name', "sys.stdout.buffer.write(b'out\\n')", 'sys.stderr.buffer.write(b"\\xff\\n")'), (get(),)),
    Scenario("stdin", shown_streams("sys.stdin.read()"), (get(),)),
]
