//! What can be said per directory, location or file; also the same things said for a whole server.

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
    /// `WSGIEnableSendfile`.
    pub enable_sendfile: Option<bool>,
}

impl DirectoryConfig {
    /// The settings where `over` applies inside of `self`: each one's own value, else the outer
    /// one's.
    #[must_use]
    pub fn merge(&self, over: &Self) -> Self {
        let name = |over: &Option<Vec<u8>>, base: &Option<Vec<u8>>| {
            over.as_ref().or(base.as_ref()).cloned()
        };
        Self {
            process_group: name(&over.process_group, &self.process_group),
            application_group: name(&over.application_group, &self.application_group),
            callable_object: name(&over.callable_object, &self.callable_object),
            pass_authorization: over.pass_authorization.or(self.pass_authorization),
            script_reloading: over.script_reloading.or(self.script_reloading),
            chunked_request: over.chunked_request.or(self.chunked_request),
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
}
