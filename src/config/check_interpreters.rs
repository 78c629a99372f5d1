//! Sections `<WSGIInterpreterOptions>` that do not do what they seem to.
//!
//! Nothing here stops a server: a section that fits no interpreter is only never used.

use super::check::Site;
use super::error::nearest;
use super::finding::{Fault, Finding};
use super::interpreter_options::InterpreterSection;

pub(super) fn check(site: &Site<'_>, found: &mut Vec<Finding>) {
    let Some(main) = site.main() else { return };
    for section in &main.config.globals.python.sections {
        for (directive, origin) in &section.strays {
            let fault = Fault::StrayInSection { directive: directive.clone() };
            found.push(Finding { origin: origin.clone(), fault });
        }
        let own_gil = main.config.globals.python.own_gil();
        let faults =
            [process_group(site, section), application_group(section, own_gil), gil(section)];
        for fault in faults.into_iter().flatten() {
            found.push(Finding { origin: section.origin.clone(), fault });
        }
    }
}

fn process_group(site: &Site<'_>, section: &InterpreterSection) -> Option<Fault> {
    let name = section.process_group.as_ref().filter(|name| !name.is_empty())?;
    if site.find(name).is_some() {
        return None;
    }
    let names = site.groups().map(|(_, group)| group.name.as_slice());
    let nearest = nearest(name, names).map(<[u8]>::to_vec);
    Some(Fault::SectionForNoGroup { name: name.clone(), nearest })
}

fn application_group(section: &InterpreterSection, own_gil: bool) -> Option<Fault> {
    let name = section.application_group.as_ref().filter(|name| !name.is_empty())?;
    if name.starts_with(b"%{") {
        return Some(Fault::LiteralSelector { name: name.clone() });
    }
    // With a GIL of its own an interpreter has an interval of its own. Another section may give it one, too.
    let own_gil = section.options.own_gil.as_ref().map_or(own_gil, |switch| switch.on);
    let shared = section.options.switch_interval.filter(|_| !own_gil);
    shared.map(|_| Fault::SharedInterval { name: name.clone() })
}

/// The GIL of a Python that can do without is that of the process.
fn gil(section: &InterpreterSection) -> Option<Fault> {
    section.options.free_threading.as_ref()?;
    let name = section.application_group.clone()?;
    Some(Fault::FreeThreadingOfOne { name })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check::Server;
    use crate::config::daemon_group::DaemonGroup;
    use crate::config::interpreter_options::Switch;
    use crate::config::origin::Origin;
    use crate::config::server::ServerConfig;
    use std::time::Duration;

    fn told(section: &str, change: impl FnOnce(&mut InterpreterSection)) -> Vec<String> {
        let mut section =
            InterpreterSection::parse(section.as_bytes(), Origin::new("c", 3)).unwrap();
        change(&mut section);
        let mut config = ServerConfig {
            groups: vec![DaemonGroup::new("site", Origin::default())],
            ..ServerConfig::default()
        };
        config.globals.python.sections.push(section);
        let servers = [Server { name: None, is_virtual: false, config: &config }];
        let site = Site { servers: &servers, user: b"", uid: 33, gid: 33, by_root: false };
        let mut found = Vec::new();
        check(&site, &mut found);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_section_that_fits_is_not_told() {
        let with_interval = |section: &mut InterpreterSection| {
            section.options.switch_interval = Some(Duration::from_millis(1));
        };
        for text in [">", "process-group=site>", "process-group=%{GLOBAL} application-group=a>"] {
            assert!(told(text, |_| ()).is_empty(), "{text}");
        }
        for text in ["process-group=site>", "application-group=%{GLOBAL}>"] {
            assert!(told(text, with_interval).is_empty(), "{text}");
        }
        assert_eq!(
            told("application-group=a>", with_interval),
            ["WRS1063: c:3: warning: WSGISwitchInterval has no effect for application group 'a': \
                 the interpreters of a process share one interval: leave out application-group, \
                 or name %{GLOBAL}"]
        );
    }

    #[test]
    fn an_interval_of_an_interpreter_with_a_gil_of_its_own_is_not_told() {
        let own = |section: &mut InterpreterSection| {
            section.options.switch_interval = Some(Duration::from_millis(1));
            section.options.own_gil = Some(Switch { on: true, origin: Origin::default() });
        };
        assert!(told("application-group=a>", own).is_empty());
    }

    #[test]
    fn free_threading_of_single_interpreters_is_told() {
        let free = |section: &mut InterpreterSection| {
            section.options.free_threading = Some(Switch { on: true, origin: Origin::default() });
        };
        assert!(told("process-group=site>", free).is_empty());
        for text in ["application-group=a>", "process-group=site application-group=%{GLOBAL}>"] {
            let told = told(text, free);
            assert!(told.first().unwrap().starts_with("WRS1074: c:3: warning: "), "{told:?}");
        }
    }

    #[test]
    fn a_section_that_can_fit_nothing_is_told() {
        assert_eq!(
            told("process-group=sit>", |_| ()),
            [
                "WRS1061: c:3: warning: <WSGIInterpreterOptions> is for process group 'sit', which no \
                 WSGIDaemonProcess declares: did you mean 'site'?"
            ]
        );
        let literal = told("application-group=%{RESOURCE}>", |_| ());
        assert!(literal.first().unwrap().starts_with("WRS1062: c:3: "), "{literal:?}");
    }

    #[test]
    fn what_does_not_belong_into_a_section_is_told_with_its_line() {
        let stray = |section: &mut InterpreterSection| {
            section.strays.push((b"WSGIPythonOptimize".to_vec(), Origin::new("c", 5)));
        };
        let told = told(">", stray);
        assert!(
            told.first().unwrap().starts_with("WRS1060: c:5: warning: WSGIPythonOptimize in <"),
            "{told:?}"
        );
    }
}
