//! The files that the configuration names: scripts, working directories, Pythons.
//!
//! Each is looked at as the user that will need it. A script that is not there may be deployed
//! later and is only worth a warning; a process group whose working directory or Python is missing
//! cannot start.

use std::path::{Path, PathBuf};

use super::alias::ScriptOptions;
use super::check::{Server, Site};
use super::daemon_group::DaemonGroup;
use super::finding::{Fault, Finding};
use super::handler_script::HandlerScript;
use super::origin::Origin;
use super::permission::{Access, Identity, System, closed, is_missing, path};
use super::pyvenv::Pyvenv;
use super::server::Globals;

/// The interpreter of a Python home: of a virtual environment, of a prefix, or the home itself.
fn python_of(system: &impl System, home: &Path) -> Option<PathBuf> {
    let may_be_program = |path: &PathBuf| match system.status(path) {
        Ok(status) => !status.directory,
        Err(_) => !is_missing(system, path),
    };
    [home.join("bin/python"), home.join("bin/python3"), home.to_path_buf()]
        .into_iter()
        .find(may_be_program)
}

pub(super) fn check(site: &Site<'_>, system: &impl System, found: &mut Vec<Finding>) {
    let site = Files { site, system };
    if let Some(globals) = site.site.main().map(|main| &main.config.globals) {
        let user = site.httpd().filter(|_| globals.embedded_allowed());
        let home = globals.python_home.as_ref();
        if let Some(fault) = home.and_then(|home| site.python(None, home, user)) {
            found.push(Finding { origin: globals.python_home_origin.clone(), fault });
        }
        if let Some(fault) = site.sockets(globals) {
            found.push(Finding { origin: globals.socket_prefix_origin.clone(), fault });
        }
    }
    for (_, group) in site.site.groups() {
        site.group(group, found);
    }
    for server in site.site.speaking() {
        for alias in site.site.own_aliases(&server).iter().filter(|alias| !alias.target_varies()) {
            let runner = site.runner(&server, &alias.options);
            site.script(alias.directive(), &alias.target, &alias.origin, runner.as_ref(), found);
        }
        for import in &server.config.imports {
            let runner = site.user_of(&import.process_group);
            site.script(import.directive, &import.script, &import.origin, runner.as_ref(), found);
        }
        for hook in &server.config.hooks {
            let runner = site.httpd();
            site.script(hook.directive, &hook.script, &hook.origin, runner.as_ref(), found);
        }
        for handler in &server.config.handlers {
            let runner = site.runner(&server, &handler.options);
            let directive = HandlerScript::DIRECTIVE;
            site.script(directive, &handler.script, &handler.origin, runner.as_ref(), found);
        }
    }
}

struct Files<'a, S> {
    site: &'a Site<'a>,
    system: &'a S,
}

impl<S: System> Files<'_, S> {
    fn group(&self, group: &DaemonGroup, found: &mut Vec<Finding>) {
        let mut tell = |fault| found.push(Finding { origin: group.origin.clone(), fault });
        if let Some(root) = &group.chroot {
            self.directory(group, "chroot", root, None).into_iter().for_each(&mut tell);
            self.without_proc(group, root).for_each(&mut tell);
            // Below it other paths hold, and what is above it does not matter to the group's user.
            let inside = group.home.as_ref().map(|home| [root.as_slice(), home].concat());
            inside
                .and_then(|home| self.directory(group, "home", &home, None))
                .into_iter()
                .for_each(tell);
            return;
        }
        let user = self.user_of_group(group);
        if let Some(home) = &group.home {
            self.directory(group, "home", home, user.as_ref()).into_iter().for_each(&mut tell);
        }
        match &group.python_home {
            Some(home) => self.python(Some(group), home, user).into_iter().for_each(tell),
            None => {
                let globals = self.site.main().map(|main| &main.config.globals);
                let inherited = globals.and_then(|globals| globals.python_home.as_ref());
                let fault = inherited.and_then(|home| self.python(Some(group), home, user));
                // What is wrong with that for everybody is told once, where it was written.
                fault
                    .filter(|it| matches!(it, Fault::ClosedPython { .. }))
                    .into_iter()
                    .for_each(tell);
            }
        }
    }

    /// What is wrong with the place for sockets, if any are made.
    fn sockets(&self, globals: &Globals) -> Option<Fault> {
        self.site.groups().next()?;
        let prefix = globals.socket_prefix.clone()?;
        let end = prefix.iter().rposition(|byte| *byte == b'/')?;
        let directory = prefix.get(..end.max(1))?.to_vec();
        let missing = is_missing(self.system, path(&directory));
        missing.then_some(Fault::NoSocketDirectory { prefix, directory })
    }

    /// What needs the kernel's own files, where they are not inside of the root directory of a group.
    fn without_proc(&self, group: &DaemonGroup, root: &[u8]) -> impl Iterator<Item = Fault> {
        let missing = is_missing(self.system, &path(root).join("proc/self/status"));
        let given = [
            ("display-name", group.display_name.is_some()),
            ("memory-restart", group.memory_restart > 0),
        ];
        let group = group.name.clone();
        given.into_iter().filter(move |(_, given)| missing && *given).map(move |(option, _)| {
            let why = "needs /proc, which is not mounted inside of the chroot";
            Fault::PointlessOption { group: group.clone(), option, why }
        })
    }

    /// What is wrong with a Python home: of a group, or without one the one for all.
    fn python(
        &self,
        group: Option<&DaemonGroup>,
        home: &[u8],
        user: Option<Identity>,
    ) -> Option<Fault> {
        // What httpd is started in is not known here.
        if !home.starts_with(b"/") {
            return None;
        }
        let name = group.map(|group| group.name.clone());
        let home = home.to_vec();
        let Some(python) = python_of(self.system, path(&home)) else {
            let pyvenv = path(&home).join(Pyvenv::FILE);
            return Some(match self.system.read(&pyvenv).map(|text| Pyvenv::parse(&text)) {
                Err(_) => Fault::NoPython { group: name, home },
                Ok(Pyvenv { version, base }) => {
                    Fault::BrokenEnvironment { group: name, home, version, base }
                }
            });
        };
        let closed = closed(self.system, &python, &user?, Access::Execute)?;
        let python = std::os::unix::ffi::OsStringExt::into_vec(python.into_os_string());
        Some(Fault::ClosedPython { group: name, python, closed })
    }

    fn directory(
        &self,
        group: &DaemonGroup,
        option: &'static str,
        directory: &[u8],
        user: Option<&Identity>,
    ) -> Option<Fault> {
        let (group, home) = (group.name.clone(), directory.to_vec());
        let place = path(directory);
        let is_file = self.system.status(place).is_ok_and(|status| !status.directory);
        if is_file || is_missing(self.system, place) {
            return Some(Fault::NoHome { group, option, home });
        }
        let closed = closed(self.system, place, user?, Access::Execute)?;
        Some(Fault::ClosedHome { group, home, closed })
    }

    fn script(
        &self,
        directive: &'static str,
        script: &[u8],
        origin: &Origin,
        runner: Option<&Identity>,
        found: &mut Vec<Finding>,
    ) {
        let mut tell = |fault| found.push(Finding { origin: origin.clone(), fault });
        let place = path(script);
        let script = script.to_vec();
        if !place.is_absolute() {
            tell(Fault::RelativeScript { directive, script });
        } else if is_missing(self.system, place) {
            tell(Fault::NoScript { directive, script });
        } else {
            // httpd's own user must find the script whoever runs it.
            let finder = self.httpd().zip(place.parent());
            let stopped = finder
                .and_then(|(httpd, parent)| closed(self.system, parent, &httpd, Access::Execute))
                .or_else(|| {
                    let directory = self.system.status(place).is_ok_and(|status| status.directory);
                    let access = if directory { Access::Execute } else { Access::Read };
                    closed(self.system, place, runner?, access)
                });
            if let Some(closed) = stopped {
                tell(Fault::ClosedScript { directive, script, closed });
            }
        }
    }

    /// The user that runs the script of an alias or a handler, if that can be known before a request.
    fn runner(&self, server: &Server<'_>, options: &ScriptOptions) -> Option<Identity> {
        if let Some(name) = &options.process_group {
            return self.user_of(name);
        }
        let in_sections = self
            .site
            .servers
            .iter()
            .any(|server| server.config.mentions.iter().any(|mention| !mention.whole_server));
        if in_sections {
            return None;
        }
        self.user_of(server.config.requests.process_group.as_deref().unwrap_or_default())
    }

    fn user_of(&self, process_group: &[u8]) -> Option<Identity> {
        match process_group {
            b"" | b"%{GLOBAL}" => self.httpd(),
            name => self.user_of_group(self.site.find(name)?.1),
        }
    }

    fn user_of_group(&self, group: &DaemonGroup) -> Option<Identity> {
        let (name, uid) = match &group.user {
            Some(user) => (user.name.as_slice(), user.id),
            None => (self.site.user, self.site.uid),
        };
        let gid = group.group.as_ref().map_or(self.site.gid, |group| group.id);
        let listed = group.supplementary_groups.as_deref();
        self.identity(name, uid, gid, listed)
    }

    fn httpd(&self) -> Option<Identity> {
        self.identity(self.site.user, self.site.uid, self.site.gid, None)
    }

    fn identity(
        &self,
        name: &[u8],
        uid: u32,
        gid: u32,
        listed: Option<&[u32]>,
    ) -> Option<Identity> {
        let groups = match listed {
            Some(listed) => listed.iter().copied().chain([gid]).collect(),
            None => self.system.groups_of(name, gid),
        };
        self.site.by_root.then(|| Identity { name: name.to_vec(), uid, groups })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::account::Account;
    use crate::config::alias::ScriptAlias;
    use crate::config::hook_script::HookScript;
    use crate::config::import::ImportScript;
    use crate::config::permission::tests::Tree;
    use crate::config::server::{Mention, ServerConfig};

    fn tree() -> Tree {
        Tree::new()
            .directory("/srv", 0, 0o755)
            .file("/srv/app.wsgi", 0, 0o644)
            .file("/srv/secret.wsgi", 1000, 0o600)
            .directory("/srv/venv", 0, 0o755)
            .directory("/srv/venv/bin", 0, 0o755)
            .link("/srv/venv/bin/python", "/home/ann/python")
            .directory("/srv/old", 0, 0o755)
            .text("/srv/old/pyvenv.cfg", "home = /usr/bin\nversion = 3.9.2\n")
            .directory("/home", 0, 0o755)
            .directory("/home/ann", 1000, 0o700)
            .file("/home/ann/python", 1000, 0o755)
    }

    fn group(text: &str, uid: u32) -> DaemonGroup {
        let mut group = DaemonGroup::parse(text.as_bytes(), Origin::new("c", 9), true).unwrap();
        group.user = Some(Account { name: b"app".to_vec(), id: uid });
        group
    }

    fn alias(text: &str) -> ScriptAlias {
        ScriptAlias::parse(text.as_bytes(), Origin::new("c", 1)).unwrap()
    }

    fn found(config: &ServerConfig, by_root: bool) -> Vec<String> {
        let servers = [Server { name: None, is_virtual: false, config }];
        let site = Site { servers: &servers, user: b"www-data", uid: 33, gid: 33, by_root };
        let mut found = Vec::new();
        check(&site, &tree(), &mut found);
        found.iter().map(ToString::to_string).collect()
    }

    fn of_group(text: &str, uid: u32, by_root: bool) -> Vec<String> {
        found(&ServerConfig { groups: vec![group(text, uid)], ..ServerConfig::default() }, by_root)
    }

    fn of_alias(text: &str, uid: u32) -> Vec<String> {
        let config = ServerConfig {
            aliases: vec![alias(text)],
            groups: vec![group("g", uid)],
            ..ServerConfig::default()
        };
        found(&config, true)
    }

    fn nothing() -> Vec<String> {
        Vec::new()
    }

    #[test]
    fn a_python_below_a_home_the_user_cannot_enter_is_told() {
        assert_eq!(
            of_group("g python-home=/srv/venv", 33, true),
            [
                "WRS1056: c:9: warning: WSGIDaemonProcess g: its Python '/srv/venv/bin/python' cannot be \
              run: user 'app' is stopped by the permissions of '/home/ann': grant it access or \
              use a Python outside of that directory"
            ]
        );
        assert_eq!(of_group("g python-home=/srv/venv", 1000, true), nothing());
        assert_eq!(of_group("g python-home=/srv/venv", 33, false), nothing());
    }

    #[test]
    fn a_python_home_without_python_is_told_for_the_group_or_the_global_directive() {
        let told = of_group("g python-home=/srv", 33, true);
        assert!(
            told.first()
                .unwrap()
                .contains("WRS1055: c:9: error: WSGIDaemonProcess g: there is no bin/python")
        );
        let mut config = ServerConfig { groups: vec![group("g", 33)], ..ServerConfig::default() };
        config.globals.python_home = Some(b"/nowhere".to_vec());
        config.globals.python_home_origin = Origin::new("c", 4);
        let told = found(&config, true);
        assert_eq!(told.len(), 1, "once, and not for each group: {told:?}");
        assert!(
            told.first()
                .unwrap()
                .starts_with("WRS1055: c:4: error: WSGIPythonHome: there is no bin/python")
        );
    }

    #[test]
    fn an_environment_whose_python_is_gone_is_told_with_what_it_was_made_for() {
        assert_eq!(
            of_group("g python-home=/srv/old", 33, true),
            [
                "WRS1058: c:9: error: WSGIDaemonProcess g: the virtual environment '/srv/old' was made \
                 for Python 3.9.2 in '/usr/bin', which is gone: make the environment again with a \
                 Python that is there"
            ]
        );
    }

    #[test]
    fn a_python_for_all_must_be_open_to_those_who_use_it() {
        let mut config = ServerConfig { groups: vec![group("g", 1000)], ..ServerConfig::default() };
        config.globals.python_home = Some(b"/srv/venv".to_vec());
        let told = found(&config, true);
        assert_eq!(told.len(), 1, "httpd's user, and not that of the group: {told:?}");
        assert!(told.first().unwrap().contains("WSGIPythonHome: its Python"));
        config.globals.restrict_embedded = Some(true);
        assert_eq!(found(&config, true), nothing());
        config.groups = vec![group("g", 33)];
        assert!(found(&config, true).first().unwrap().contains("WSGIDaemonProcess g: its Python"));
    }

    #[test]
    fn a_python_home_may_be_the_interpreter_itself() {
        let tree = Tree::new().file("/opt/bin/python3", 0, 0o755).file("/usr/pypy", 0, 0o755);
        let found = |home| python_of(&tree, Path::new(home));
        assert_eq!(found("/opt"), Some("/opt/bin/python3".into()));
        assert_eq!(found("/usr/pypy"), Some("/usr/pypy".into()));
        assert_eq!(found("/"), None);
        assert_eq!(found("/none"), None);
    }

    #[test]
    fn a_home_must_be_a_directory_that_the_user_can_enter() {
        assert!(of_group("g home=/no", 33, false).first().unwrap().starts_with("WRS1053: "));
        assert!(
            of_group("g home=/srv/app.wsgi", 33, false).first().unwrap().starts_with("WRS1053: ")
        );
        assert!(of_group("g home=/home/ann", 33, true).first().unwrap().starts_with("WRS1054: "));
        assert_eq!(of_group("g home=/home/ann", 1000, true), nothing());
        let told = of_group("g home=/no chroot=/srv", 33, true);
        assert!(told.first().unwrap().contains("'home=/srv/no' is not an existing directory"));
        assert_eq!(of_group("g home=/ann chroot=/home", 33, true), nothing());
        let told = of_group("g chroot=/jail", 33, true);
        assert!(told.first().unwrap().contains("'chroot=/jail' is not an existing directory"));
    }

    #[test]
    fn a_script_must_be_there_and_readable_by_whom_it_runs_as() {
        assert_eq!(of_alias("/ /srv/app.wsgi process-group=g", 1000), nothing());
        assert_eq!(of_alias("/ /srv/secret.wsgi process-group=g", 1000), nothing());
        let told = of_alias("/ /srv/secret.wsgi process-group=g", 34);
        assert!(
            told.first()
                .unwrap()
                .contains("user 'app' is stopped by the permissions of '/srv/secret.wsgi'")
        );
        assert!(of_alias("/ /srv/secret.wsgi", 1000).first().unwrap().contains("user 'www-data'"));
        assert!(of_alias("/ /srv/none.wsgi", 1000).first().unwrap().starts_with("WRS1051: "));
        assert!(of_alias("/ srv/app.wsgi", 1000).first().unwrap().starts_with("WRS1050: "));
    }

    #[test]
    fn httpds_own_user_must_find_the_script_too() {
        let told = of_alias("/ /home/ann/python process-group=g", 1000);
        assert!(
            told.first()
                .unwrap()
                .contains("user 'www-data' is stopped by the permissions of '/home/ann'")
        );
    }

    #[test]
    fn whom_a_script_runs_as_is_not_guessed() {
        let mut config =
            ServerConfig { aliases: vec![alias("/ /srv/secret.wsgi")], ..ServerConfig::default() };
        assert_eq!(found(&config, true).len(), 1);
        config.mentions.push(Mention {
            name: b"x".to_vec(),
            whole_server: false,
            origin: Origin::default(),
        });
        assert_eq!(found(&config, true), nothing());
        let by_variable = of_alias("/ /srv/secret.wsgi process-group=%{ENV:G}", 33);
        assert_eq!(by_variable, nothing());
    }

    #[test]
    fn scripts_that_are_asked_are_read_by_httpds_user_and_handlers_by_that_of_their_group() {
        let hook = HookScript::parse(HookScript::ACCESS, b"/srv/secret.wsgi", Origin::new("c", 2));
        let text = b"x /srv/secret.wsgi process-group=g";
        let handler = HandlerScript::parse(text, Origin::new("c", 3)).unwrap();
        let config = ServerConfig {
            hooks: vec![hook.unwrap().into()],
            handlers: vec![handler.into()],
            groups: vec![group("g", 1000)],
            ..ServerConfig::default()
        };
        let told = found(&config, true);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told.first().unwrap().starts_with("WRS1052: c:2: warning: WSGIAccessScript: the "));
    }

    #[test]
    fn import_scripts_are_looked_at_like_aliases() {
        let text = b"/srv/secret.wsgi process-group=%{GLOBAL} application-group=a";
        let config = ServerConfig {
            imports: vec![ImportScript::parse(text, Origin::new("c", 2)).unwrap()],
            ..ServerConfig::default()
        };
        let told = found(&config, true);
        assert!(
            told.first()
                .unwrap()
                .starts_with("WRS1052: c:2: warning: WSGIImportScript: the script")
        );
    }
}
