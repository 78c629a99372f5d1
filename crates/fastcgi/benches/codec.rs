//! What reading and writing the records of a request costs: `cargo bench -p fastcgi`.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fastcgi::{Frames, Kind, Responder, Response, Role, cgi_head, pairs, request, response};

/// The parameters of a browser's request, as httpd passes them on.
const PARAMS: [(&str, &str); 32] = [
    ("REQUEST_METHOD", "GET"),
    ("REQUEST_URI", "/shop/items?page=2&sort=price"),
    ("SCRIPT_NAME", "/shop"),
    ("PATH_INFO", "/items"),
    ("QUERY_STRING", "page=2&sort=price"),
    ("SERVER_PROTOCOL", "HTTP/1.1"),
    ("SERVER_NAME", "app.example.test"),
    ("SERVER_PORT", "443"),
    ("SERVER_ADDR", "192.0.2.1"),
    ("SERVER_SOFTWARE", "Apache/2.4.62 (Debian)"),
    ("REMOTE_ADDR", "198.51.100.7"),
    ("REMOTE_PORT", "51234"),
    ("REQUEST_SCHEME", "https"),
    ("GATEWAY_INTERFACE", "CGI/1.1"),
    ("DOCUMENT_ROOT", "/srv/example/htdocs"),
    ("SCRIPT_FILENAME", "/srv/example/site/wsgi.py"),
    ("HTTP_HOST", "app.example.test"),
    ("HTTP_USER_AGENT", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("HTTP_ACCEPT", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("HTTP_ACCEPT_LANGUAGE", "en-GB,en;q=0.7,de;q=0.3"),
    ("HTTP_ACCEPT_ENCODING", "gzip, deflate, br"),
    ("HTTP_REFERER", "https://app.example.test/shop/items?page=1&sort=price"),
    ("HTTP_CONNECTION", "keep-alive"),
    ("HTTP_UPGRADE_INSECURE_REQUESTS", "1"),
    ("HTTP_SEC_FETCH_DEST", "document"),
    ("HTTP_SEC_FETCH_MODE", "navigate"),
    ("HTTP_SEC_FETCH_SITE", "same-origin"),
    ("HTTP_CACHE_CONTROL", "max-age=0"),
    (
        "HTTP_COOKIE",
        "sessionid=3q2yz1x0w9v8u7t6s5r4q3p2o1n0m9l8; csrftoken=Zk8s1fQ2bW9vXyLrT6mHc4pJ0aUeNdGi; theme=dark; \
         consent=analytics%3D0%26ads%3D0; lang=en",
    ),
    ("mod_wsgi.process_group", "example"),
    ("mod_wsgi.application_group", ""),
    ("mod_wsgi.callable_object", "application"),
];

const RESPONSE_HEADERS: [(&str, &str); 4] = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Length", "13"),
    ("Vary", "Cookie"),
    ("Set-Cookie", "sessionid=3q2yz1x0w9v8u7t6s5r4q3p2o1n0m9l8; Path=/; HttpOnly; SameSite=Lax"),
];

fn write_request(out: &mut Vec<u8>) {
    out.clear();
    request::begin(out, 1, Role::Responder, true);
    let mut params = request::Params::new(out, 1);
    for (name, value) in PARAMS {
        params.push(name.as_bytes(), value.as_bytes());
    }
    params.finish();
    out.extend_from_slice(&request::stdin_end(1));
}

fn write_response(out: &mut Vec<u8>, head: &mut Vec<u8>, body: &[u8]) {
    out.clear();
    head.clear();
    let headers = RESPONSE_HEADERS.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    cgi_head::encode(head, b"200 OK", headers);
    head.extend_from_slice(body);
    request::stream(out, Kind::Stdout, 1, head);
    response::finish(out, 1, 0);
}

/// Puts bytes into the buffer of a connection, as a read from its socket does.
fn arrive(frames: &mut Frames, bytes: &[u8]) -> usize {
    let spare = frames.spare(1);
    let count = spare.len().min(bytes.len());
    if let (Some(to), Some(from)) = (spare.get_mut(..count), bytes.get(..count)) {
        to.copy_from_slice(from);
    }
    frames.advance(count);
    count
}

/// Reads a request; how many bytes of parameters and of a body it has.
fn read_request(frames: &mut Frames, responder: &mut Responder, mut bytes: &[u8]) -> usize {
    let mut seen = 0;
    while !bytes.is_empty() {
        let count = arrive(frames, bytes);
        bytes = bytes.get(count..).unwrap_or_default();
        while let Ok(Some(event)) = responder.next(frames) {
            if let fastcgi::responder::Event::Stdin(body) = event {
                seen += body.len();
            }
        }
    }
    seen += pairs::iter(responder.params())
        .flatten()
        .map(|(name, value)| name.len() + value.len())
        .sum::<usize>();
    responder.finish();
    seen
}

/// Reads a response; how many bytes of head and body it has.
fn read_response(frames: &mut Frames, parser: &mut cgi_head::Parser, mut bytes: &[u8]) -> usize {
    let (mut seen, mut response, mut in_head) = (0, Response::new(1), true);
    parser.reset();
    while !bytes.is_empty() {
        let count = arrive(frames, bytes);
        bytes = bytes.get(count..).unwrap_or_default();
        while let Ok(Some(event)) = response.next(frames) {
            let fastcgi::response::Event::Stdout(content) = event else { continue };
            if !in_head {
                seen += content.len();
            } else if let Ok(Some((head, body))) = parser.feed(content) {
                seen += head.headers().map(|(name, value)| name.len() + value.len()).sum::<usize>();
                seen += body.len();
                in_head = false;
            }
        }
    }
    seen
}

fn codec(criterion: &mut Criterion) {
    let mut out = Vec::new();
    let mut head = Vec::new();
    let mut group = criterion.benchmark_group("fastcgi");
    group.bench_function("write a request", |b| b.iter(|| write_request(black_box(&mut out))));
    write_request(&mut out);
    let request = out.clone();
    let (mut frames, mut responder) = (Frames::new(), Responder::new(8));
    assert!(read_request(&mut frames, &mut responder, &request) > 1000);
    group.bench_function("read a request", |b| {
        b.iter(|| read_request(&mut frames, &mut responder, black_box(&request)));
    });
    group.bench_function("write a response", |b| {
        b.iter(|| write_response(&mut out, &mut head, black_box(b"Hello, world!")));
    });
    let mut parser = cgi_head::Parser::new();
    for (name, size) in [("read a response", 13), ("read a response of 1 MB", 1 << 20)] {
        write_response(&mut out, &mut head, &vec![b'x'; size]);
        let mut frames = Frames::new();
        assert!(read_response(&mut frames, &mut parser, &out) > size);
        group.throughput(Throughput::Bytes(out.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| read_response(&mut frames, &mut parser, black_box(&out)))
        });
    }
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
