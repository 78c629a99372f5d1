//! What the server may ask of Python when it starts. One test, because that happens once.

#![allow(clippy::unwrap_used)]

mod harness;

use engine_abi::Bytes;
use harness::{OPTIONS, Request, serve_with};

#[test]
fn streams_and_signals_may_be_restricted_or_not_and_python_tuned() {
    OPTIONS
        .set(|startup| {
            startup.restrict_stdin = true;
            startup.restrict_stdout = true;
            startup.restrict_signal = false;
            startup.python_eggs = Bytes::new(b"/var/eggs");
            startup.switch_interval = 0.25;
            startup.process_group = Bytes::new(b"group");
            startup.dont_write_bytecode = true;
            startup.warnings = Bytes::new(b"ignore::UserWarning\nerror::BytesWarning");
            startup.optimize = 0;
            startup.hash_seed = engine_abi::SEED_RANDOM;
        })
        .unwrap();
    let source = "import os, signal, sys, mod_wsgi\n\
        def refused(function):\n    try:\n        function()\n    except OSError as error:\n        \
        return str(error)\n\
        def application(environ, start_response):\n    \
        assert refused(lambda: sys.stdin.read()) == 'sys.stdin access restricted by mod_wsgi'\n    \
        assert refused(lambda: print('x')) == 'sys.stdout access restricted by mod_wsgi'\n    \
        print('allowed', file=sys.stderr)\n    \
        assert signal.signal.__module__ == 'signal' and 'mod_wsgi' not in repr(signal.signal.__code__)\n    \
        assert os.environ['PYTHON_EGG_CACHE'] == '/var/eggs'\n    \
        assert abs(sys.getswitchinterval() - 0.25) < 0.001\n    \
        assert mod_wsgi.process_group == 'group'\n    \
        assert sys.dont_write_bytecode and sys.flags.optimize == 0\n    \
        assert sys.warnoptions == ['ignore::UserWarning', 'error::BytesWarning']\n    \
        assert sys.flags.hash_randomization\n    \
        function = lambda *a, **k: None\n    \
        assert mod_wsgi.subscribe_signals(function) is function\n    \
        assert mod_wsgi.signal_callbacks == [function]\n    \
        start_response('200 OK', [])\n    return [b'ok']\n";
    for application_group in ["", "other"] {
        let request = Request { application_group, ..Request::default() };
        let Some(answer) = serve_with(source, &request) else { return };
        assert_eq!(answer.body(), "ok", "{answer:#?}");
        assert_eq!(answer.problems(), ["allowed"]);
    }
    let Some(engine) = harness::engine() else { return };
    // SAFETY: takes no pointers.
    unsafe { (engine.stop)(1000) };
    assert!(!harness::server_log_lines().iter().any(|line| line.contains("WRS4020")));
}
