//! Setters: aliases, process groups, and what is loaded into them.

use std::ffi::CStr;
use std::sync::Arc;

use super::{flag, globals, origin, server};
use crate::config::alias::{Captures, Pattern, ScriptAlias};
use crate::config::daemon_group::{self, DaemonGroup};
use crate::config::error::Error;
use crate::config::import::{self, ImportScript};
use crate::httpd::regex::Regex;
use crate::httpd::server::root_relative;
use crate::httpd::{Answer, Command, Scope};
use crate::module::Wsgi;

impl Pattern for Regex {
    fn source(&self) -> &[u8] {
        self.source().to_bytes()
    }

    fn captures(&self, uri: &[u8]) -> Option<Captures> {
        self.captures(uri)
    }
}

pub fn script_alias(command: &Command<'_>, scope: Scope<'_, Wsgi>, text: &CStr) -> Answer {
    let alias = ScriptAlias::parse(text.to_bytes(), origin(command))?;
    server(scope, ScriptAlias::DIRECTIVE)?.add_alias(alias);
    Ok(())
}

pub fn script_alias_match(command: &Command<'_>, scope: Scope<'_, Wsgi>, text: &CStr) -> Answer {
    let compile = |source: &[u8]| -> Result<Arc<dyn Pattern>, String> {
        Ok(Arc::new(Regex::new(command.temporary_pool().dup(source))?))
    };
    let alias = ScriptAlias::parse_match(text.to_bytes(), origin(command), &compile)?;
    server(scope, ScriptAlias::DIRECTIVE_MATCH)?.add_alias(alias);
    Ok(())
}

pub fn daemon_process(command: &Command<'_>, scope: Scope<'_, Wsgi>, text: &CStr) -> Answer {
    let by_root = nix::unistd::Uid::effective().is_root();
    let group = DaemonGroup::parse(text.to_bytes(), origin(command), by_root)?;
    server(scope, daemon_group::DIRECTIVE)?.groups.push(group);
    Ok(())
}

pub fn import_script(command: &Command<'_>, scope: Scope<'_, Wsgi>, text: &CStr) -> Answer {
    let import = ImportScript::parse(text.to_bytes(), origin(command))?;
    server(scope, import::DIRECTIVE)?.imports.push(import);
    Ok(())
}

pub fn restrict_embedded(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    const DIRECTIVE: &str = "WSGIRestrictEmbedded";
    globals(command, scope, DIRECTIVE)?.restrict_embedded = Some(flag(DIRECTIVE, word)?);
    Ok(())
}

pub fn socket_prefix(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    const DIRECTIVE: &str = "WSGISocketPrefix";
    let globals = globals(command, scope, DIRECTIVE)?;
    let path = root_relative(command.pool(), word)
        .ok_or_else(|| Error::BadPath { directive: DIRECTIVE, path: word.to_bytes().to_vec() })?;
    globals.socket_prefix = Some(path.to_bytes().to_vec());
    globals.socket_prefix_origin = origin(command);
    Ok(())
}
