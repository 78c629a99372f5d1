//! The module `mod_wsgi` that applications import: events, data of requests, metrics, logging.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod harness;

use engine_abi::{Level, Outcome};
use harness::{Answer, Request, serve, serve_with};

/// A script of its own interpreter whose application has this body, behind some lines at its top.
fn script(top: &str, body: &str) -> String {
    let body = body.replace('\n', "\n    ");
    format!(
        "import mod_wsgi\nseen = []\n{top}\n\
         def application(environ, start_response):\n    {body}\n    \
         start_response('200 OK', [('Content-Type', 'text/plain')])\n    \
         return [repr(seen).encode()]\n"
    )
}

/// A request with an id, in an interpreter that no other test uses.
fn request(application_group: &'static str) -> Request {
    let pairs = [
        ("mod_wsgi.request_id", "ID1"),
        ("mod_wsgi.server_pid", "77"),
        ("mod_wsgi.x-request_start_us", "1500000"),
        ("mod_wsgi.x-daemon_restarts", "2"),
    ];
    let request = Request { application_group, ..Request::default() };
    pairs.iter().fold(request, |request, (name, value)| request.with(name, value.as_bytes()))
}

/// Calls an application that checks by itself.
fn check(application_group: &'static str, top: &str, body: &str) -> Option<Answer> {
    let answer = serve_with(&script(top, body), &request(application_group))?;
    assert!(answer.is_clean(), "{answer:#?}");
    Some(answer)
}

#[test]
fn the_module_has_every_name_that_mod_wsgi_documents() {
    let names = "for name in '''version process_group application_group maximum_processes \
        threads_per_process FileWrapper RequestTimeout LogHandler request_data active_requests \
        subscribe_events subscribe_shutdown subscribe_signals event_callbacks shutdown_callbacks \
        signal_callbacks start_recording_metrics request_metrics process_metrics \
        server_metrics'''.split():\n    assert hasattr(mod_wsgi, name), name\n\
        assert mod_wsgi.version == (6, 1, 1)\n\
        assert mod_wsgi.RequestTimeout.__mro__[1] is BaseException\n\
        assert mod_wsgi.server_metrics() is None\n\
        assert (mod_wsgi.maximum_processes, mod_wsgi.threads_per_process) == (3, 25)\n\
        assert mod_wsgi.application_group == 'names'";
    check("names", "", names);
}

#[test]
fn the_module_apache_says_what_the_server_is() {
    let body = "import apache\nassert apache.version == (2, 4, 58)\n\
        assert apache.description == 'Apache/2.4.58 (Test)'\nassert apache.mpm_name == 'event'\n\
        assert apache.build_date == '2024-01-01T00:00:00'\n\
        assert (apache.maximum_processes, apache.threads_per_process) == (3, 25)";
    check("apache", "", body);
}

#[test]
fn request_data_is_the_same_dict_in_the_whole_request_and_gone_after_it() {
    let top = "import threading\nkept = []\n\
        def elsewhere():\n    try:\n        mod_wsgi.request_data()\n    except RuntimeError as e:\n        \
        kept.append(str(e))";
    let body = "data = mod_wsgi.request_data()\ndata['key'] = 'value'\n\
        assert mod_wsgi.request_data() is data\nassert mod_wsgi.active_requests == {'ID1': data}\n\
        thread = threading.Thread(target=elsewhere)\nthread.start()\nthread.join()\n\
        assert kept == ['no active request for thread'], kept";
    check("data", top, body);
    let body = "assert mod_wsgi.request_data() == {}\nassert len(mod_wsgi.active_requests) == 1";
    check("data", "", body);
}

#[test]
fn events_tell_the_life_of_a_request() {
    let top =
        "@mod_wsgi.subscribe_events\ndef event(name, **payload):\n    seen.append((name, payload))";
    let body = "class Body:\n    def __iter__(self):\n        return iter([b'abc', b'', b'de'])\n    \
        def close(self):\n        pass\n\
        if environ['PATH_INFO'] == '/seen':\n    start_response('200 OK', [])\n    \
        return [repr([name for name, _ in seen]).encode()]\n\
        if environ['PATH_INFO'] == '/check':\n    by_name = dict(seen)\n    \
        assert [name for name, _ in seen[:3]] == ['request_started', 'response_started', 'request_finished']\n    \
        started, response, finished = (seen[at][1] for at in range(3))\n    \
        assert set(started) == set('request_id thread_id daemon_connects daemon_restarts server_pid \
        request_start queue_start daemon_start application_object callable_object request_environ \
        application_start request_data'.split()), started\n    \
        assert (started['request_id'], started['server_pid']) == ('ID1', 77)\n    \
        assert (started['request_start'], started['queue_start']) == (1.5, 0.0)\n    \
        assert started['daemon_restarts'] == 2 and started['application_object'] is application\n    \
        assert started['callable_object'] == 'application'\n    \
        assert started['request_environ']['PATH_INFO'] == '/'\n    \
        assert set(response) == set('request_id response_status response_headers exception_info request_data'.split())\n    \
        assert response['response_status'] == '201 Created' and response['exception_info'] is None\n    \
        assert response['response_headers'] == [('X-A', 'b')]\n    \
        assert set(finished) == set('request_id thread_id server_pid request_start queue_start daemon_start \
        input_reads input_length input_time output_length output_writes output_time cpu_user_time cpu_system_time \
        cpu_time application_finish application_time status gil_wait_time gil_wait_count request_data'.split()), finished\n    \
        assert (finished['input_reads'], finished['input_length']) == (3, 5), finished\n    \
        assert (finished['output_writes'], finished['output_length']) == (2, 5), finished\n    \
        assert finished['status'] == 201 and finished['application_time'] >= 0\n    \
        assert started['request_data'] is response['request_data'] is finished['request_data']\n    \
        start_response('200 OK', [])\n    return [b'checked']\n\
        environ['wsgi.input'].read()\nstart_response('201 Created', [('X-A', 'b')])\nreturn Body()";
    let path = {
        if harness::engine().is_none() {
            return;
        }
        harness::script(&script(top, body))
    };
    let first = request("events").body(&["abc", "de"]);
    let answer = harness::call(&path, &first).unwrap();
    assert!(answer.is_clean() && answer.body() == "abcde", "{answer:#?}");
    let answer = harness::call(&path, &request("events").with("PATH_INFO", b"/check")).unwrap();
    assert!(answer.is_clean() && answer.body() == "checked", "{answer:#?}");
}

#[test]
fn a_response_is_told_before_it_is_checked_and_each_time() {
    let top = "mod_wsgi.subscribe_events(lambda name, **payload: \
        name == 'response_started' and seen.append((payload['response_status'], payload['exception_info'])))";
    let body = "for status in (5, '200'):\n    try:\n        start_response(status, [])\n    \
        except TypeError:\n        pass\n\
        try:\n    start_response('200 OK', ())\nexcept TypeError:\n    pass\n\
        import sys\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    info = sys.exc_info()\n    \
        start_response('500 No', [], info)\n    assert seen[-1][1] is info\n    seen.pop()";
    let Some(answer) = serve_with(&script(top, body), &request("responses")) else { return };
    assert_eq!(answer.body(), "[(5, None), ('200', None), ('200 OK', None)]", "{answer:#?}");
}

#[test]
fn the_status_is_told_also_if_nothing_was_sent_yet() {
    let top = "mod_wsgi.subscribe_events(lambda name, **payload: \
        name == 'request_finished' and print('status', payload['status']))";
    for (body, status) in [
        ("start_response('204 No Content', [])\nreturn iter([])", 204),
        ("start_response('202 Accepted', [])\nreturn []", 202),
        ("raise mod_wsgi.RequestTimeout", 504),
        ("return iter([])", 500),
    ] {
        let Some(answer) = serve_with(&script(top, body), &request("statuses")) else { return };
        assert!(answer.has_line(&format!("status {status}")), "{answer:#?}");
    }
}

#[test]
fn an_event_tells_what_the_application_raised() {
    let top = "@mod_wsgi.subscribe_events\ndef event(name, **payload):\n    \
        if name == 'request_exception':\n        kind, value, traceback = payload['exception_info']\n        \
        print('told', kind.__name__, value, traceback.tb_frame.f_code.co_name)\n    \
        if name == 'request_finished':\n        print('status', payload['status'])";
    let Some(answer) = serve_with(&script(top, "raise KeyError('k')"), &request("raised")) else {
        return;
    };
    assert_eq!(answer.outcome, Outcome::Failed as i32);
    assert!(answer.has_line("told KeyError 'k' application"), "{answer:#?}");
    assert!(answer.has_line("status 500") && answer.has_line("WRS4001"), "{answer:#?}");
}

#[test]
fn a_callback_may_replace_the_application_and_add_to_the_payload() {
    let top = "def other(environ, start_response):\n    start_response('202 Accepted', [])\n    return [b'other']\n\
        mod_wsgi.event_callbacks.append(lambda name, **payload: \
        {'application_object': other, 'more': 1} if name == 'request_started' else None)\n\
        mod_wsgi.event_callbacks.append(lambda name, **payload: \
        name == 'request_started' and print('more', payload['more']))";
    let Some(answer) = serve_with(&script(top, ""), &request("replaced")) else { return };
    assert_eq!((answer.status, answer.body().as_str()), (202, "other"), "{answer:#?}");
    assert!(answer.has_line("more 1"));
}

#[test]
fn what_a_callback_raises_is_logged_and_the_others_are_called() {
    let top = "@mod_wsgi.subscribe_events\ndef bad(name, **payload):\n    raise SystemExit('from a callback')\n\
        mod_wsgi.subscribe_events(lambda name, **payload: seen.append(name))";
    let Some(answer) = serve_with(&script(top, ""), &request("bad callback")) else { return };
    assert_eq!(answer.outcome, Outcome::Done as i32);
    assert_eq!(answer.body(), "['request_started', 'response_started']");
    let line = "WRS4031: exception in a callback for the event request_started: SystemExit: from a callback";
    assert!(answer.has_line(line), "{answer:#?}");
}

#[test]
fn a_request_that_is_ended_by_its_time_is_answered_504() {
    for body in [
        "raise mod_wsgi.RequestTimeout()",
        "start_response('200 OK', [])\nraise mod_wsgi.RequestTimeout('x')",
        "return (exec('raise mod_wsgi.RequestTimeout') for _ in [1])",
    ] {
        let Some(answer) = serve(&script("", body)) else { return };
        assert!(answer.is_clean(), "{answer:#?}");
        assert_eq!((answer.status, answer.status_line.as_str()), (504, "504 Gateway Timeout"));
        assert!(answer.headers.is_empty() && answer.body().is_empty());
        assert!(answer.has_line("WRS4022"));
    }
    let body = "start_response('200 OK', [])(b'begun')\nraise mod_wsgi.RequestTimeout()";
    let Some(answer) = serve(&script("", body)) else { return };
    assert_eq!((answer.outcome, answer.body().as_str()), (Outcome::Broken as i32, "begun"));
    assert!(answer.problems().is_empty() && answer.has_line("WRS4022"), "{answer:#?}");
}

#[test]
fn the_log_handler_keeps_the_level_of_a_record() {
    let top = "import logging\nlogger = logging.getLogger('handled')\nlogger.setLevel(1)\n\
        logger.propagate = False\nhandler = mod_wsgi.LogHandler()\n\
        assert isinstance(handler, logging.Handler)\nlogger.addHandler(handler)";
    let body = "for level in (60, 50, 45, 40, 30, 20, 15, 10, 5):\n    logger.log(level, 'at %d', level)\n\
        logger.error('first\\nsecond')";
    let Some(answer) = serve_with(&script(top, body), &request("handler")) else { return };
    let logged: Vec<(&str, i32)> =
        answer.log.iter().map(String::as_str).zip(answer.levels.iter().copied()).collect();
    let expected = [
        ("at 60", Level::Critical),
        ("at 50", Level::Critical),
        ("at 45", Level::Error),
        ("at 40", Level::Error),
        ("at 30", Level::Warning),
        ("at 20", Level::Info),
        ("at 15", Level::Debug),
        ("at 10", Level::Debug),
        ("at 5", Level::Debug),
        ("first", Level::Error),
        ("second", Level::Error),
    ];
    let logged: Vec<_> = logged.into_iter().filter(|(line, _)| !line.starts_with("WRS")).collect();
    assert_eq!(logged, expected.map(|(line, level)| (line, level as i32)));
}

#[test]
fn signal_callbacks_are_not_subscribed_in_embedded_mode() {
    let body = "function = lambda *a: None\nassert mod_wsgi.subscribe_signals(function) is function\n\
        assert mod_wsgi.signal_callbacks == []\n\
        assert mod_wsgi.subscribe_shutdown(function) is function\n\
        assert mod_wsgi.shutdown_callbacks.pop() is function";
    if check("signals", "", body).is_some() {
        assert!(harness::server_log_lines().iter().any(|line| line.starts_with("WRS4032")));
    }
}

#[test]
fn metrics_have_the_keys_that_mod_wsgi_documents() {
    let top =
        "import time, os\nmod_wsgi.start_recording_metrics()\nmod_wsgi.start_recording_metrics()";
    let body = "if environ['PATH_INFO'] == '/work':\n    time.sleep(0.01)\n    environ['wsgi.input'].read()\n\
        else:\n    metrics = mod_wsgi.request_metrics()\n    \
        phases = 'server queue daemon application request gil_wait input_read output_write'.split()\n    \
        keys = {f'{p}_{k}' for p in phases for k in ('time', 'time_min_us', 'time_max_us', 'time_buckets')}\n    \
        keys |= set('''pid start_time stop_time sample_period cpu_user_utilization cpu_system_utilization \
        cpu_utilization cpu_user_time cpu_system_time cpu_time memory_rss memory_max_rss request_threads_maximum \
        request_threads_started request_threads_active capacity_utilization request_count request_throughput \
        status_1xx status_2xx status_3xx status_4xx status_5xx input_bytes input_reads output_bytes output_writes \
        gil_wait_count request_threads_completed request_threads_buckets request_threads_busy_time \
        request_threads_cpu_time request_threads_current_elapsed request_threads_max_duration'''.split())\n    \
        assert set(metrics) == keys, set(metrics) ^ keys\n    \
        assert metrics['request_count'] >= 1 and metrics['status_2xx'] >= 1, metrics\n    \
        assert metrics['queue_time'] is None and metrics['daemon_time_buckets'] is None\n    \
        assert len(metrics['application_time_buckets']) == 65\n    \
        assert metrics['application_time_max_us'] >= 10000, metrics\n    \
        assert metrics['start_time'] <= metrics['stop_time'] and metrics['pid'] == os.getpid()\n    \
        assert metrics['request_threads_maximum'] == len(metrics['request_threads_completed']) == 25\n    \
        process = mod_wsgi.process_metrics()\n    \
        assert set(process) == set('''pid request_busy_time request_count memory_rss memory_max_rss \
        cpu_user_time cpu_system_time cpu_time restart_time current_time running_time request_threads active_requests \
        threads'''.split()), process\n    \
        assert process['request_count'] >= 1 and process['active_requests'] >= 1\n    \
        assert 0 < process['memory_rss'] <= process['memory_max_rss']\n    \
        assert set(process['threads'][0]) == {'thread_id', 'request_count'}";
    if harness::engine().is_none() {
        return;
    }
    let path = harness::script(&script(top, body));
    for target in ["/work", "/work", "/ask"] {
        let request = request("metrics").with("PATH_INFO", target.as_bytes()).body(&["abc"]);
        let answer = harness::call(&path, &request).unwrap();
        assert!(answer.is_clean(), "{target}: {answer:#?}");
    }
}
