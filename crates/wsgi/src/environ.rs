//! Keys and values of the environ that come from a request (PEP 3333, "environ Variables"; RFC
//! 3875, section 4.1).

use std::borrow::Cow;

use memchr::memmem;

/// Writes the environ key of a request header into `out`, replacing what is there: `HTTP_ACCEPT`.
/// False if the header must not be in the environ; `out` is empty then.
///
/// A name with anything but letters, digits and `-` is left out, because `X_User` and `X-User`
/// would have the same key and one could pass for the other; `Proxy` because `HTTP_PROXY` is what
/// many clients take for their own proxy (CVE-2016-5385, "httpoxy").
pub fn key(name: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    if name.is_empty() || !name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') {
        return false;
    }
    if name.eq_ignore_ascii_case(b"Proxy") {
        return false;
    }
    let prefixed = !name.eq_ignore_ascii_case(b"Content-Type")
        && !name.eq_ignore_ascii_case(b"Content-Length");
    if prefixed {
        out.extend_from_slice(b"HTTP_");
    }
    out.extend(name.iter().map(|byte| match byte {
        b'-' => b'_',
        other => other.to_ascii_uppercase(),
    }));
    true
}

/// A path with every run of slashes made one.
#[must_use]
pub fn collapse_slashes(path: &[u8]) -> Cow<'_, [u8]> {
    let Some((clean, rest)) = memmem::find(path, b"//").and_then(|at| path.split_at_checked(at))
    else {
        return Cow::Borrowed(path);
    };
    let mut out = Vec::with_capacity(path.len());
    out.extend_from_slice(clean);
    for &byte in rest {
        if byte != b'/' || out.last() != Some(&b'/') {
            out.push(byte);
        }
    }
    Cow::Owned(out)
}

/// Whether the variable `HTTPS` says that the client speaks HTTPS: `on` in any case, or `1`.
#[must_use]
pub fn is_https(value: &[u8]) -> bool {
    value == b"1" || value.eq_ignore_ascii_case(b"on")
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn key_of(name: &str) -> Option<String> {
        let mut out = b"what was there".to_vec();
        let allowed = key(name.as_bytes(), &mut out);
        assert_eq!(allowed, !out.is_empty());
        allowed.then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn header_becomes_its_key() {
        assert_eq!(key_of("User-Agent").as_deref(), Some("HTTP_USER_AGENT"));
        assert_eq!(key_of("x-forwarded-for").as_deref(), Some("HTTP_X_FORWARDED_FOR"));
        assert_eq!(key_of("DNT").as_deref(), Some("HTTP_DNT"));
    }

    #[test]
    fn type_and_length_have_no_prefix() {
        assert_eq!(key_of("content-type").as_deref(), Some("CONTENT_TYPE"));
        assert_eq!(key_of("Content-Length").as_deref(), Some("CONTENT_LENGTH"));
        assert_eq!(key_of("Content-MD5").as_deref(), Some("HTTP_CONTENT_MD5"));
    }

    #[test]
    fn ambiguous_names_are_left_out() {
        for name in ["", "X_User", "X.User", "X User", "Élan", "a\0", "Content_Length"] {
            assert_eq!(key_of(name), None, "{name}");
        }
    }

    #[test]
    fn proxy_is_left_out() {
        assert_eq!(key_of("Proxy"), None);
        assert_eq!(key_of("PROXY"), None);
        assert_eq!(key_of("Proxy-Authorization").as_deref(), Some("HTTP_PROXY_AUTHORIZATION"));
    }

    #[test]
    fn path_without_repeated_slashes_is_not_copied() {
        assert!(matches!(collapse_slashes(b"/a/b/"), Cow::Borrowed(b"/a/b/")));
        assert_eq!(*collapse_slashes(b"//a///b//"), b"/a/b/"[..]);
        assert_eq!(*collapse_slashes(b"a/b//c/d"), b"a/b/c/d"[..]);
        assert_eq!(*collapse_slashes(b"////"), b"/"[..]);
    }

    #[test]
    fn https_is_on_or_1() {
        for value in ["on", "On", "ON", "1"] {
            assert!(is_https(value.as_bytes()));
        }
        for value in ["", "off", "0", "true", "11", "on "] {
            assert!(!is_https(value.as_bytes()));
        }
    }

    proptest! {
        #[test]
        fn key_is_a_variable_name(name in vec(any::<u8>(), 0..20)) {
            let mut out = Vec::new();
            if key(&name, &mut out) {
                prop_assert!(
                    out.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')
                );
            }
        }

        #[test]
        fn slashes_are_collapsed_once_and_for_all(path in "[a/]{0,30}") {
            let mut naive = path.clone();
            while naive.contains("//") {
                naive = naive.replace("//", "/");
            }
            prop_assert_eq!(&*collapse_slashes(path.as_bytes()), naive.as_bytes());
        }
    }
}
