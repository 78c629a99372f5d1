//! Lines of input and of a log: no byte is lost.
#![no_main]

use wsgi::{LineBuffer, LogLines};

libfuzzer_sys::fuzz_target!(|chunks: Vec<(&[u8], Option<u8>)>| {
    let (mut buffer, mut read, mut log, mut logged) =
        (LineBuffer::new(), Vec::new(), LogLines::new(5), Vec::new());
    for (chunk, limit) in &chunks {
        buffer.push(chunk);
        read.extend_from_slice(buffer.line(limit.map(usize::from)).unwrap_or_default());
        log.write(chunk, |line| logged.extend_from_slice(line));
    }
    read.extend_from_slice(buffer.take_all());
    log.flush(|line| logged.extend_from_slice(line));
    let whole = chunks.iter().flat_map(|(chunk, _)| chunk.iter().copied());
    assert!(whole.clone().eq(read));
    assert!(whole.filter(|&byte| byte != b'\n').eq(logged));
});
