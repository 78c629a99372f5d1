//! A Python without the GIL: it stays off, and many threads at once harm nothing. With others the same is asked of the GIL.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod harness;

use harness::{Request, call, script, server_log_lines};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

const SIMPLE: &str = "import sys\ndef application(environ, start_response):\n    \
    start_response('200 OK', [])\n    return [str(BODY).encode()]\n";

fn ask(source: &str, application_group: &'static str) -> String {
    let request = Request { application_group, ..Request::default() };
    let answer = call(&script(source), &request).unwrap();
    assert!(answer.is_clean(), "{answer:#?}");
    answer.body()
}

fn is_free_threaded() -> bool {
    let built = "__import__('sysconfig').get_config_var('Py_GIL_DISABLED')";
    ask(&SIMPLE.replace("BODY", built), "") == "1"
}

#[test]
fn the_gil_is_off_in_every_interpreter_if_python_can_do_without() {
    if harness::engine().is_none() {
        return;
    }
    let source = SIMPLE.replace("BODY", "getattr(sys, '_is_gil_enabled', lambda: True)()");
    let expected = if is_free_threaded() { "False" } else { "True" };
    for application_group in ["", "one", "two"] {
        // While another test imports an extension module it is on for the moment.
        let until = Instant::now() + Duration::from_secs(30);
        while ask(&source, application_group) != expected {
            assert!(
                Instant::now() < until,
                "{application_group:?}: the GIL is not what it should be"
            );
        }
    }
}

#[test]
fn an_import_that_turns_the_gil_on_is_named() {
    if harness::engine().is_none() {
        return;
    }
    // What Python says when it loads such a module, from the place where it says it.
    let source = format!(
        "import warnings\nwarnings.warn(\"The global interpreter lock (GIL) has been enabled to load module 'x.y', which has \
         not declared that it can run safely without the GIL. To override\", RuntimeWarning)\n{}",
        SIMPLE.replace("BODY", "1")
    );
    let request = Request { application_group: "warned", ..Request::default() };
    let answer = call(&script(&source), &request).unwrap();
    let told = "WRS4026: the GIL is on from now on, for all threads of this process: the extension module 'x.y' (imported in /";
    assert_eq!(answer.has_line(told), is_free_threaded(), "{answer:#?}");
    let others = "import warnings\nwarnings.warn('another one', RuntimeWarning)\n";
    let answer =
        call(&script(&format!("{others}{}", SIMPLE.replace("BODY", "1"))), &request).unwrap();
    assert!(answer.has_line("RuntimeWarning: another one"), "{answer:#?}");
}

/// Requests that touch everything which threads share, all at once, and a collector that stops them all again and again.
#[test]
fn what_threads_share_stays_whole() {
    if harness::engine().is_none() {
        return;
    }
    let source = "import gc, io, sys, threading, mod_wsgi\n\
        counter = 0\nlock = threading.Lock()\nchanging = []\n\
        def parts():\n    yield b'a'\n    yield b'b'\n\
        def application(environ, start_response):\n    global counter\n    \
        with lock:\n        counter += 1\n    \
        path = environ['PATH_INFO']\n    \
        assert environ['HTTP_X'] == path, environ['HTTP_X']\n    \
        assert environ['wsgi.version'] == (1, 0)\n    \
        assert environ[environ['own']] == environ['own'], environ\n    \
        mod_wsgi.request_data()['path'] = path\n    \
        globals()['anew%d' % (counter % 50)] = path\n    \
        assert mod_wsgi.request_data() == {'path': path}\n    \
        sys.modules[__name__].passing = object()\n    \
        changing.append(b'')\n    \
        if len(changing) > 20:\n        del changing[:]\n    \
        if path == '/collect':\n        gc.collect()\n    \
        if path == '/raise':\n        raise KeyError(path)\n    \
        print('line', path)\n    \
        write = start_response('200 OK', [('X-Path', path)])\n    \
        if path == '/parts':\n        return parts()\n    \
        if path == '/changing':\n        return changing\n    \
        if path == '/file':\n        return environ['wsgi.file_wrapper'](io.BytesIO(b'x' * 20000))\n    \
        if path == '/write':\n        write(b'written')\n        return []\n    \
        environ['wsgi.input'].readlines()\n    \
        return [path.encode()]\n";
    let path = script(source);
    let paths = ["/", "/collect", "/raise", "/parts", "/file", "/write", "/changing"];
    let (asked, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let ask = |thread: usize, application_group: &'static str| {
        for at in 0..400_usize {
            let target = paths[(at + thread) % paths.len()];
            // Most requests look like others; some have variables that nobody has seen.
            let own = format!("HTTP_{}", if at % 5 == 0 { thread * 1000 + at } else { thread });
            let mut request = Request { application_group, ..Request::default() }
                .with("PATH_INFO", target.as_bytes())
                .with("HTTP_X", target.as_bytes())
                .with("own", own.as_bytes())
                .with(&own, own.as_bytes())
                .with("mod_wsgi.request_id", own.as_bytes())
                .body(&["one\n", "two"]);
            if at % 7 == 0 {
                request.environ.reverse();
            }
            let answer = call(&path, &request).unwrap();
            if target == "/raise" {
                assert!(answer.has_line("KeyError: '/raise'"), "{answer:#?}");
            } else {
                assert_eq!(answer.problems(), [&format!("line {target}")], "{answer:#?}");
                assert_eq!(answer.headers, [("X-Path".to_owned(), target.to_owned())]);
            }
            asked.fetch_add(1, SeqCst);
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|at| scope.spawn(move || ask(at, if at % 4 == 3 { "other" } else { "" })))
            .collect();
        // Whoever waits with a lock in hand would wait for ever.
        let (asked, over) = (&asked, &over);
        scope.spawn(move || {
            let mut last = (asked.load(SeqCst), Instant::now());
            while !over.load(SeqCst) {
                let now = asked.load(SeqCst);
                if now != last.0 {
                    last = (now, Instant::now());
                } else if last.1.elapsed() > Duration::from_secs(60) {
                    eprintln!(
                        "no request has come to its end for a minute: {:?}",
                        server_log_lines()
                    );
                    std::process::abort();
                }
                thread::park_timeout(Duration::from_millis(50));
            }
        });
        let ended: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        over.store(true, SeqCst);
        ended.into_iter().for_each(|ended| ended.unwrap());
    });
    let faults: Vec<_> =
        server_log_lines().into_iter().filter(|line| line.contains("WRS4009")).collect();
    assert!(faults.is_empty(), "{faults:?}");
}
