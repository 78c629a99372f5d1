//! The name a script has in `sys.modules`.
//!
//! As in mod_wsgi it is made of the path, so that scripts with the same file name do not meet and a
//! script that was loaded before the first request is found at it. MD5 is only a name here, nothing
//! secret.

/// What every name begins with.
pub const PREFIX: &str = "_mod_wsgi_";

/// The module name of the script at `path`: [`PREFIX`] and 32 hexadecimal digits.
#[must_use]
pub fn module_name(path: &[u8]) -> String {
    format!("{PREFIX}{:x}", md5::compute(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_that_of_mod_wsgi() {
        // printf %s /srv/app.wsgi | md5sum
        assert_eq!(module_name(b"/srv/app.wsgi"), "_mod_wsgi_295f8766fc4bd953ab4cd252da58a6a3");
    }

    #[test]
    fn paths_need_not_be_text() {
        assert_eq!(module_name(b"/srv/\xff.wsgi").len(), PREFIX.len() + 32);
    }
}
