//! What can be said per directory, location or file; also the same things said for a whole server.

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
}

impl DirectoryConfig {
    /// The settings where `over` applies inside of `self`: each one's own value, else the outer
    /// one's.
    #[must_use]
    pub fn merge(&self, over: &Self) -> Self {
        fn list<T: Clone>(over: &Option<Vec<T>>, base: &Option<Vec<T>>) -> Option<Vec<T>> {
            over.as_ref().or(base.as_ref()).cloned()
        }
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
