//! What a worker sends to the front, in chunks of any size.
#![no_main]

use fastcgi::{Frames, Response};

libfuzzer_sys::fuzz_target!(|chunks: Vec<&[u8]>| {
    let mut frames = Frames::with_capacity(64);
    let mut response = Response::new(1);
    for mut chunk in chunks {
        while !chunk.is_empty() && !response.is_ended() {
            let spare = frames.spare(1);
            let count = spare.len().min(chunk.len());
            spare[..count].copy_from_slice(&chunk[..count]);
            chunk = &chunk[count..];
            frames.advance(count);
            while let Ok(Some(_)) = response.next(&mut frames) {}
            if response.next(&mut frames).is_err() {
                return;
            }
        }
    }
});
