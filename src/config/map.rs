//! The resolved map of the configuration, as `httpd -D DUMP_WSGI` prints it: who answers which URL,
//! and with which Python.
//!
//! Pure: what only httpd or the interpreters know comes in as words.

use std::borrow::Cow;
use std::fmt::Write;

use super::alias::ScriptAlias;
use super::check::{Server, Site};
use super::directory::DirectoryConfig;
use super::effective::effective;
use super::error::Shown;
use super::expand::Facts;
use super::handler_script::HandlerScript;

/// A server, and what httpd says of it.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// Its configuration.
    pub server: Server<'a>,
    /// The port of its name; 0 if none is known.
    pub port: u16,
    /// Where it is defined; empty for the main server.
    pub place: &'a str,
}

/// What the map cannot know by itself.
pub trait Pythons {
    /// The Python of a process group, the empty one for embedded mode, or why there is none.
    fn of(&self, group: &[u8]) -> String;

    /// Whether the only application of a process group runs in the main interpreter.
    fn runs_in_main_interpreter(&self, group: &[u8]) -> bool;
}

/// The map as lines of text.
pub fn map(site: &Site<'_>, servers: &[Named<'_>], pythons: &impl Pythons) -> String {
    let mut out = String::from("WSGI configuration:\n");
    // Writing to a string does not fail.
    let _ = write(&mut out, site, servers, pythons);
    out
}

fn write(
    out: &mut String,
    site: &Site<'_>,
    servers: &[Named<'_>],
    pythons: &impl Pythons,
) -> std::fmt::Result {
    let embedded = site.main().is_none_or(|main| main.config.globals.embedded_allowed());
    match embedded {
        true => writeln!(out, "embedded: {}", pythons.of(b""))?,
        false => writeln!(out, "embedded: forbidden by WSGIRestrictEmbedded")?,
    }
    for (_, group) in site.groups() {
        let least = match group.is_elastic() {
            true => format!("{}..", group.least_processes),
            false => String::new(),
        };
        writeln!(
            out,
            "process group {}: processes={least}{} threads={}, {} ({})",
            Shown(&group.name),
            group.processes,
            group.threads,
            pythons.of(&group.name),
            group.origin
        )?;
    }
    for named in servers {
        let server = named.server;
        let name = Shown(server.name.unwrap_or(b"without a ServerName"));
        match named.place {
            "" => writeln!(out, "main server {name}")?,
            place if named.port == 0 => writeln!(out, "virtual host {name} ({place})")?,
            place => writeln!(out, "virtual host {name}:{} ({place})", named.port)?,
        }
        for alias in &server.config.aliases {
            mount(out, named, alias, pythons)?;
        }
        for handler in &server.config.handlers {
            let process = handler.options.process_group.as_ref();
            let process = process.or(server.config.requests.process_group.as_ref());
            writeln!(
                out,
                "    handler {} -> {}: {}, callable {} ({})",
                Shown(&handler.name),
                Shown(&handler.script),
                mode(process.map(Vec::as_slice).unwrap_or_default()),
                Shown(HandlerScript::CALLABLE),
                handler.origin
            )?;
        }
        for hook in &server.config.hooks {
            writeln!(
                out,
                "    {} {}: embedded, {}, application group {} ({})",
                hook.directive,
                Shown(&hook.script),
                pythons.of(b""),
                group_name(&hook.application_group),
                hook.origin
            )?;
        }
        for mention in server.config.mentions.iter().filter(|mention| !mention.whole_server) {
            writeln!(
                out,
                "    a section chooses process group {} ({})",
                group_name(&mention.name),
                mention.origin
            )?;
        }
    }
    Ok(())
}

fn mount(
    out: &mut String,
    named: &Named<'_>,
    alias: &ScriptAlias,
    pythons: &impl Pythons,
) -> std::fmt::Result {
    let config = named.server.config;
    let nothing = DirectoryConfig::default();
    let facts = Mounted { named, location: alias.location.source() };
    let found = effective(&nothing, config, Some(&alias.options), &facts);
    let options = &alias.options;
    let process = options.process_group.as_ref().or(config.requests.process_group.as_ref());
    let process = until_request(process).unwrap_or(&found.process_group);
    let application =
        options.application_group.as_ref().or(config.requests.application_group.as_ref());
    let application = match until_request(application) {
        Some(value) => value,
        None if application.is_none() && pythons.runs_in_main_interpreter(process) => b"",
        None => &found.application_group,
    };
    writeln!(
        out,
        "    {} -> {}: {}, {}, application group {}, callable {} ({})",
        Shown(alias.location.source()),
        Shown(&alias.target),
        mode(process),
        // Which one it is, is found out by a variable of the request.
        if process.starts_with(b"%") { "any Python".to_owned() } else { pythons.of(process) },
        group_name(application),
        Shown(&found.callable_object),
        alias.origin
    )
}

/// Which processes answer.
fn mode(process_group: &[u8]) -> String {
    match process_group {
        b"" | b"%{GLOBAL}" => "embedded".to_owned(),
        name => format!("process group {}", Shown(name)),
    }
}

/// A value that says something else for each request.
fn until_request(value: Option<&Vec<u8>>) -> Option<&[u8]> {
    let value = value?.as_slice();
    (value.starts_with(b"%{ENV:") || value == b"%{HOST}").then_some(value)
}

/// The empty name is hard to see.
fn group_name(name: &[u8]) -> Shown<'_> {
    Shown(if name.is_empty() { b"%{GLOBAL}" } else { name })
}

/// What is known of a request for a mount before there is one.
struct Mounted<'a> {
    named: &'a Named<'a>,
    location: &'a [u8],
}

impl Facts for Mounted<'_> {
    fn server_name(&self) -> &[u8] {
        self.named.server.name.unwrap_or_default()
    }

    fn port(&self) -> u16 {
        if self.named.port == 0 { 80 } else { self.named.port }
    }

    fn host(&self) -> &[u8] {
        b""
    }

    fn script_name(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.location.strip_suffix(b"/").unwrap_or(self.location))
    }

    fn variable(&self, _name: &[u8]) -> Option<Cow<'_, [u8]>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::daemon_group::DaemonGroup;
    use crate::config::hook_script::HookScript;
    use crate::config::origin::Origin;
    use crate::config::server::{Mention, ServerConfig};

    struct Known;

    impl Pythons for Known {
        fn of(&self, group: &[u8]) -> String {
            if group.is_empty() { "Python 3.11 (/e)".into() } else { "Python 3.12 (/d)".into() }
        }

        fn runs_in_main_interpreter(&self, group: &[u8]) -> bool {
            group == b"alone"
        }
    }

    fn shown(main: &ServerConfig, host: &ServerConfig) -> Vec<String> {
        let server = |name, is_virtual, config| Server { name: Some(name), is_virtual, config };
        let (main, host) = (server(b"main", false, main), server(b"host", true, host));
        let servers = [main, host];
        let site = Site { servers: &servers, user: b"", uid: 33, gid: 33, by_root: false };
        let named = [
            Named { server: main, port: 0, place: "" },
            Named { server: host, port: 8080, place: "c:7" },
        ];
        map(&site, &named, &Known).lines().map(str::to_owned).collect()
    }

    fn config(aliases: &[&str], groups: &[&str]) -> ServerConfig {
        let origin = || Origin::new("c", 3);
        let mut config = ServerConfig::default();
        for text in aliases {
            config.add_alias(ScriptAlias::parse(text.as_bytes(), origin()).unwrap());
        }
        for text in groups {
            config.groups.push(DaemonGroup::parse(text.as_bytes(), origin(), true).unwrap());
        }
        config
    }

    #[test]
    fn every_mount_is_shown_with_who_answers() {
        let main = config(
            &["/a /a.wsgi process-group=app", "/b /b.wsgi application-group=%{GLOBAL}"],
            &["app processes=2 threads=3", "elastic processes=1..4 threads=1"],
        );
        let host = config(
            &["/ /c.wsgi process-group=%{ENV:GROUP}", "/d /d.wsgi process-group=alone"],
            &[],
        );
        let mut host = main.merge(&host);
        host.mentions.push(Mention {
            name: Vec::new(),
            whole_server: false,
            origin: Origin::new("c", 9),
        });
        assert_eq!(
            shown(&main, &host),
            [
                "WSGI configuration:",
                "embedded: Python 3.11 (/e)",
                "process group app: processes=2 threads=3, Python 3.12 (/d) (c:3)",
                "process group elastic: processes=1..4 threads=1, Python 3.12 (/d) (c:3)",
                "main server main",
                "    /a -> /a.wsgi: process group app, Python 3.12 (/d), application group main|/a, \
                 callable application (c:3)",
                "    /b -> /b.wsgi: embedded, Python 3.11 (/e), application group %{GLOBAL}, callable \
                 application (c:3)",
                "virtual host host:8080 (c:7)",
                "    / -> /c.wsgi: process group %{ENV:GROUP}, any Python, application group \
                 host:8080|, callable application (c:3)",
                "    /d -> /d.wsgi: process group alone, Python 3.12 (/d), application group \
                 %{GLOBAL}, callable application (c:3)",
                "    /a -> /a.wsgi: process group app, Python 3.12 (/d), application group \
                 host:8080|/a, callable application (c:3)",
                "    /b -> /b.wsgi: embedded, Python 3.11 (/e), application group %{GLOBAL}, callable \
                 application (c:3)",
                "    a section chooses process group %{GLOBAL} (c:9)",
            ]
        );
    }

    #[test]
    fn scripts_that_are_asked_and_handlers_are_shown() {
        let mut main = ServerConfig::default();
        let origin = || Origin::new("c", 5);
        let hook = HookScript::parse(HookScript::ACCESS, b"/srv/access.py", origin()).unwrap();
        main.hooks.push(hook.into());
        for line in ["md /srv/md.py process-group=docs", "js /srv/js.py"] {
            main.handlers.push(HandlerScript::parse(line.as_bytes(), origin()).unwrap().into());
        }
        let lines = shown(&main, &main);
        for expected in [
            "    handler md -> /srv/md.py: process group docs, callable handle_request (c:5)",
            "    handler js -> /srv/js.py: embedded, callable handle_request (c:5)",
            "    WSGIAccessScript /srv/access.py: embedded, Python 3.11 (/e), application group \
             %{GLOBAL} (c:5)",
        ] {
            assert!(lines.iter().any(|line| line == expected), "{expected}: {lines:#?}");
        }
    }

    #[test]
    fn embedded_mode_that_is_off_is_shown_so() {
        let mut main = ServerConfig::default();
        main.globals.restrict_embedded = Some(true);
        let lines = shown(&main, &main);
        assert!(lines.contains(&"embedded: forbidden by WSGIRestrictEmbedded".to_owned()));
    }
}
