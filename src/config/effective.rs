//! What holds for one request, once directory, server and alias have been heard.
//!
//! An option of the alias that routed the request comes first, then the directory's directive, then
//! the server's, then mod_wsgi's default. Made per request on its thread; borrows from the
//! configuration and the request.

use std::borrow::Cow;

use wsgi::network::Network;
use wsgi::proxy::Header;

use super::alias::ScriptOptions;
use super::directory::{DirectoryConfig, MapHead};
use super::expand::{self, Facts};
use super::server::ServerConfig;

/// How to serve a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective<'a> {
    /// The process group; empty for embedded mode.
    pub process_group: Cow<'a, [u8]>,
    /// The application group; empty for the main interpreter.
    pub application_group: Cow<'a, [u8]>,
    /// Whether anybody said which application group; if not, a process group with only one
    /// application may run it in the main interpreter.
    pub application_group_configured: bool,
    /// The script that is the handler; empty if the request was mapped to its script.
    pub handler_script: &'a [u8],
    /// The callable's name.
    pub callable_object: Cow<'a, [u8]>,
    /// Whether the application sees the `Authorization` header.
    pub pass_authorization: bool,
    /// Whether a changed script is loaded again.
    pub script_reloading: bool,
    /// Whether a request body may come in chunks, without a length.
    pub chunked_request: bool,
    /// Whether the kernel may send files that the application wraps; nothing said: where that is safe.
    pub enable_sendfile: Option<bool>,
    /// Whether error responses of the application are replaced by httpd's own.
    pub error_override: bool,
    /// Whether the application sees GET for a HEAD request.
    pub map_head_to_get: MapHead,
    /// Whether the request does not count as activity.
    pub ignore_activity: bool,
    /// The process groups that may be used; all if nothing was said.
    pub restrict_process: Option<&'a [Vec<u8>]>,
    /// The headers of proxies that are believed, in their order.
    pub trusted_headers: &'a [&'static Header],
    /// The proxies that are believed; all if nothing was said.
    pub trusted_proxies: Option<&'a [Network]>,
}

impl Effective<'_> {
    /// The script that answers a request that was mapped to `filename`.
    pub fn script<'s>(&'s self, filename: &'s [u8]) -> &'s [u8] {
        if self.handler_script.is_empty() { filename } else { self.handler_script }
    }

    /// When that script was last changed, as far as httpd knows by what it saw of the file that was asked for; 0: it does
    /// not.
    pub fn script_time(&self, file_time: i64) -> i64 {
        if self.handler_script.is_empty() { file_time } else { 0 }
    }

    /// Whether the process group is one that may be used. As in mod_wsgi, whatever its case.
    pub fn may_use_process_group(&self) -> bool {
        self.restrict_process.is_none_or(|names| {
            names.iter().any(|name| name.eq_ignore_ascii_case(&self.process_group))
        })
    }
}

/// Puts together what holds for a request. `options` are those of the alias that routed it, or of the
/// script that is its handler.
pub fn effective<'a>(
    directory: &'a DirectoryConfig,
    server: &'a ServerConfig,
    options: Option<&'a ScriptOptions>,
    facts: &'a impl Facts,
) -> Effective<'a> {
    let requests = &server.requests;
    let process_group = first([
        options.and_then(|options| options.process_group.as_ref()),
        directory.process_group.as_ref(),
        requests.process_group.as_ref(),
    ]);
    let application_group = first([
        options.and_then(|options| options.application_group.as_ref()),
        directory.application_group.as_ref(),
        requests.application_group.as_ref(),
    ]);
    let callable = match options.and_then(|options| options.callable_object.as_ref()) {
        Some(name) => Cow::Borrowed(name.as_slice()),
        None => {
            let value =
                first([directory.callable_object.as_ref(), requests.callable_object.as_ref()]);
            expand::callable_object(value, facts)
        }
    };
    Effective {
        process_group: expand::process_group(process_group, facts),
        application_group: expand::application_group(application_group, facts),
        application_group_configured: application_group.is_some(),
        handler_script: b"",
        callable_object: callable,
        pass_authorization: options
            .and_then(|options| options.pass_authorization)
            .or(directory.pass_authorization)
            .or(requests.pass_authorization)
            .unwrap_or(false),
        script_reloading: directory.script_reloading.or(requests.script_reloading).unwrap_or(true),
        chunked_request: directory.chunked_request.or(requests.chunked_request).unwrap_or(true),
        error_override: directory.error_override.or(requests.error_override).unwrap_or(false),
        map_head_to_get: directory.map_head_to_get.or(requests.map_head_to_get).unwrap_or_default(),
        ignore_activity: directory.ignore_activity.or(requests.ignore_activity).unwrap_or(false),
        restrict_process: list(&directory.restrict_process, &requests.restrict_process),
        trusted_headers: list(&directory.trusted_headers, &requests.trusted_headers)
            .unwrap_or_default(),
        trusted_proxies: list(&directory.trusted_proxies, &requests.trusted_proxies),
        enable_sendfile: directory.enable_sendfile.or(requests.enable_sendfile),
    }
}

/// The list of the section, or else of the server.
fn list<'a, T>(section: &'a Option<Vec<T>>, server: &'a Option<Vec<T>>) -> Option<&'a [T]> {
    section.as_deref().or(server.as_deref())
}

/// The first value that was said.
fn first<const N: usize>(values: [Option<&Vec<u8>>; N]) -> Option<&[u8]> {
    values.into_iter().flatten().next().map(Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::expand::tests::FACTS;

    fn named(process_group: &str) -> DirectoryConfig {
        DirectoryConfig {
            process_group: Some(process_group.into()),
            application_group: Some(process_group.into()),
            callable_object: Some(process_group.into()),
            ..DirectoryConfig::default()
        }
    }

    #[test]
    fn nothing_said_gives_the_defaults() {
        let (directory, server) = (DirectoryConfig::default(), ServerConfig::default());
        let found = effective(&directory, &server, None, &FACTS);
        assert_eq!(&*found.process_group, b"");
        assert_eq!(&*found.application_group, b"example.org|/app");
        assert!(!found.application_group_configured);
        assert_eq!(&*found.callable_object, b"application");
        assert_eq!((found.pass_authorization, found.script_reloading), (false, true));
        assert_eq!((found.chunked_request, found.enable_sendfile), (true, None));
    }

    #[test]
    fn the_alias_comes_before_the_directory_and_the_directory_before_the_server() {
        let server = ServerConfig { requests: named("server"), ..ServerConfig::default() };
        let nothing = DirectoryConfig::default();
        let directory = named("directory");
        let alias = ScriptOptions {
            process_group: Some(b"alias".to_vec()),
            application_group: Some(Vec::new()),
            callable_object: Some(b"alias".to_vec()),
            pass_authorization: Some(true),
        };

        let found = effective(&nothing, &server, None, &FACTS);
        assert_eq!(
            (&*found.process_group, &*found.callable_object),
            (&b"server"[..], &b"server"[..])
        );

        let found = effective(&directory, &server, None, &FACTS);
        assert_eq!(
            (&*found.process_group, &*found.application_group),
            (&b"directory"[..], &b"directory"[..])
        );

        let found = effective(&directory, &server, Some(&alias), &FACTS);
        assert_eq!((&*found.process_group, &*found.application_group), (&b"alias"[..], &b""[..]));
        assert_eq!(&*found.callable_object, b"alias");
        assert!(found.pass_authorization && found.application_group_configured);
    }

    #[test]
    fn an_alias_that_says_nothing_leaves_everything() {
        let server = ServerConfig { requests: named("%{ENV:GROUP}"), ..ServerConfig::default() };
        let nothing = DirectoryConfig::default();
        let alias = ScriptOptions::default();
        let found = effective(&nothing, &server, Some(&alias), &FACTS);
        assert_eq!((&*found.process_group, &*found.callable_object), (&b"blue"[..], &b"blue"[..]));
    }

    #[test]
    fn an_aliass_groups_are_expanded_and_its_callable_is_not() {
        let (directory, server) = (DirectoryConfig::default(), ServerConfig::default());
        let alias = ScriptOptions {
            process_group: Some(b"%{ENV:GROUP}".to_vec()),
            application_group: Some(b"%{SERVER}".to_vec()),
            callable_object: Some(b"%{ENV:GROUP}".to_vec()),
            pass_authorization: None,
        };
        let found = effective(&directory, &server, Some(&alias), &FACTS);
        assert_eq!(&*found.process_group, b"blue");
        assert_eq!(&*found.application_group, b"example.org");
        assert_eq!(&*found.callable_object, b"%{ENV:GROUP}");
    }

    #[test]
    fn only_named_process_groups_may_be_used_if_any_are_named() {
        let may = |group: &str, allowed: Option<&[&str]>| {
            let names = |it: &[&str]| it.iter().map(|name| name.as_bytes().to_vec()).collect();
            let directory = DirectoryConfig {
                process_group: Some(group.into()),
                restrict_process: allowed.map(names),
                ..DirectoryConfig::default()
            };
            effective(&directory, &ServerConfig::default(), None, &FACTS).may_use_process_group()
        };
        assert!(may("a", None) && may("", None));
        assert!(may("a", Some(&["b", "A"])));
        assert!(!may("", Some(&["a"])), "embedded mode is one of them");
        assert!(may("%{GLOBAL}", Some(&[""])));
        assert!(!may("a", Some(&[])));
    }

    #[test]
    fn a_directory_can_switch_off_what_the_server_switched_on() {
        let on = DirectoryConfig {
            pass_authorization: Some(true),
            script_reloading: Some(false),
            ..DirectoryConfig::default()
        };
        let off = DirectoryConfig {
            pass_authorization: Some(false),
            script_reloading: Some(true),
            ..DirectoryConfig::default()
        };
        let server = ServerConfig { requests: on, ..ServerConfig::default() };
        let found = effective(&off, &server, None, &FACTS);
        assert_eq!((found.pass_authorization, found.script_reloading), (false, true));
    }
}
