//! `WSGIAccessScript`, `WSGIAuthUserScript`, `WSGIAuthGroupScript` and `WSGIDispatchScript`: scripts whose functions
//! are asked about a request before it is answered.
//!
//! They run in httpd's own children, whatever answers the request itself.

use super::error::Error;
use super::origin::Origin;
use super::setting::Setting;
use super::words::Words;

/// A script that is asked about requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookScript {
    /// The script's path.
    pub script: Vec<u8>,
    /// `application-group`, before expansion; empty for the main interpreter, which is the default.
    pub application_group: Vec<u8>,
    /// The directive that names it.
    pub directive: &'static str,
    /// Where it was written.
    pub origin: Origin,
}

impl HookScript {
    /// Who may ask, by the client's address.
    pub const ACCESS: &'static str = "WSGIAccessScript";
    /// Who somebody is, by the password.
    pub const AUTH_USER: &'static str = "WSGIAuthUserScript";
    /// Of which groups somebody is.
    pub const AUTH_GROUP: &'static str = "WSGIAuthGroupScript";
    /// Where a request runs.
    pub const DISPATCH: &'static str = "WSGIDispatchScript";

    /// Reads the arguments of one of the directives.
    ///
    /// # Errors
    /// The first thing that is wrong with the line.
    pub fn parse(directive: &'static str, text: &[u8], origin: Origin) -> Result<Self, Error> {
        let mut words = Words::new(text);
        let script = words.argument(directive, "the path of the script")?;
        let mut application_group = Vec::new();
        while let Some(given) = words.option(directive)? {
            application_group =
                Setting::known(directive, &["application-group"], &given)?.group_name();
        }
        Ok(Self { script, application_group, directive, origin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<HookScript, Error> {
        HookScript::parse(HookScript::ACCESS, text.as_bytes(), Origin::default())
    }

    #[test]
    fn the_main_interpreter_is_the_default() {
        let plain = parse("'/srv/a b.py'").unwrap();
        assert_eq!(
            (plain.script.as_slice(), plain.application_group.as_slice()),
            (&b"/srv/a b.py"[..], &b""[..])
        );
        assert_eq!(parse("/a application-group=%{GLOBAL}").unwrap().application_group, b"");
        assert_eq!(parse("/a application-group=\"x y\"").unwrap().application_group, b"x y");
    }

    #[test]
    fn what_is_wrong_is_told() {
        let told = |text| parse(text).unwrap_err().to_string();
        assert!(told("").contains("WSGIAccessScript: the path of the script is missing"));
        assert!(told("/a application-group=").starts_with("WRS1004: "));
        assert!(told("/a nonsense").starts_with("WRS1002: "));
        assert!(told("/a aplication-group=x").contains("did you mean 'application-group'?"));
        assert!(told("/a process-group=x").contains("known options are application-group"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_script_or_a_sentence(text: Vec<u8>) {
            if let Err(error) = HookScript::parse(HookScript::ACCESS, &text, Origin::default()) {
                prop_assert!(error.to_string().starts_with("WRS1"));
            }
        }
    }
}
