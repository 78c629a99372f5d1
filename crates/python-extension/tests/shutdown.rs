//! The end of Python in a process. One test, because it happens once.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod harness;

use std::time::{Duration, Instant};

use engine_abi::{Bytes, Outcome, Script};
use harness::{Request, call, script, server_log_lines};
use std::os::unix::ffi::OsStrExt;

#[test]
fn stopping_waits_for_requests_refuses_new_ones_and_runs_atexit() {
    let Some(engine) = harness::engine() else { return };
    let source = "import atexit, threading, time, mod_wsgi\natexit.register(print, 'at exit')\n\
        @mod_wsgi.subscribe_events\ndef event(name, **payload):\n    \
        if name == 'process_stopping':\n        print('event', payload)\n\
        @mod_wsgi.subscribe_shutdown\ndef stopping(name, **payload):\n    \
        print('callback', name, payload)\n    raise ValueError('at the end')\n\
        def late():\n    time.sleep(0.3)\n    print('thread done')\n\
        def application(environ, start_response):\n    threading.Thread(target=late).start()\n    \
        time.sleep(0.5)\n    start_response('200 OK', [])\n    return [b'x']\n";
    let path = script(source);
    let loading = Script {
        modified: 0,
        filename: Bytes::new(path.as_os_str().as_bytes()),
        application_group: Bytes::EMPTY,
        callable: Bytes::new(b"application"),
        reloading: true,
    };
    // SAFETY: everything borrowed outlives the call.
    assert_eq!(unsafe { (engine.preload)(&raw const loading) }, 0);
    let running: Vec<_> = ["", "named"]
        .into_iter()
        .map(|application_group| {
            let path = path.clone();
            std::thread::spawn(move || {
                call(&path, &Request { application_group, ..Request::default() }).unwrap()
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(200));
    let started = Instant::now();
    // SAFETY: takes no pointers.
    unsafe { (engine.stop)(5000) };
    assert!(started.elapsed() >= Duration::from_millis(200));
    for thread in running {
        let answer = thread.join().unwrap();
        assert!(answer.is_clean(), "{answer:#?}");
    }
    let answer = call(&path, &Request::default()).unwrap();
    assert_eq!(answer.outcome, Outcome::Stopping as i32);
    let lines = server_log_lines();
    let told = "event {'shutdown_reason': ''}";
    let called = "callback process_stopping {'shutdown_reason': ''}";
    let raised =
        "WRS4031: exception in a callback for the event process_stopping: ValueError: at the end";
    for expected in [told, called, raised, "thread done", "at exit"] {
        let count = lines.iter().filter(|line| *line == expected).count();
        assert_eq!(count, 2, "{expected}: {lines:#?}");
    }
    let at = |expected: &str| lines.iter().position(|line| line == expected).unwrap();
    assert!(at(told) < at(called) && at(called) < at("at exit"), "{lines:#?}");
}
