//! `%{...}` in the names of process groups, application groups and callables.
//!
//! Only a value that begins with `%` is expanded, and only as a whole. Runs on a request's thread;
//! allocates only for names that are put together from parts. The facts of the request come through
//! [`Facts`], so this file knows no httpd.

use std::borrow::Cow;

/// The callable's name when nothing else is said.
pub const DEFAULT_CALLABLE: &[u8] = b"application";

/// The expansions of a group's name.
pub const KNOWN: &str = "%{GLOBAL}, %{RESOURCE}, %{SERVER}, %{HOST} or %{ENV:NAME}";

/// The expansions of the group of a script that is asked about requests.
pub const KNOWN_OF_HOOKS: &str = "%{GLOBAL}, %{SERVER} or %{HOST}";

/// What a name can be made of.
pub trait Facts {
    /// The virtual host's `ServerName`, without port.
    fn server_name(&self) -> &[u8];

    /// The port of the server as the client sees it.
    fn port(&self) -> u16;

    /// The name in the `Host` header, without port; empty if there is none.
    fn host(&self) -> &[u8];

    /// Where the application is mounted: the URI path without `PATH_INFO`, runs of slashes made
    /// one.
    fn script_name(&self) -> Cow<'_, [u8]>;

    /// A variable: from the request's notes, its CGI environment, or the process environment, in
    /// this order.
    fn variable(&self, name: &[u8]) -> Option<Cow<'_, [u8]>>;
}

/// The process group of a `WSGIProcessGroup` value; empty for embedded mode.
pub fn process_group<'a>(value: Option<&'a [u8]>, facts: &'a impl Facts) -> Cow<'a, [u8]> {
    value.map_or_else(Cow::default, |value| group(value, facts))
}

/// The application group of a `WSGIApplicationGroup` value; empty for the main interpreter.
pub fn application_group<'a>(value: Option<&'a [u8]>, facts: &'a impl Facts) -> Cow<'a, [u8]> {
    group(value.unwrap_or(b"%{RESOURCE}"), facts)
}

/// The application group of a script that is asked about requests. It may not depend on them more than this.
pub fn hook_group<'a>(value: &'a [u8], facts: &'a impl Facts) -> Cow<'a, [u8]> {
    match value {
        b"%{GLOBAL}" | b"%{SERVER}" | b"%{HOST}" => group(value, facts),
        _ => Cow::Borrowed(value),
    }
}

/// As [`is_unknown`], for [`hook_group`].
pub fn is_unknown_of_hooks(value: &[u8]) -> bool {
    value.starts_with(b"%") && !matches!(value, b"%{GLOBAL}" | b"%{SERVER}" | b"%{HOST}")
}

/// The callable of a `WSGICallableObject` value.
pub fn callable_object<'a>(value: Option<&'a [u8]>, facts: &'a impl Facts) -> Cow<'a, [u8]> {
    match value {
        None => Cow::Borrowed(DEFAULT_CALLABLE),
        Some(value) if !value.starts_with(b"%") => Cow::Borrowed(value),
        Some(value) => variable_name(value)
            .and_then(|name| facts.variable(name))
            .unwrap_or(Cow::Borrowed(DEFAULT_CALLABLE)),
    }
}

/// Whether a value begins like an expansion and is none, so that it would be taken as it stands.
pub fn is_unknown(value: &[u8]) -> bool {
    value.starts_with(b"%")
        && variable_name(value).is_none()
        && !matches!(value, b"%{GLOBAL}" | b"%{RESOURCE}" | b"%{SERVER}" | b"%{HOST}")
}

/// Whether a callable's name begins like an expansion and is not the one that it may be.
pub fn is_unknown_callable(value: &[u8]) -> bool {
    value.starts_with(b"%") && variable_name(value).is_none()
}

fn group<'a>(value: &'a [u8], facts: &'a impl Facts) -> Cow<'a, [u8]> {
    let Some(name) = variable_name(value) else {
        return simple(value, facts).unwrap_or(Cow::Borrowed(value));
    };
    match facts.variable(name) {
        None => Cow::Borrowed(value),
        // Once more, but not for a variable that names a variable.
        Some(found) => simple(&found, facts).unwrap_or(found),
    }
}

/// The expansions other than variables.
fn simple<'a>(value: &[u8], facts: &'a impl Facts) -> Option<Cow<'a, [u8]>> {
    match value {
        b"%{GLOBAL}" => Some(Cow::default()),
        b"%{RESOURCE}" => {
            let mut name = server(facts);
            name.push(b'|');
            name.extend_from_slice(&facts.script_name());
            Some(Cow::Owned(name))
        }
        b"%{SERVER}" => Some(Cow::Owned(server(facts))),
        b"%{HOST}" => Some(Cow::Owned(host(facts))),
        _ => None,
    }
}

fn variable_name(value: &[u8]) -> Option<&[u8]> {
    value.strip_prefix(b"%{ENV:")?.strip_suffix(b"}")
}

fn server(facts: &impl Facts) -> Vec<u8> {
    with_port(facts.server_name(), facts.port())
}

fn host(facts: &impl Facts) -> Vec<u8> {
    match facts.host() {
        b"" => server(facts),
        host => with_port(host, facts.port()),
    }
}

/// The usual ports of http and https are left out.
fn with_port(name: &[u8], port: u16) -> Vec<u8> {
    let mut name = name.to_vec();
    if port != 80 && port != 443 {
        name.push(b':');
        name.extend_from_slice(port.to_string().as_bytes());
    }
    name
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Facts that are always the same.
    pub(crate) struct Known {
        pub(crate) port: u16,
        pub(crate) host: &'static [u8],
        pub(crate) variables: &'static [(&'static [u8], &'static [u8])],
    }

    impl Facts for Known {
        fn server_name(&self) -> &[u8] {
            b"example.org"
        }

        fn port(&self) -> u16 {
            self.port
        }

        fn host(&self) -> &[u8] {
            self.host
        }

        fn script_name(&self) -> Cow<'_, [u8]> {
            Cow::Borrowed(b"/app")
        }

        fn variable(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
            self.variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| Cow::Borrowed(*value))
        }
    }

    pub(crate) const FACTS: Known = Known {
        port: 80,
        host: b"www.example.org",
        variables: &[
            (b"GROUP", b"blue"),
            (b"MAIN", b"%{GLOBAL}"),
            (b"AGAIN", b"%{ENV:GROUP}"),
            (b"EMPTY", b""),
        ],
    };

    fn pg(value: &str) -> String {
        String::from_utf8(process_group(Some(value.as_bytes()), &FACTS).into_owned()).unwrap()
    }

    #[test]
    fn what_does_not_begin_with_a_percent_sign_is_literal() {
        assert_eq!(pg("plain"), "plain");
        assert_eq!(pg("x%{GLOBAL}"), "x%{GLOBAL}");
        assert_eq!(pg("%{GLOBAL}x"), "%{GLOBAL}x");
        assert_eq!(pg(""), "");
    }

    #[test]
    fn the_tokens_expand_to_what_mod_wsgi_makes_of_them() {
        assert_eq!(pg("%{GLOBAL}"), "");
        assert_eq!(pg("%{SERVER}"), "example.org");
        assert_eq!(pg("%{HOST}"), "www.example.org");
        assert_eq!(pg("%{RESOURCE}"), "example.org|/app");
        assert_eq!(pg("%{OTHER}"), "%{OTHER}");
    }

    #[test]
    fn the_port_is_left_out_only_where_it_is_the_usual_one() {
        let facts = |port, host| Known { port, host, variables: &[] };
        assert_eq!(&*process_group(Some(b"%{SERVER}"), &facts(443, b"")), b"example.org");
        assert_eq!(&*process_group(Some(b"%{SERVER}"), &facts(8080, b"")), b"example.org:8080");
        assert_eq!(&*process_group(Some(b"%{HOST}"), &facts(8080, b"h")), b"h:8080");
        assert_eq!(&*process_group(Some(b"%{HOST}"), &facts(8080, b"")), b"example.org:8080");
        assert_eq!(&*application_group(None, &facts(8080, b"h")), b"example.org:8080|/app");
    }

    #[test]
    fn the_group_of_a_hook_knows_no_variables_and_no_resource() {
        let found = |value: &'static [u8]| hook_group(value, &FACTS).into_owned();
        assert_eq!((found(b""), found(b"%{GLOBAL}")), (Vec::new(), Vec::new()));
        assert_eq!((found(b"%{SERVER}"), found(b"x")), (b"example.org".to_vec(), b"x".to_vec()));
        assert_eq!(found(b"%{HOST}"), b"www.example.org");
        assert_eq!(found(b"%{RESOURCE}"), b"%{RESOURCE}");
        assert_eq!(found(b"%{ENV:GROUP}"), b"%{ENV:GROUP}");
    }

    #[test]
    fn nothing_said_is_embedded_the_resource_and_the_default_callable() {
        assert_eq!(&*process_group(None, &FACTS), b"");
        assert_eq!(&*application_group(None, &FACTS), b"example.org|/app");
        assert_eq!(&*callable_object(None, &FACTS), b"application");
    }

    #[test]
    fn a_variable_is_expanded_once_more_but_never_into_another_variable() {
        assert_eq!(pg("%{ENV:GROUP}"), "blue");
        assert_eq!(pg("%{ENV:MAIN}"), "");
        assert_eq!(pg("%{ENV:EMPTY}"), "");
        assert_eq!(pg("%{ENV:AGAIN}"), "%{ENV:GROUP}");
        assert_eq!(pg("%{ENV:NOT_SET}"), "%{ENV:NOT_SET}");
        assert_eq!(pg("%{ENV:GROUP"), "%{ENV:GROUP");
    }

    #[test]
    fn a_callable_only_knows_variables() {
        let callable = |value: &'static [u8]| callable_object(Some(value), &FACTS).into_owned();
        assert_eq!(callable(b"app.main"), b"app.main");
        assert_eq!(callable(b"%{ENV:GROUP}"), b"blue");
        for value in [&b"%{GLOBAL}"[..], b"%{RESOURCE}", b"%{ENV:NOT_SET}", b"%"] {
            assert_eq!(callable(value), b"application");
        }
    }

    #[test]
    fn an_expansion_that_does_not_exist_is_noticed() {
        for known in [&b"%{GLOBAL}"[..], b"%{HOST}", b"%{ENV:X}", b"plain", b""] {
            assert!(!is_unknown(known));
        }
        for unknown in [&b"%{global}"[..], b"%{ENV:X", b"%GLOBAL", b"%{GLOBAL}x"] {
            assert!(is_unknown(unknown));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_expand_to_something(value: Vec<u8>, with_percent: bool) {
            let mut text = if with_percent { b"%{ENV:".to_vec() } else { Vec::new() };
            text.extend(value);
            let _ = process_group(Some(&text), &FACTS);
            let _ = application_group(Some(&text), &FACTS);
            let _ = callable_object(Some(&text), &FACTS);
            let _ = is_unknown(&text);
        }
    }
}
