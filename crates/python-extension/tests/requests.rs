//! What applications see of a request: environ, input, log streams. PEP 3333, "environ Variables".

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod harness;

use std::time::Duration;

use engine_abi::Outcome;
use harness::{Request, serve, serve_with, server_log_lines};

/// An application that runs some statements and answers `b'fine'`.
fn application(body: &str) -> String {
    let body = body.replace('\n', "\n    ");
    format!(
        "import mod_wsgi, sys, threading\ndef application(environ, start_response):\n    \
         start_response('200 OK', [])\n    \
         input, errors = environ['wsgi.input'], environ['wsgi.errors']\n    \
         {body}\n    return [b'fine']\n"
    )
}

/// Runs statements that assert; the log of a failure has the traceback.
fn assert_in(body: &str, request: &Request) {
    let Some(answer) = serve_with(&application(body), request) else { return };
    assert!(answer.is_clean() && answer.body() == "fine", "{answer:#?}");
}

#[test]
fn the_environ_is_a_fresh_dict_with_all_that_pep_3333_wants() {
    let body = "assert type(environ) is dict\n\
        assert environ['wsgi.version'] == (1, 0)\n\
        assert environ['wsgi.url_scheme'] == 'http'\n\
        assert environ['wsgi.multithread'] is True and environ['wsgi.multiprocess'] is True\n\
        assert environ['wsgi.run_once'] is False and environ['wsgi.input_terminated'] is True\n\
        assert environ['wsgi.file_wrapper'] is mod_wsgi.FileWrapper\n\
        assert environ['mod_wsgi.version'] == mod_wsgi.version == (6, 1, 1)\n\
        assert environ['apache.version'] == (2, 4, 58)\n\
        assert type(environ['mod_wsgi.application_start']) is float\n\
        assert type(environ['mod_wsgi.thread_id']) is int and environ['mod_wsgi.thread_id'] > 0\n\
        assert environ['REQUEST_METHOD'] == 'GET' and environ['PATH_INFO'] == '/'\n\
        assert 'mine' not in environ\nenviron['mine'] = 1\nenviron['wsgi.version'] = None";
    assert_in(body, &Request::default());
    assert_in(body, &Request::default());
}

#[test]
fn values_are_latin_1_and_paths_are_in_the_encoding_of_the_file_system() {
    let request = Request::default()
        .with("PATH_INFO", b"/\xe9\xff")
        .with("SCRIPT_FILENAME", "/srv/é".as_bytes())
        .with("DOCUMENT_ROOT", b"/srv/\xff");
    assert_in(
        "import os\nassert environ['PATH_INFO'] == '/\\xe9\\xff'\n\
         assert os.fsencode(environ['SCRIPT_FILENAME']) == b'/srv/\\xc3\\xa9'\n\
         assert os.fsencode(environ['DOCUMENT_ROOT']) == b'/srv/\\xff'",
        &request,
    );
}

#[test]
fn https_decides_the_scheme_and_is_not_shown() {
    for (value, scheme) in
        [("on", "https"), ("ON", "https"), ("1", "https"), ("off", "http"), ("", "http")]
    {
        let request = Request::default().with("HTTPS", value.as_bytes());
        let body =
            format!("assert environ['wsgi.url_scheme'] == '{scheme}' and 'HTTPS' not in environ");
        assert_in(&body, &request);
    }
}

#[test]
fn what_the_server_carries_for_us_is_not_shown_but_its_times_are() {
    let request = Request::default()
        .with("mod_wsgi.x-request_start_us", b"1500000")
        .with("mod_wsgi.x-magic", b"secret");
    assert_in(
        "assert environ['mod_wsgi.request_start'] == 1.5\n\
         assert not [key for key in environ if key.startswith('mod_wsgi.x-')]",
        &request,
    );
}

#[test]
fn many_names_that_a_client_made_up_are_all_there() {
    let mut request = Request::default();
    for number in 0..3000 {
        let name = format!("HTTP_X_{number}");
        request.environ.push((name.into_bytes(), number.to_string().into_bytes()));
    }
    assert_in("assert all(environ['HTTP_X_%d' % n] == str(n) for n in range(3000))", &request);
}

#[test]
fn input_is_read_whole_or_in_parts() {
    let request = Request::default().body(&["ab", "cdef", "ghi"]);
    assert_in(
        "assert input.read() == b'abcdefghi' and input.read() == b'' == input.read(5)",
        &request,
    );
    assert_in("assert input.read(-1) == b'abcdefghi'", &request);
    assert_in("assert input.read(None) == b'abcdefghi'", &request);
    assert_in(
        "assert input.read(0) == b''\nassert input.read(3) == b'abc'\nassert input.read(100000000) == b'defghi'",
        &request,
    );
    assert_in("assert input.read() == b''", &Request::default());
    let large = "x".repeat(300_000);
    let request = Request::default().body(&[&large, &large, "y"]);
    assert_in("data = input.read()\nassert len(data) == 600001 and data[-2:] == b'xy'", &request);
    assert_in("while input.read(8192): pass", &request);
}

#[test]
fn input_is_read_by_lines() {
    let request = Request::default().body(&["one\ntw", "o\n\nth", "ree"]);
    assert_in(
        "assert input.readline() == b'one\\n'\nassert input.readline(2) == b'tw'\n\
         assert input.readline(0) == b''\nassert input.readline() == b'o\\n'\n\
         assert input.read(2) == b'\\nt'\nassert input.readline(100) == b'hree'\n\
         assert input.readline() == b''",
        &request,
    );
    assert_in("assert list(input) == [b'one\\n', b'two\\n', b'\\n', b'three']", &request);
    assert_in("assert input.readlines() == [b'one\\n', b'two\\n', b'\\n', b'three']", &request);
    assert_in(
        "assert input.readlines(4) == [b'one\\n']\nassert input.readlines(0) == [b'two\\n', b'\\n', b'three']",
        &request,
    );
    assert_in("assert next(input) == b'one\\n' and input.close() is None", &request);
}

#[test]
fn input_takes_numbers_only() {
    assert_in(
        "for call in (lambda: input.read('1'), lambda: input.read(1.5), lambda: input.read(1, 2),\n    \
             lambda: input.readline(size=1), lambda: type(input)()):\n    \
         try:\n        call()\n    except TypeError:\n        pass\n    else:\n        raise AssertionError",
        &Request::default(),
    );
}

#[test]
fn a_body_that_breaks_off_raises_and_goes_on_raising() {
    for (error, text) in
        [(-1, "Connection was terminated"), (-2, "sent nothing for too long"), (-3, "error log")]
    {
        let request = Request { end_of_body: error, ..Request::default() }.body(&["ab"]);
        let body = format!(
            "texts = []\nfor call in (input.read, input.readline, lambda: input.read(1)):\n    \
             try:\n        call()\n    except OSError as e:\n        texts.append(str(e))\n\
             assert '{text}' in texts[0] and texts[0].startswith('mod_wsgi request data read error:'), texts\n\
             assert len(texts) == 3 and all('already in an error state' in t for t in texts[1:]), texts"
        );
        assert_in(&body, &request);
    }
}

#[test]
fn two_threads_in_the_input_at_once_is_an_error_and_one_in_another_thread_is_not() {
    let request = Request { delay: Duration::from_millis(300), ..Request::default() }.body(&["x"]);
    assert_in(
        "import time\nresults = []\n\
         def read():\n    results.append(input.read(1))\n\
         t = threading.Thread(target=read)\nt.start()\ntime.sleep(0.1)\n\
         try:\n    input.read(1)\nexcept RuntimeError as e:\n    results.append(str(e))\n\
         errors.write('')\nt.join()\n\
         assert results == ['wsgi.input is in use by another thread', b'x'], results",
        &request,
    );
}

#[test]
fn a_line_logged_while_another_thread_reads_is_not_lost() {
    let request = Request { delay: Duration::from_millis(200), ..Request::default() }.body(&["x"]);
    let source = application(
        "import time\nt = threading.Thread(target=input.read)\nt.start()\ntime.sleep(0.1)\n\
         errors.write('while reading\\n')\nt.join()",
    );
    let Some(answer) = serve_with(&source, &request) else { return };
    assert_eq!(answer.problems(), ["while reading"]);
}

#[test]
fn objects_that_outlive_their_request_raise() {
    let source = "kept = []\ndef application(environ, start_response):\n    \
        write = start_response('200 OK', [])\n    \
        for call in kept:\n        try:\n            call()\n        except RuntimeError as e:\n            \
        assert 'after the request had ended' in str(e), e\n        else:\n            raise AssertionError(call)\n    \
        input, errors = environ['wsgi.input'], environ['wsgi.errors']\n    \
        kept[:] = [input.read, input.readline, input.readlines, lambda: next(input), input.close,\n        \
        lambda: write(b'x'), lambda: errors.write('x\\n'), lambda: errors.writelines(['x\\n']), errors.flush,\n        \
        lambda: start_response('200 OK', [])]\n    return [b'fine']\n";
    if harness::engine().is_none() {
        return;
    }
    let path = harness::script(source);
    for _ in 0..2 {
        let Some(answer) = harness::call(&path, &Request::default()) else { return };
        assert!(answer.is_clean(), "{answer:#?}");
    }
}

#[test]
fn what_is_written_to_errors_is_logged_by_lines() {
    let source = application(
        "errors.write('one\\ntwo')\nerrors.flush()\nerrors.write(' and\\n')\n\
         errors.writelines(['three\\n', 'four\\n'])\nprint('five', file=errors)\n\
         errors.write('\\u20ac \\udc80\\n')\nerrors.buffer.write(b'six\\n')\n\
         assert errors.write('rest') == 4\n\
         assert errors.encoding == 'utf-8' and not errors.isatty() and not errors.closed\n\
         try:\n    errors.fileno()\nexcept OSError:\n    pass\n\
         try:\n    errors.write(5)\nexcept TypeError:\n    pass",
    );
    let Some(answer) = serve(&source) else { return };
    assert_eq!(answer.outcome, Outcome::Done as i32, "{answer:?}");
    assert_eq!(
        answer.problems(),
        ["one", "two", " and", "three", "four", "five", "\u{20ac} \\udc80", "six", "rest"]
    );
}

#[test]
fn what_is_printed_in_a_request_is_logged_with_it_and_else_with_the_server() {
    let source = application(
        "print('to stdout')\nprint('to stderr', file=sys.stderr)\nsys.stdout.buffer.write(b'bytes\\n')\n\
         import logging\nlogging.warning('from logging')\n\
         t = threading.Thread(target=print, args=('from a thread of its own',))\nt.start()\nt.join()\n\
         assert sys.argv == ['mod_wsgi']",
    );
    let Some(answer) = serve(&source) else { return };
    assert_eq!(answer.problems(), ["to stdout", "to stderr", "bytes", "WARNING:root:from logging"],);
    assert!(server_log_lines().iter().any(|line| line == "from a thread of its own"));
}

#[test]
fn a_line_that_no_stream_ended_is_logged_by_a_flush_or_the_end_of_the_request() {
    let source = application(
        "errors.write('errors ')\nsys.stdout.write('stdout ')\nsys.stderr.write('stderr ')\n\
         sys.stdout.write('goes on')\nsys.stdout.flush()\nprint('whole')\nerrors.write('go on')",
    );
    let Some(answer) = serve(&source) else { return };
    assert_eq!(answer.problems(), ["stdout goes on", "whole", "errors go on", "stderr "]);
}

#[test]
fn a_long_line_is_continued_and_bytes_are_logged_as_they_are() {
    let source = application(
        "errors.write('x' * 20000 + '\\n')\nsys.stderr.buffer.write(b'\\xff\\n')\n\
         errors.write(memoryview(b'view\\n'))",
    );
    let Some(answer) = serve(&source) else { return };
    let lengths: Vec<_> = answer.problems().iter().map(|line| line.chars().count()).collect();
    assert_eq!(lengths, [7500, 7500, 5000, 1, 4], "{answer:?}");
}

#[test]
fn signal_handlers_are_not_installed_and_it_is_noted() {
    let source = application(
        "import signal\nhandler = lambda *args: None\nbefore = signal.getsignal(signal.SIGTERM)\n\
         assert signal.signal(signal.SIGTERM, handler) is handler\n\
         assert signal.getsignal(signal.SIGTERM) is before",
    );
    let Some(answer) = serve(&source) else { return };
    assert!(answer.is_clean(), "{answer:#?}");
    assert!(server_log_lines().iter().any(|line| line.starts_with("WRS4030: signal.signal(")));
}

#[test]
fn local_data_of_a_thread_lives_from_request_to_request() {
    let source = "import threading\nlocal = threading.local()\ndef application(environ, start_response):\n    \
                  start_response('200 OK', [])\n    \
                  local.count = getattr(local, 'count', 0) + 1\n    return [b'%d' % local.count]\n";
    if harness::engine().is_none() {
        return;
    }
    let path = harness::script(source);
    let counts = || -> Vec<String> {
        (0..3).map(|_| harness::call(&path, &Request::default()).unwrap().body()).collect()
    };
    assert_eq!(counts(), ["1", "2", "3"]);
    let elsewhere = std::thread::scope(|scope| scope.spawn(counts).join().unwrap());
    assert_eq!(elsewhere, ["1", "2", "3"]);
}
