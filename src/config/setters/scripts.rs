//! Setters: scripts that are asked about requests, and scripts that are handlers.

use std::ffi::CStr;
use std::sync::Arc;

use super::{origin, settings};
use crate::config::directory::DirectoryConfig;
use crate::config::error::Error;
use crate::config::handler_script::HandlerScript;
use crate::config::hook_script::HookScript;
use crate::httpd::{Answer, Command, Scope};
use crate::module::Wsgi;

pub fn access_script(command: &Command<'_>, scope: Scope<'_, Wsgi>, text: &CStr) -> Answer {
    let (script, section) = in_section(HookScript::ACCESS, command, scope, text)?;
    section.access_script = Some(script);
    Ok(())
}

pub fn auth_user_script(command: &Command<'_>, scope: Scope<'_, Wsgi>, text: &CStr) -> Answer {
    let (script, section) = in_section(HookScript::AUTH_USER, command, scope, text)?;
    section.auth_user_script = Some(script);
    Ok(())
}

pub fn auth_group_script(command: &Command<'_>, scope: Scope<'_, Wsgi>, text: &CStr) -> Answer {
    let (script, section) = in_section(HookScript::AUTH_GROUP, command, scope, text)?;
    section.auth_group_script = Some(script);
    Ok(())
}

pub fn dispatch_script(command: &Command<'_>, mut scope: Scope<'_, Wsgi>, text: &CStr) -> Answer {
    let script = read(HookScript::DISPATCH, command, &mut scope, text)?;
    settings(command, scope).dispatch_script = Some(script);
    Ok(())
}

pub fn handler_script(command: &Command<'_>, mut scope: Scope<'_, Wsgi>, text: &CStr) -> Answer {
    let handler = Arc::new(HandlerScript::parse(text.to_bytes(), origin(command))?);
    if let Some(server) = &mut scope.server {
        server.handlers.push(Arc::clone(&handler));
    }
    settings(command, scope).add_handler(&handler);
    Ok(())
}

/// The script of a line about authorization, which httpd lets stand in sections only, and its section.
fn in_section<'c>(
    directive: &'static str,
    command: &Command<'_>,
    mut scope: Scope<'c, Wsgi>,
    text: &CStr,
) -> Result<(Arc<HookScript>, &'c mut DirectoryConfig), Error> {
    let script = read(directive, command, &mut scope, text)?;
    Ok((script, scope.directory))
}

/// The script of a line; its server knows of it, for what is to be known of all before there are requests.
fn read(
    directive: &'static str,
    command: &Command<'_>,
    scope: &mut Scope<'_, Wsgi>,
    text: &CStr,
) -> Result<Arc<HookScript>, Error> {
    let script = Arc::new(HookScript::parse(directive, text.to_bytes(), origin(command))?);
    if let Some(server) = &mut scope.server {
        server.hooks.push(Arc::clone(&script));
    }
    Ok(script)
}
