//! Whatever requests came before, the environ is that of the request: environs are copies of what an earlier one looked
//! like.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod harness;

use std::collections::BTreeMap;

use harness::{Request, call, script};

/// Answers a line for each variable that the engine did not make itself.
const APPLICATION: &str = "\
def application(environ, start_response):
    start_response('200 OK', [])
    assert environ['wsgi.input'].read() == b'' and environ['wsgi.errors'].write('') is not None
    assert isinstance(environ['mod_wsgi.application_start'], float)
    assert environ['mod_wsgi.thread_id'] > 0
    ours = {'mod_wsgi.application_start', 'mod_wsgi.thread_id', 'mod_wsgi.version', 'apache.version',
            'wsgi.version', 'wsgi.multithread', 'wsgi.multiprocess', 'wsgi.run_once', 'wsgi.file_wrapper',
            'wsgi.input_terminated', 'wsgi.input', 'wsgi.errors'}
    assert ours <= environ.keys()
    shown = lambda value: '%.6f' % value if isinstance(value, float) else value
    lines = ['%s=%s\\n' % (key, shown(environ[key])) for key in environ if key not in ours]
    environ.clear()
    return [''.join(lines).encode()]
";

/// Numbers that look random and are the same each time (Marsaglia's xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (limit as u64)).unwrap()
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

const NAMES: &[&str] = &[
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "REQUEST_URI",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "REMOTE_USER",
    "HTTP_HOST",
    "HTTP_ACCEPT",
    "HTTP_COOKIE",
    "HTTP_AUTHORIZATION",
    "HTTP_USER_AGENT",
    "HTTP_X_OTHER",
    "SECRET",
    "mod_wsgi.path_info",
    "mod_wsgi.process_group",
    "HTTPS",
    "wsgi.version",
    "wsgi.url_scheme",
    "wsgi.input",
    "mod_wsgi.thread_id",
    "mod_wsgi.queue_start",
    "mod_wsgi.x-request_start_us",
    "mod_wsgi.x-queue_start_us",
    "mod_wsgi.x-other",
    "X1",
    "X2",
    "X3",
    "X4",
    "X5",
    "X6",
    "X7",
    "X8",
    "X9",
    "X10",
    "X11",
    "X12",
    "X13",
    "X14",
    "X15",
    "X16",
    "X17",
];
const VALUES: &[&str] = &["", "0", "1", "on", "2500000", "a", "b", "c"];

/// Another request, more or less like the one before.
fn change(numbers: &mut Numbers, pairs: &mut Vec<(String, String)>) {
    let random =
        |numbers: &mut Numbers| (numbers.of(NAMES).to_owned(), numbers.of(VALUES).to_owned());
    if numbers.below(20) == 0 {
        pairs.clear();
        for _ in 0..numbers.below(60) {
            pairs.push(random(numbers));
        }
    }
    for _ in 0..numbers.below(4) {
        let at = numbers.below(pairs.len() + 1);
        match numbers.below(5) {
            0 => pairs.insert(at, random(numbers)),
            1 if at < pairs.len() => drop(pairs.remove(at)),
            2 if at < pairs.len() => {
                let other = numbers.below(pairs.len());
                pairs.swap(at, other);
            }
            _ if at < pairs.len() => pairs[at].1 = numbers.of(VALUES).to_owned(),
            _ => {}
        }
    }
}

/// What the application must see.
fn expected(pairs: &[(String, String)]) -> BTreeMap<String, String> {
    let mut environ = BTreeMap::new();
    let mut scheme = "http";
    for (name, value) in pairs {
        match name.as_str() {
            "HTTPS" => {
                scheme = if matches!(value.as_str(), "on" | "1") { "https" } else { "http" };
            }
            "mod_wsgi.x-request_start_us" | "mod_wsgi.x-queue_start_us" => {
                let seconds = value.parse::<f64>().unwrap_or(0.0) / 1e6;
                let name = name.replace("x-", "").replace("_us", "");
                environ.insert(name, format!("{seconds:.6}"));
            }
            "wsgi.version"
            | "wsgi.url_scheme"
            | "wsgi.input"
            | "mod_wsgi.thread_id"
            | "mod_wsgi.queue_start"
            | "mod_wsgi.x-other" => {}
            _ => {
                environ.insert(name.clone(), value.clone());
            }
        }
    }
    environ.insert("wsgi.url_scheme".to_owned(), scheme.to_owned());
    environ
}

#[test]
fn an_environ_is_that_of_its_request_whatever_came_before() {
    let path = script(APPLICATION);
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut pairs = Vec::new();
    for round in 0..4000 {
        change(&mut numbers, &mut pairs);
        let bytes = |(name, value): &(String, String)| (name.clone().into(), value.clone().into());
        let environ = pairs.iter().map(bytes).collect();
        let request = Request { environ, reloading: false, ..Request::default() };
        let Some(answer) = call(&path, &request) else { return };
        assert!(answer.is_clean(), "{round}: {pairs:?}\n{answer:#?}");
        let body = answer.body();
        let seen: BTreeMap<String, String> = body
            .lines()
            .map(|line| line.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(seen, expected(&pairs), "{round}: {pairs:?}");
    }
}

#[test]
fn a_script_that_makes_its_attributes_is_asked_for_them() {
    let source = "\
def answer(environ, start_response):
    start_response('200 OK', [])
    return [b'made']
def __getattr__(name):
    if name == 'application':
        return answer
    raise AttributeError(name)
";
    let Some(answer) = harness::serve(source) else { return };
    assert!(answer.is_clean() && answer.body() == "made", "{answer:#?}");
}
