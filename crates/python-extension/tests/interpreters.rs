//! Scripts, their reloading, and the interpreters of application groups.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod harness;

use std::path::Path;
use std::time::{Duration, SystemTime};

use engine_abi::Outcome;
use harness::{Answer, Request, call, script, server_log_lines};

const BODY: &str = "def application(environ, start_response):\n    \
                    start_response('200 OK', [])\n    return [BODY]\n";

fn answering(body: &str) -> String {
    BODY.replace("BODY", body)
}

fn in_group(path: &Path, application_group: &'static str) -> Answer {
    call(path, &Request { application_group, ..Request::default() }).unwrap()
}

/// Writes a script again, with a time of change of its own.
fn change(path: &Path, source: &str, seconds: u64) {
    std::fs::write(path, source).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    std::fs::File::open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn a_script_is_a_module_with_the_name_mod_wsgi_gives_it() {
    if harness::engine().is_none() {
        return;
    }
    let path = script(&format!(
        "import sys\nassert __name__.startswith('_mod_wsgi_') and len(__name__) == 42\n\
         assert sys.modules[__name__].__dict__ is globals()\n\
         assert '__mtime__' not in globals()\n{}",
        answering("(__file__ + ' ' + str(type(__mtime__))).encode()")
    ));
    let answer = call(&path, &Request::default()).unwrap();
    assert!(answer.is_clean(), "{answer:#?}");
    assert_eq!(answer.body(), format!("{} <class 'int'>", path.display()));
}

#[test]
fn a_script_that_changed_is_loaded_again_also_when_it_became_older() {
    if harness::engine().is_none() {
        return;
    }
    let path = script("");
    for (seconds, body) in [(2000, "b'one'"), (1000, "b'two'"), (3000, "b'three'")] {
        change(&path, &answering(body), seconds);
        let answer = call(&path, &Request::default()).unwrap();
        assert!(answer.is_clean(), "{answer:#?}");
        assert_eq!(format!("b'{}'", answer.body()), body);
    }
    change(&path, &answering("b'four'"), 4000);
    let request = Request { reloading: false, ..Request::default() };
    assert_eq!(call(&path, &request).unwrap().body(), "three");
}

#[test]
fn a_script_that_cannot_be_loaded_is_tried_again() {
    if harness::engine().is_none() {
        return;
    }
    let path = script("");
    let cases = [
        ("def", "WRS4002: the script /", "SyntaxError"),
        ("import no_such_module_at_all", "WRS4002: the script /", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "WRS4003: the script /", "SystemExit: 3"),
    ];
    for (at, (source, head, line)) in cases.into_iter().enumerate() {
        change(&path, source, 1000 + at as u64);
        for _ in 0..2 {
            let answer = call(&path, &Request::default()).unwrap();
            assert_eq!(answer.outcome, Outcome::Failed as i32, "{answer:#?}");
            assert!(answer.problems().first().unwrap().starts_with(head), "{answer:#?}");
            assert!(answer.has_line(line), "{answer:#?}");
        }
    }
    change(&path, &answering("b'now'"), 1001);
    assert_eq!(call(&path, &Request::default()).unwrap().body(), "now");
    std::fs::remove_file(&path).unwrap();
    let answer = call(&path, &Request::default()).unwrap();
    assert!(answer.outcome == Outcome::Failed as i32 && answer.has_line("WRS4005"), "{answer:#?}");
}

#[test]
fn a_script_without_the_callable_is_not_found() {
    if harness::engine().is_none() {
        return;
    }
    let request = Request { callable: "other", ..Request::default() };
    let answer = call(&script(&answering("b'x'")), &request).unwrap();
    assert!(answer.outcome == Outcome::NotFound as i32, "{answer:#?}");
    assert!(
        answer.has_line("WRS4004") && answer.has_line("has no callable 'other'"),
        "{answer:#?}"
    );
}

#[test]
fn a_script_may_ask_to_be_loaded_again() {
    if harness::engine().is_none() {
        return;
    }
    let path = script(&format!(
        "import builtins\nbuiltins.loads = getattr(builtins, 'loads', 0) + 1\n\
         def reload_required(path):\n    assert path == __file__\n    return builtins.loads < 3\n{}",
        answering("str(builtins.loads).encode()")
    ));
    let bodies: Vec<_> = (0..4).map(|_| call(&path, &Request::default()).unwrap().body()).collect();
    // A request for which the script was loaded does not ask it.
    assert_eq!(bodies, ["1", "2", "3", "3"]);
}

#[test]
fn a_script_whose_mtime_is_gone_or_was_changed_is_loaded_again() {
    if harness::engine().is_none() {
        return;
    }
    let path = script(&format!(
        "import builtins\nbuiltins.mtimes = getattr(builtins, 'mtimes', 0) + 1\n\
         def spoil():\n    global __mtime__\n    assert type(__mtime__) is int and __mtime__ > 10**15\n    \
         if builtins.mtimes == 1:\n        del __mtime__\n    \
         elif builtins.mtimes == 2:\n        __mtime__ = 'text'\n    \
         elif builtins.mtimes == 3:\n        __mtime__ += 1\n    \
         return str(builtins.mtimes).encode()\n{}",
        answering("spoil()")
    ));
    let bodies: Vec<_> = (0..5).map(|_| call(&path, &Request::default()).unwrap().body()).collect();
    assert_eq!(bodies, ["1", "2", "3", "4", "4"]);
}

#[test]
fn a_script_that_is_not_to_be_looked_at_is_not_loaded_again() {
    if harness::engine().is_none() {
        return;
    }
    let path =
        script(&format!("def reload_required(path):\n    return True\n{}", answering("b'one'")));
    let request = Request { reloading: false, ..Request::default() };
    assert_eq!(call(&path, &request).unwrap().body(), "one");
    change(&path, &answering("b'two'"), 5);
    assert_eq!(call(&path, &request).unwrap().body(), "one");
}

#[test]
fn what_the_server_saw_of_a_script_is_enough_if_it_is_the_one_that_is_loaded() {
    if harness::engine().is_none() {
        return;
    }
    let path = script("");
    change(&path, &answering("b'one'"), 1000);
    let seen = |seconds: i64| Request { modified: seconds * 1_000_000, ..Request::default() };
    assert_eq!(call(&path, &seen(1000)).unwrap().body(), "one");
    change(&path, &answering("b'two'"), 2000);
    // The server looked before the change.
    assert_eq!(call(&path, &seen(1000)).unwrap().body(), "one");
    assert_eq!(call(&path, &seen(2000)).unwrap().body(), "two");
    // A request that waited since before the change: the file itself decides.
    assert_eq!(call(&path, &seen(1000)).unwrap().body(), "two");
    change(&path, "broken", 2000);
    assert_eq!(call(&path, &seen(2000)).unwrap().body(), "two");
}

#[test]
fn each_application_group_has_an_interpreter_of_its_own() {
    if harness::engine().is_none() {
        return;
    }
    let path = script(&format!(
        "import sys, mod_wsgi\nsys.seen = getattr(sys, 'seen', 0) + 1\n{}",
        answering("('%s %d' % (mod_wsgi.application_group, sys.seen)).encode()")
    ));
    let other = script(&format!(
        "import sys\nsys.seen = getattr(sys, 'seen', 0) + 1\n{}",
        answering("str(sys.seen).encode()")
    ));
    for (group, body) in [("a", "a 1"), ("b", "b 1"), ("a", "a 1"), ("b", "b 1")] {
        let answer = in_group(&path, group);
        assert!(answer.is_clean(), "{answer:#?}");
        assert_eq!(answer.body(), body);
    }
    assert_eq!(
        (in_group(&other, "a").body(), in_group(&other, "b").body()),
        ("2".into(), "2".into())
    );
}

#[test]
fn the_module_mod_wsgi_says_where_the_application_runs() {
    if harness::engine().is_none() {
        return;
    }
    let path = script(
        "import mod_wsgi as m\nassert m.process_group == ''\nassert m.maximum_processes == 3\n\
         assert m.threads_per_process == 25 and m.version == (6, 1, 1)\n\
         assert issubclass(m.RequestTimeout, BaseException) and not issubclass(m.RequestTimeout, Exception)\n\
         assert isinstance(m.rs_version, str)\nassert m.FileWrapper.__module__ == 'mod_wsgi'\n\
         def application(environ, start_response):\n    start_response('200 OK', [])\n    return []\n",
    );
    for group in ["", "named"] {
        let answer = in_group(&path, group);
        assert!(answer.is_clean(), "{answer:#?}");
    }
}

#[test]
fn exceptions_and_streams_work_in_every_interpreter() {
    if harness::engine().is_none() {
        return;
    }
    let path = script(
        "def application(environ, start_response):\n    print('printed')\n    raise ValueError('x')\n",
    );
    for group in ["", "streams"] {
        let answer = in_group(&path, group);
        assert_eq!(answer.outcome, Outcome::Failed as i32);
        assert_eq!(answer.problems()[0], "printed");
        assert!(
            answer.problems()[1]
                .ends_with(&format!("(application group '{group}'): ValueError: x"))
        );
    }
}

#[test]
fn a_script_that_takes_long_to_load_delays_only_its_own_requests() {
    if harness::engine().is_none() {
        return;
    }
    let slow = script(&format!("import time\ntime.sleep(1)\n{}", answering("b'slow'")));
    let quick = script(&answering("b'quick'"));
    let started = std::time::Instant::now();
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let slow = slow.clone();
            std::thread::spawn(move || call(&slow, &Request::default()).unwrap().body())
        })
        .collect();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(call(&quick, &Request::default()).unwrap().body(), "quick");
    assert!(started.elapsed() < Duration::from_millis(900));
    for thread in threads {
        assert_eq!(thread.join().unwrap(), "slow");
    }
}

#[test]
fn many_threads_come_and_go_in_many_interpreters() {
    if harness::engine().is_none() {
        return;
    }
    let path = script(&format!(
        "import threading\nlocal = threading.local()\nclass Noisy:\n    def __del__(self):\n        pass\n{}",
        "def application(environ, start_response):\n    local.noisy = Noisy()\n    \
         start_response('200 OK', [])\n    if environ['QUERY_STRING'] == 'list':\n        return [b'x' * 100000]\n    \
         return iter([b'a', environ['wsgi.input'].read(), b'b'])\n"
    ));
    for _ in 0..2 {
        let threads: Vec<_> = (0..16)
            .map(|number| {
                let path = path.clone();
                std::thread::spawn(move || {
                    let group = ["", "many1", "many2"][number % 3];
                    for _ in 0..50 {
                        let request = Request { application_group: group, ..Request::default() }
                            .body(&["body"]);
                        assert_eq!(call(&path, &request).unwrap().body(), "abodyb");
                        let request = request.with("QUERY_STRING", b"list");
                        assert_eq!(call(&path, &request).unwrap().body().len(), 100_000);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    }
}

#[test]
fn directories_of_the_python_path_come_first() {
    if harness::engine().is_none() {
        return;
    }
    let path = script(&answering("__import__('sys').path[0].encode()"));
    let body = call(&path, &Request::default()).unwrap().body();
    assert_eq!(Path::new(&body), harness::scratch().join("path"));
    assert!(!server_log_lines().iter().any(|line| line.contains("WRS4015")));
}

#[test]
fn the_environment_of_the_executable_is_used() {
    let Some(executable) = std::env::var_os("MOD_WSGI_TEST_EXECUTABLE") else {
        println!("skipped: MOD_WSGI_TEST_EXECUTABLE names no <environment>/bin/python");
        return;
    };
    if harness::engine().is_none() {
        return;
    }
    let path = script(&answering("__import__('sys').prefix.encode()"));
    for group in ["", "environment"] {
        let prefix = in_group(&path, group).body();
        assert_eq!(
            Some(Path::new(&prefix)),
            Path::new(&executable).parent().and_then(Path::parent)
        );
    }
}
