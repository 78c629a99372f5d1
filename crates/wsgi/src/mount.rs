//! Whether a URL is below an alias of `WSGIScriptAlias`.
//!
//! The rules are those of mod_alias, so that `WSGIScriptAlias` and `Alias` agree about every URL:
//! <https://httpd.apache.org/docs/2.4/mod/mod_alias.html#alias>

/// The length of the part of `uri` that `alias` matches, if it does.
///
/// One or more slashes in the alias match one or more in the URI, any other byte matches itself.
/// The match ends where a component of the path ends, unless the alias itself ends in a slash.
#[must_use]
pub fn match_prefix(uri: &[u8], alias: &[u8]) -> Option<usize> {
    let mut rest = uri;
    let mut last = None;
    for &byte in alias {
        match (byte, last) {
            // The first slash of this run took all those of the URI.
            (b'/', Some(b'/')) => {}
            (b'/', _) => rest = skip_slashes(rest)?,
            _ => rest = rest.strip_prefix(&[byte])?,
        }
        last = Some(byte);
    }
    let at_boundary = matches!(rest.first(), None | Some(b'/'));
    (last? == b'/' || at_boundary).then(|| uri.len() - rest.len())
}

/// What follows the slashes `uri` begins with; `None` if it begins with none.
fn skip_slashes(uri: &[u8]) -> Option<&[u8]> {
    let count = uri.iter().take_while(|&&byte| byte == b'/').count();
    if count == 0 { None } else { uri.get(count..) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(uri: &str, alias: &str) -> Option<usize> {
        match_prefix(uri.as_bytes(), alias.as_bytes())
    }

    #[test]
    fn root_matches_every_path() {
        assert_eq!(matches("/", "/"), Some(1));
        assert_eq!(matches("/a/b", "/"), Some(1));
        assert_eq!(matches("//a/b", "/"), Some(2));
        assert_eq!(matches("*", "/"), None);
        assert_eq!(matches("", "/"), None);
    }

    #[test]
    fn match_ends_with_a_component() {
        assert_eq!(matches("/app", "/app"), Some(4));
        assert_eq!(matches("/app/x", "/app"), Some(4));
        assert_eq!(matches("/apple", "/app"), None);
        assert_eq!(matches("/ap", "/app"), None);
    }

    #[test]
    fn alias_that_ends_in_a_slash_needs_one() {
        assert_eq!(matches("/app/x", "/app/"), Some(5));
        assert_eq!(matches("/app", "/app/"), None);
    }

    #[test]
    fn runs_of_slashes_match_each_other() {
        assert_eq!(matches("///a//b/c", "/a/b"), Some(7));
        assert_eq!(matches("/a/b/c", "//a////b"), Some(4));
        assert_eq!(matches("/ab", "/a/b"), None);
    }

    #[test]
    fn empty_alias_matches_nothing() {
        assert_eq!(matches("/", ""), None);
        assert_eq!(matches("", ""), None);
    }

    /// The same rules, said with strings: every prefix that matches, the longest one of them.
    fn naive(uri: &str, alias: &str) -> Option<usize> {
        fn collapse(path: &str) -> String {
            let mut path = path.to_owned();
            while path.contains("//") {
                path = path.replace("//", "/");
            }
            path
        }
        let alias = collapse(alias);
        (1..=uri.len()).rev().find(|&length| {
            let (head, tail) = uri.split_at(length);
            let whole_run = !(alias.ends_with('/') && tail.starts_with('/'));
            let boundary = alias.ends_with('/') || tail.is_empty() || tail.starts_with('/');
            collapse(head) == alias && whole_run && boundary
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn agrees_with_the_naive_reference(uri in "[/ab]{0,10}", alias in "[/ab]{0,6}") {
            prop_assert_eq!(matches(&uri, &alias), naive(&uri, &alias));
        }

        #[test]
        fn alias_matches_what_is_below_it(alias in "(/[ab]{1,3}){1,3}", below in "(/[ab]{1,3})?") {
            prop_assert_eq!(matches(&format!("{alias}{below}"), &alias), Some(alias.len()));
        }
    }
}
