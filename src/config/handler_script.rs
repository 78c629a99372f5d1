//! `WSGIHandlerScript`: a script that answers for what httpd gives to a handler of that name.

use super::alias::ScriptOptions;
use super::error::Error;
use super::origin::Origin;
use super::setting::Setting;
use super::words::Words;

/// A handler that is a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandlerScript {
    /// The handler's name. httpd makes those of `SetHandler` and `AddHandler` lower case, so case does not count.
    pub name: Vec<u8>,
    /// The script's path.
    pub script: Vec<u8>,
    /// What else the line says; the callable always has the same name.
    pub options: ScriptOptions,
    /// Where it was written.
    pub origin: Origin,
}

impl HandlerScript {
    /// The directive.
    pub const DIRECTIVE: &'static str = "WSGIHandlerScript";
    /// The name of the callable in the script.
    pub const CALLABLE: &'static [u8] = b"handle_request";

    /// Reads the arguments of the directive.
    ///
    /// # Errors
    /// The first thing that is wrong with the line.
    pub fn parse(text: &[u8], origin: Origin) -> Result<Self, Error> {
        const OPTIONS: &[&str] = &["process-group", "application-group", "pass-authorization"];
        let mut words = Words::new(text);
        let name = words.argument(Self::DIRECTIVE, "the name of the handler")?;
        let script = words.argument(Self::DIRECTIVE, "the path of the script")?;
        let mut options = ScriptOptions {
            callable_object: Some(Self::CALLABLE.to_vec()),
            ..ScriptOptions::default()
        };
        while let Some(given) = words.option(Self::DIRECTIVE)? {
            let setting = Setting::known(Self::DIRECTIVE, OPTIONS, &given)?;
            match setting.option {
                Some("process-group") => options.process_group = Some(setting.group_name()),
                Some("application-group") => options.application_group = Some(setting.group_name()),
                _ => options.pass_authorization = Some(setting.flag()?),
            }
        }
        Ok(Self { name, script, options, origin })
    }

    /// Whether this is the handler of that name.
    pub fn is_named(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<HandlerScript, Error> {
        HandlerScript::parse(text.as_bytes(), Origin::default())
    }

    #[test]
    fn the_line_says_what_an_alias_can_say() {
        let handler = parse(
            "Markdown /srv/md.py process-group=docs application-group=%{GLOBAL} pass-authorization=On",
        )
        .unwrap();
        assert!(handler.is_named(b"markdown") && !handler.is_named(b"markdow"));
        assert_eq!(handler.script, b"/srv/md.py");
        assert_eq!(handler.options.process_group.as_deref(), Some(&b"docs"[..]));
        assert_eq!(handler.options.application_group.as_deref(), Some(&b""[..]));
        assert_eq!(handler.options.callable_object.as_deref(), Some(&b"handle_request"[..]));
        assert_eq!(handler.options.pass_authorization, Some(true));
        assert_eq!(parse("x /y").unwrap().options.process_group, None);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let told = |text| parse(text).unwrap_err().to_string();
        assert!(told("").contains("the name of the handler is missing"));
        assert!(told("x").contains("the path of the script is missing"));
        assert!(told("x /y process-group=").starts_with("WRS1004: "));
        assert!(told("x /y pass-authorization=Perhaps").starts_with("WRS1006: "));
        assert!(told("x /y callable-object=z").starts_with("WRS1003: "));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_handler_or_a_sentence(text: Vec<u8>) {
            if let Err(error) = HandlerScript::parse(&text, Origin::default()) {
                prop_assert!(error.to_string().starts_with("WRS1"));
            }
        }
    }
}
