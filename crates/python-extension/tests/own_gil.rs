//! Interpreters with a GIL of their own, and what does not work in them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod harness;

use engine_abi::{Bytes, Layer, Outcome};
use harness::{Answer, OPTIONS, Request, call, script, serve_with, server_log_lines};
use std::thread;

/// All but the group `sharing`.
fn own_gil() -> bool {
    let _ = OPTIONS.set(|startup| {
        let nothing = Layer {
            named: false,
            application_group: Bytes::EMPTY,
            python_path: Bytes::EMPTY,
            restrict_stdin: -1,
            restrict_stdout: -1,
            restrict_signal: -1,
            own_gil: -1,
            switch_interval: 0.0,
        };
        let named = |name: &'static [u8]| Layer {
            named: true,
            application_group: Bytes::new(name),
            ..nothing
        };
        let layers = Box::leak(Box::new([
            Layer { own_gil: 0, ..named(b"sharing") },
            Layer { switch_interval: 0.125, ..named(b"hasty") },
        ]));
        startup.own_gil = true;
        // The GIL of a free-threaded Python is on.
        startup.free_threading = false;
        startup.switch_interval = 1000.0;
        startup.layers = layers.as_ptr();
        startup.layers_len = layers.len();
    });
    harness::engine().is_some()
}

fn in_group(source: &str, application_group: &'static str) -> Answer {
    let request = Request { application_group, ..Request::default() };
    serve_with(source, &request).unwrap()
}

fn version() -> u32 {
    let source = "import sys\ndef application(environ, start_response):\n    \
                  start_response('200 OK', [])\n    return [b'%d' % sys.version_info[1]]\n";
    in_group(source, "").body().parse().unwrap()
}

/// A thread in one group waits for another one without ever giving its GIL away: in vain, unless they can run at the same
/// time.
fn run_at_the_same_time(waiting: &'static str, running: &'static str, expected: bool) {
    let path = script(
        "import mmap, os, time\n\
         def application(environ, start_response):\n    \
         start_response('200 OK', [])\n    \
         with open(environ['shared'], 'r+b') as file:\n        memory = mmap.mmap(file.fileno(), 2)\n    \
         if environ['PATH_INFO'] == '/loaded':\n        return [b'loaded']\n    \
         if environ['PATH_INFO'] == '/run':\n        \
         until = time.monotonic() + 60\n        \
         while memory[0] == 0 and time.monotonic() < until:\n            time.sleep(0.01)\n        \
         memory[1] = 1\n        return [b'ran']\n    \
         memory[0] = 1\n    \
         until = time.monotonic() + float(environ['patience'])\n    \
         while memory[1] == 0 and time.monotonic() < until:\n        pass\n    \
         return [b'%d' % memory[1]]\n",
    );
    let shared = harness::scratch().join(format!("{waiting}-{running}"));
    std::fs::write(&shared, [0, 0]).unwrap();
    let ask = |application_group, target: &'static str| {
        let request = Request { application_group, ..Request::default() }
            .with("PATH_INFO", target.as_bytes())
            .with("patience", if expected { b"60" } else { b"2" })
            .with("shared", shared.as_os_str().as_encoded_bytes());
        let answer = call(&path, &request).unwrap();
        assert!(answer.is_clean(), "{answer:#?}");
        answer.body()
    };
    // To make an interpreter, and to import an extension module, Python takes the GIL of the main one for a moment.
    for application_group in [waiting, running] {
        assert_eq!(ask(application_group, "/loaded"), "loaded");
    }
    thread::scope(|scope| {
        let other = scope.spawn(|| ask(running, "/run"));
        let waited = ask(waiting, "/wait");
        assert_eq!(other.join().unwrap(), "ran");
        assert_eq!(waited, if expected { "1" } else { "0" }, "'{waiting}' and '{running}'");
    });
}

#[test]
fn an_interpreter_has_a_gil_of_its_own_where_python_can_and_shares_it_otherwise() {
    if !own_gil() {
        return;
    }
    let can = version() >= 13;
    run_at_the_same_time("a", "b", can);
    run_at_the_same_time("", "sharing", false);
    run_at_the_same_time("", "c", can);
    let told = server_log_lines();
    let told = told.iter().any(|line| line.starts_with("WRS4024: WSGIPerInterpreterGIL has no"));
    assert_eq!(told, !can);
}

#[test]
fn an_interval_of_its_own_comes_with_a_gil_of_its_own() {
    if !own_gil() {
        return;
    }
    let source = "import sys\ndef application(environ, start_response):\n    \
                  start_response('200 OK', [])\n    return [b'%.3f' % sys.getswitchinterval()]\n";
    let interval = |application_group| in_group(source, application_group).body();
    let hasty = if version() >= 13 { "0.125" } else { "1000.000" };
    assert_eq!(
        [interval("hasty"), interval("other"), interval("")],
        [hasty, "1000.000", "1000.000"]
    );
}

#[test]
fn threads_and_programs_of_an_application_work_with_a_gil_of_its_own() {
    if !own_gil() {
        return;
    }
    let source = "import subprocess, sys, threading\n\
         def application(environ, start_response):\n    found = []\n    \
         thread = threading.Thread(target=found.append, args=('thread',))\n    \
         thread.start()\n    thread.join()\n    \
         found.append(subprocess.run(['echo', 'program'], capture_output=True, text=True).stdout.strip())\n    \
         start_response('200 OK', [])\n    return [' '.join(found).encode()]\n";
    let answer = in_group(source, "threads");
    assert!(answer.is_clean(), "{answer:#?}");
    assert_eq!(answer.body(), "thread program");
}

#[test]
fn an_extension_that_does_not_work_in_a_sub_interpreter_is_named_with_the_ways_out() {
    if !own_gil() {
        return;
    }
    let cases = [
        (
            "raise ImportError('module a._b does not support loading in subinterpreters')",
            "WRS4025: the extension module 'a._b' does not work in application group 'refuses'",
        ),
        (
            "raise ImportError('IMPORTANT:\\n\\nmodule e does not support loading in subinterpreters')",
            "WRS4025: the extension module 'e' does not work",
        ),
        (
            "raise ImportError('PyO3 modules do not yet support subinterpreters', name='c._d')",
            "WRS4025: the extension module 'c._d' does not work",
        ),
        (
            "try:\n    raise ImportError('cannot load module more than once per process')\n\
             except ImportError as error:\n    raise ImportError('see the manual') from error",
            "WRS4025: an extension module (imported in /",
        ),
    ];
    for (source, expected) in cases {
        let answer = in_group(source, "refuses");
        assert_eq!(answer.outcome, Outcome::Failed as i32);
        let told = answer.problems().into_iter().find(|line| line.starts_with("WRS4025"));
        let told = told.unwrap_or_else(|| panic!("{answer:#?}"));
        assert!(told.starts_with(expected), "{told}");
        for way in ["WSGIApplicationGroup %{GLOBAL}", "WSGIDaemonProcess"] {
            assert!(told.contains(way), "{told}");
        }
        assert_eq!(told.contains("WSGIPerInterpreterGIL is Off"), version() >= 13, "{told}");
        // In the main interpreter it must be something else.
        assert!(!in_group(source, "").has_line("WRS4025"));
    }
    let answer = in_group("import no_such_module", "refuses");
    assert!(!answer.has_line("WRS4025") && answer.has_line("ModuleNotFoundError"), "{answer:#?}");
}
