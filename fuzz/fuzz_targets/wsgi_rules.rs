//! The rules of PEP 3333 about what clients and applications say.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (&[u8], &[u8])| {
    let (a, b) = input;
    let _ = wsgi::status::parse(a);
    let _ = wsgi::content_length::parse(a);
    let _ = wsgi::header::check(a, b);
    let _ = wsgi::environ::key(a, &mut vec![0; a.len() + wsgi::environ::KEY_PREFIX]);
    assert!(wsgi::mount::match_prefix(a, b).is_none_or(|length| length <= a.len()));
    let path = wsgi::environ::collapse_slashes(a);
    assert_eq!(wsgi::environ::collapse_slashes(&path), path);
});
