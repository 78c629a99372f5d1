//! Nothing of a request stays. One test, because it counts all the memory of Python in the process.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod harness;

use harness::Request;

#[test]
fn requests_of_every_kind_leave_nothing_behind() {
    if harness::engine().is_none() {
        return;
    }
    let top = "import gc, io, sys\n\
        mod_wsgi.subscribe_events(lambda name, **payload: {'more': name} if name != 'request_started' else None)\n\
        def parts():\n    yield b'a'\n    yield b'b'";
    let body = "path = environ['PATH_INFO']\nmod_wsgi.request_data()['key'] = environ\n\
        environ['wsgi.errors'].write('without an end')\nprint('line')\nenviron['wsgi.input'].readline()\n\
        if path == '/blocks':\n    gc.collect()\n    start_response('200 OK', [])\n    \
        return [str(sys.getallocatedblocks()).encode()]\n\
        if path == '/raise':\n    raise KeyError('k')\n\
        if path == '/timeout':\n    raise mod_wsgi.RequestTimeout\n\
        write = start_response('200 OK', [('X-A', 'b')])\n\
        if path == '/parts':\n    return parts()\n\
        if path == '/write':\n    write(b'x')\n    return []\n\
        if path == '/file':\n    return environ['wsgi.file_wrapper'](io.BytesIO(b'x' * 10000))\n\
        if path == '/exc_info':\n    try:\n        1 / 0\n    except ZeroDivisionError:\n        \
        start_response('500 No', [], sys.exc_info())\n    return [b'no']\n\
        if path == '/metrics':\n    mod_wsgi.start_recording_metrics()\n    \
        mod_wsgi.request_metrics()\n    mod_wsgi.process_metrics()";
    let source = format!(
        "import mod_wsgi\n{top}\ndef application(environ, start_response):\n    {}\n    return [b'ok']\n",
        body.replace('\n', "\n    ")
    );
    let path = harness::script(&source);
    let ask = |target: &str| {
        let request = Request { application_group: "leaks", ..Request::default() }
            .with("mod_wsgi.request_id", b"ID")
            .with("PATH_INFO", target.as_bytes())
            .body(&["a\nb"]);
        harness::call(&path, &request).unwrap()
    };
    let blocks = || {
        for _ in 0..200 {
            for target in
                ["/", "/raise", "/timeout", "/parts", "/write", "/file", "/exc_info", "/metrics"]
            {
                ask(target);
            }
        }
        ask("/blocks").body().parse::<i64>().unwrap()
    };
    // Python's own tables and free lists grow for a while. A leak would be a block for each request of a kind, of which
    // there are 200, in every round.
    let rounds: Vec<i64> = (0..10).map(|_| blocks()).collect();
    assert!(rounds.windows(2).any(|two| two[1] - two[0] < 50), "{rounds:?}");
}
