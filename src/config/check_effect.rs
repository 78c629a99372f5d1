//! Lines that are right by themselves and do not do what they seem to, because of what is said
//! elsewhere or nowhere.
//!
//! Nothing here stops a server.

use std::time::Duration;

use super::check::Site;
use super::daemon_group::DaemonGroup;
use super::error::nearest;
use super::expand::{self, KNOWN};
use super::finding::{Fault, Finding};
use super::server::Line;
use super::trusted::{TRUSTED_HEADERS, TRUSTED_PROXIES};

/// The directive that chooses an interpreter.
pub const APPLICATION_GROUP: &str = "WSGIApplicationGroup";
/// The directive that names the application in its script.
pub const CALLABLE_OBJECT: &str = "WSGICallableObject";
/// The directive that says which process groups may be used.
pub const RESTRICT_PROCESS: &str = "WSGIRestrictProcess";

pub(super) fn check(site: &Site<'_>, found: &mut Vec<Finding>) {
    let lines = || site.speaking().flat_map(|server| &server.config.lines);
    let headers = lines().any(|line| line.directive == TRUSTED_HEADERS);
    for line in lines() {
        let mut tell = |fault| found.push(Finding { origin: line.origin.clone(), fault });
        match line.directive {
            RESTRICT_PROCESS => allowed(site, line).into_iter().for_each(tell),
            TRUSTED_PROXIES if !headers => tell(Fault::NoTrustedHeaders),
            APPLICATION_GROUP => literal(line, expand::is_unknown).into_iter().for_each(tell),
            CALLABLE_OBJECT => {
                literal(line, expand::is_unknown_callable).into_iter().for_each(tell);
            }
            _ => {}
        }
    }
    for (_, group) in site.groups() {
        for fault in contradictions(group) {
            found.push(Finding { origin: group.origin.clone(), fault });
        }
    }
}

fn literal(line: &Line, is_unknown: fn(&[u8]) -> bool) -> Option<Fault> {
    let value = line.words.first().filter(|value| is_unknown(value))?.clone();
    Some(match line.directive {
        CALLABLE_OBJECT => Fault::UnknownCallable { value },
        directive => Fault::UnknownExpansion { directive, value, known: KNOWN },
    })
}

fn allowed(site: &Site<'_>, line: &Line) -> Vec<Fault> {
    let known = |name: &[u8]| {
        name.is_empty() || site.groups().any(|(_, group)| group.name.eq_ignore_ascii_case(name))
    };
    let unknown = line.words.iter().filter(|name| !known(name));
    unknown
        .map(|name| {
            let names = site.groups().map(|(_, group)| group.name.as_slice());
            let nearest = nearest(name, names).map(<[u8]>::to_vec);
            Fault::AllowedNoGroup { name: name.clone(), nearest }
        })
        .collect()
}

/// Options of a group that have no effect beside its others.
fn contradictions(group: &DaemonGroup) -> Vec<Fault> {
    let needs = |option, why| Fault::PointlessOption { group: group.name.clone(), option, why };
    let mut found = Vec::new();
    if group.interrupt_timeout > Duration::ZERO && group.request_timeout.is_zero() {
        found.push(needs("interrupt-timeout", "only follows request-timeout, which is not set"));
    }
    if group.memory_limit > 0
        && group.virtual_memory_limit > 0
        && group.memory_limit >= group.virtual_memory_limit
    {
        let why = "is never reached, as virtual-memory-limit is not larger";
        found.push(needs("memory-limit", why));
    }
    if group.shrink_timeout != DaemonGroup::SHRINK_TIMEOUT && !group.is_elastic() {
        found.push(needs("shrink-timeout", "is for processes=MIN..MAX"));
    }
    if group.threads == 0 {
        for (option, given) in [
            ("request-timeout", group.request_timeout > Duration::ZERO),
            ("inactivity-timeout", group.inactivity_timeout > Duration::ZERO),
            ("maximum-requests", group.maximum_requests > 0),
        ] {
            if given {
                found.push(needs(option, "is for requests, and with threads=0 there are none"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check::Server;
    use crate::config::origin::Origin;
    use crate::config::server::ServerConfig;

    fn told(groups: &[&str], lines: &[(&'static str, &[&str])]) -> Vec<String> {
        let parse =
            |text: &&str| DaemonGroup::parse(text.as_bytes(), Origin::new("c", 1), true).unwrap();
        let lines = (2..).zip(lines).map(|(number, (directive, words))| Line {
            directive,
            words: words.iter().map(|word| word.as_bytes().to_vec()).collect(),
            whole_server: true,
            origin: Origin::new("c", number),
        });
        let config = ServerConfig {
            groups: groups.iter().map(parse).collect(),
            lines: lines.collect(),
            ..ServerConfig::default()
        };
        let servers = [Server { name: None, is_virtual: false, config: &config }];
        let site = Site { servers: &servers, user: b"", uid: 33, gid: 33, by_root: false };
        let mut found = Vec::new();
        check(&site, &mut found);
        found.iter().map(ToString::to_string).collect()
    }

    fn nothing() -> Vec<String> {
        Vec::new()
    }

    #[test]
    fn what_has_its_effect_is_not_told() {
        let lines: [(&'static str, &[&str]); 5] = [
            (RESTRICT_PROCESS, &["SITE", ""]),
            (TRUSTED_PROXIES, &[]),
            (TRUSTED_HEADERS, &[]),
            (APPLICATION_GROUP, &["%{ENV:GROUP}"]),
            (CALLABLE_OBJECT, &["%{ENV:CALLABLE}"]),
        ];
        assert_eq!(told(&["site request-timeout=5 interrupt-timeout=1"], &lines), nothing());
    }

    #[test]
    fn each_line_without_effect_is_told_with_its_place() {
        let lines: [(&'static str, &[&str]); 4] = [
            (RESTRICT_PROCESS, &["site", "sit"]),
            (TRUSTED_PROXIES, &[]),
            (APPLICATION_GROUP, &["%{global}"]),
            (CALLABLE_OBJECT, &["%{GLOBAL}"]),
        ];
        assert_eq!(
            told(&["site"], &lines),
            [
                "WRS1064: c:2: warning: WSGIRestrictProcess allows process group 'sit', which no \
                 WSGIDaemonProcess declares: did you mean 'site'?",
                "WRS1065: c:3: warning: WSGITrustedProxies has no effect, as WSGITrustedProxyHeaders \
                 is nowhere: name the headers that are to be believed",
                "WRS1047: c:4: warning: WSGIApplicationGroup: '%{global}' is no known expansion and is \
                 taken as a name: expected %{GLOBAL}, %{RESOURCE}, %{SERVER}, %{HOST} or \
                 %{ENV:NAME}",
                "WRS1066: c:5: warning: WSGICallableObject: '%{GLOBAL}' is no callable's name and is \
                 taken for 'application': expected a name or %{ENV:NAME}",
            ]
        );
    }

    #[test]
    fn options_that_do_not_go_together_are_told() {
        let first = |group| told(&[group], &[]).first().cloned().unwrap_or_default();
        assert_eq!(
            first("site interrupt-timeout=5"),
            "WRS1067: c:1: warning: WSGIDaemonProcess site: option 'interrupt-timeout' has no effect: \
             it only follows request-timeout, which is not set"
        );
        assert!(first("site memory-limit=5 virtual-memory-limit=5").contains("'memory-limit'"));
        assert_eq!(told(&["site memory-limit=4 virtual-memory-limit=5"], &[]), nothing());
        assert!(first("site threads=0 request-timeout=5").contains("there are none"));
        assert!(first("site threads=0 maximum-requests=5").contains("'maximum-requests'"));
    }
}
