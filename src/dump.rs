//! `httpd -D DUMP_WSGI`: prints who answers which URL, and with which Python. With `-t` the test of the
//! configuration goes on; without, httpd ends here instead of starting.

use crate::config::{self, Named, Pythons};
use crate::daemon::runtime;
use crate::embedded;
use crate::httpd::server::{self, Phase};
use crate::httpd::{Server, Status};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

/// What the interpreters said.
struct Asked {
    embedded: Result<String, String>,
    groups: BTreeMap<Vec<u8>, Result<String, String>>,
    alone: BTreeSet<Vec<u8>>,
}

impl Pythons for Asked {
    fn of(&self, group: &[u8]) -> String {
        let known = if group.is_empty() { Some(&self.embedded) } else { self.groups.get(group) };
        match known {
            Some(Ok(python)) => python.clone(),
            Some(Err(why)) => format!("no Python: {why}"),
            None => "which does not exist".to_owned(),
        }
    }

    fn runs_in_main_interpreter(&self, group: &[u8]) -> bool {
        self.alone.contains(group)
    }
}

/// Prints the map if it was asked for. `status` is what the checks of the configuration found.
pub fn dump(main: Server<'_>, status: Status) {
    if !server::is_defined(c"DUMP_WSGI") {
        return;
    }
    let testing = server::is_config_test();
    if !testing && server::phase() != Phase::FirstPass {
        return;
    }
    let asked = Asked {
        embedded: embedded::python(main),
        groups: runtime::pythons(main).collect(),
        alone: embedded::alone(main),
    };
    let places: Vec<String> = main
        .iter()
        .map(|server| match server.defined_at() {
            Some((file, line)) if server.is_virtual() => {
                format!("{}:{line}", file.to_string_lossy())
            }
            _ => String::new(),
        })
        .collect();
    let text = config::with_site(main, |site| {
        let named: Vec<_> = main
            .iter()
            .zip(site.servers)
            .zip(&places)
            .map(|((server, known), place)| Named {
                server: *known,
                port: server.usual_port(),
                place,
            })
            .collect();
        config::map(site, &named, &asked)
    });
    let mut stdout = std::io::stdout();
    // Nobody is left to be told if the terminal is gone.
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    if !testing {
        // Asked to show and not to serve: nothing was started yet that would have to be ended.
        std::process::exit(i32::from(status != Status::OK));
    }
}
