//! Tells what is wrong with the configuration, when httpd asks whether it may be used.
//!
//! Called in the check_config hook, which runs in a test of the configuration (`-t`) and in both
//! passes of a start, in httpd's parent on its only thread.

use nix::unistd::Uid;

use super::check::{self, Site, check};
use super::check_gil::{Used, check_gil};
use super::finding::{Finding, Severity};
use super::permission::Host;
use crate::httpd::log::{self, Level, Main};
use crate::httpd::server::{Phase, identity, is_config_test, phase};
use crate::httpd::{Server, Status};
use crate::module::Wsgi;

/// Looks over the configuration of all servers and logs what it finds; an error status if it must
/// not be used.
pub fn report(main: Server<'_>) -> Status {
    let testing = is_config_test();
    let first_pass = phase() == Phase::FirstPass;
    let mut refused = false;
    for finding in with_site(main, |site| check(site, &Host)) {
        if finding.severity() == Severity::Note && !testing {
            continue;
        }
        let refuses = refuses(&finding, testing);
        refused |= refuses;
        // The first of two passes only ever needs to say why there will be no second one.
        if first_pass && !refuses && !testing {
            continue;
        }
        let level = level(&finding);
        // Until then the administrator sits before it.
        let level = if first_pass { level.at_startup() } else { level };
        log::write(Main, level, format_args!("{finding}"));
    }
    if refused { Status::INTERNAL_SERVER_ERROR } else { Status::OK }
}

/// Tells in a test of the configuration what is said of the GIL and these Pythons cannot do.
pub fn report_gil(main: Server<'_>, pythons: &[Used]) {
    for finding in check_gil(&main.config::<Wsgi>().globals.python, pythons) {
        log::write(Main, level(&finding).at_startup(), format_args!("{finding}"));
    }
}

/// How loud a finding is told.
fn level(finding: &Finding) -> Level {
    match finding.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTICE,
    }
}

/// Looks at the configuration of all servers.
pub fn with_site<R>(main: Server<'_>, look: impl FnOnce(&Site<'_>) -> R) -> R {
    let servers: Vec<_> = main
        .iter()
        .map(|server| check::Server {
            name: server.hostname().map(|name| name.to_bytes()),
            is_virtual: server.is_virtual(),
            config: server.config::<Wsgi>(),
        })
        .collect();
    let httpd = identity(main);
    let site = Site {
        servers: &servers,
        user: httpd.user.map(|name| name.to_bytes()).unwrap_or_default(),
        uid: httpd.uid,
        gid: httpd.gid,
        by_root: Uid::effective().is_root(),
    };
    look(&site)
}

/// A test tells everything that cannot work; a server that starts goes on without what only lacks
/// its files.
fn refuses(finding: &Finding, testing: bool) -> bool {
    finding.severity() == Severity::Error && (testing || !finding.fault.is_about_files())
}
