//! `wsgi.file_wrapper`: a file is handed to the server as such, and everything else is iterated over. PEP 3333,
//! "Optional Platform-Specific File Handling".

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod harness;

use engine_abi::Outcome;
use harness::{Answer, Request, scratch, serve_with};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const BROKEN: i32 = Outcome::Broken as i32;

/// Serves an application that has a file `f` of the ten bytes `0123456789`, and the headers it is given.
fn serve(method: &str, headers: &str, body: &str) -> Option<Answer> {
    // Of this call alone: tests run at the same time.
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let path = scratch().join(format!("ten-bytes-{}", NUMBER.fetch_add(1, Relaxed)));
    std::fs::write(&path, "0123456789").unwrap();
    let source = format!(
        "import gzip, io, os\n\
         def application(environ, start_response):\n    \
         wrap = environ['wsgi.file_wrapper']\n    \
         f = open({path:?}, 'rb')\n    \
         write = start_response('200 OK', {headers})\n    \
         {}\n",
        body.replace('\n', "\n    ")
    );
    serve_with(&source, &Request::default().with("REQUEST_METHOD", method.as_bytes()))
}

fn length(answer: &Answer) -> Vec<&str> {
    let named =
        answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    named.map(|(_, value)| value.as_str()).collect()
}

#[test]
fn a_file_goes_out_whole_with_its_length_and_is_closed() {
    let body = "class Telling(io.FileIO):\n    def close(self):\n        if not self.closed:\n            \
                environ['wsgi.errors'].write('closed\\n')\n        super().close()\n\
                return wrap(Telling(f.name))";
    let Some(answer) = serve("GET", "[]", body) else { return };
    assert_eq!((answer.body().as_str(), length(&answer)), ("0123456789", vec!["10"]));
    // The end goes out when the application is done.
    assert!(answer.sent[0].file && !answer.sent[0].last && answer.sent[1].last, "{answer:?}");
    assert_eq!((answer.sent.len(), answer.log.last().unwrap().as_str()), (2, "closed"));
}

#[test]
fn a_file_goes_out_from_its_position_on_which_stays() {
    let body = "f.seek(3); f.read(1)\n\
                class Wrapper(wrap):\n    def close(self):\n        \
                environ['wsgi.errors'].write('at %d\\n' % os.lseek(f.fileno(), 0, 1))\n\
                return Wrapper(f)";
    let Some(answer) = serve("GET", "[]", body) else { return };
    assert_eq!((answer.body().as_str(), length(&answer)), ("456789", vec!["6"]));
    assert!(answer.sent[0].file && answer.has_line("at 10"), "{answer:?}");
}

#[test]
fn no_more_of_a_file_goes_out_than_is_declared() {
    let Some(answer) = serve("GET", "[('content-length', '4')]", "return wrap(f)") else { return };
    assert_eq!((answer.body().as_str(), length(&answer)), ("0123", vec!["4"]));
    assert!(answer.is_clean() && answer.sent[0].file, "{answer:?}");
}

#[test]
fn a_file_that_is_shorter_than_declared_is_told() {
    for (body, sent) in [("return wrap(f)", "0123456789"), ("f.seek(0, 2)\nreturn wrap(f)", "")] {
        let Some(answer) = serve("GET", "[('Content-Length', '11')]", body) else { return };
        assert_eq!((answer.outcome, answer.body().as_str()), (BROKEN, sent), "{answer:?}");
        assert!(answer.has_line("WRS4007") && !answer.sent.iter().any(|sent| sent.last));
    }
}

#[test]
fn an_answer_without_a_body_has_the_length_only() {
    let Some(answer) = serve("HEAD", "[]", "return wrap(f)") else { return };
    assert_eq!((answer.body().as_str(), length(&answer)), ("", vec!["10"]));
    assert!(answer.is_clean() && !answer.sent[0].file, "{answer:?}");
}

#[test]
fn at_the_end_of_a_file_there_is_an_empty_body() {
    let Some(answer) = serve("GET", "[]", "f.seek(0, 2)\nreturn wrap(f)") else { return };
    assert_eq!((answer.body().as_str(), length(&answer)), ("", vec!["0"]));
    assert!(answer.is_clean(), "{answer:?}");
}

#[test]
fn whatever_is_no_such_file_is_iterated_over() {
    for (body, expected) in [
        ("return wrap(io.BytesIO(b'in memory'))", "in memory"),
        ("f.tell = None\nreturn wrap(f)", "0123456789"),
        ("write(b'first ')\nreturn wrap(f)", "first 0123456789"),
        (
            "r, w = os.pipe()\nos.write(w, b'piped'); os.close(w)\nreturn wrap(open(r, 'rb'))",
            "piped",
        ),
        (
            "with gzip.open(f.name + '.gz', 'wb') as z: z.write(b'was packed')\n\
             return wrap(gzip.open(f.name + '.gz'))",
            "was packed",
        ),
        (
            "class Odd(io.FileIO):\n    tell = lambda self: 'here'\nreturn wrap(Odd(f.name))",
            "0123456789",
        ),
    ] {
        let Some(answer) = serve(
            "GET",
            "[]",
            &body.replace("f.tell = None", "class N(io.FileIO):\n    tell = None\nf = N(f.name)"),
        ) else {
            return;
        };
        assert_eq!(answer.body(), expected, "{answer:?}");
        assert!(answer.is_clean() && !answer.sent.iter().any(|sent| sent.file), "{answer:?}");
    }
}

#[test]
fn a_file_before_start_response_is_an_error() {
    let source = "def application(environ, start_response):\n    \
                  return environ['wsgi.file_wrapper'](open(__file__, 'rb'))\n";
    let Some(answer) = serve_with(source, &Request::default()) else { return };
    assert_eq!(answer.outcome, Outcome::Failed as i32);
    assert!(answer.has_line("RuntimeError"), "{answer:?}");
}
