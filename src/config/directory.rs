//! What can be said per directory, location or file; also the same things said for a whole server.

use std::sync::Arc;

use super::handler_script::HandlerScript;
use super::hook_script::HookScript;
use wsgi::network::Network;
use wsgi::proxy::Header;

/// `WSGIMapHEADToGET`: whether the application sees GET for a HEAD request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MapHead {
    /// Never.
    Off,
    /// Always.
    On,
    /// When a filter needs the body to make the headers.
    #[default]
    Auto,
}

/// Settings of a directory section, of an `.htaccess` file, or of a server; `None` where nothing
/// was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirectoryConfig {
    /// `WSGIProcessGroup`, before expansion.
    pub process_group: Option<Vec<u8>>,
    /// `WSGIApplicationGroup`, before expansion.
    pub application_group: Option<Vec<u8>>,
    /// `WSGICallableObject`, before expansion.
    pub callable_object: Option<Vec<u8>>,
    /// `WSGIPassAuthorization`.
    pub pass_authorization: Option<bool>,
    /// `WSGIScriptReloading`.
    pub script_reloading: Option<bool>,
    /// `WSGIChunkedRequest`.
    pub chunked_request: Option<bool>,
    /// `WSGIErrorOverride`.
    pub error_override: Option<bool>,
    /// `WSGIMapHEADToGET`.
    pub map_head_to_get: Option<MapHead>,
    /// `WSGIIgnoreActivity`.
    pub ignore_activity: Option<bool>,
    /// `WSGIRestrictProcess`, the process groups that may be used; empty for embedded mode.
    pub restrict_process: Option<Vec<Vec<u8>>>,
    /// `WSGITrustedProxyHeaders`, in their order.
    pub trusted_headers: Option<Vec<&'static Header>>,
    /// `WSGITrustedProxies`.
    pub trusted_proxies: Option<Vec<Network>>,
    /// `WSGIEnableSendfile`.
    pub enable_sendfile: Option<bool>,
    /// `WSGIAccessScript`.
    pub access_script: Option<Arc<HookScript>>,
    /// `WSGIAuthUserScript`.
    pub auth_user_script: Option<Arc<HookScript>>,
    /// `WSGIAuthGroupScript`.
    pub auth_group_script: Option<Arc<HookScript>>,
    /// `WSGIDispatchScript`.
    pub dispatch_script: Option<Arc<HookScript>>,
    /// `WSGIHandlerScript`, each name once.
    pub handler_scripts: Vec<Arc<HandlerScript>>,
}

impl DirectoryConfig {
    /// The settings where `over` applies inside of `self`: each one's own value, else the outer
    /// one's.
    #[must_use]
    pub fn merge(&self, over: &Self) -> Self {
        fn list<T: Clone>(over: &Option<Vec<T>>, base: &Option<Vec<T>>) -> Option<Vec<T>> {
            over.as_ref().or(base.as_ref()).cloned()
        }
        fn script(
            over: &Option<Arc<HookScript>>,
            base: &Option<Arc<HookScript>>,
        ) -> Option<Arc<HookScript>> {
            over.as_ref().or(base.as_ref()).cloned()
        }
        let mut handler_scripts = self.handler_scripts.clone();
        over.handler_scripts.iter().for_each(|handler| put(&mut handler_scripts, handler));
        Self {
            process_group: list(&over.process_group, &self.process_group),
            application_group: list(&over.application_group, &self.application_group),
            callable_object: list(&over.callable_object, &self.callable_object),
            pass_authorization: over.pass_authorization.or(self.pass_authorization),
            script_reloading: over.script_reloading.or(self.script_reloading),
            chunked_request: over.chunked_request.or(self.chunked_request),
            error_override: over.error_override.or(self.error_override),
            map_head_to_get: over.map_head_to_get.or(self.map_head_to_get),
            ignore_activity: over.ignore_activity.or(self.ignore_activity),
            restrict_process: list(&over.restrict_process, &self.restrict_process),
            trusted_headers: list(&over.trusted_headers, &self.trusted_headers),
            trusted_proxies: list(&over.trusted_proxies, &self.trusted_proxies),
            enable_sendfile: over.enable_sendfile.or(self.enable_sendfile),
            access_script: script(&over.access_script, &self.access_script),
            auth_user_script: script(&over.auth_user_script, &self.auth_user_script),
            auth_group_script: script(&over.auth_group_script, &self.auth_group_script),
            dispatch_script: script(&over.dispatch_script, &self.dispatch_script),
            handler_scripts,
        }
    }

    /// Adds a handler, in place of another one of its name.
    pub fn add_handler(&mut self, handler: &Arc<HandlerScript>) {
        put(&mut self.handler_scripts, handler);
    }

    /// The script that is the handler of this name.
    pub fn handler(&self, name: &[u8]) -> Option<&HandlerScript> {
        self.handler_scripts.iter().find(|handler| handler.is_named(name)).map(Arc::as_ref)
    }
}

fn put(handlers: &mut Vec<Arc<HandlerScript>>, handler: &Arc<HandlerScript>) {
    match handlers.iter_mut().find(|other| other.is_named(&handler.name)) {
        Some(other) => *other = Arc::clone(handler),
        None => handlers.push(Arc::clone(handler)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::origin::Origin;

    #[test]
    fn the_inner_value_wins_and_the_outer_one_fills_in() {
        let outer = DirectoryConfig {
            process_group: Some(b"outer".to_vec()),
            callable_object: Some(b"main".to_vec()),
            pass_authorization: Some(true),
            ..DirectoryConfig::default()
        };
        let inner = DirectoryConfig {
            process_group: Some(Vec::new()),
            pass_authorization: Some(false),
            script_reloading: Some(false),
            ..DirectoryConfig::default()
        };
        let merged = outer.merge(&inner);
        assert_eq!(merged.process_group.as_deref(), Some(&b""[..]), "empty is a value: embedded");
        assert_eq!(merged.callable_object.as_deref(), Some(&b"main"[..]));
        assert_eq!(
            (merged.pass_authorization, merged.script_reloading),
            (Some(false), Some(false))
        );
        assert_eq!(merged.application_group, None);
    }

    #[test]
    fn handlers_of_other_names_add_up_and_those_of_the_same_replace() {
        let with = |lines: &[&str]| {
            let mut config = DirectoryConfig::default();
            for line in lines {
                let handler = HandlerScript::parse(line.as_bytes(), Origin::default()).unwrap();
                config.add_handler(&Arc::new(handler));
            }
            config
        };
        let merged = with(&["a /1", "b /2", "B /3"]).merge(&with(&["A /4", "c /5"]));
        let script = |name: &[u8]| merged.handler(name).map(|handler| handler.script.clone());
        assert_eq!((script(b"a"), script(b"b")), (Some(b"/4".to_vec()), Some(b"/3".to_vec())));
        assert_eq!((script(b"c"), script(b"d")), (Some(b"/5".to_vec()), None));
    }

    #[test]
    fn a_script_that_is_asked_is_inherited_until_another_one_is_named() {
        let script = |path: &str| {
            let script = HookScript::parse(HookScript::ACCESS, path.as_bytes(), Origin::default());
            Some(Arc::new(script.unwrap()))
        };
        let outer = DirectoryConfig {
            access_script: script("/outer"),
            dispatch_script: script("/dispatch"),
            ..DirectoryConfig::default()
        };
        let inner =
            DirectoryConfig { access_script: script("/inner"), ..DirectoryConfig::default() };
        let merged = outer.merge(&inner);
        assert_eq!((merged.access_script, merged.auth_user_script), (script("/inner"), None));
        assert_eq!(merged.dispatch_script, script("/dispatch"));
    }

    #[test]
    fn lists_replace_and_do_not_add_up() {
        let groups = |names: &[&str]| {
            Some(names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>())
        };
        let outer = DirectoryConfig {
            restrict_process: groups(&["a", "b"]),
            trusted_headers: Some(wsgi::proxy::HEADERS.iter().take(2).collect()),
            ..DirectoryConfig::default()
        };
        let inner = DirectoryConfig { restrict_process: groups(&[]), ..DirectoryConfig::default() };
        let merged = outer.merge(&inner);
        assert_eq!(merged.restrict_process, groups(&[]), "nothing allowed is a value");
        assert_eq!(merged.trusted_headers, outer.trusted_headers);
    }

    #[test]
    fn each_setting_is_inherited_and_each_can_be_said_otherwise() {
        let all = |on, name: &str| DirectoryConfig {
            process_group: Some(name.into()),
            application_group: Some(name.into()),
            callable_object: Some(name.into()),
            pass_authorization: Some(on),
            script_reloading: Some(on),
            chunked_request: Some(on),
            error_override: Some(on),
            map_head_to_get: Some(if on { MapHead::On } else { MapHead::Off }),
            ignore_activity: Some(on),
            restrict_process: Some(vec![name.into()]),
            trusted_headers: Some(wsgi::proxy::HEADERS.iter().take(1 + usize::from(on)).collect()),
            trusted_proxies: Network::parse(if on { b"10.0.0.1" } else { b"::1" })
                .map(|network| vec![network]),
            enable_sendfile: Some(on),
            ..DirectoryConfig::default()
        };
        let (outer, inner, nothing) = (all(true, "a"), all(false, "b"), DirectoryConfig::default());
        assert_eq!(outer.merge(&nothing), outer);
        assert_eq!(nothing.merge(&inner), inner);
        assert_eq!(outer.merge(&inner), inner);
    }
}
