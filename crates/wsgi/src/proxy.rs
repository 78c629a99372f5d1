//! What a trusted front end says about the client, taken over into the environ.
//!
//! A proxy tells by headers who the client is and what it asked for. Only those that the
//! administrator names are believed, and only from the peers he names; every other spelling of the
//! same thing is removed, so that a client cannot slip one past the proxy (CVE-2022-2255). One
//! table, [`HEADERS`], says which headers mean the same: what is not in it cannot be trusted.
//!
//! Sources: mod_wsgi's documentation of `WSGITrustedProxyHeaders`, and what mod_wsgi 6 does.

use std::net::IpAddr;

use crate::network::{self, Network};

/// A header that can be trusted.
#[derive(Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name as it is usually written.
    pub name: &'static str,
    /// Its key in the environ.
    pub key: &'static [u8],
    kind: Kind,
    reading: Reading,
}

/// Headers of one kind say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Client,
    Scheme,
    Host,
    Server,
    Port,
    Mount,
}

/// How the value is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// As it is.
    Verbatim,
    /// A list of addresses, each proxy adding its peer at the end.
    Chain,
    /// `http` or `https`.
    Word,
    /// On, true, 1 or off, false, 0.
    Switch,
}

const fn header(name: &'static str, key: &'static [u8], kind: Kind, reading: Reading) -> Header {
    Header { name, key, kind, reading }
}

/// Every header that can be trusted.
pub static HEADERS: &[Header] = &[
    header("X-Forwarded-For", b"HTTP_X_FORWARDED_FOR", Kind::Client, Reading::Chain),
    header("X-Client-IP", b"HTTP_X_CLIENT_IP", Kind::Client, Reading::Verbatim),
    header("X-Real-IP", b"HTTP_X_REAL_IP", Kind::Client, Reading::Verbatim),
    header("X-Forwarded-Host", b"HTTP_X_FORWARDED_HOST", Kind::Host, Reading::Verbatim),
    header("X-Host", b"HTTP_X_HOST", Kind::Host, Reading::Verbatim),
    header("X-Forwarded-Server", b"HTTP_X_FORWARDED_SERVER", Kind::Server, Reading::Verbatim),
    header("X-Forwarded-Port", b"HTTP_X_FORWARDED_PORT", Kind::Port, Reading::Verbatim),
    header("X-Script-Name", b"HTTP_X_SCRIPT_NAME", Kind::Mount, Reading::Verbatim),
    header(
        "X-Forwarded-Script-Name",
        b"HTTP_X_FORWARDED_SCRIPT_NAME",
        Kind::Mount,
        Reading::Verbatim,
    ),
    header("X-Forwarded-Proto", b"HTTP_X_FORWARDED_PROTO", Kind::Scheme, Reading::Word),
    header("X-Forwarded-Scheme", b"HTTP_X_FORWARDED_SCHEME", Kind::Scheme, Reading::Word),
    header("X-Scheme", b"HTTP_X_SCHEME", Kind::Scheme, Reading::Word),
    header("X-Forwarded-HTTPS", b"HTTP_X_FORWARDED_HTTPS", Kind::Scheme, Reading::Switch),
    header("X-Forwarded-SSL", b"HTTP_X_FORWARDED_SSL", Kind::Scheme, Reading::Switch),
    header("X-HTTPS", b"HTTP_X_HTTPS", Kind::Scheme, Reading::Switch),
];

/// The header of this name, in any case.
#[must_use]
pub fn find(name: &[u8]) -> Option<&'static Header> {
    let same = |a: u8, b: u8| a.eq_ignore_ascii_case(&b) || (a == b'_' && b == b'-');
    HEADERS.iter().find(|header| {
        header.name.len() == name.len()
            && name.iter().zip(header.name.bytes()).all(|(a, b)| same(*a, b))
    })
}

/// What is to be done to the environ: the removals first.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Keys to remove.
    pub remove: Vec<&'static [u8]>,
    /// Keys to set.
    pub set: Vec<(&'static [u8], Vec<u8>)>,
    /// A trusted header spoke of the scheme: what the connection itself is does not count.
    pub scheme_given: bool,
}

/// Works out what the trusted headers of a request change. `headers` are those the configuration
/// trusts, in its order; `proxies` whom it trusts, if it says so; `peer` is `REMOTE_ADDR`; `value`
/// looks a key of the environ up.
pub fn changes<'v>(
    headers: &[&'static Header],
    proxies: Option<&[Network]>,
    peer: &[u8],
    value: impl Fn(&[u8]) -> Option<&'v [u8]>,
) -> Changes {
    let mut changes = Changes::default();
    let trusted = proxies.is_none_or(|proxies| is_trusted(proxies, peer));
    // For each kind that is named, the header that is believed: the last one named.
    let mut winners: Vec<(Kind, Option<&'static Header>)> = Vec::new();
    for header in headers {
        let found = value(header.key).filter(|_| trusted);
        if let Some(value) = found {
            changes.apply(header, value, proxies);
        }
        match winners.iter_mut().find(|(kind, _)| *kind == header.kind) {
            Some((_, winner)) if found.is_some() => *winner = Some(header),
            Some(_) => {}
            None => winners.push((header.kind, found.map(|_| *header))),
        }
    }
    for (kind, winner) in winners {
        let loses = |header: &&Header| header.kind == kind && Some(*header) != winner;
        for header in HEADERS.iter().filter(loses) {
            changes.set.retain(|(key, _)| *key != header.key);
            changes.remove.push(header.key);
        }
    }
    changes
}

impl Changes {
    fn apply(&mut self, header: &Header, value: &[u8], proxies: Option<&[Network]>) {
        match (header.kind, header.reading) {
            (Kind::Client, Reading::Chain) => {
                let (client, rewritten) = client_of(value, proxies);
                if let Some(client) = client {
                    self.set(b"REMOTE_ADDR", client);
                }
                if let Some(rewritten) = rewritten {
                    self.set(header.key, rewritten);
                }
            }
            (Kind::Client, _) => self.set(b"REMOTE_ADDR", value.to_vec()),
            (Kind::Host, _) => self.set(b"HTTP_HOST", value.to_vec()),
            (Kind::Server, _) => self.set(b"SERVER_NAME", value.to_vec()),
            (Kind::Port, _) => self.set(b"SERVER_PORT", value.to_vec()),
            (Kind::Mount, _) => {
                self.set(b"SCRIPT_NAME", value.to_vec());
                self.set(b"mod_wsgi.mount_point", value.to_vec());
            }
            (Kind::Scheme, reading) => {
                self.scheme_given = true;
                let is = |words: &[&[u8]]| words.iter().any(|it| value.eq_ignore_ascii_case(it));
                let (yes, no): (&[&[u8]], &[&[u8]]) = match reading {
                    Reading::Switch => (&[b"on", b"true", b"1"], &[b"off", b"false", b"0"]),
                    _ => (&[b"https"], &[b"http"]),
                };
                if is(yes) {
                    self.set(b"HTTPS", b"1".to_vec());
                } else if is(no) {
                    self.set.retain(|(key, _)| *key != b"HTTPS");
                    self.remove.push(b"HTTPS");
                }
            }
        }
    }

    fn set(&mut self, key: &'static [u8], value: Vec<u8>) {
        self.set.retain(|(other, _)| *other != key);
        self.set.push((key, value));
    }
}

fn is_trusted(proxies: &[Network], text: &[u8]) -> bool {
    let known = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    network::address(text).is_some_and(known)
}

/// The client that a chain of addresses names, and the chain from there on if it is to be rewritten.
///
/// Whom we know we believe: from the right, each trusted proxy vouches for the address left of it.
/// Without a list of proxies the first address is taken as it comes.
fn client_of(value: &[u8], proxies: Option<&[Network]>) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let items: Vec<&[u8]> = value
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|item| !item.is_empty())
        .collect();
    let Some(proxies) = proxies else {
        return (items.first().map(|item| item.to_vec()), None);
    };
    let vouched = items.iter().rev().take_while(|item| is_trusted(proxies, item)).count();
    let from = items.len().saturating_sub(vouched + 1);
    match items.get(from..) {
        Some(chain @ [client, ..]) => (Some(client.to_vec()), Some(chain.join(&b", "[..]))),
        _ => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The environ after the changes, of one with these headers.
    fn after(
        trusted: &[&str],
        proxies: Option<&[&str]>,
        environ: &[(&str, &str)],
    ) -> (Vec<(String, String)>, bool) {
        let headers: Vec<_> = trusted.iter().map(|name| find(name.as_bytes()).unwrap()).collect();
        let proxies: Option<Vec<_>> = proxies
            .map(|words| words.iter().map(|it| Network::parse(it.as_bytes()).unwrap()).collect());
        let value = |key: &[u8]| {
            let found = environ.iter().find(|(name, _)| name.as_bytes() == key);
            found.map(|(_, value)| value.as_bytes())
        };
        let peer = value(b"REMOTE_ADDR").unwrap_or_default();
        let changes = changes(&headers, proxies.as_deref(), peer, value);
        let mut pairs: Vec<(String, String)> =
            environ.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        pairs.retain(|(name, _)| !changes.remove.contains(&name.as_bytes()));
        for (key, value) in changes.set {
            let key = String::from_utf8(key.to_vec()).unwrap();
            pairs.retain(|(name, _)| *name != key);
            pairs.push((key, String::from_utf8(value).unwrap()));
        }
        pairs.sort();
        (pairs, changes.scheme_given)
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut pairs: Vec<_> =
            expected.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        pairs.sort();
        pairs
    }

    #[test]
    fn each_header_has_the_key_of_its_name() {
        for header in HEADERS {
            let mut room = [0; 64];
            let key = crate::environ::key(header.name.as_bytes(), &mut room);
            assert_eq!(key, Some(header.key), "{}", header.name);
            assert_eq!(find(header.name.to_ascii_lowercase().as_bytes()), Some(header));
            assert_eq!(find(header.name.replace('-', "_").as_bytes()), Some(header));
        }
        assert_eq!(find(b"Forwarded"), None);
        assert_eq!(find(b""), None);
    }

    #[test]
    fn what_nobody_trusts_is_left_alone() {
        let environ = [("REMOTE_ADDR", "10.0.0.1"), ("HTTP_X_FORWARDED_FOR", "1.1.1.1")];
        assert_eq!(after(&[], None, &environ), (pairs(&environ), false));
        assert_eq!(after(&[], Some(&["10.0.0.1"]), &environ), (pairs(&environ), false));
    }

    #[test]
    fn each_kind_sets_its_variable() {
        let environ = [
            ("REMOTE_ADDR", "10.0.0.1"),
            ("HTTP_HOST", "inner"),
            ("HTTP_X_REAL_IP", "1.1.1.1"),
            ("HTTP_X_FORWARDED_HOST", "outer"),
            ("HTTP_X_FORWARDED_SERVER", "server"),
            ("HTTP_X_FORWARDED_PORT", "443"),
            ("HTTP_X_SCRIPT_NAME", "/mount"),
            ("HTTP_X_FORWARDED_PROTO", "HTTPS"),
        ];
        let trusted = [
            "X-Real-IP",
            "X-Forwarded-Host",
            "X-Forwarded-Server",
            "X-Forwarded-Port",
            "X-Script-Name",
            "X-Forwarded-Proto",
        ];
        let (found, scheme) = after(&trusted, None, &environ);
        assert!(scheme);
        for expected in [
            ("REMOTE_ADDR", "1.1.1.1"),
            ("HTTP_HOST", "outer"),
            ("SERVER_NAME", "server"),
            ("SERVER_PORT", "443"),
            ("SCRIPT_NAME", "/mount"),
            ("mod_wsgi.mount_point", "/mount"),
            ("HTTPS", "1"),
            ("HTTP_X_REAL_IP", "1.1.1.1"),
        ] {
            assert!(found.contains(&(expected.0.into(), expected.1.into())), "{expected:?}");
        }
    }

    #[test]
    fn synonyms_are_removed_even_if_only_one_of_them_is_named() {
        let environ = [
            ("REMOTE_ADDR", "10.0.0.1"),
            ("HTTP_X_FORWARDED_FOR", "1.1.1.1"),
            ("HTTP_X_CLIENT_IP", "6.6.6.6"),
            ("HTTP_X_REAL_IP", "6.6.6.6"),
            ("HTTP_X_HOST", "kept, as no header of its kind is named"),
        ];
        let (found, _) = after(&["X-Forwarded-For"], None, &environ);
        assert_eq!(
            found,
            pairs(&[
                ("REMOTE_ADDR", "1.1.1.1"),
                ("HTTP_X_FORWARDED_FOR", "1.1.1.1"),
                ("HTTP_X_HOST", "kept, as no header of its kind is named"),
            ])
        );
    }

    #[test]
    fn from_a_stranger_every_header_of_the_kind_is_removed() {
        let environ = [
            ("REMOTE_ADDR", "6.6.6.6"),
            ("HTTP_X_FORWARDED_FOR", "1.1.1.1"),
            ("HTTP_X_CLIENT_IP", "1.1.1.1"),
            ("HTTP_X_FORWARDED_PROTO", "https"),
        ];
        let trusted = ["X-Forwarded-For", "X-Forwarded-Proto"];
        let (found, scheme) = after(&trusted, Some(&["10.0.0.0/8"]), &environ);
        assert_eq!(found, pairs(&[("REMOTE_ADDR", "6.6.6.6")]));
        assert!(!scheme, "a stranger says nothing about the scheme");
    }

    #[test]
    fn the_last_header_named_wins() {
        let environ = [
            ("REMOTE_ADDR", "10.0.0.1"),
            ("HTTP_X_FORWARDED_FOR", "1.1.1.1"),
            ("HTTP_X_REAL_IP", "2.2.2.2"),
        ];
        let (found, _) = after(&["X-Forwarded-For", "X-Real-IP"], None, &environ);
        assert_eq!(found, pairs(&[("REMOTE_ADDR", "2.2.2.2"), ("HTTP_X_REAL_IP", "2.2.2.2")]));
        let (found, _) = after(&["X-Real-IP", "X-Forwarded-For"], None, &environ);
        let expected = [("REMOTE_ADDR", "1.1.1.1"), ("HTTP_X_FORWARDED_FOR", "1.1.1.1")];
        assert_eq!(found, pairs(&expected));
        let (found, _) = after(&["X-Forwarded-For", "X-Client-IP"], None, &environ);
        assert_eq!(found, pairs(&expected), "one that is not there does not win");
        let (found, _) = after(&["X-Forwarded-For", "X-Real-IP"], Some(&["10.0.0.1"]), &environ);
        let expected = [("REMOTE_ADDR", "2.2.2.2"), ("HTTP_X_REAL_IP", "2.2.2.2")];
        assert_eq!(found, pairs(&expected), "nor does a rewritten one stay that does not win");
    }

    fn client(value: &str, proxies: Option<&[&str]>) -> (String, Option<String>) {
        let proxies: Option<Vec<_>> = proxies
            .map(|words| words.iter().map(|it| Network::parse(it.as_bytes()).unwrap()).collect());
        let (client, rewritten) = client_of(value.as_bytes(), proxies.as_deref());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (client.map(text).unwrap_or_default(), rewritten.map(text))
    }

    #[test]
    fn a_chain_is_believed_as_far_as_its_proxies_are_known() {
        let proxies: Option<&[&str]> = Some(&["10.0.0.0/8"]);
        let expect = |value: &str, ip: &str, chain: &str| {
            assert_eq!(client(value, proxies), (ip.into(), Some(chain.into())), "{value}");
        };
        expect("6.6.6.6, 1.1.1.1, 10.0.0.2", "1.1.1.1", "1.1.1.1, 10.0.0.2");
        expect("6.6.6.6,1.1.1.1 ,10.0.0.3,, 10.0.0.2,", "1.1.1.1", "1.1.1.1, 10.0.0.3, 10.0.0.2");
        expect("6.6.6.6, 1.1.1.1", "1.1.1.1", "1.1.1.1");
        expect("10.0.0.3, 10.0.0.2", "10.0.0.3", "10.0.0.3, 10.0.0.2");
        expect("6.6.6.6, nonsense, 10.0.0.2", "nonsense", "nonsense, 10.0.0.2");
        assert_eq!(client(" , ", proxies), (String::new(), None));
    }

    #[test]
    fn without_a_list_of_proxies_the_first_address_is_taken() {
        assert_eq!(client(" ,1.1.1.1, 2.2.2.2", None), ("1.1.1.1".into(), None));
        assert_eq!(client("", None), (String::new(), None));
    }

    #[test]
    fn a_scheme_switches_https_on_and_off_or_only_hides_the_connections() {
        let https = |name: &str, key: &str, value: &str| {
            let environ = [("REMOTE_ADDR", "::1"), ("HTTPS", "on"), (key, value)];
            let (found, given) = after(&[name], None, &environ);
            assert!(given);
            found.into_iter().find(|(key, _)| key == "HTTPS").map(|(_, value)| value)
        };
        let proto = |value| https("X-Forwarded-Proto", "HTTP_X_FORWARDED_PROTO", value);
        let switch = |value| https("X-Forwarded-SSL", "HTTP_X_FORWARDED_SSL", value);
        assert_eq!((proto("https"), proto("http")), (Some("1".into()), None));
        assert_eq!(proto("nonsense").as_deref(), Some("on"), "as it was");
        for value in ["on", "True", "1"] {
            assert_eq!(switch(value).as_deref(), Some("1"));
        }
        for value in ["Off", "false", "0"] {
            assert_eq!(switch(value), None);
        }
    }

    proptest! {
        #[test]
        fn a_stranger_changes_nothing_but_what_is_removed(values: Vec<Vec<u8>>) {
            let headers: Vec<_> = HEADERS.iter().collect();
            let value = |key: &[u8]| {
                let place = HEADERS.iter().position(|header| header.key == key)?;
                values.get(place).map(Vec::as_slice)
            };
            let changes = changes(&headers, Some(&[]), b"10.0.0.1", value);
            prop_assert!(changes.set.is_empty());
            prop_assert_eq!(changes.remove.len(), HEADERS.len());
        }

        #[test]
        fn any_chain_is_taken(value: Vec<u8>, known: bool) {
            let proxies = Network::parse(b"10");
            let _ = client_of(&value, proxies.as_ref().filter(|_| known).map(std::slice::from_ref));
        }
    }
}
