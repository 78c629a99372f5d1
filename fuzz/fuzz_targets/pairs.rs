//! Name-value pairs: what can be read is read again after it was written.
#![no_main]

use fastcgi::pairs;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let read: Vec<_> = pairs::iter(bytes).map_while(Result::ok).collect();
    let mut written = Vec::new();
    for (name, value) in &read {
        pairs::push(&mut written, name, value);
    }
    assert!(pairs::iter(&written).eq(read.into_iter().map(Ok)));
});
