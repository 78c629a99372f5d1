//! Keys and values of the environ that come from a request (PEP 3333, "environ Variables"; RFC
//! 3875, section 4.1).

use std::borrow::Cow;

use memchr::memmem;

/// What the bytes of the name of a header are in a key; zero for those that may not be there.
#[allow(clippy::indexing_slicing)] // While it is compiled.
const IN_KEY: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() {
            table[byte as usize] = byte.to_ascii_uppercase();
        }
        byte += 1;
    }
    table[b'-' as usize] = b'_';
    table
};

/// The most bytes that a key has more than the name of its header.
pub const KEY_PREFIX: usize = b"HTTP_".len();

/// Writes the environ key of a request header to the beginning of `room`: `HTTP_ACCEPT`. `None` if the
/// header must not be in the environ, or if there is no room: it takes the bytes of the name and
/// [`KEY_PREFIX`] more.
///
/// A name with anything but letters, digits and `-` is left out, because `X_User` and `X-User`
/// would have the same key and one could pass for the other; `Proxy` because `HTTP_PROXY` is what
/// many clients take for their own proxy (CVE-2016-5385, "httpoxy").
pub fn key<'r>(name: &[u8], room: &'r mut [u8]) -> Option<&'r [u8]> {
    if name.is_empty() || name.eq_ignore_ascii_case(b"Proxy") {
        return None;
    }
    let prefixed = !name.eq_ignore_ascii_case(b"Content-Type")
        && !name.eq_ignore_ascii_case(b"Content-Length");
    let prefix = if prefixed { &b"HTTP_"[..] } else { b"" };
    let key = room.get_mut(..prefix.len() + name.len())?;
    let (before, rest) = key.split_at_mut_checked(prefix.len())?;
    before.copy_from_slice(prefix);
    let mut allowed = true;
    for (to, from) in rest.iter_mut().zip(name) {
        *to = IN_KEY.get(usize::from(*from)).copied().unwrap_or(0);
        allowed &= *to != 0;
    }
    allowed.then_some(key)
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
        let mut room = vec![b'?'; name.len() + KEY_PREFIX + 3];
        key(name.as_bytes(), &mut room).map(|key| String::from_utf8(key.to_vec()).unwrap())
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
    fn what_has_no_room_is_left_out() {
        assert_eq!(key(b"Host", &mut [0; 8]), None);
        assert_eq!(key(b"Host", &mut [0; 9]), Some(&b"HTTP_HOST"[..]));
        assert_eq!(key(b"Content-Type", &mut [0; 12]), Some(&b"CONTENT_TYPE"[..]));
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
            let mut room = vec![0; name.len() + KEY_PREFIX];
            if let Some(key) = key(&name, &mut room) {
                prop_assert!(
                    key.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')
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
