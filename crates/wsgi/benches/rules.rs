//! What the rules of PEP 3333 cost where each request, header or line meets them: `cargo bench -p wsgi`.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use wsgi::lines::LineBuffer;
use wsgi::{environ, header, mount, status};

const REQUEST_HEADERS: [&str; 20] = [
    "Host",
    "User-Agent",
    "Accept",
    "Accept-Language",
    "Accept-Encoding",
    "Referer",
    "Origin",
    "DNT",
    "Upgrade-Insecure-Requests",
    "Sec-Fetch-Dest",
    "Sec-Fetch-Mode",
    "Sec-Fetch-Site",
    "Sec-Fetch-User",
    "Cache-Control",
    "Pragma",
    "X-Requested-With",
    "X-Forwarded-Proto",
    "X-Request-Id",
    "X-CSRFToken",
    "Cookie",
];

const RESPONSE_HEADERS: [(&str, &str); 5] = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Length", "13"),
    ("X-Frame-Options", "DENY"),
    ("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; script-src 'self'"),
    ("Set-Cookie", "sessionid=3q2yz1x0w9v8u7t6s5r4q3p2o1n0m9l8; Path=/; HttpOnly; SameSite=Lax"),
];

fn rules(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wsgi");
    let mut room = [0; 64];
    group.bench_function("20 environ keys", |b| {
        b.iter(|| {
            REQUEST_HEADERS
                .iter()
                .filter(|name| environ::key(black_box(name.as_bytes()), &mut room).is_some())
                .count()
        });
    });
    group.bench_function("5 response headers", |b| {
        b.iter(|| {
            let checked = RESPONSE_HEADERS.iter().map(|(name, value)| {
                header::check(black_box(name.as_bytes()), black_box(value.as_bytes()))
            });
            checked.filter(Result::is_ok).count()
        });
    });
    group.bench_function("status", |b| b.iter(|| status::parse(black_box(b"404 Not Found"))));
    for (name, path) in [
        ("path without double slashes", "/shop/items/2026/index"),
        ("path with some", "/shop//items///2026/index"),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| environ::collapse_slashes(black_box(path.as_bytes())).len())
        });
    }
    group.bench_function("mount", |b| {
        b.iter(|| mount::match_prefix(black_box(b"/shop/items/2026"), black_box(b"/shop")))
    });
    let text =
        b"a line of an upload, of the usual length of some eighty bytes, no more than that\n"
            .repeat(100);
    let mut buffer = LineBuffer::new();
    group.bench_function("100 lines of input", |b| {
        b.iter(|| {
            buffer.push(black_box(&text));
            let mut lines = 0;
            while buffer.line(None).is_some() {
                lines += 1;
            }
            lines
        });
    });
    group.finish();
}

criterion_group!(benches, rules);
criterion_main!(benches);
