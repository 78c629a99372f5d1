//! The look over the whole configuration, when a test asks for it and before the server starts.
//!
//! Each directive was already checked when it was read; here is what needs all of them: names that
//! must be unique or must exist, and in `check_files` the files they name. Runs in httpd's parent
//! on its only thread; changes nothing.

use std::sync::Arc;

use super::alias::{Location, ScriptAlias, ScriptOptions};
use super::daemon_group::DaemonGroup;
use super::error::nearest;
use super::expand::{self, KNOWN, KNOWN_OF_HOOKS};
use super::finding::{Fault, Finding};
use super::handler_script::HandlerScript;
use super::hook_script::HookScript;
use super::origin::Origin;
use super::permission::System;
use super::server::ServerConfig;
use super::{check_effect, check_files, check_interpreters, check_preload, check_sharing};

/// The directive whose names are in [`ServerConfig::mentions`].
const PROCESS_GROUP: &str = "WSGIProcessGroup";

/// A server: the main one or a virtual host.
#[derive(Debug, Clone, Copy)]
pub struct Server<'a> {
    /// Its `ServerName`.
    pub name: Option<&'a [u8]>,
    /// Whether it is a virtual host.
    pub is_virtual: bool,
    /// What it says, merged. A virtual host that says nothing may share the main server's.
    pub config: &'a ServerConfig,
}

/// Everything there is to check.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// All servers, the main one first.
    pub servers: &'a [Server<'a>],
    /// The name of the user httpd's children run as (`User`).
    pub user: &'a [u8],
    /// Its uid.
    pub uid: u32,
    /// The gid of httpd's children (`Group`).
    pub gid: u32,
    /// Whether httpd is started by root. If not, nobody knows whom it will run as, and permissions
    /// are not checked.
    pub by_root: bool,
}

impl Server<'_> {
    /// Whether requests of this server may use a process group that `owner` declares: always one of
    /// the main server, else one of the same server or of a virtual host with the same
    /// `ServerName`.
    pub fn may_use_groups_of(&self, owner: &Server<'_>) -> bool {
        !owner.is_virtual
            || std::ptr::eq(self.config, owner.config)
            || (self.name.is_some() && self.name == owner.name)
    }
}

impl<'a> Site<'a> {
    /// The process group of this name, with the server that declares it.
    pub fn find(&self, name: &[u8]) -> Option<(Server<'a>, &'a DaemonGroup)> {
        self.groups().find(|(_, group)| group.name == name)
    }

    /// All process groups, those of the main server first.
    pub fn groups(&self) -> impl Iterator<Item = (Server<'a>, &'a DaemonGroup)> + use<'a> {
        let site = *self;
        site.speaking()
            .flat_map(|server| server.config.groups.iter().map(move |group| (server, group)))
    }

    /// The servers that say something themselves.
    pub(super) fn speaking(&self) -> impl Iterator<Item = Server<'a>> + use<'a> {
        let main = self.main().map(|main| main.config);
        let shares =
            move |config| main.is_some_and(|main| std::ptr::eq::<ServerConfig>(main, config));
        self.servers
            .iter()
            .filter(move |server| !server.is_virtual || !shares(server.config))
            .copied()
    }

    /// The aliases that are a server's own and not inherited.
    pub(super) fn own_aliases(&self, server: &Server<'a>) -> &'a [ScriptAlias] {
        let all = server.config.aliases.as_slice();
        let inherited = match self.main() {
            Some(main) if server.is_virtual => main.config.aliases.len(),
            _ => 0,
        };
        all.get(..all.len().saturating_sub(inherited)).unwrap_or_default()
    }

    pub(super) fn main(&self) -> Option<&Server<'a>> {
        self.servers.iter().find(|server| !server.is_virtual)
    }
}

/// Looks over the configuration; each finding is told once, file by file in the order of their
/// lines.
pub fn check(site: &Site<'_>, system: &impl System) -> Vec<Finding> {
    let mut found = Vec::new();
    duplicates(site, &mut found);
    for server in site.speaking() {
        idle(&server, &mut found);
        names(site, &server, &mut found);
        aliases(site, &server, &mut found);
        scripts(site, &server, &mut found);
    }
    check_effect::check(site, &mut found);
    check_interpreters::check(site, &mut found);
    check_preload::check(site, &mut found);
    check_sharing::check(site, &mut found);
    check_files::check(site, system, &mut found);
    let mut told: Vec<Finding> = Vec::with_capacity(found.len());
    for finding in found {
        if !told.contains(&finding) {
            told.push(finding);
        }
    }
    told.sort_by(|one, other| one.origin.cmp(&other.origin));
    told
}

fn duplicates(site: &Site<'_>, found: &mut Vec<Finding>) {
    // httpd does not keep its servers in the order of the file.
    let mut groups: Vec<_> = site.groups().map(|(_, group)| group).collect();
    groups.sort_by(|one, other| one.origin.cmp(&other.origin));
    let mut known: Vec<&DaemonGroup> = Vec::new();
    for group in groups {
        match known.iter().find(|other| other.name == group.name) {
            Some(first) => found.push(Finding {
                origin: group.origin.clone(),
                fault: Fault::DuplicateGroup {
                    name: group.name.clone(),
                    first: first.origin.clone(),
                },
            }),
            None => known.push(group),
        }
    }
}

fn idle(server: &Server<'_>, found: &mut Vec<Finding>) {
    let telemetry = &server.config.globals.python.telemetry;
    if telemetry.service.is_none() && !server.is_virtual {
        for (directive, origin) in &telemetry.details {
            let because = "nobody is told, as there is no WSGITelemetryService";
            let fault = Fault::IdleDirective { directive, because };
            found.push(Finding { origin: origin.clone(), fault });
        }
    }
    for line in &server.config.idle {
        let fault = Fault::IdleDirective { directive: line.directive, because: line.because };
        found.push(Finding { origin: line.origin.clone(), fault });
    }
}

/// A process group's name where one is used.
struct Use<'a> {
    directive: &'static str,
    name: &'a [u8],
    origin: &'a Origin,
    preload: bool,
}

fn names(site: &Site<'_>, server: &Server<'_>, found: &mut Vec<Finding>) {
    let mut uses = Vec::new();
    // Those that are preloaded are among the imports.
    for alias in site.own_aliases(server).iter().filter(|alias| alias.preload().is_none()) {
        if let Some(name) = &alias.options.process_group {
            uses.push(Use {
                directive: alias.directive(),
                name,
                origin: &alias.origin,
                preload: false,
            });
        }
    }
    for import in &server.config.imports {
        uses.push(Use {
            directive: import.directive,
            name: &import.process_group,
            origin: &import.origin,
            preload: true,
        });
    }
    for handler in &server.config.handlers {
        if let Some(name) = &handler.options.process_group {
            uses.push(Use {
                directive: HandlerScript::DIRECTIVE,
                name,
                origin: &handler.origin,
                preload: false,
            });
        }
    }
    for mention in &server.config.mentions {
        uses.push(Use {
            directive: PROCESS_GROUP,
            name: &mention.name,
            origin: &mention.origin,
            preload: false,
        });
    }
    for used in uses.iter().filter(|used| !used.name.is_empty()) {
        if let Some(fault) = judge(site, server, used) {
            found.push(Finding { origin: used.origin.clone(), fault });
        }
    }
}

fn judge(site: &Site<'_>, server: &Server<'_>, used: &Use<'_>) -> Option<Fault> {
    let (directive, name) = (used.directive, used.name.to_vec());
    if used.name.starts_with(b"%") && !used.preload {
        return expand::is_unknown(used.name).then_some(Fault::UnknownExpansion {
            directive,
            value: name,
            known: KNOWN,
        });
    }
    let Some((owner, group)) = site.find(used.name) else {
        let names = site.groups().map(|(_, group)| group.name.as_slice());
        let nearest = nearest(used.name, names).map(<[u8]>::to_vec);
        return Some(if used.preload {
            Fault::PreloadInNoGroup { directive, name, nearest }
        } else {
            Fault::NoSuchGroup { directive, name, nearest }
        });
    };
    if server.may_use_groups_of(&owner) {
        return None;
    }
    let declared = group.origin.clone();
    Some(if used.preload {
        Fault::PreloadInForeignGroup { directive, name, declared }
    } else {
        Fault::ForeignGroup { directive, name, declared }
    })
}

fn aliases(site: &Site<'_>, server: &Server<'_>, found: &mut Vec<Finding>) {
    let aliases = site.own_aliases(server);
    for (place, alias) in aliases.iter().enumerate() {
        let mut tell = |fault| found.push(Finding { origin: alias.origin.clone(), fault });
        options(site, server, alias.directive(), &alias.options, &mut tell);
        slashes(alias).into_iter().for_each(&mut tell);
        if let Some(earlier) = aliases.iter().take(place).find(|earlier| shadows(earlier, alias)) {
            tell(Fault::ShadowedAlias {
                location: alias.location.source().to_vec(),
                by: earlier.location.source().to_vec(),
                earlier: earlier.origin.clone(),
            });
        }
    }
}

/// Whether an alias of a path has its slashes where it can be of use.
fn slashes(alias: &ScriptAlias) -> Option<Fault> {
    let Location::Prefix(path) = &alias.location else { return None };
    let (location, target) = (path.clone(), alias.target.clone());
    if !path.starts_with(b"/") {
        return Some(Fault::UnreachableAlias { location });
    }
    let uneven = path.len() > 1 && path.ends_with(b"/") && !target.ends_with(b"/");
    uneven.then_some(Fault::UnevenSlashes { location, target })
}

/// What an alias, or a handler, says of where its requests run.
fn options(
    site: &Site<'_>,
    server: &Server<'_>,
    directive: &'static str,
    options: &ScriptOptions,
    tell: &mut impl FnMut(Fault),
) {
    let group = known_group(site, server, options);
    if group == Some(b"") && !server.config.globals.embedded_allowed() {
        tell(Fault::EmbeddedIsOff { directive });
    }
    let group = group.and_then(|name| site.find(name));
    if let Some((_, group)) = group.filter(|(_, group)| group.threads == 0) {
        let (name, declared) = (group.name.clone(), group.origin.clone());
        tell(Fault::ServiceGroup { directive, name, declared });
    }
    if let Some(name) = options.application_group.as_deref().filter(|it| expand::is_unknown(it)) {
        tell(Fault::UnknownExpansion { directive, value: name.to_vec(), known: KNOWN });
    }
}

/// The process group of the requests of an alias or a handler, empty for embedded mode, unless it is found out for
/// each.
pub(super) fn known_group<'a>(
    site: &Site<'a>,
    server: &Server<'a>,
    options: &'a ScriptOptions,
) -> Option<&'a [u8]> {
    let config = server.config;
    let dispatches = |hook: &Arc<HookScript>| hook.directive == HookScript::DISPATCH;
    if site.servers.iter().any(|server| server.config.hooks.iter().any(dispatches)) {
        return None;
    }
    // Sections of the main server hold in virtual hosts too.
    let mut sections = site.servers.iter().flat_map(|server| &server.config.mentions);
    let name = match &options.process_group {
        Some(name) => name,
        None if sections.any(|mention| !mention.whole_server) => return None,
        None => config.requests.process_group.as_deref().unwrap_or_default(),
    };
    match name {
        b"%{GLOBAL}" => Some(b""),
        name => (!name.starts_with(b"%{")).then_some(name),
    }
}

/// Scripts that are asked, and scripts that are handlers.
fn scripts(site: &Site<'_>, server: &Server<'_>, found: &mut Vec<Finding>) {
    for hook in &server.config.hooks {
        let (directive, value) = (hook.directive, hook.application_group.clone());
        if expand::is_unknown_of_hooks(&value) {
            let fault = Fault::UnknownExpansion { directive, value, known: KNOWN_OF_HOOKS };
            found.push(Finding { origin: hook.origin.clone(), fault });
        }
    }
    for handler in &server.config.handlers {
        let mut tell = |fault| found.push(Finding { origin: handler.origin.clone(), fault });
        options(site, server, HandlerScript::DIRECTIVE, &handler.options, &mut tell);
    }
}

/// Whether every URL of the later alias is taken by the earlier one.
fn shadows(earlier: &ScriptAlias, later: &ScriptAlias) -> bool {
    match (&earlier.location, &later.location) {
        (Location::Prefix(earlier), Location::Prefix(later)) => {
            wsgi::mount::match_prefix(later, earlier).is_some()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::finding::Severity;
    use crate::config::hook_script::HookScript;
    use crate::config::import::ImportScript;
    use crate::config::permission::tests::Tree;
    use crate::config::server::{IdleDirective, Mention};

    /// A server of lines as they would stand in a configuration file, one number up each.
    fn server(lines: &[&str]) -> ServerConfig {
        let mut config = ServerConfig::default();
        for (number, line) in (1..).zip(lines) {
            let origin = Origin::new("c", number);
            let (directive, rest) = line.split_once(' ').unwrap();
            let text = rest.as_bytes();
            match directive {
                "alias" => config.add_alias(ScriptAlias::parse(text, origin).unwrap()),
                "group" => config.groups.push(DaemonGroup::parse(text, origin, true).unwrap()),
                "import" => config.imports.push(ImportScript::parse(text, origin).unwrap()),
                "handler" => {
                    config.handlers.push(HandlerScript::parse(text, origin).unwrap().into());
                }
                "hook" => {
                    let hook = HookScript::parse(HookScript::DISPATCH, text, origin).unwrap();
                    config.hooks.push(hook.into());
                }
                "use" => config.mentions.push(Mention {
                    name: text.to_vec(),
                    whole_server: false,
                    origin,
                }),
                "idle" => config.idle.push(IdleDirective {
                    directive: "WSGIX",
                    because: "of rain",
                    origin,
                }),
                "restrict" => config.globals.restrict_embedded = Some(true),
                _ => panic!("{line}"),
            }
        }
        config
    }

    /// Checks a main server and virtual hosts called h0.example, h1.example and so on, without
    /// files.
    fn findings(main: &[&str], hosts: &[&[&str]]) -> Vec<Finding> {
        let main = server(main);
        let hosts: Vec<_> = hosts
            .iter()
            .zip([&b"h0.example"[..], b"h1.example"])
            .map(|(lines, name)| (name, main.merge(&server(lines))))
            .collect();
        let mut servers =
            vec![Server { name: Some(b"main.example"), is_virtual: false, config: &main }];
        for (name, config) in &hosts {
            servers.push(Server { name: Some(name), is_virtual: true, config });
        }
        let site = Site { servers: &servers, user: b"www-data", uid: 33, gid: 33, by_root: false };
        check(&site, &Tree::new())
            .into_iter()
            .filter(|finding| !finding.fault.is_about_files())
            .collect()
    }

    fn ids(main: &[&str], hosts: &[&[&str]]) -> Vec<String> {
        findings(main, hosts)
            .iter()
            .map(|finding| format!("{} {}", finding.fault.id(), finding.origin.line))
            .collect()
    }

    fn nothing() -> Vec<String> {
        Vec::new()
    }

    #[test]
    fn a_sound_configuration_has_no_findings() {
        let main = ["group app threads=5", "alias /x /x.wsgi process-group=app"];
        assert_eq!(ids(&main, &[&["alias / /y.wsgi process-group=app", "use app"]]), nothing());
    }

    #[test]
    fn a_name_is_unique_over_all_virtual_hosts() {
        assert_eq!(ids(&["group a"], &[&["group b", "group a"]]), ["WRS1042 2"]);
        assert_eq!(ids(&[], &[&["group a"], &["group a"]]), ["WRS1042 1"]);
        let found = findings(&["group a", "group a"], &[]);
        assert_eq!(
            found.first().unwrap().to_string(),
            "WRS1042: c:2: error: WSGIDaemonProcess: process group 'a' is already declared at \
             c:1: names are unique over all virtual hosts, choose another one"
        );
        assert_eq!(found.first().unwrap().severity(), Severity::Error);
    }

    #[test]
    fn a_virtual_host_that_shares_the_main_servers_record_repeats_nothing() {
        let main = server(&["idle x", "alias / /x process-group=b"]);
        let servers = [
            Server { name: None, is_virtual: false, config: &main },
            Server { name: None, is_virtual: true, config: &main },
        ];
        let site = Site { servers: &servers, user: b"", uid: 33, gid: 33, by_root: false };
        let found = check(&site, &Tree::new().file("/x", 0, 0o644));
        let ids: Vec<_> = found.iter().map(|finding| finding.fault.id()).collect();
        assert_eq!(ids, ["WRS1041", "WRS1044"]);
    }

    #[test]
    fn an_unknown_group_is_an_error_only_where_a_script_is_preloaded() {
        assert_eq!(ids(&["alias / /x process-group=a"], &[]), ["WRS1044 1"]);
        assert_eq!(ids(&["alias / /x process-group=a application-group=b"], &[]), ["WRS1043 1"]);
        assert_eq!(ids(&["import /x process-group=a application-group=b"], &[]), ["WRS1043 1"]);
        assert_eq!(ids(&["use a"], &[]), ["WRS1044 1"]);
        let found = findings(&["group apps", "use app"], &[]);
        assert!(found.first().unwrap().to_string().ends_with("did you mean 'apps'?"));
        assert_eq!(found.first().unwrap().severity(), Severity::Warning);
    }

    #[test]
    fn a_group_may_be_declared_below_or_above_its_use() {
        let lines = ["alias / /x process-group=a application-group=b", "group a"];
        assert_eq!(ids(&lines, &[]), nothing());
    }

    #[test]
    fn handlers_and_hooks_are_looked_at_like_aliases() {
        let handler = |options: &str| ids(&[&format!("handler md /x {options}")], &[]);
        assert_eq!(handler("process-group=a"), ["WRS1044 1"]);
        assert_eq!(handler("application-group=%{global}"), ["WRS1047 1"]);
        assert_eq!(handler("process-group=%{ENV:X} application-group=%{HOST}"), nothing());
        let embedded = ["restrict x", "handler md /x process-group=%{GLOBAL}"];
        assert_eq!(ids(&embedded, &[]), ["WRS1048 2"]);
        let hook = |group: &str| ids(&[&format!("hook /x application-group={group}")], &[]);
        assert_eq!((hook("%{SERVER}"), hook("x")), (nothing(), nothing()));
        assert_eq!((hook("%{RESOURCE}"), hook("%{ENV:X}")), (hook("%{x}"), hook("%{x}")));
        assert_eq!(hook("%{x}"), ["WRS1047 1"]);
    }

    #[test]
    fn expansions_are_left_to_the_request_unless_they_are_none() {
        assert_eq!(ids(&["use %{ENV:G}", "use %{GLOBAL}", "use %{RESOURCE}"], &[]), nothing());
        assert_eq!(
            ids(&["use %{ENV:G", "alias / /x application-group=%{global}"], &[]),
            ["WRS1047 1", "WRS1047 2"]
        );
    }

    #[test]
    fn a_group_of_another_virtual_host_is_out_of_reach() {
        let host: &[&str] = &["group a"];
        assert_eq!(ids(&[], &[host, &["alias / /x process-group=a"]]), ["WRS1046 1"]);
        assert_eq!(
            ids(&[], &[host, &["import /x process-group=a application-group=b"]]),
            ["WRS1045 1"]
        );
        assert_eq!(ids(&["alias / /x process-group=a"], &[host]), ["WRS1046 1"]);
    }

    #[test]
    fn virtual_hosts_of_the_same_name_share_their_groups() {
        let main = ServerConfig::default();
        let (one, two) = (server(&["group a"]), server(&["use a"]));
        let found = |first, second| {
            let servers = [
                Server { name: None, is_virtual: false, config: &main },
                Server { name: first, is_virtual: true, config: &one },
                Server { name: second, is_virtual: true, config: &two },
            ];
            let site = Site { servers: &servers, user: b"", uid: 33, gid: 33, by_root: false };
            check(&site, &Tree::new()).len()
        };
        assert_eq!(found(Some(b"a"), Some(b"a")), 0);
        assert_eq!(found(Some(b"a"), Some(b"b")), 1);
        assert_eq!(found(Some(b"a"), None), 1);
    }

    #[test]
    fn what_has_no_effect_is_told_with_its_name() {
        let texts: Vec<_> = findings(&["group a server-metrics=On", "idle x"], &[])
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(texts.len(), 1);
        assert!(
            texts.iter().all(|text| text.contains("WSGIX is accepted but has no effect: of rain"))
        );
    }

    #[test]
    fn an_alias_below_a_shorter_one_is_never_reached() {
        assert_eq!(ids(&["alias / /x", "alias /app /y"], &[]), ["WRS1049 2"]);
        assert_eq!(ids(&["alias /a /x", "alias /ab /y", "alias /a/b /z"], &[]), ["WRS1049 3"]);
        assert_eq!(ids(&["alias /a/ /x/", "alias /a /y"], &[]), nothing());
        assert_eq!(ids(&["alias /a /x", "alias / /y"], &[]), nothing());
    }

    #[test]
    fn slashes_of_an_alias_that_do_not_fit_are_told() {
        assert_eq!(ids(&["alias /a/ /x", "alias b /y"], &[]), ["WRS1069 1", "WRS1076 2"]);
        assert_eq!(ids(&["alias /a/ /x/", "alias /b /y/", "alias / /z"], &[]), nothing());
    }

    #[test]
    fn a_virtual_host_may_cover_the_main_servers_aliases() {
        assert_eq!(ids(&["alias /app /x"], &[&["alias / /y"]]), nothing());
    }

    #[test]
    fn a_section_of_the_main_server_may_choose_the_group_of_a_virtual_hosts_alias() {
        let mut main = server(&["restrict x"]);
        let host = server(&["alias / /x"]);
        let found = |main: &ServerConfig| {
            let merged = main.merge(&host);
            let servers = [
                Server { name: None, is_virtual: false, config: main },
                Server { name: None, is_virtual: true, config: &merged },
            ];
            let site = Site { servers: &servers, user: b"", uid: 33, gid: 33, by_root: false };
            let found = check(&site, &Tree::new().file("/x", 0, 0o644));
            found.iter().map(|finding| finding.fault.id()).collect::<Vec<_>>()
        };
        assert_eq!(found(&main), ["WRS1048"]);
        main.mentions.push(Mention {
            name: b"%{ENV:GROUP}".to_vec(),
            whole_server: false,
            origin: Origin::default(),
        });
        assert!(found(&main).is_empty());
    }

    #[test]
    fn embedded_aliases_are_told_where_embedded_mode_is_off() {
        let alias = "alias / /x process-group=%{GLOBAL}";
        assert_eq!(ids(&[alias], &[]), nothing());
        assert_eq!(ids(&["restrict x", alias], &[]), ["WRS1048 2"]);
        assert_eq!(ids(&["restrict x"], &[&[alias]]), ["WRS1048 1"]);
    }
}
