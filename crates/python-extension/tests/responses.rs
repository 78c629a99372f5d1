//! What applications may answer, and what becomes of it. PEP 3333, "The Application/Framework Side".

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod harness;

use engine_abi::Outcome;
use harness::{Request, serve, serve_with};

const DONE: i32 = Outcome::Done as i32;
const FAILED: i32 = Outcome::Failed as i32;
const BROKEN: i32 = Outcome::Broken as i32;

/// An application whose body is `body`, behind an ordinary `start_response`.
fn application(body: &str) -> String {
    let body = body.replace('\n', "\n    ");
    format!(
        "def application(environ, start_response):\n    \
         write = start_response('200 OK', [('Content-Type', 'text/plain')])\n    {body}\n"
    )
}

#[test]
fn a_list_goes_out_in_one_piece_with_its_head() {
    let Some(answer) = serve(&application("return [b'Hello ', b'', b'World']")) else { return };
    assert!(answer.is_clean(), "{answer:?}");
    assert_eq!(answer.sent.len(), 1);
    assert_eq!((answer.status, answer.status_line.as_str()), (200, "200 OK"));
    assert_eq!(answer.headers, [("Content-Type".to_owned(), "text/plain".to_owned())]);
    assert_eq!(answer.body(), "Hello World");
}

#[test]
fn a_tuple_goes_out_in_one_piece_and_an_empty_list_is_a_response() {
    let Some(answer) = serve(&application("return (b'a', b'b')")) else { return };
    assert!(answer.is_clean() && answer.sent.len() == 1 && answer.body() == "ab", "{answer:?}");
    let Some(answer) = serve(&application("return []")) else { return };
    assert!(answer.is_clean() && answer.sent.len() == 1 && answer.body().is_empty(), "{answer:?}");
}

#[test]
fn each_piece_of_a_generator_is_sent_before_the_next_is_asked_for() {
    let source = application(
        "def body():\n    yield b''\n    yield b'one'\n    yield b''\n    yield b'two'\nreturn body()",
    );
    let Some(answer) = serve(&source) else { return };
    assert!(answer.is_clean(), "{answer:?}");
    let pieces: Vec<_> =
        answer.sent.iter().map(|sent| (sent.head, sent.last, &*sent.bytes)).collect();
    assert_eq!(pieces, [(true, false, &b"one"[..]), (false, false, b"two"), (false, true, b"")]);
}

#[test]
fn start_response_may_be_called_by_the_first_step_of_a_generator() {
    let source = "def application(environ, start_response):\n    \
                  start_response('201 Created', [])\n    yield b'x'\n";
    let Some(answer) = serve(source) else { return };
    assert!(answer.is_clean() && answer.status == 201, "{answer:?}");
}

#[test]
fn write_sends_at_once_and_before_the_iterable() {
    let Some(answer) = serve(&application("write(b'a')\nwrite(b'')\nwrite(b'b')\nreturn [b'c']"))
    else {
        return;
    };
    assert!(answer.is_clean(), "{answer:?}");
    assert_eq!(answer.body(), "abc");
    assert_eq!(answer.sent.len(), 3);
}

#[test]
fn writing_nothing_commits_the_head() {
    let Some(answer) = serve(&application("write(b'')\nraise ValueError('late')")) else { return };
    assert_eq!((answer.outcome, answer.status), (BROKEN, 200), "{answer:?}");
    assert!(answer.has_line("WRS4001: exception in the application "));
    assert!(answer.has_line("ValueError: late"));
}

#[test]
fn bytes_beyond_the_declared_length_are_dropped() {
    let source = "def application(environ, start_response):\n    \
                  start_response('200 OK', [('Content-Length', '5')])\n    return KIND\n";
    for kind in ["[b'123', b'4567']", "iter([b'123', b'4567', b'8'])"] {
        let Some(answer) = serve(&source.replace("KIND", kind)) else { return };
        assert!(answer.is_clean(), "{answer:?}");
        assert_eq!(answer.body(), "12345");
    }
}

#[test]
fn the_end_of_a_response_goes_out_after_close() {
    let source = "class Body:\n    def __iter__(self):\n        yield b'12345'\n    \
                  def close(self):\n        print('closed')\n\
                  def application(environ, start_response):\n    \
                  start_response('200 OK', [('Content-Length', '5')])\n    return Body()\n";
    let Some(answer) = serve(source) else { return };
    assert!(answer.has_line("closed"), "{answer:?}");
    let last: Vec<_> = answer.sent.iter().map(|sent| sent.last).collect();
    assert_eq!((answer.body().as_str(), last.as_slice()), ("12345", &[false, true][..]));
}

#[test]
fn what_completes_the_declared_length_is_sent_at_once_and_the_end_after_the_iteration() {
    let source = "def application(environ, start_response):\n    \
                  start_response('200 OK', [('Content-Length', '5')])\n    yield b'12345'\n";
    let Some(answer) = serve(source) else { return };
    assert!(answer.is_clean() && answer.sent.len() == 2, "{answer:?}");
    assert_eq!(answer.sent[0].bytes, b"12345");
}

#[test]
fn a_body_shorter_than_declared_is_told_from_a_whole_one() {
    let source = "def application(environ, start_response):\n    \
                  start_response('200 OK', [('Content-Length', '5')])\n    return KIND\n";
    for kind in ["[b'123']", "iter([b'123'])", "[]"] {
        let Some(answer) = serve(&source.replace("KIND", kind)) else { return };
        assert_eq!(answer.outcome, BROKEN, "{answer:?}");
        assert!(answer.sent.iter().all(|sent| !sent.last));
        assert!(answer.has_line("WRS4007"));
        let head = Request::default().with("REQUEST_METHOD", b"HEAD");
        let Some(answer) = serve_with(&source.replace("KIND", kind), &head) else { return };
        assert!(answer.is_clean(), "{answer:?}");
    }
}

#[test]
fn the_method_is_the_one_that_the_server_says_last() {
    let source = "def application(environ, start_response):\n    \
                  start_response('200 OK', [('Content-Length', '5')])\n    return []\n";
    for (method, earlier, whole) in [(&b"HEAD"[..], &b"GET"[..], true), (b"POST", b"HEAD", false)] {
        let mut request = Request::default().with("REQUEST_METHOD", method);
        // What `SetEnv` says comes before what is so.
        request.environ.insert(0, (b"REQUEST_METHOD".to_vec(), earlier.to_vec()));
        let Some(answer) = serve_with(source, &request) else { return };
        assert_eq!(answer.outcome == BROKEN, !whole, "{answer:?}");
    }
}

#[test]
fn an_iterable_that_exceeds_its_length_is_not_asked_again_and_one_that_reaches_it_ends_by_itself() {
    let source = "def application(environ, start_response):\n    \
                  start_response('200 OK', [('Content-Length', '5')])\n    yield b'12345'\n    \
                  yield b''\n    print('goes on')\n    MORE\n    print('ends')\n";
    let Some(answer) = serve(&source.replace("MORE", "pass")) else { return };
    assert_eq!((answer.body().as_str(), answer.problems()), ("12345", vec!["goes on", "ends"]));
    let Some(answer) = serve(&source.replace("MORE", "while True: yield b'x'")) else { return };
    assert_eq!((answer.body().as_str(), answer.problems()), ("12345", vec!["goes on"]));
}

#[test]
fn start_response_checks_in_the_order_of_mod_wsgi() {
    let checks = "def raised(*given):\n    try:\n        start_response(*given)\n    except Exception as e:\n        \
                  return type(e).__name__\n\
                  import sys\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    info = sys.exc_info()\n";
    for (before, call, expected) in [
        ("", "5, (), 5", "TypeError"),
        ("", "5, [], 5", "RuntimeError"),
        ("", "5, [5]", "TypeError"),
        ("", "'\\u20ac', [5]", "UnicodeEncodeError"),
        ("", "'x', [5]", "ValueError"),
        ("", "'200 OK', [5]", "TypeError"),
        ("", "'200 OK', [(5,)]", "ValueError"),
        ("", "'200 OK', [(5, '')]", "TypeError"),
        ("", "'200 OK', [('\\u20ac', 5)]", "UnicodeEncodeError"),
        ("", "'200 OK', [('a b', '\\u20ac')]", "UnicodeEncodeError"),
        ("", "'200 OK', [('a b', 'x\\n')]", "ValueError"),
        ("write(b'')", "5, ()", "TypeError"),
        ("write(b'')", "5, [], 5", "RuntimeError"),
        ("write(b'')", "5, [5], (1, 2)", "TypeError"),
        ("write(b'')", "5, [5], info", "ZeroDivisionError"),
        ("write(b'')", "5, [5]", "RuntimeError"),
    ] {
        let body = format!("{checks}{before}\nprint(raised({call}))\nreturn []");
        let Some(answer) = serve(&application(&body)) else { return };
        assert_eq!(answer.problems(), [expected], "{before} {call}: {answer:#?}");
    }
}

#[test]
fn anything_but_bytes_is_a_type_error() {
    for value in
        ["['text']", "[bytearray(b'x')]", "iter(['text'])", "[None]", "'text'", "[b'a', 1]"]
    {
        let Some(answer) = serve(&application(&format!("return {value}"))) else { return };
        assert_eq!(answer.outcome, FAILED, "{value}: {answer:?}");
        assert!(answer.sent.is_empty());
        assert!(answer.has_line("TypeError: an application must give bytes as its response, not "));
    }
    for value in ["None", "5"] {
        let Some(answer) = serve(&application(&format!("return {value}"))) else { return };
        assert_eq!(answer.outcome, FAILED, "{value}: {answer:?}");
        assert!(answer.has_line("is not iterable"), "{answer:?}");
    }
    let Some(answer) = serve(&application("write('text')")) else { return };
    assert!(answer.outcome == FAILED && answer.has_line("TypeError: write() needs bytes, not str"));
}

#[test]
fn a_subclass_of_bytes_is_bytes() {
    let source = application("class B(bytes): pass\nreturn [B(b'sub')]");
    let Some(answer) = serve(&source) else { return };
    assert!(answer.is_clean() && answer.body() == "sub", "{answer:?}");
}

#[test]
fn output_without_start_response_is_a_failure() {
    for body in ["return [b'x']", "return []", "return iter([b'x'])", "return iter([])"] {
        let source = format!("def application(environ, start_response):\n    {body}\n");
        let Some(answer) = serve(&source) else { return };
        assert_eq!(answer.outcome, FAILED, "{answer:?}");
        assert!(answer.has_line("start_response was not called before the first output"));
    }
}

#[test]
fn an_exception_is_logged_with_its_traceback_and_its_cause() {
    let source = application(
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('x') from e",
    );
    let Some(answer) = serve(&source) else { return };
    assert_eq!(answer.outcome, FAILED);
    assert!(
        answer.log.iter().any(|line| line.starts_with("WRS4001: exception in the application /")
            && line.contains(".wsgi (application group ''): KeyError: 'x'")),
        "{answer:?}"
    );
    assert!(answer.has_line("Traceback (most recent call last):"));
    assert!(answer.has_line("ZeroDivisionError: division by zero"));
    assert!(answer.has_line("The above exception was the direct cause"));
}

#[test]
fn an_exception_after_output_breaks_the_response() {
    let source =
        application("def body():\n    yield b'x'\n    raise OSError('gone wrong')\nreturn body()");
    let Some(answer) = serve(&source) else { return };
    assert_eq!((answer.outcome, answer.body().as_str()), (BROKEN, "x"));
    assert!(answer.sent.iter().all(|sent| !sent.last));
    assert!(answer.has_line("OSError: gone wrong"));
}

#[test]
fn exit_is_a_failure_with_an_id_of_its_own() {
    let Some(answer) = serve(&application("raise SystemExit(3)")) else { return };
    assert!(answer.outcome == FAILED && answer.has_line("WRS4017: exception in"), "{answer:?}");
    let Some(answer) = serve("application = None\n") else { return };
    assert!(answer.outcome == FAILED && answer.has_line("is not callable"), "{answer:?}");
}

#[test]
fn close_is_called_once_in_every_case() {
    let body = "class Body:\n    def __iter__(self):\n        ITER\n    def close(self):\n        \
                environ['wsgi.errors'].write('closed\\n')\nreturn Body()";
    for (iter, sends) in [
        ("return iter([b'x'])", usize::MAX),
        ("return iter([b'x', b'y', b'z'])", 1),
        ("raise ValueError('x')", usize::MAX),
        ("return iter([5])", usize::MAX),
    ] {
        let request = Request { sends, ..Request::default() };
        let Some(answer) = serve_with(&application(&body.replace("ITER", iter)), &request) else {
            return;
        };
        assert_eq!(answer.log.iter().filter(|line| *line == "closed").count(), 1, "{answer:?}");
    }
}

#[test]
fn an_exception_in_close_leaves_the_response_as_it_is() {
    let source = application(
        "class Body:\n    def __iter__(self):\n        return iter([b'x'])\n    def close(self):\n        \
         raise ValueError('in close')\nreturn Body()",
    );
    let Some(answer) = serve(&source) else { return };
    assert!(answer.outcome == DONE && answer.sent.last().unwrap().last, "{answer:?}");
    assert!(answer.has_line("WRS4006") && answer.has_line("ValueError: in close"));
}

#[test]
fn a_client_that_went_away_ends_iteration_quietly_and_makes_write_raise() {
    let request = Request { sends: 1, ..Request::default() };
    let source = application("def body():\n    while True:\n        yield b'x'\nreturn body()");
    let Some(answer) = serve_with(&source, &request) else { return };
    assert!(answer.outcome == DONE && answer.problems().is_empty(), "{answer:?}");
    let source = application(
        "write(b'x')\ntry:\n    write(b'y')\nexcept OSError as e:\n    \
         environ['wsgi.errors'].write(str(e) + '\\n')\nreturn []",
    );
    let Some(answer) = serve_with(&source, &request) else { return };
    assert_eq!(
        (answer.outcome, answer.log.last().unwrap().as_str()),
        (DONE, "client connection closed")
    );
}

#[test]
fn start_response_checks_what_it_is_given() {
    let cases = [
        ("5, []", "TypeError: the status must be str, not int"),
        ("'200 OK', ()", "TypeError: response headers must be a list, not tuple"),
        ("'200 OK', [], 5", "RuntimeError: exception info must be a tuple"),
        ("'200 OK'", "TypeError: start_response() takes 2 to 3 arguments (1 given)"),
        ("'\\u20ac', []", "UnicodeEncodeError"),
        ("'2000 OK', []", "ValueError: the status must begin with a code of three digits"),
        ("'OK', []", "ValueError: the status must begin with a code of three digits"),
        ("'200OK', []", "ValueError: the code of the status must be followed by a space"),
        ("'200 O\\nK', []", "ValueError: the reason of the status must not contain control"),
        (
            "'200 OK', [['a', 'b']]",
            "TypeError: a response header must be a tuple of two str, not list",
        ),
        ("'200 OK', [('a',)]", "ValueError: a response header must be a tuple of two str"),
        ("'200 OK', [('a', 1)]", "TypeError: the value of a response header must be str, not int"),
        (
            "'200 OK', [(b'a', 'b')]",
            "TypeError: the name of a response header must be str, not bytes",
        ),
        ("'200 OK', [('a', '\\u20ac')]", "UnicodeEncodeError"),
        ("'200 OK', [('', 'b')]", "ValueError: the name of a response header must not be empty"),
        (
            "'200 OK', [('a b', 'b')]",
            "ValueError: the name of a response header must not contain spaces",
        ),
        (
            "'200 OK', [('a', 'b\\r\\nc: d')]",
            "ValueError: the value of a response header must not contain line",
        ),
        ("'200 OK', [('Content-Length', '-1')]", "ValueError: the Content-Length must be"),
        ("'200 OK', headers=[]", "TypeError: start_response() takes no keyword arguments"),
    ];
    for (arguments, expected) in cases {
        let source = format!(
            "def application(environ, start_response):\n    start_response({arguments})\n    return [b'']\n"
        );
        let Some(answer) = serve(&source) else { return };
        assert_eq!(answer.outcome, FAILED, "{arguments}: {answer:?}");
        assert!(answer.has_line(expected), "{arguments}: {answer:?}");
    }
}

#[test]
fn start_response_takes_a_status_without_reason_and_headers_in_latin_1() {
    let source = "def application(environ, start_response):\n    \
                  start_response('299', [('X-A', '\\xe9'), ('Set-Cookie', 'a'), ('Set-Cookie', 'b')])\n    return []\n";
    let Some(answer) = serve(source) else { return };
    assert!(answer.is_clean() && answer.status == 299, "{answer:?}");
    let values: Vec<_> = answer.headers.iter().map(|header| header.1.as_str()).collect();
    assert_eq!(values, ["\u{e9}", "a", "b"]);
}

#[test]
fn the_last_start_response_before_output_wins() {
    let source = "import sys\ndef application(environ, start_response):\n    \
                  start_response('200 OK', [('A', '1')])\n    start_response('202 Accepted', [])\n    \
                  try:\n        1 / 0\n    except ZeroDivisionError:\n        \
                  start_response('503 Sorry', [], sys.exc_info())\n    return [b'sorry']\n";
    let Some(answer) = serve(source) else { return };
    assert!(answer.is_clean() && answer.status == 503 && answer.headers.is_empty(), "{answer:?}");
}

#[test]
fn exc_info_after_output_raises_it_again() {
    let source = "import sys\ndef application(environ, start_response):\n    \
                  write = start_response('200 OK', [])\n    write(b'x')\n    try:\n        raise KeyError('mine')\n    \
                  except KeyError:\n        start_response('500 Error', [], sys.exc_info())\n    return []\n";
    let Some(answer) = serve(source) else { return };
    assert!(answer.outcome == BROKEN && answer.has_line("KeyError: 'mine'"), "{answer:?}");
    let source = "def application(environ, start_response):\n    \
                  start_response('200 OK', [])(b'x')\n    start_response('200 OK', [])\n";
    let Some(answer) = serve(source) else { return };
    assert!(
        answer.outcome == BROKEN && answer.has_line("more than once without exc_info"),
        "{answer:?}"
    );
}

#[test]
fn a_file_wrapper_is_iterated_and_closed() {
    let source = application(
        "import io\nclass File(io.BytesIO):\n    def close(self):\n        \
         environ['wsgi.errors'].write('closed\\n')\n        super().close()\n\
         return environ['wsgi.file_wrapper'](File(b'abcdefg'), 3)",
    );
    let Some(answer) = serve(&source) else { return };
    assert_eq!((answer.outcome, answer.body().as_str(), answer.sent.len()), (DONE, "abcdefg", 4));
    assert_eq!(answer.problems(), ["closed"]);
}

#[test]
fn a_file_wrapper_behaves_like_the_one_of_mod_wsgi() {
    let source = application(
        "import gc, io, weakref\nimport mod_wsgi\n\
         class Mine(mod_wsgi.FileWrapper):\n    pass\n\
         w = Mine(filelike=io.BytesIO(b'x'), blksize=2)\n\
         assert (w.blksize, w.filelike.getvalue(), list(w)) == (2, b'x', [b'x'])\n\
         w.me = w\nr = weakref.ref(w)\ndel w\ngc.collect()\nassert r() is None\n\
         w = mod_wsgi.FileWrapper(io.BytesIO(b'x'))\nw.close()\nw.close()\n\
         for f in (lambda: w.filelike, lambda: next(w), lambda: mod_wsgi.FileWrapper(5, -1)):\n    \
         try:\n        f()\n    except ValueError:\n        pass\n    else:\n        raise AssertionError\n\
         return [b'fine']",
    );
    let Some(answer) = serve(&source) else { return };
    assert!(answer.is_clean(), "{answer:?}");
}
