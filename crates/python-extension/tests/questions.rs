//! What the server is told of functions that it asks about a request.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod harness;

use std::thread;
use std::time::{Duration, Instant};

use engine_abi::Answer;
use harness::{Question, asked, script};

/// A script with a function `ask` whose body this is.
fn function(body: &str) -> String {
    format!("import os, threading, time\ndef ask(environ, *arguments):\n    {body}\n")
}

/// The one answer of such a function.
fn answer(body: &str, question: &Question<'_>) -> Option<(Answer, Vec<Vec<u8>>)> {
    let mut reply = asked(&script(&function(body)), question)?;
    assert_eq!(reply.status, 0, "{reply:#?}");
    assert_eq!(reply.answers.len(), 1, "{reply:#?}");
    reply.answers.pop()
}

#[test]
fn each_kind_of_answer_is_told_apart() {
    let cases: &[(&str, Answer, &[&[u8]])] = &[
        ("return True", Answer::True, &[]),
        ("return False", Answer::False, &[]),
        ("return None", Answer::Nothing, &[]),
        ("pass", Answer::Nothing, &[]),
        ("return 'caf\\xe9'", Answer::Text, &[b"caf\xe9"]),
        ("return b'caf\\xe9'", Answer::Bytes, &[b"caf\xe9"]),
        ("return 1", Answer::Other, &[b"a value of type int"]),
        ("return ['staff']", Answer::Other, &[b"a value of type list"]),
        ("raise ValueError('the reason')", Answer::Failed, &[]),
        ("raise SystemExit", Answer::Failed, &[]),
        ("return '\\u4e2d'", Answer::Failed, &[]),
    ];
    for (body, kind, texts) in cases {
        let Some((told, found)) = answer(body, &Question::default()) else { return };
        assert_eq!(told, *kind, "{body}");
        assert_eq!(found, texts.iter().map(|text| text.to_vec()).collect::<Vec<_>>(), "{body}");
    }
    let utf8 = Question { utf8: true, ..Question::default() };
    let wide = answer("return '\\u4e2d'", &utf8).unwrap();
    assert_eq!(wide, (Answer::Text, vec!["中".as_bytes().to_vec()]));
}

#[test]
fn names_come_from_whatever_can_be_iterated_over() {
    let names = Question { names: true, ..Question::default() };
    for body in [
        "return ['a', b'\\xff']",
        "return ('a', b'\\xff')",
        "return iter(['a', b'\\xff'])",
        "yield 'a'; yield b'\\xff'",
        "return {'a': 1, b'\\xff': 2}",
    ] {
        let Some(found) = answer(body, &names) else { return };
        assert_eq!(found, (Answer::Names, vec![b"a".to_vec(), b"\xff".to_vec()]), "{body}");
    }
    assert_eq!(answer("return []", &names).unwrap(), (Answer::Names, vec![]));
    for (body, kind, text) in [
        ("return 'staff'", Answer::Other, "a value of type str"),
        ("return None", Answer::Other, "a value of type NoneType"),
        ("return [1]", Answer::Other, "a value of type list with an item of type int"),
        ("while True: yield 'x'", Answer::Other, "more than 65536 names"),
        ("yield 'staff'; raise ValueError", Answer::Failed, ""),
        ("return ['\\u4e2d', 'staff']", Answer::Failed, ""),
    ] {
        let (told, texts) = answer(body, &names).unwrap();
        assert_eq!(told, kind, "{body}");
        assert_eq!(texts.concat(), text.as_bytes(), "{body}");
    }
}

#[test]
fn several_functions_share_one_environ_until_one_does_not_answer() {
    let source = "def first(environ):\n    environ['mine'] = 'x'\n    return environ.get('answer')\n\
        def third(environ):\n    return environ['mine']\n";
    let question = |environ| Question {
        functions: &["first", "second", "third"],
        environ,
        ..Question::default()
    };
    let path = script(source);
    let Some(reply) = asked(&path, &question(&[])) else { return };
    let third = (Answer::Text, vec![b"x".to_vec()]);
    assert_eq!(
        reply.answers,
        [(Answer::Nothing, vec![]), (Answer::Missing, vec![]), third.clone()]
    );
    let reply = asked(&path, &question(&[("answer", b"a")])).unwrap();
    assert_eq!(reply.answers[0], (Answer::Text, vec![b"a".to_vec()]));
    assert_eq!(reply.answers[2], third);
    let broken =
        script("def first(environ):\n    return 1\ndef third(environ):\n    raise KeyError\n");
    assert_eq!(asked(&broken, &question(&[])).unwrap().answers.len(), 1);
}

#[test]
fn any_bytes_are_arguments() {
    let all: Vec<u8> = (0..=255).collect();
    let long = vec![b'x'; 1 << 20];
    for bytes in [all.as_slice(), &long, b"", b"\xed\xa0\x80", b"a\0b"] {
        let arguments = [bytes, bytes];
        let question = Question { arguments: &arguments, ..Question::default() };
        let body = "return b'|'.join(it.encode('latin-1') for it in arguments)";
        let Some((told, texts)) = answer(body, &question) else { return };
        assert!(told == Answer::Bytes && texts[0] == [bytes, bytes].join(&b'|'));
    }
}

#[test]
fn the_environ_has_the_pairs_as_they_are_and_no_request_to_answer() {
    let environ: &[(&'static str, &[u8])] =
        &[("HTTPS", b"on"), ("PATH_INFO", b"/\xe9"), ("mod_wsgi.x-magic", b"1")];
    let question = Question { environ, ..Question::default() };
    let body = "assert environ['HTTPS'] == 'on' and environ['PATH_INFO'] == '/\\xe9', environ\n    \
        assert environ['apache.version'] == (2, 4, 58) and environ['mod_wsgi.version'][0] == 6\n    \
        assert not [key for key in environ if key.startswith('mod_wsgi.x-')]\n    \
        assert [key for key in environ if key.startswith('wsgi.')] == ['wsgi.errors']\n    \
        print('to the log', file=environ['wsgi.errors'])\n    print('printed')\n    return True";
    let Some(reply) = asked(&script(&function(body)), &question) else { return };
    assert_eq!(reply.answers, [(Answer::True, vec![])], "{reply:#?}");
    assert!(reply.log.contains(&"to the log".to_owned()), "{reply:#?}");
    assert!(reply.log.contains(&"printed".to_owned()), "{reply:#?}");
}

#[test]
fn tls_is_told_while_the_question_lasts() {
    let body = "global lookup, https\n    \
        lookup, https = environ['mod_ssl.var_lookup'], environ['mod_ssl.is_https']\n    \
        assert https() == 1 and lookup('SSL_PROTOCOL') == 'value of SSL_PROTOCOL', lookup('x')\n    \
        assert lookup(b'NONE') is None\n    return True";
    let later = "\ndef later(environ):\n    for ask in (https, lambda: lookup('x')):\n        try:\n            \
        ask()\n        except RuntimeError:\n            continue\n        raise AssertionError\n    return True\n";
    let path = script(&format!("{}{later}", function(body)));
    let Some(reply) = asked(&path, &Question { secure: true, ..Question::default() }) else {
        return;
    };
    assert_eq!(reply.answers, [(Answer::True, vec![])], "{reply:#?}");
    let reply = asked(&path, &Question { functions: &["later"], ..Question::default() }).unwrap();
    assert_eq!(reply.answers, [(Answer::True, vec![])], "{reply:#?}");
}

#[test]
fn a_script_that_is_not_there_or_does_not_load_cannot_be_asked() {
    let Some(reply) = asked(std::path::Path::new("/no/such.py"), &Question::default()) else {
        return;
    };
    assert!(reply.status == -1 && reply.answers.is_empty(), "{reply:#?}");
    assert!(reply.log[0].contains("WRS4005"), "{reply:#?}");
    let reply = asked(&script("def ask(:\n"), &Question::default()).unwrap();
    assert!(reply.status == -1 && reply.log[0].contains("WRS4002"), "{reply:#?}");
}

#[test]
fn a_script_that_changed_is_loaded_again_unless_nobody_looks() {
    let path = script("def ask(environ):\n    return '1'\n");
    let look = Question { reloading: true, ..Question::default() };
    let Some(reply) = asked(&path, &look) else { return };
    assert_eq!(reply.answers[0].1[0], b"1");
    std::fs::write(&path, "def ask(environ):\n    return '2'\n").unwrap();
    let old = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
    assert_eq!(asked(&path, &Question::default()).unwrap().answers[0].1[0], b"1");
    assert_eq!(asked(&path, &look).unwrap().answers[0].1[0], b"2");
}

#[test]
fn who_waits_in_a_function_does_not_keep_others_from_being_asked() {
    let path = script(
        "import threading\nopen = threading.Event()\ndef ask(environ):\n    return open.wait(60)\n\
         def release(environ):\n    open.set()\n    return True\n",
    );
    let begun = Instant::now();
    if asked(&path, &Question { functions: &["none"], ..Question::default() }).is_none() {
        return;
    }
    thread::scope(|scope| {
        let waiting = scope.spawn(|| asked(&path, &Question::default()).unwrap());
        // Whichever comes first: neither holds anything that the other one needs.
        let release = Question { functions: &["release"], ..Question::default() };
        assert_eq!(asked(&path, &release).unwrap().answers, [(Answer::True, vec![])]);
        assert_eq!(waiting.join().unwrap().answers, [(Answer::True, vec![])]);
    });
    assert!(begun.elapsed() < Duration::from_secs(50));
}
