//! Setters: what is said per request, for a server or a section.

use std::ffi::CStr;

use super::{flag, keep, origin, settings};
use crate::config::check_effect::{APPLICATION_GROUP, CALLABLE_OBJECT, RESTRICT_PROCESS};
use crate::config::directory::MapHead;
use crate::config::server::Mention;
use crate::config::setting::Setting;
use crate::config::trusted;
use crate::config::words::Words;
use crate::httpd::{Answer, Command, Scope};
use crate::module::Wsgi;

/// Setters of switches.
macro_rules! switches {
    ($($name:ident = $directive:literal;)*) => {$(
        pub fn $name(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
            settings(command, scope).$name = Some(flag($directive, word)?);
            Ok(())
        }
    )*};
}

switches! {
    pass_authorization = "WSGIPassAuthorization";
    script_reloading = "WSGIScriptReloading";
    chunked_request = "WSGIChunkedRequest";
    error_override = "WSGIErrorOverride";
    enable_sendfile = "WSGIEnableSendfile";
    ignore_activity = "WSGIIgnoreActivity";
}

pub fn process_group(command: &Command<'_>, mut scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    let name = word.to_bytes().to_vec();
    if let Some(server) = &mut scope.server {
        server.mentions.push(Mention {
            name: name.clone(),
            whole_server: !command.is_in_section(),
            origin: origin(command),
        });
    }
    settings(command, scope).process_group = Some(name);
    Ok(())
}

pub fn application_group(command: &Command<'_>, mut scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    let name = word.to_bytes().to_vec();
    keep(command, &mut scope, APPLICATION_GROUP, vec![name.clone()]);
    settings(command, scope).application_group = Some(name);
    Ok(())
}

pub fn callable_object(command: &Command<'_>, mut scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    let name = word.to_bytes().to_vec();
    keep(command, &mut scope, CALLABLE_OBJECT, vec![name.clone()]);
    settings(command, scope).callable_object = Some(name);
    Ok(())
}

pub fn map_head_to_get(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    let word = Setting::argument("WSGIMapHEADToGET", word.to_bytes());
    settings(command, scope).map_head_to_get = Some(match word.one_of(&["Off", "On", "Auto"])? {
        "Off" => MapHead::Off,
        "On" => MapHead::On,
        _ => MapHead::Auto,
    });
    Ok(())
}

/// A line replaces what an earlier one of the same scope says; without a word, nothing is allowed.
pub fn restrict_process(command: &Command<'_>, mut scope: Scope<'_, Wsgi>, text: &CStr) -> Answer {
    let mut words = Words::new(text.to_bytes());
    let names: Vec<_> = std::iter::from_fn(|| words.word())
        .map(|word| Setting::argument(RESTRICT_PROCESS, &word).group_name())
        .collect();
    keep(command, &mut scope, RESTRICT_PROCESS, names.clone());
    settings(command, scope).restrict_process = Some(names);
    Ok(())
}

/// Lines of the same scope add up.
pub fn trusted_proxy_headers(
    command: &Command<'_>,
    mut scope: Scope<'_, Wsgi>,
    text: &CStr,
) -> Answer {
    let headers = trusted::headers(text.to_bytes())?;
    keep(command, &mut scope, trusted::TRUSTED_HEADERS, Vec::new());
    settings(command, scope).trusted_headers.get_or_insert_default().extend(headers);
    Ok(())
}

/// Lines of the same scope add up.
pub fn trusted_proxies(command: &Command<'_>, mut scope: Scope<'_, Wsgi>, text: &CStr) -> Answer {
    let networks = trusted::proxies(text.to_bytes())?;
    keep(command, &mut scope, trusted::TRUSTED_PROXIES, Vec::new());
    settings(command, scope).trusted_proxies.get_or_insert_default().extend(networks);
    Ok(())
}
