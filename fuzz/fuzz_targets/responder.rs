//! What a front sends to a worker, in chunks of any size.
#![no_main]

use fastcgi::{Frames, Responder};

libfuzzer_sys::fuzz_target!(|chunks: Vec<&[u8]>| {
    let mut frames = Frames::with_capacity(64);
    let mut responder = Responder::new(1).with_max_params(1000);
    for mut chunk in chunks {
        while !chunk.is_empty() {
            let spare = frames.spare(1);
            let count = spare.len().min(chunk.len());
            spare[..count].copy_from_slice(&chunk[..count]);
            chunk = &chunk[count..];
            frames.advance(count);
            while let Ok(Some(_)) = responder.next(&mut frames) {}
            if responder.next(&mut frames).is_err() {
                return;
            }
        }
    }
});
