//! `WSGIImportScript`: a script that a process loads when it starts, before it takes requests.

use super::error::Error;
use super::origin::Origin;
use super::setting::Setting;
use super::words::Words;

/// The directive's name.
pub const DIRECTIVE: &str = "WSGIImportScript";

/// A script to load at the start of every process of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportScript {
    /// The script's path.
    pub script: Vec<u8>,
    /// The process group; empty for httpd's own children.
    pub process_group: Vec<u8>,
    /// The application group; empty for the main interpreter.
    pub application_group: Vec<u8>,
    /// The directive that asks for it: `WSGIImportScript`, or that of an alias which is preloaded.
    pub directive: &'static str,
    /// Where it was written.
    pub origin: Origin,
}

impl ImportScript {
    /// Reads the arguments of `WSGIImportScript`.
    ///
    /// # Errors
    /// The first thing that is wrong with the line.
    pub fn parse(text: &[u8], origin: Origin) -> Result<Self, Error> {
        const OPTIONS: &[&str] = &["process-group", "application-group"];
        let mut words = Words::new(text);
        let script = words.argument(DIRECTIVE, "the path of the script")?;
        let mut process_group = None;
        let mut application_group = None;
        while let Some(given) = words.option(DIRECTIVE)? {
            let setting = Setting::known(DIRECTIVE, OPTIONS, &given)?;
            match setting.option {
                Some("process-group") => process_group = Some(setting.group_name()),
                _ => application_group = Some(setting.group_name()),
            }
        }
        let missing = |option| Error::MissingOption { directive: DIRECTIVE, option };
        Ok(Self {
            script,
            application_group: application_group.ok_or_else(|| missing("application-group"))?,
            process_group: process_group.ok_or_else(|| missing("process-group"))?,
            directive: DIRECTIVE,
            origin,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<ImportScript, Error> {
        ImportScript::parse(text.as_bytes(), Origin::default())
    }

    #[test]
    fn both_groups_are_read_and_global_is_the_empty_name() {
        let import = parse("'/srv/a b.py' application-group=%{GLOBAL} process-group=app").unwrap();
        assert_eq!(import.script, b"/srv/a b.py");
        assert_eq!(import.process_group, b"app");
        assert_eq!(import.application_group, b"");
    }

    #[test]
    fn other_expansions_are_taken_literally() {
        let import = parse("/a.py application-group=%{RESOURCE} process-group=%{GLOBAL}").unwrap();
        assert_eq!(
            (import.application_group.as_slice(), import.process_group.as_slice()),
            (&b"%{RESOURCE}"[..], &b""[..])
        );
    }

    #[test]
    fn what_is_missing_is_told_in_mod_wsgis_order() {
        let told = |text| parse(text).unwrap_err().to_string();
        assert!(told("").contains("the path of the script is missing"));
        assert!(told("/a.py nonsense").starts_with("WRS1002: "));
        assert!(told("/a.py").contains("option 'application-group' is required"));
        assert!(told("/a.py application-group=x").contains("option 'process-group' is required"));
        assert!(told("/a.py process-group=").starts_with("WRS1004: "));
        assert!(told("/a.py process-grp=x").contains("did you mean 'process-group'?"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_import_or_a_sentence(text: Vec<u8>) {
            if let Err(error) = ImportScript::parse(&text, Origin::default()) {
                prop_assert!(error.to_string().starts_with("WRS1"));
            }
        }
    }
}
