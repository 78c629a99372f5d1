//! The head of a response, in two parts: an error, or the same as in one.
#![no_main]

use fastcgi::cgi_head::Parser;

libfuzzer_sys::fuzz_target!(|input: (usize, &[u8])| {
    let (at, response) = input;
    let (first, second) = response.split_at(at.checked_rem(response.len()).unwrap_or(0));
    let (mut whole, mut parts) = (Parser::new(), Parser::new());
    let whole = whole.feed(response).map(|found| found.map(|(head, _)| head.headers().count()));
    let parts = match parts.feed(first).map(|found| found.map(|(head, _)| head.headers().count())) {
        Ok(None) => parts.feed(second).map(|found| found.map(|(head, _)| head.headers().count())),
        found => found,
    };
    assert_eq!(whole, parts);
});
