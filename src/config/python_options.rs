//! How Python is started: what the same directives mean for a `PyConfig` in httpd's children and for
//! the command line of a process group's interpreter.

use super::error::Error;
use super::interpreter_options::{InterpreterOptions, InterpreterSection};
use super::setting::Setting;
use super::telemetry::Telemetry;

/// What the directives for the start of Python say; `None` where nothing was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PythonOptions {
    /// `WSGIDontWriteBytecode`.
    pub dont_write_bytecode: Option<bool>,
    /// `WSGIPythonWarnings`, in their order.
    pub warnings: Vec<Vec<u8>>,
    /// `WSGIPythonOptimize`, 0 to 2.
    pub optimize: Option<u8>,
    /// `WSGIPythonHashSeed`.
    pub hash_seed: Option<HashSeed>,
    /// `WSGIPythonEggs`, for embedded mode.
    pub eggs: Option<Vec<u8>>,
    /// What is said for all interpreters; search path and switch interval for those of embedded mode.
    pub interpreter: InterpreterOptions,
    /// `<WSGIInterpreterOptions>`, in their order.
    pub sections: Vec<InterpreterSection>,
    /// Who is told what is counted.
    pub telemetry: Telemetry,
    /// `WSGIServerMetrics`, for embedded mode.
    pub server_metrics: bool,
    /// `WSGIDestroyInterpreter`.
    pub destroy_interpreter: Option<bool>,
    /// `WSGICaseSensitivity`.
    pub case_sensitivity: Option<bool>,
}

/// What hashes of strings begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashSeed {
    /// Another number for each process.
    Random,
    /// This number; 0 makes hashes predictable.
    Fixed(u32),
}

impl HashSeed {
    /// Reads the argument of `WSGIPythonHashSeed`.
    ///
    /// # Errors
    /// [`Error::InvalidValue`].
    pub fn read(setting: &Setting<'_>) -> Result<Self, Error> {
        if setting.value == b"random" {
            return Ok(Self::Random);
        }
        let number: Result<u32, Error> = setting.integer(0..=i64::from(u32::MAX));
        number
            .map(Self::Fixed)
            .map_err(|_| setting.invalid("random, or a whole number from 0 to 4294967295"))
    }
}

impl PythonOptions {
    /// Whether paths that differ in case only are different scripts.
    pub fn is_case_sensitive(&self) -> bool {
        self.case_sensitivity.unwrap_or(true)
    }

    /// Whether reading `sys.stdin` is an error.
    pub fn restricts_stdin(&self) -> bool {
        self.interpreter.restrict_stdin.unwrap_or(false)
    }

    /// Whether writing to `sys.stdout` is an error.
    pub fn restricts_stdout(&self) -> bool {
        self.interpreter.restrict_stdout.unwrap_or(false)
    }

    /// Whether `signal.signal` installs nothing.
    pub fn restricts_signal(&self) -> bool {
        self.interpreter.restrict_signal.unwrap_or(true)
    }

    /// Whether what Python runs at its end is run.
    pub fn shuts_down(&self) -> bool {
        self.destroy_interpreter.unwrap_or(true)
    }

    /// What is said for interpreters of a process group, the empty one for embedded mode: where several
    /// say the same thing for an interpreter, the last one holds.
    pub fn layers(&self, process_group: &[u8]) -> Vec<&InterpreterSection> {
        let mut layers: Vec<_> = self
            .sections
            .iter()
            .filter(|section| section.is_for_process_group(process_group))
            .collect();
        layers.sort_by_key(|section| section.specificity());
        layers
    }

    /// Whether a Python that can do without the GIL does so in a process group, empty for embedded mode. It is a matter of
    /// the process, so a section for some of its interpreters says nothing.
    pub fn free_threading(&self, process_group: &[u8]) -> bool {
        let sections = self.layers(process_group).into_iter();
        let said = sections
            .filter(|section| section.application_group.is_none())
            .filter_map(|section| section.options.free_threading.as_ref())
            .next_back();
        said.or(self.interpreter.free_threading.as_ref()).is_some_and(|switch| switch.on)
    }

    /// Whether interpreters get a GIL of their own, where no section says anything else.
    pub fn own_gil(&self) -> bool {
        self.interpreter.own_gil.as_ref().is_some_and(|switch| switch.on)
    }

    /// The options for the command line of an interpreter.
    pub fn arguments(&self) -> Vec<Vec<u8>> {
        let mut arguments = Vec::new();
        if self.dont_write_bytecode == Some(true) {
            arguments.push(b"-B".to_vec());
        }
        for _ in 0..self.optimize.unwrap_or(0) {
            arguments.push(b"-O".to_vec());
        }
        for filter in &self.warnings {
            arguments.extend([b"-W".to_vec(), filter.clone()]);
        }
        arguments
    }

    /// The variables for the environment of an interpreter, which has inherited those that
    /// `inherited` knows.
    pub fn environment(
        &self,
        inherited: impl Fn(&'static str) -> bool,
    ) -> Vec<(&'static str, Vec<u8>)> {
        let mut variables = Vec::new();
        // A level on the command line does not go below that of the environment.
        if self.optimize.is_some() && inherited("PYTHONOPTIMIZE") {
            variables.push(("PYTHONOPTIMIZE", Vec::new()));
        }
        match self.hash_seed {
            Some(HashSeed::Fixed(seed)) => {
                variables.push(("PYTHONHASHSEED", seed.to_string().into_bytes()));
            }
            Some(HashSeed::Random) if inherited("PYTHONHASHSEED") => {
                variables.push(("PYTHONHASHSEED", b"random".to_vec()));
            }
            Some(HashSeed::Random) | None => {}
        }
        variables
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::origin::Origin;

    fn seed(text: &str) -> Result<HashSeed, Error> {
        HashSeed::read(&Setting::argument("WSGIPythonHashSeed", text.as_bytes()))
    }

    #[test]
    fn a_seed_is_random_or_a_number() {
        assert_eq!(seed("random"), Ok(HashSeed::Random));
        assert_eq!(seed("0"), Ok(HashSeed::Fixed(0)));
        assert_eq!(seed("4294967295"), Ok(HashSeed::Fixed(u32::MAX)));
        for wrong in ["4294967296", "-1", "Random", "x", ""] {
            assert!(seed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nothing_said_leaves_python_alone() {
        let options = PythonOptions::default();
        assert!(options.arguments().is_empty());
        assert!(options.environment(|_| true).is_empty());
    }

    #[test]
    fn sections_with_more_selectors_come_later_and_others_of_the_file_in_its_order() {
        let section =
            |text: &str| InterpreterSection::parse(text.as_bytes(), Origin::new(text, 1)).unwrap();
        let options = PythonOptions {
            sections: [
                "process-group=a application-group=x>",
                "application-group=x>",
                ">",
                "process-group=b>",
                "process-group=a>",
            ]
            .map(section)
            .to_vec(),
            ..PythonOptions::default()
        };
        let layers = |group: &str| {
            let layers = options.layers(group.as_bytes());
            layers.iter().map(|it| String::from_utf8_lossy(&it.origin.file)).collect::<Vec<_>>()
        };
        assert_eq!(
            layers("a"),
            [
                ">",
                "application-group=x>",
                "process-group=a>",
                "process-group=a application-group=x>"
            ]
        );
        assert_eq!(layers(""), [">", "application-group=x>"]);
    }

    #[test]
    fn everything_said_reaches_the_interpreter() {
        let options = PythonOptions {
            dont_write_bytecode: Some(true),
            warnings: vec![b"error".to_vec(), b"ignore::UserWarning".to_vec()],
            optimize: Some(2),
            hash_seed: Some(HashSeed::Fixed(7)),
            ..PythonOptions::default()
        };
        let expected = ["-B", "-O", "-O", "-W", "error", "-W", "ignore::UserWarning"];
        assert_eq!(options.arguments(), expected.map(|it| it.as_bytes().to_vec()));
        assert_eq!(options.environment(|_| false), [("PYTHONHASHSEED", b"7".to_vec())]);
    }

    #[test]
    fn what_httpd_inherited_does_not_win() {
        let options = PythonOptions {
            optimize: Some(0),
            hash_seed: Some(HashSeed::Random),
            ..PythonOptions::default()
        };
        assert!(options.environment(|_| false).is_empty());
        assert_eq!(
            options.environment(|_| true),
            [("PYTHONOPTIMIZE", Vec::new()), ("PYTHONHASHSEED", b"random".to_vec())]
        );
    }
}
