//! What can be said for single interpreters: `<WSGIInterpreterOptions>` and the directives that may
//! stand in it.
//!
//! A section is for the interpreters that all its selectors name. For each directive the section
//! with more selectors wins, of equals the later one; directories for modules add up. The engine gets
//! those of its process in that order ([`PythonOptions::layers`](super::PythonOptions::layers)).

use std::time::Duration;

use super::error::Error;
use super::origin::Origin;
use super::setting::Setting;
use super::words::Words;

/// The section's name.
pub const SECTION: &str = "<WSGIInterpreterOptions>";

const SELECTORS: &[&str] = &["process-group", "application-group"];

/// The directives that may stand in it. What else stands there holds for the whole server.
pub const DIRECTIVES: &[&str] = &[
    "WSGIPythonPath",
    "WSGIRestrictStdin",
    "WSGIRestrictStdout",
    "WSGIRestrictSignal",
    "WSGISwitchInterval",
    "WSGIPerInterpreterGIL",
    "WSGIFreeThreading",
];

/// How an interpreter is set up; `None` where nothing was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InterpreterOptions {
    /// `WSGIPythonPath`.
    pub python_path: Option<Vec<u8>>,
    /// `WSGIRestrictStdin`.
    pub restrict_stdin: Option<bool>,
    /// `WSGIRestrictStdout`.
    pub restrict_stdout: Option<bool>,
    /// `WSGIRestrictSignal`.
    pub restrict_signal: Option<bool>,
    /// `WSGISwitchInterval`.
    pub switch_interval: Option<Duration>,
    /// `WSGIPerInterpreterGIL`.
    pub own_gil: Option<Switch>,
    /// `WSGIFreeThreading`.
    pub free_threading: Option<Switch>,
}

/// A switch, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// Whether it is On.
    pub on: bool,
    /// The line.
    pub origin: Origin,
}

/// A section `<WSGIInterpreterOptions>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterpreterSection {
    /// The process group it is for, empty for embedded mode; all if none was named.
    pub process_group: Option<Vec<u8>>,
    /// The application group it is for, empty for the main interpreter; all if none was named.
    pub application_group: Option<Vec<u8>>,
    /// What it says.
    pub options: InterpreterOptions,
    /// Directives in it that do not belong there, and where.
    pub strays: Vec<(Vec<u8>, Origin)>,
    /// Where it begins.
    pub origin: Origin,
}

impl InterpreterSection {
    /// Reads what stands behind the section's name, with the bracket that closes it.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &[u8], origin: Origin) -> Result<Self, Error> {
        let end = text.iter().rposition(|byte| *byte == b'>');
        let Some((selectors, _)) = end.and_then(|end| text.split_at_checked(end)) else {
            return Err(Error::MissingArgument { directive: SECTION, what: "the '>' at its end" });
        };
        let mut section = Self {
            process_group: None,
            application_group: None,
            options: InterpreterOptions::default(),
            strays: Vec::new(),
            origin,
        };
        let mut words = Words::new(selectors);
        while let Some(mut given) = words.option(SECTION)? {
            given.name.make_ascii_lowercase();
            if given.value.is_empty() {
                // Here it is a name, as for mod_wsgi: that of embedded mode or the main interpreter.
                given.value = b"%{GLOBAL}".to_vec();
            }
            let setting = Setting::known(SECTION, SELECTORS, &given)?;
            let (selector, name) = match setting.option {
                Some("process-group") => ("process-group", &mut section.process_group),
                _ => ("application-group", &mut section.application_group),
            };
            if name.replace(setting.group_name()).is_some() {
                return Err(Error::RepeatedOption { directive: SECTION, option: selector });
            }
        }
        Ok(section)
    }

    /// Whether it says something for interpreters of this process group, empty for embedded mode.
    pub fn is_for_process_group(&self, name: &[u8]) -> bool {
        self.process_group.as_deref().is_none_or(|group| group == name)
    }

    /// How many selectors it has.
    pub fn specificity(&self) -> usize {
        usize::from(self.process_group.is_some()) + usize::from(self.application_group.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<InterpreterSection, Error> {
        InterpreterSection::parse(text.as_bytes(), Origin::default())
    }

    #[test]
    fn selectors_are_read_in_any_case_and_order() {
        let section = parse("Application-Group='a b' PROCESS-GROUP=%{GLOBAL} >").unwrap();
        assert_eq!(section.process_group.as_deref(), Some(&b""[..]));
        assert_eq!(section.application_group.as_deref(), Some(&b"a b"[..]));
        assert_eq!(section.specificity(), 2);
        let empty = parse("process-group= application-group=\"\">").unwrap();
        assert_eq!(empty.process_group.as_deref(), Some(&b""[..]));
        assert_eq!(empty.application_group.as_deref(), Some(&b""[..]));
    }

    #[test]
    fn without_selectors_it_is_for_all() {
        let section = parse(">").unwrap();
        assert_eq!(
            (section.process_group.as_ref(), section.application_group.as_ref()),
            (None, None)
        );
        assert!(section.is_for_process_group(b"") && section.is_for_process_group(b"a"));
        assert_eq!(section.specificity(), 0);
    }

    #[test]
    fn a_process_group_is_named_exactly() {
        let section = parse("process-group=a>").unwrap();
        assert!(section.is_for_process_group(b"a"));
        assert!(!section.is_for_process_group(b"A") && !section.is_for_process_group(b""));
        assert!(!parse("process-group=%{GLOBAL}>").unwrap().is_for_process_group(b"a"));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let told = |text| parse(text).unwrap_err().to_string();
        assert!(told("process-group=a").starts_with("WRS1001: "));
        assert!(told("a>").starts_with("WRS1002: <WSGIInterpreterOptions>: invalid option 'a'"));
        assert!(told("process-grup=a>").ends_with("did you mean 'process-group'?"));
        assert!(told("process-group=a Process-Group=b>").starts_with("WRS1020: "));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_section_or_a_sentence(text: Vec<u8>) {
            if let Err(error) = InterpreterSection::parse(&text, Origin::default()) {
                prop_assert!(error.to_string().starts_with("WRS1"));
            }
        }
    }
}
