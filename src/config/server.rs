//! What one server says: the main one or a virtual host.
//!
//! Filled while httpd reads the configuration, merged once, read-only from then on.

use std::sync::Arc;

use super::alias::ScriptAlias;
use super::daemon_group::DaemonGroup;
use super::directory::DirectoryConfig;
use super::handler_script::HandlerScript;
use super::hook_script::HookScript;
use super::import::ImportScript;
use super::origin::Origin;
use super::python_options::PythonOptions;

/// The configuration of a server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServerConfig {
    /// `WSGIScriptAlias` and `WSGIScriptAliasMatch`: its own in their order, after the merge
    /// followed by the main server's.
    pub aliases: Vec<ScriptAlias>,
    /// `WSGIDaemonProcess`, its own.
    pub groups: Vec<DaemonGroup>,
    /// `WSGIImportScript`, and aliases that are preloaded; its own, in their order.
    pub imports: Vec<ImportScript>,
    /// What holds for every request that no directory section says otherwise for.
    pub requests: DirectoryConfig,
    /// The process groups that its `WSGIProcessGroup` lines name, those in directory sections
    /// included.
    pub mentions: Vec<Mention>,
    /// Its own lines whose words are looked at once everything was read, those in sections included.
    pub lines: Vec<Line>,
    /// The scripts that are asked about requests, of its own lines, those in sections included.
    pub hooks: Vec<Arc<HookScript>>,
    /// The handlers that are scripts, of its own lines, those in sections included.
    pub handlers: Vec<Arc<HandlerScript>>,
    /// Its own lines that were accepted and do nothing.
    pub idle: Vec<IdleDirective>,
    /// What only the main server says.
    pub globals: Globals,
}

/// A process group's name in a `WSGIProcessGroup` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// The name, before expansion.
    pub name: Vec<u8>,
    /// Whether it holds for the whole server and not for a section only.
    pub whole_server: bool,
    /// Where it was written.
    pub origin: Origin,
}

/// A line of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The directive.
    pub directive: &'static str,
    /// Its arguments.
    pub words: Vec<Vec<u8>>,
    /// Whether it holds for the whole server and not for a section only.
    pub whole_server: bool,
    /// Where it was written.
    pub origin: Origin,
}

/// A directive that is accepted and does nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdleDirective {
    /// The directive.
    pub directive: &'static str,
    /// Why it does nothing, or what to use instead.
    pub because: &'static str,
    /// Where it was written.
    pub origin: Origin,
}

/// What only the main server says; after the merge every server has a copy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Globals {
    /// `WSGIPythonHome`.
    pub python_home: Option<Vec<u8>>,
    /// Where it was written.
    pub python_home_origin: Origin,
    /// How Python is started.
    pub python: PythonOptions,
    /// `WSGISocketPrefix`, absolute.
    pub socket_prefix: Option<Vec<u8>>,
    /// Where it was written.
    pub socket_prefix_origin: Origin,
    /// `WSGIRestrictEmbedded`.
    pub restrict_embedded: Option<bool>,
}

/// The scripts to load when processes start, of all `servers`, the main one first. A server that
/// shares the main one's record says nothing itself; the others come in the order of their lines,
/// which httpd does not keep.
pub fn imports<'a>(
    servers: impl IntoIterator<Item = &'a ServerConfig>,
) -> impl Iterator<Item = &'a ImportScript> {
    let mut servers = servers.into_iter();
    let main = servers.next();
    let mut hosts: Vec<_> = servers
        .filter(|host| !main.is_some_and(|main| std::ptr::eq(main, *host)))
        .map(|host| host.imports.as_slice())
        .collect();
    hosts.sort_by_key(|imports| imports.first().map(|import| &import.origin));
    main.into_iter().flat_map(|main| &main.imports).chain(hosts.into_iter().flatten())
}

impl Globals {
    /// Whether WSGI requests may run in httpd's own children.
    pub fn embedded_allowed(&self) -> bool {
        self.restrict_embedded != Some(true)
    }
}

impl ServerConfig {
    /// Adds an alias, and what it asks to be loaded beforehand.
    pub fn add_alias(&mut self, alias: ScriptAlias) {
        self.imports.extend(alias.preload());
        self.aliases.push(alias);
    }

    /// The configuration of a virtual host that says `over`, in the main server `self`.
    #[must_use]
    pub fn merge(&self, over: &Self) -> Self {
        Self {
            aliases: over.aliases.iter().chain(&self.aliases).cloned().collect(),
            groups: over.groups.clone(),
            imports: over.imports.clone(),
            requests: self.requests.merge(&over.requests),
            mentions: over.mentions.clone(),
            lines: over.lines.clone(),
            hooks: over.hooks.clone(),
            handlers: over.handlers.clone(),
            idle: over.idle.clone(),
            globals: self.globals.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alias(text: &str) -> ScriptAlias {
        ScriptAlias::parse(text.as_bytes(), Origin::default()).unwrap()
    }

    #[test]
    fn a_virtual_hosts_aliases_come_before_the_main_servers() {
        let main = ServerConfig { aliases: vec![alias("/m /m")], ..ServerConfig::default() };
        let host = ServerConfig {
            aliases: vec![alias("/a /a"), alias("/b /b")],
            ..ServerConfig::default()
        };
        let targets: Vec<_> =
            main.merge(&host).aliases.into_iter().map(|alias| alias.target).collect();
        assert_eq!(targets, [b"/a", b"/b", b"/m"]);
    }

    #[test]
    fn an_alias_with_both_groups_is_preloaded_in_its_place_among_the_imports() {
        let import = |path: &str| {
            let text = format!("{path} process-group=g application-group=a");
            ImportScript::parse(text.as_bytes(), Origin::default()).unwrap()
        };
        let mut config = ServerConfig { imports: vec![import("/1")], ..ServerConfig::default() };
        config.add_alias(alias("/ /2 process-group=g application-group=a"));
        config.add_alias(alias("/3 /3 process-group=g"));
        config.imports.push(import("/4"));
        let scripts: Vec<_> = config.imports.iter().map(|import| &*import.script).collect();
        assert_eq!(scripts, [b"/1", b"/2", b"/4"]);
        assert_eq!(config.aliases.len(), 2);
    }

    #[test]
    fn imports_of_all_servers_come_in_their_order_and_once() {
        let host = |paths: &[&str], line| {
            let import = |path: &&str| {
                let text = format!("{path} process-group=g application-group=a");
                ImportScript::parse(text.as_bytes(), Origin::new("c", line)).unwrap()
            };
            let imports = paths.iter().map(import).collect();
            ServerConfig { imports, ..ServerConfig::default() }
        };
        let (main, late, early, none) =
            (host(&["/1", "/2"], 99), host(&["/5"], 7), host(&["/3", "/4"], 5), host(&[], 0));
        let all = imports([&main, &late, &none, &main, &early]);
        let scripts: Vec<_> = all.map(|import| &*import.script).collect();
        assert_eq!(scripts, [b"/1", b"/2", b"/3", b"/4", b"/5"]);
    }

    #[test]
    fn groups_are_never_inherited_and_globals_always() {
        let main = ServerConfig {
            groups: vec![DaemonGroup::new("main", Origin::default())],
            globals: Globals { python_home: Some(b"/venv".to_vec()), ..Globals::default() },
            requests: DirectoryConfig {
                script_reloading: Some(false),
                ..DirectoryConfig::default()
            },
            ..ServerConfig::default()
        };
        let host = ServerConfig {
            groups: vec![DaemonGroup::new("host", Origin::default())],
            globals: Globals { python_home: Some(b"/other".to_vec()), ..Globals::default() },
            ..ServerConfig::default()
        };
        let merged = main.merge(&host);
        assert_eq!(merged.groups.len(), 1);
        assert_eq!(merged.groups.first().unwrap().name, b"host");
        assert_eq!(merged.globals.python_home.as_deref(), Some(&b"/venv"[..]));
        assert_eq!(merged.requests.script_reloading, Some(false));
    }
}
