//! Directives and expansions: whatever bytes stand in a configuration or come with a request are taken or refused.
#![no_main]

use std::borrow::Cow;

use config::alias::ScriptAlias;
use config::daemon_group::DaemonGroup;
use config::expand::{self, Facts};
use config::handler_script::HandlerScript;
use config::hook_script::HookScript;
use config::import::ImportScript;
use config::interpreter_options::InterpreterSection;
use config::origin::Origin;
use config::setting::Setting;
use config::{environment, python_options, pyvenv, telemetry, trusted};

/// The sources themselves, as the module that has them needs httpd.
#[allow(dead_code, missing_docs, unused)]
#[path = "../../src/config"]
mod config {
    pub mod account;
    pub mod alias;
    pub mod daemon_group;
    pub mod daemon_options;
    pub mod directory;
    pub mod effective;
    pub mod environment;
    pub mod error;
    pub mod expand;
    pub mod handler_script;
    pub mod hook_script;
    pub mod import;
    pub mod interpreter_options;
    pub mod origin;
    pub mod python_options;
    pub mod pyvenv;
    pub mod server;
    pub mod setting;
    pub mod telemetry;
    pub mod trusted;
    pub mod words;
}

struct Request<'a>(&'a [u8]);

impl Facts for Request<'_> {
    fn server_name(&self) -> &[u8] {
        self.0
    }

    fn port(&self) -> u16 {
        8080
    }

    fn host(&self) -> &[u8] {
        self.0
    }

    fn script_name(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0)
    }

    fn variable(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        (name.len() > 1).then_some(Cow::Borrowed(self.0))
    }
}

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8], &[u8])| {
    let (which, text, other) = input;
    let origin = Origin::default;
    let told = match which % 10 {
        0 => ScriptAlias::parse(text, origin()).err(),
        1 => ScriptAlias::parse_match(text, origin(), &|_| Err("no".to_owned())).err(),
        2 => DaemonGroup::parse(text, origin(), true).err(),
        3 => ImportScript::parse(text, origin()).err(),
        4 => InterpreterSection::parse(text, origin()).err(),
        5 => telemetry::service(text).err().or_else(|| telemetry::options(text).err()),
        6 => HandlerScript::parse(text, origin()).err(),
        7 => HookScript::parse("WSGIAccessScript", text, origin()).err(),
        8 => trusted::headers(text).err().or_else(|| trusted::proxies(text).err()),
        _ => {
            let setting = Setting::argument("WSGITest", text);
            let _ = (
                pyvenv::Pyvenv::parse(text).minor().map(<[u8]>::len),
                environment::assignment(&setting),
            );
            python_options::HashSeed::read(&setting)
                .err()
                .or_else(|| telemetry::slow(&setting).err())
        }
    };
    if let Some(error) = told {
        let line = error.to_string();
        assert!(line.starts_with("WRS1") && !line.contains(['\n', '\0']), "{line}");
    }

    let request = Request(other);
    let group = expand::application_group(Some(text), &request);
    assert!(text.starts_with(b"%") || *group == *text);
    assert!(text.starts_with(b"%") || *expand::callable_object(Some(text), &request) == *text);
    let _ = (expand::process_group(Some(text), &request), expand::is_unknown(text));
});
