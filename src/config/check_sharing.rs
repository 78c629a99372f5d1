//! Applications that will share one interpreter: what one of them sets in its modules or in `os.environ`
//! the others find.
//!
//! That can be meant, so it is only told when somebody asks for a test of the configuration.

use super::alias::ScriptAlias;
use super::check::{Server, Site, known_group};
use super::check_effect::APPLICATION_GROUP;
use super::finding::{Fault, Finding};

/// An application, and the interpreter it is certain to run in.
struct Seat<'a> {
    process_group: &'a [u8],
    application_group: &'a [u8],
    alias: &'a ScriptAlias,
}

pub(super) fn check(site: &Site<'_>, found: &mut Vec<Finding>) {
    let mut seats: Vec<Seat<'_>> = Vec::new();
    for server in site.speaking() {
        for alias in site.own_aliases(&server) {
            let Some(seat) = seat(site, &server, alias) else { continue };
            let earlier = seats.iter().find(|other| {
                other.process_group == seat.process_group
                    && other.application_group == seat.application_group
            });
            match earlier {
                None => seats.push(seat),
                Some(other) if other.alias.target == alias.target => {}
                Some(other) => found.push(Finding {
                    origin: alias.origin.clone(),
                    fault: Fault::SharedInterpreter {
                        process_group: seat.process_group.to_vec(),
                        application_group: seat.application_group.to_vec(),
                        script: alias.target.clone(),
                        other: other.alias.target.clone(),
                        at: other.alias.origin.clone(),
                    },
                }),
            }
        }
    }
}

/// Where an alias's application runs, unless that is found out for each request.
fn seat<'a>(site: &Site<'a>, server: &Server<'a>, alias: &'a ScriptAlias) -> Option<Seat<'a>> {
    let mut lines = site.servers.iter().flat_map(|server| &server.config.lines);
    let application_group = match &alias.options.application_group {
        Some(name) => name,
        None if lines.any(|line| line.directive == APPLICATION_GROUP && !line.whole_server) => {
            return None;
        }
        // Unless somebody says otherwise each application has its own.
        None => server.config.requests.application_group.as_deref()?,
    };
    Some(Seat {
        process_group: known_group(site, server, &alias.options)?,
        application_group: match application_group {
            b"%{GLOBAL}" => b"",
            name if name.starts_with(b"%{") => return None,
            name => name,
        },
        alias,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::finding::Severity;
    use crate::config::origin::Origin;
    use crate::config::server::{Line, Mention, ServerConfig};

    fn findings(aliases: &[&str], change: impl FnOnce(&mut ServerConfig)) -> Vec<Finding> {
        let mut config = ServerConfig::default();
        for (number, text) in (1..).zip(aliases) {
            let origin = Origin::new("c", number);
            config.add_alias(ScriptAlias::parse(text.as_bytes(), origin).unwrap());
        }
        change(&mut config);
        let servers = [Server { name: None, is_virtual: false, config: &config }];
        let site = Site { servers: &servers, user: b"", uid: 33, gid: 33, by_root: false };
        let mut found = Vec::new();
        check(&site, &mut found);
        found
    }

    #[test]
    fn the_second_application_of_an_interpreter_is_told() {
        let found = findings(&["/a /a.wsgi", "/b /b.wsgi", "/c /a.wsgi"], |config| {
            config.requests.application_group = Some(b"%{GLOBAL}".to_vec());
        });
        let texts: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "WRS1068: c:2: note: the application '/b.wsgi' shares the interpreter '%{GLOBAL}' of \
                 httpd's own processes with '/a.wsgi' (c:1), and with it modules and os.environ: \
                 if that is not meant, give each a process group (WSGIDaemonProcess) of its own"
            ]
        );
        assert_eq!(found.first().unwrap().severity(), Severity::Note);
    }

    #[test]
    fn interpreters_are_told_apart_by_both_groups() {
        let aliases = [
            "/a /a.wsgi process-group=p application-group=x",
            "/b /b.wsgi process-group=q application-group=x",
            "/c /c.wsgi process-group=p application-group=y",
        ];
        assert!(findings(&aliases, |_| ()).is_empty());
        let twice = ["/a /a.wsgi process-group=p application-group=x"; 2];
        assert!(findings(&twice, |_| ()).is_empty(), "it is one application");
    }

    #[test]
    fn what_is_found_out_for_each_request_is_not_guessed() {
        let global = |config: &mut ServerConfig| {
            config.requests.application_group = Some(b"%{GLOBAL}".to_vec());
        };
        let two = ["/a /a.wsgi", "/b /b.wsgi"];
        assert!(findings(&two, |_| ()).is_empty(), "each has its own by default");
        assert_eq!(findings(&two, global).len(), 1);
        let of_server = |config: &mut ServerConfig| {
            config.requests.application_group = Some(b"%{SERVER}".to_vec());
        };
        assert!(findings(&two, of_server).is_empty());
        let with_section = |config: &mut ServerConfig| {
            global(config);
            config.lines.push(Line {
                directive: APPLICATION_GROUP,
                words: Vec::new(),
                whole_server: false,
                origin: Origin::default(),
            });
        };
        assert!(findings(&two, with_section).is_empty());
        let with_mention = |config: &mut ServerConfig| {
            global(config);
            config.mentions.push(Mention {
                name: Vec::new(),
                whole_server: false,
                origin: Origin::default(),
            });
        };
        assert!(findings(&two, with_mention).is_empty());
    }
}
