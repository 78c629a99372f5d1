//! What can be wrong with a directive, in the words the administrator reads.
//!
//! httpd puts file and line before the text and stops: an error here is a configuration that must
//! not be run. What can only be judged over the whole configuration, or on the file system, is a
//! [finding](super::finding) instead. Every variant has a stable id `WRS10xx`, explained in
//! `docs/errors.md`.

use std::borrow::Cow;
use std::fmt;

/// Bytes as they are shown to a person: text where it is UTF-8, everything else and control
/// characters escaped.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for letter in chunk.valid().chars() {
                if letter.is_control() {
                    write!(f, "{}", letter.escape_default())?;
                } else {
                    write!(f, "{letter}")?;
                }
            }
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        Ok(())
    }
}

/// A directive that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// An argument that has no option name is not there.
    MissingArgument {
        /// The directive.
        directive: &'static str,
        /// What is missing, as in "the name of the process group".
        what: &'static str,
    },
    /// A word where `option=value` is expected.
    NotAnOption {
        /// The directive.
        directive: &'static str,
        /// The word.
        word: Vec<u8>,
    },
    /// An option that the directive does not have.
    UnknownOption {
        /// The directive.
        directive: &'static str,
        /// The option's name as it was written.
        option: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
        /// What the administrator may have meant, or what there is.
        hint: Hint,
    },
    /// An option with nothing after its `=`.
    EmptyValue {
        /// The directive.
        directive: &'static str,
        /// The option.
        option: &'static str,
    },
    /// A value that the option, or the directive itself, cannot take.
    InvalidValue {
        /// The directive.
        directive: &'static str,
        /// The option; none when it is the directive's only argument.
        option: Option<&'static str>,
        /// The value as it was written.
        value: Vec<u8>,
        /// What would be right, as in "a whole number from 1 to 10".
        expected: Cow<'static, str>,
    },
    /// A switch that is neither On nor Off.
    NotAFlag {
        /// The directive.
        directive: &'static str,
        /// The option; none when it is the directive's only argument.
        option: Option<&'static str>,
        /// The value as it was written.
        value: Vec<u8>,
    },
    /// A user that the system does not know.
    UnknownUser {
        /// The directive.
        directive: &'static str,
        /// The option.
        option: &'static str,
        /// The name or `#uid`.
        name: Vec<u8>,
    },
    /// A group that the system does not know.
    UnknownGroup {
        /// The directive.
        directive: &'static str,
        /// The option.
        option: &'static str,
        /// The name or `#gid`.
        name: Vec<u8>,
    },
    /// A process group that would run as root.
    RootUser {
        /// The directive.
        directive: &'static str,
        /// The option.
        option: &'static str,
        /// The name or `#uid`.
        name: Vec<u8>,
    },
    /// The system's list of users or groups could not be read.
    Lookup {
        /// The directive.
        directive: &'static str,
        /// The option.
        option: &'static str,
        /// The name that was looked up.
        name: Vec<u8>,
        /// The system's reason.
        reason: String,
    },
    /// An option that must be given.
    MissingOption {
        /// The directive.
        directive: &'static str,
        /// The option.
        option: &'static str,
    },
    /// Two options that exclude each other.
    ExclusiveOptions {
        /// The directive.
        directive: &'static str,
        /// One of them.
        first: &'static str,
        /// The other one.
        second: &'static str,
    },
    /// An option that is given twice where it may be given once.
    RepeatedOption {
        /// The directive.
        directive: &'static str,
        /// The option.
        option: &'static str,
    },
    /// An option that only works when httpd is started by root.
    NeedsRoot {
        /// The directive.
        directive: &'static str,
        /// The option.
        option: &'static str,
    },
    /// A regular expression that does not compile.
    BadPattern {
        /// The directive.
        directive: &'static str,
        /// The expression.
        pattern: Vec<u8>,
        /// The regular expression library's reason.
        reason: String,
    },
    /// A directive that belongs to the main server stands in a section.
    NotGlobal {
        /// The directive.
        directive: &'static str,
    },
    /// A path that cannot be made absolute.
    BadPath {
        /// The directive.
        directive: &'static str,
        /// The path as it was written.
        path: Vec<u8>,
    },
}

/// What may have been meant instead of an unknown option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// A known option is spelled nearly so.
    Nearest(&'static str),
    /// Nothing is near; these are the known ones.
    Known(Vec<&'static str>),
}

impl Hint {
    /// The nearest of the `known` options, or all of them if none is near.
    pub fn among(known: impl Iterator<Item = &'static str>, written: &[u8]) -> Self {
        let known: Vec<_> = known.collect();
        match nearest(written, known.iter().map(|name| name.as_bytes())) {
            Some(found) => known
                .iter()
                .find(|name| name.as_bytes() == found)
                .map_or_else(|| Self::Known(known.clone()), |name| Self::Nearest(name)),
            None => Self::Known(known),
        }
    }
}

impl Error {
    /// The stable id, for the table in `docs/errors.md`.
    pub fn id(&self) -> &'static str {
        match self {
            Self::MissingArgument { .. } => "WRS1001",
            Self::NotAnOption { .. } => "WRS1002",
            Self::UnknownOption { .. } => "WRS1003",
            Self::EmptyValue { .. } => "WRS1004",
            Self::InvalidValue { .. } => "WRS1005",
            Self::NotAFlag { .. } => "WRS1006",
            Self::UnknownUser { .. } => "WRS1007",
            Self::UnknownGroup { .. } => "WRS1008",
            Self::RootUser { .. } => "WRS1009",
            Self::Lookup { .. } => "WRS1010",
            Self::MissingOption { .. } => "WRS1011",
            Self::ExclusiveOptions { .. } => "WRS1012",
            Self::NeedsRoot { .. } => "WRS1013",
            Self::BadPattern { .. } => "WRS1014",
            Self::NotGlobal { .. } => "WRS1015",
            Self::BadPath { .. } => "WRS1016",
            Self::RepeatedOption { .. } => "WRS1020",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.id())?;
        match self {
            Self::MissingArgument { directive, what } => {
                write!(f, "{directive}: {what} is missing")
            }
            Self::NotAnOption { directive, word } => write!(
                f,
                "{directive}: invalid option '{}': expected option=value without blanks around \
                 the '='",
                Shown(word)
            ),
            Self::UnknownOption { directive, option, value, hint } => {
                write!(f, "{directive}: invalid option '{}={}': ", Shown(option), Shown(value))?;
                match hint {
                    Hint::Nearest(name) => write!(f, "did you mean '{name}'?"),
                    Hint::Known(names) => write!(f, "known options are {}", names.join(", ")),
                }
            }
            Self::EmptyValue { directive, option } => {
                write!(
                    f,
                    "{directive}: option '{option}=' has no value: give one or leave the option \
                     out"
                )
            }
            Self::InvalidValue { directive, option: Some(option), value, expected } => {
                write!(
                    f,
                    "{directive}: invalid value in '{option}={}': expected {expected}",
                    Shown(value)
                )
            }
            Self::InvalidValue { directive, option: None, value, expected } => {
                write!(f, "{directive}: invalid value '{}': expected {expected}", Shown(value))
            }
            Self::NotAFlag { directive, option: Some(option), value } => {
                write!(
                    f,
                    "{directive}: invalid value in '{option}={}': expected On or Off",
                    Shown(value)
                )
            }
            Self::NotAFlag { directive, option: None, value } => {
                write!(f, "{directive}: invalid value '{}': expected On or Off", Shown(value))
            }
            Self::UnknownUser { directive, option, name } => write!(
                f,
                "{directive}: there is no user '{}' (option '{option}'): expected a user name or \
                 #uid of this system",
                Shown(name)
            ),
            Self::UnknownGroup { directive, option, name } => write!(
                f,
                "{directive}: there is no group '{}' (option '{option}'): expected a group name \
                 or #gid of this system",
                Shown(name)
            ),
            Self::RootUser { directive, option, name } => write!(
                f,
                "{directive}: '{option}={}' is the superuser: applications must not run as root, \
                 name another user",
                Shown(name)
            ),
            Self::Lookup { directive, option, name, reason } => write!(
                f,
                "{directive}: '{}' of option '{option}' could not be looked up in the system's \
                 accounts: {reason}",
                Shown(name)
            ),
            Self::MissingOption { directive, option } => {
                write!(
                    f,
                    "{directive}: option '{option}' is required: add {option}=NAME or \
                     {option}=%{{GLOBAL}}"
                )
            }
            Self::ExclusiveOptions { directive, first, second } => {
                write!(
                    f,
                    "{directive}: options '{first}' and '{second}' exclude each other: give one \
                     of them"
                )
            }
            Self::RepeatedOption { directive, option } => {
                write!(f, "{directive}: option '{option}' is given twice: give it once")
            }
            Self::NeedsRoot { directive, option } => {
                write!(f, "{directive}: option '{option}' only works when httpd is started by root")
            }
            Self::BadPattern { directive, pattern, reason } => {
                write!(
                    f,
                    "{directive}: the regular expression '{}' does not compile: {reason}",
                    Shown(pattern)
                )
            }
            Self::NotGlobal { directive } => write!(
                f,
                "{directive}: only allowed in the main server's configuration: move it out of the \
                 enclosing section"
            ),
            Self::BadPath { directive, path } => write!(
                f,
                "{directive}: invalid path '{}': expected an absolute path or one below ServerRoot",
                Shown(path)
            ),
        }
    }
}

impl std::error::Error for Error {}

/// The candidate that is spelled most like `written`, if one is near enough to be a slip of the
/// pen.
pub fn nearest<'a>(written: &[u8], candidates: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let limit = (written.len() / 3).clamp(1, 3);
    candidates
        .map(|candidate| (distance(written, candidate), candidate))
        .filter(|(far, candidate)| *far <= limit && *far < candidate.len())
        .min_by_key(|(far, _)| *far)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's edit distance, blind to case.
fn distance(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, a) in left.iter().enumerate() {
        let mut diagonal = above;
        let mut before = above + 1;
        let mut next = Vec::with_capacity(row.len());
        next.push(before);
        for (b, up) in right.iter().zip(row.iter().skip(1)) {
            let change = diagonal + usize::from(!a.eq_ignore_ascii_case(b));
            before = change.min(before + 1).min(up + 1);
            next.push(before);
            diagonal = *up;
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_unknown_option_is_answered_with_the_nearest_known_one() {
        let hint = Hint::among(["threads", "processes"].into_iter(), b"proceses");
        let error = Error::UnknownOption {
            directive: "WSGIDaemonProcess",
            option: b"proceses".to_vec(),
            value: b"2".to_vec(),
            hint,
        };
        assert_eq!(
            error.to_string(),
            "WRS1003: WSGIDaemonProcess: invalid option 'proceses=2': did you mean 'processes'?"
        );
    }

    #[test]
    fn an_option_like_no_other_is_answered_with_the_list() {
        let error = Error::UnknownOption {
            directive: "WSGIImportScript",
            option: b"ssl".to_vec(),
            value: b"on".to_vec(),
            hint: Hint::among(["process-group", "application-group"].into_iter(), b"ssl"),
        };
        assert!(error.to_string().ends_with("known options are process-group, application-group"));
    }

    #[test]
    fn case_and_underscores_are_small_slips() {
        let known = ["request-timeout", "threads"];
        let near = |written: &[u8]| nearest(written, known.iter().map(|name| name.as_bytes()));
        assert_eq!(near(b"THREADS"), Some(&b"threads"[..]));
        assert_eq!(near(b"request_timeout"), Some(&b"request-timeout"[..]));
        assert_eq!(near(b"x"), None);
        assert_eq!(near(b""), None);
    }

    #[test]
    fn what_is_not_text_is_shown_escaped() {
        assert_eq!(Shown("ä\n\u{1b}".as_bytes()).to_string(), "ä\\n\\u{1b}");
        assert_eq!(Shown(b"a\xffb").to_string(), "a\\xffb");
    }

    proptest! {
        #[test]
        fn the_distance_is_symmetric_and_bounded(a: Vec<u8>, b: Vec<u8>) {
            prop_assert_eq!(distance(&a, &b), distance(&b, &a));
            prop_assert!(distance(&a, &b) <= a.len().max(b.len()));
            prop_assert_eq!(distance(&a, &a), 0);
        }
    }
}
