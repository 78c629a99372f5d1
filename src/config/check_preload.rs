//! What `preload=On` of a process group can load before the first request: the scripts that are known to run in it, and in the
//! main interpreter.
//!
//! Pure; the check runs in httpd's parent on its only thread.

use super::check::Site;
use super::daemon_group::DaemonGroup;
use super::finding::{Fault, Finding};
use super::server::{ServerConfig, imports};

/// A name that is the same for every request; `%{GLOBAL}` is the empty one.
fn literal(value: &[u8]) -> Option<&[u8]> {
    match value {
        b"%{GLOBAL}" => Some(b""),
        value if value.windows(2).any(|two| two == b"%{") => None,
        value => Some(value),
    }
}

/// The targets of all aliases whose scripts surely run in a process group and in the main interpreter. `alone`: so does the
/// group's only application, if nobody chose its interpreter.
pub fn main_scripts<'a>(
    servers: impl Iterator<Item = &'a ServerConfig>,
    group: &[u8],
    alone: bool,
) -> Vec<Vec<u8>> {
    let mut scripts: Vec<Vec<u8>> = Vec::new();
    for config in servers {
        let (requests, of_server) = (&config.requests, config.aliases.iter());
        for alias in of_server.filter(|alias| !alias.target_varies()) {
            let own = &alias.options;
            let process = own.process_group.as_ref().or(requests.process_group.as_ref());
            let application =
                own.application_group.as_ref().or(requests.application_group.as_ref());
            let in_group = process.is_some_and(|name| literal(name) == Some(group));
            let in_main = application.map_or(alone, |name| literal(name) == Some(b""));
            if in_group && in_main && !scripts.contains(&alias.target) {
                scripts.push(alias.target.clone());
            }
        }
    }
    scripts
}

/// Looks for groups that have nothing to preload, and for scripts that are not preloaded although they are known.
pub(super) fn check(site: &Site<'_>, found: &mut Vec<Finding>) {
    let servers = || site.speaking().map(|server| server.config);
    for (_, group) in site.groups().filter(|(_, group)| group.preload) {
        let mut any = !main_scripts(servers(), &group.name, true).is_empty();
        for import in imports(servers()).filter(|import| import.process_group == group.name) {
            if import.application_group.is_empty() {
                any = true;
                continue;
            }
            let fault = Fault::NotPreloaded {
                directive: import.directive,
                group: group.name.clone(),
                application_group: import.application_group.clone(),
            };
            found.push(Finding { origin: import.origin.clone(), fault });
        }
        if !any {
            found.push(nothing(group));
        }
    }
}

fn nothing(group: &DaemonGroup) -> Finding {
    let fault = Fault::NothingToPreload { group: group.name.clone() };
    Finding { origin: group.origin.clone(), fault }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::alias::ScriptAlias;
    use crate::config::check::Server;
    use crate::config::import::ImportScript;
    use crate::config::origin::Origin;

    fn config(aliases: &[&str], imports: &[&str]) -> ServerConfig {
        let mut config = ServerConfig::default();
        let group = DaemonGroup::parse(b"app preload=On", Origin::new("c", 1), true);
        config.groups.push(group.unwrap());
        for text in aliases {
            config.add_alias(ScriptAlias::parse(text.as_bytes(), Origin::new("c", 2)).unwrap());
        }
        let import = |text: &&str| ImportScript::parse(text.as_bytes(), Origin::new("c", 3));
        config.imports.extend(imports.iter().map(|text| import(text).unwrap()));
        config
    }

    fn findings(config: &ServerConfig) -> Vec<String> {
        let servers = [Server { name: None, is_virtual: false, config }];
        let site = Site { servers: &servers, user: b"", uid: 33, gid: 33, by_root: false };
        let mut found = Vec::new();
        check(&site, &mut found);
        found.iter().map(|it| format!("{} {}", it.fault.id(), it.origin.line)).collect()
    }

    #[test]
    fn scripts_of_the_main_interpreter_are_known_by_alias_and_server() {
        let main = config(
            &[
                "/a /a process-group=app application-group=%{GLOBAL}",
                "/b /b process-group=app",
                "/c /c process-group=app application-group=other",
                "/d /d application-group=%{GLOBAL}",
                "/e /e process-group=%{ENV:X} application-group=%{GLOBAL}",
                "/f /a process-group=app application-group=%{GLOBAL}",
            ],
            &[],
        );
        let known = |config: &ServerConfig, alone| {
            main_scripts([config].into_iter(), b"app", alone).concat()
        };
        assert_eq!(known(&main, false), b"/a");
        assert_eq!(known(&main, true), b"/a/b");
        let mut server = main.clone();
        server.requests.process_group = Some(b"app".to_vec());
        server.requests.application_group = Some(b"%{GLOBAL}".to_vec());
        assert_eq!(known(&server, false), b"/a/b/d");
    }

    #[test]
    fn what_is_not_preloaded_is_told() {
        let main = "process-group=app application-group=%{GLOBAL}";
        let other = "process-group=app application-group=x";
        assert_eq!(findings(&config(&["/ /a process-group=app"], &[])), Vec::<String>::new());
        assert_eq!(findings(&config(&[], &[&format!("/a {main}")])), Vec::<String>::new());
        assert_eq!(findings(&config(&[], &[])), ["WRS1070 1"]);
        assert_eq!(findings(&config(&["/ /a"], &[])), ["WRS1070 1"]);
        assert_eq!(findings(&config(&[&format!("/ /a {other}")], &[])), ["WRS1071 2", "WRS1070 1"]);
        let both = config(&[&format!("/ /a {main}")], &[&format!("/b {other}")]);
        assert_eq!(findings(&both), ["WRS1071 3"]);
    }
}
