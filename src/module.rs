//! The module: what its configuration is, which directives it has, and which hooks it takes.

use crate::access;
use crate::config::{self, DirectoryConfig, ServerConfig};
use crate::daemon::runtime;
use crate::dump;
use crate::embedded;
use crate::httpd::hook::{Child, ChildState};
use crate::httpd::server::{self, Phase};
use crate::httpd::{Directive, Hooks, Module, Order, Pool, Pools, Record, Server, Status, log};
use crate::request::{handler, translate};
use std::ffi::CStr;

/// The module.
#[derive(Debug)]
pub struct Wsgi;

/// What the `Server` header says of us.
const COMPONENT: &CStr = c"mod_wsgi_rs/0.1";

impl Module for Wsgi {
    type Server = ServerConfig;
    type Directory = DirectoryConfig;

    const DIRECTIVES: &'static [Directive<Self>] = config::directives::DIRECTIVES;

    fn new_server() -> ServerConfig {
        ServerConfig::default()
    }

    fn new_directory(_path: Option<&CStr>) -> DirectoryConfig {
        DirectoryConfig::default()
    }

    fn record() -> &'static Record<Self> {
        &crate::wsgi_module
    }

    fn register(hooks: &Hooks<'_>) {
        hooks.check_config(Order::MIDDLE, check_config);
        hooks.post_config(Order::MIDDLE, post_config);
        hooks.child_init(Order::MIDDLE, child_init);
        hooks.child_status(Order::MIDDLE, child_status);
        hooks.monitor(Order::MIDDLE, monitor);
        hooks.translate_name(
            Order::MIDDLE
                .after(&[c"mod_alias.c"])
                .before(&[c"mod_userdir.c", c"mod_vhost_alias.c"]),
            translate::translate,
        );
        hooks.map_to_storage(Order::NEXT_TO_LAST, translate::map_to_storage);
        access::register(hooks);
        hooks.handler(Order::MIDDLE, handler::handle);
        hooks.read_large_bodies_at_once::<Self>();
    }
}

fn check_config(_pools: Pools<'_>, main: Server<'_>) -> Status {
    let mut pythons = Vec::new();
    let status = match config::report(main) {
        Status::OK => match runtime::check(main, &mut pythons) {
            Status::OK => embedded::check(main, &mut pythons),
            refused => refused,
        },
        refused => refused,
    };
    config::report_gil(main, &pythons);
    dump::dump(main, status);
    status
}

fn post_config(pools: Pools<'_>, main: Server<'_>) -> Status {
    server::add_version_component(pools.config, COMPONENT);
    if server::phase() != Phase::FirstPass && !server::is_config_test() {
        // First: what runs in the main interpreter is part of its plan.
        embedded::configure(main);
        runtime::start(pools.config, main);
    }
    Status::OK
}

fn child_init(pool: Pool<'_>, main: Server<'_>) {
    log::set_main(main);
    runtime::enter_child(pool);
    embedded::enter_child(pool);
}

fn child_status(_server: Server<'_>, child: Child) {
    if child.state == ChildState::Exited {
        runtime::child_ended(child.pid);
    }
}

fn monitor(_pool: Pool<'_>, _server: Server<'_>) -> Status {
    runtime::retry();
    Status::DECLINED
}
