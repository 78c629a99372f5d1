//! What a look over the whole configuration found, in the words the administrator reads.
//!
//! Unlike an [error](super::error) of a single directive these need several lines, or the file
//! system, to be known. Every variant has a stable id `WRS10xx`, explained in
//! `docs/errors.md`.

use std::fmt;

use super::error::Shown;
use super::origin::Origin;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, and may not be what was meant: told when somebody asks for a test only.
    Note,
    /// It may work, or part of it does.
    Warning,
    /// It cannot work: a test of the configuration fails.
    Error,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The line that is to be changed.
    pub origin: Origin,
    /// What it is.
    pub fault: Fault,
}

impl Finding {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.fault.severity()
    }
}

/// The text for the log, with id, place and severity.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity() {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{}: {}: {severity}: {}", self.fault.id(), self.origin, self.fault)
    }
}

/// What can be found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A directive is kept and does nothing.
    IdleDirective {
        /// The directive.
        directive: &'static str,
        /// Why, or what to use instead.
        because: &'static str,
    },
    /// Two process groups have the same name.
    DuplicateGroup {
        /// The name.
        name: Vec<u8>,
        /// The other one.
        first: Origin,
    },
    /// A script is to be loaded in a process group that does not exist.
    PreloadInNoGroup {
        /// The directive.
        directive: &'static str,
        /// The name.
        name: Vec<u8>,
        /// A group that is spelled nearly so.
        nearest: Option<Vec<u8>>,
    },
    /// Requests are to go to a process group that does not exist.
    NoSuchGroup {
        /// The directive.
        directive: &'static str,
        /// The name.
        name: Vec<u8>,
        /// A group that is spelled nearly so.
        nearest: Option<Vec<u8>>,
    },
    /// A script is to be loaded in a process group of another virtual host.
    PreloadInForeignGroup {
        /// The directive.
        directive: &'static str,
        /// The name.
        name: Vec<u8>,
        /// Where the group is declared.
        declared: Origin,
    },
    /// `preload=On` has nothing to load.
    NothingToPreload {
        /// The process group.
        group: Vec<u8>,
    },
    /// A script is not loaded by `preload=On`, because of its interpreter.
    NotPreloaded {
        /// The directive.
        directive: &'static str,
        /// The process group.
        group: Vec<u8>,
        /// The interpreter's name.
        application_group: Vec<u8>,
    },
    /// Requests are to go to a process group of another virtual host.
    ForeignGroup {
        /// The directive.
        directive: &'static str,
        /// The name.
        name: Vec<u8>,
        /// Where the group is declared.
        declared: Origin,
    },
    /// A value looks like an expansion and is none.
    UnknownExpansion {
        /// The directive.
        directive: &'static str,
        /// The value.
        value: Vec<u8>,
        /// The expansions that there are.
        known: &'static str,
    },
    /// Requests are to run embedded, which is switched off.
    EmbeddedIsOff {
        /// The directive.
        directive: &'static str,
    },
    /// An earlier alias takes all requests of this one.
    ShadowedAlias {
        /// What this one is for.
        location: Vec<u8>,
        /// What the earlier one is for.
        by: Vec<u8>,
        /// Where the earlier one is.
        earlier: Origin,
    },
    /// An alias ends with a slash and its target does not.
    UnevenSlashes {
        /// What it is for.
        location: Vec<u8>,
        /// The target.
        target: Vec<u8>,
    },
    /// An alias is for what no URL path begins with.
    UnreachableAlias {
        /// What it is for.
        location: Vec<u8>,
    },
    /// The directory for sockets is not there.
    NoSocketDirectory {
        /// `WSGISocketPrefix`.
        prefix: Vec<u8>,
        /// The directory.
        directory: Vec<u8>,
    },
    /// A script's path does not begin at the root.
    RelativeScript {
        /// The directive.
        directive: &'static str,
        /// The path.
        script: Vec<u8>,
    },
    /// A script is not there.
    NoScript {
        /// The directive.
        directive: &'static str,
        /// The path.
        script: Vec<u8>,
    },
    /// A script cannot be read by the user that is to run it.
    ClosedScript {
        /// The directive.
        directive: &'static str,
        /// The path.
        script: Vec<u8>,
        /// Who cannot read it, and where the way ends.
        closed: Closed,
    },
    /// A process group's working directory, or its root directory, is not there.
    NoHome {
        /// The process group.
        group: Vec<u8>,
        /// The option: `home` or `chroot`.
        option: &'static str,
        /// The path.
        home: Vec<u8>,
    },
    /// A process group's working directory cannot be entered by its user.
    ClosedHome {
        /// The process group.
        group: Vec<u8>,
        /// The path.
        home: Vec<u8>,
        /// Who cannot enter it, and where the way ends.
        closed: Closed,
    },
    /// There is no Python in a Python home.
    NoPython {
        /// The process group; none for `WSGIPythonHome`.
        group: Option<Vec<u8>>,
        /// The path.
        home: Vec<u8>,
    },
    /// A Python cannot be run by the user it is for.
    ClosedPython {
        /// The process group; none for `WSGIPythonHome`.
        group: Option<Vec<u8>>,
        /// The path of the interpreter.
        python: Vec<u8>,
        /// Who cannot run it, and where the way ends.
        closed: Closed,
    },
    /// The interpreter of a virtual environment is gone.
    BrokenEnvironment {
        /// The process group; none for `WSGIPythonHome`.
        group: Option<Vec<u8>>,
        /// The path of the environment.
        home: Vec<u8>,
        /// What `pyvenv.cfg` says: the version of its Python, and where that was.
        version: Vec<u8>,
        /// As above.
        base: Vec<u8>,
    },
    /// Nobody can have a GIL of its own.
    NoOwnGil {
        /// Who, and which Python.
        pythons: String,
    },
    /// Nobody can do without the GIL.
    NotFreeThreaded {
        /// Who, and which Python.
        pythons: String,
    },
    /// A section for single interpreters says something of the process.
    FreeThreadingOfOne {
        /// The application group.
        name: Vec<u8>,
    },
    /// A Python that can do without the GIL runs with it.
    GilIsOn {
        /// The process group; none for embedded mode.
        group: Option<Vec<u8>>,
        /// The version.
        version: String,
    },
    /// Requests are to go to a process group that answers none.
    ServiceGroup {
        /// The directive.
        directive: &'static str,
        /// The name.
        name: Vec<u8>,
        /// Where the group is declared.
        declared: Origin,
    },
    /// A process group that does not exist may be used.
    AllowedNoGroup {
        /// The name.
        name: Vec<u8>,
        /// A group that is spelled nearly so.
        nearest: Option<Vec<u8>>,
    },
    /// Proxies are trusted, and none of their headers.
    NoTrustedHeaders,
    /// The name of a callable begins like an expansion and is none.
    UnknownCallable {
        /// The value.
        value: Vec<u8>,
    },
    /// An option that does nothing beside the others of its line.
    PointlessOption {
        /// The process group.
        group: Vec<u8>,
        /// The option.
        option: &'static str,
        /// Why.
        why: &'static str,
    },
    /// Two applications run in the same interpreter.
    SharedInterpreter {
        /// The process group; empty for embedded mode.
        process_group: Vec<u8>,
        /// The application group; empty for the main interpreter.
        application_group: Vec<u8>,
        /// The script.
        script: Vec<u8>,
        /// That of the other one.
        other: Vec<u8>,
        /// Where the other one is.
        at: Origin,
    },
    /// A directive in `<WSGIInterpreterOptions>` that holds for the whole server all the same.
    StrayInSection {
        /// The directive as it was written.
        directive: Vec<u8>,
    },
    /// A `<WSGIInterpreterOptions>` for a process group that does not exist.
    SectionForNoGroup {
        /// The name.
        name: Vec<u8>,
        /// A group that is spelled nearly so.
        nearest: Option<Vec<u8>>,
    },
    /// A `<WSGIInterpreterOptions>` whose application group is written as an expansion.
    LiteralSelector {
        /// The value.
        name: Vec<u8>,
    },
    /// A switch interval for one of several interpreters that share it.
    SharedInterval {
        /// The application group.
        name: Vec<u8>,
    },
}

/// Where a user's way to a file ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The user.
    pub user: Vec<u8>,
    /// The directory that cannot be entered, or the file itself.
    pub at: Vec<u8>,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "user '{}' is stopped by the permissions of '{}'",
            Shown(&self.user),
            Shown(&self.at)
        )
    }
}

impl Fault {
    /// The stable id, for the table in `docs/errors.md`.
    pub fn id(&self) -> &'static str {
        match self {
            Self::IdleDirective { .. } => "WRS1041",
            Self::DuplicateGroup { .. } => "WRS1042",
            Self::PreloadInNoGroup { .. } => "WRS1043",
            Self::NoSuchGroup { .. } => "WRS1044",
            Self::PreloadInForeignGroup { .. } => "WRS1045",
            Self::ForeignGroup { .. } => "WRS1046",
            Self::UnknownExpansion { .. } => "WRS1047",
            Self::EmbeddedIsOff { .. } => "WRS1048",
            Self::ShadowedAlias { .. } => "WRS1049",
            Self::RelativeScript { .. } => "WRS1050",
            Self::NoScript { .. } => "WRS1051",
            Self::ClosedScript { .. } => "WRS1052",
            Self::NoHome { .. } => "WRS1053",
            Self::ClosedHome { .. } => "WRS1054",
            Self::NoPython { .. } => "WRS1055",
            Self::ClosedPython { .. } => "WRS1056",
            Self::ServiceGroup { .. } => "WRS1057",
            Self::BrokenEnvironment { .. } => "WRS1058",
            Self::UnevenSlashes { .. } => "WRS1069",
            Self::NothingToPreload { .. } => "WRS1070",
            Self::NotPreloaded { .. } => "WRS1071",
            Self::UnreachableAlias { .. } => "WRS1076",
            Self::NoSocketDirectory { .. } => "WRS1077",
            Self::StrayInSection { .. } => "WRS1060",
            Self::AllowedNoGroup { .. } => "WRS1064",
            Self::NoTrustedHeaders => "WRS1065",
            Self::UnknownCallable { .. } => "WRS1066",
            Self::PointlessOption { .. } => "WRS1067",
            Self::SharedInterpreter { .. } => "WRS1068",
            Self::SectionForNoGroup { .. } => "WRS1061",
            Self::LiteralSelector { .. } => "WRS1062",
            Self::SharedInterval { .. } => "WRS1063",
            Self::NoOwnGil { .. } => "WRS1072",
            Self::NotFreeThreaded { .. } => "WRS1073",
            Self::FreeThreadingOfOne { .. } => "WRS1074",
            Self::GilIsOn { .. } => "WRS1075",
        }
    }

    /// How bad it is. Permissions are only ever a warning: access control lists may grant what the
    /// mode denies.
    pub fn severity(&self) -> Severity {
        match self {
            Self::DuplicateGroup { .. }
            | Self::PreloadInNoGroup { .. }
            | Self::PreloadInForeignGroup { .. }
            | Self::NoHome { .. }
            | Self::NoPython { .. }
            | Self::BrokenEnvironment { .. } => Severity::Error,
            Self::SharedInterpreter { .. } | Self::GilIsOn { .. } => Severity::Note,
            _ => Severity::Warning,
        }
    }

    /// Whether it is the file system's state and not the configuration that is wrong. Where a
    /// server starts, rather than tests its configuration, it may go on: the other groups work,
    /// and this one will when the files are there.
    pub fn is_about_files(&self) -> bool {
        matches!(
            self,
            Self::NoScript { .. }
                | Self::ClosedScript { .. }
                | Self::NoHome { .. }
                | Self::ClosedHome { .. }
                | Self::NoPython { .. }
                | Self::BrokenEnvironment { .. }
                | Self::ClosedPython { .. }
                | Self::NoSocketDirectory { .. }
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IdleDirective { directive, because } => {
                write!(f, "{directive} is accepted but has no effect: {because}")
            }
            Self::DuplicateGroup { name, first } => write!(
                f,
                "WSGIDaemonProcess: process group '{}' is already declared at {first}: names are \
                 unique over all virtual hosts, choose another one",
                Shown(name)
            ),
            Self::PreloadInNoGroup { directive, name, nearest } => {
                write!(f, "{directive}: the script is to be loaded in ")?;
                no_group(f, name, nearest.as_deref())
            }
            Self::NoSuchGroup { directive, name, nearest } => {
                write!(f, "{directive}: requests would be refused with status 500: they are for ")?;
                no_group(f, name, nearest.as_deref())
            }
            Self::PreloadInForeignGroup { directive, name, declared } => {
                write!(f, "{directive}: the script is to be loaded in ")?;
                foreign_group(f, name, declared)
            }
            Self::NothingToPreload { group } => write!(
                f,
                "WSGIDaemonProcess {}: option 'preload' has nothing to load: no script is known to run in this process group and in \
                 the main interpreter: give process-group={0} and application-group=%{{GLOBAL}} to a WSGIScriptAlias",
                Shown(group)
            ),
            Self::NotPreloaded { directive, group, application_group } => write!(
                f,
                "{directive}: the script runs in application group '{}', so each process loads it itself: preload=On of process \
                 group '{}' is for the main interpreter (application-group=%{{GLOBAL}})",
                Shown(application_group),
                Shown(group)
            ),
            Self::ForeignGroup { directive, name, declared } => {
                write!(f, "{directive}: requests would be refused with status 500: they are for ")?;
                foreign_group(f, name, declared)
            }
            Self::UnknownExpansion { directive, value, known } => write!(
                f,
                "{directive}: '{}' is no known expansion and is taken as a name: expected {known}",
                Shown(value)
            ),
            Self::EmbeddedIsOff { directive } => write!(
                f,
                "{directive}: requests would be refused with status 500: they are to run \
                 embedded, which WSGIRestrictEmbedded forbids: name a process group"
            ),
            Self::ShadowedAlias { location, by, earlier } => write!(
                f,
                "requests for '{}' never come here: the alias '{}' at {earlier} takes them first: \
                 put this line above it",
                Shown(location),
                Shown(by)
            ),
            Self::UnevenSlashes { location, target } => write!(
                f,
                "WSGIScriptAlias: a request for '{0}x' goes to '{1}x', which is hardly meant: end both '{0}' and '{1}' with a slash, \
                 or neither",
                Shown(location),
                Shown(target)
            ),
            Self::UnreachableAlias { location } => write!(
                f,
                "WSGIScriptAlias: no request comes here: the path of every URL begins with a slash, and '{}' does not",
                Shown(location)
            ),
            Self::NoSocketDirectory { prefix, directory } => write!(
                f,
                "WSGISocketPrefix: no process group can be started: '{}' needs the directory '{}', which is not there: create it or \
                 correct the prefix",
                Shown(prefix),
                Shown(directory)
            ),
            Self::RelativeScript { directive, script } => write!(
                f,
                "{directive}: the script's path '{}' is relative and would be looked for in \
                 httpd's working directory: give the absolute path",
                Shown(script)
            ),
            Self::NoScript { directive, script } => write!(
                f,
                "{directive}: there is no script '{}': put it there or correct the path",
                Shown(script)
            ),
            Self::ClosedScript { directive, script, closed } => write!(
                f,
                "{directive}: the script '{}' cannot be read: {closed}: grant it access or move \
                 the script",
                Shown(script)
            ),
            Self::NoHome { group, option, home } => write!(
                f,
                "WSGIDaemonProcess {}: '{option}={}' is not an existing directory: create it or \
                 correct the option",
                Shown(group),
                Shown(home)
            ),
            Self::ClosedHome { group, home, closed } => write!(
                f,
                "WSGIDaemonProcess {}: 'home={}' cannot be entered: {closed}: grant it access or \
                 choose another directory",
                Shown(group),
                Shown(home)
            ),
            Self::NoPython { group, home } => {
                python_of(f, group.as_deref())?;
                write!(
                    f,
                    "there is no bin/python in the Python home '{}': expected a virtual \
                     environment, the prefix of a Python (what sys.prefix says) or an interpreter",
                    Shown(home)
                )
            }
            Self::BrokenEnvironment { group, home, version, base } => {
                python_of(f, group.as_deref())?;
                write!(
                    f,
                    "the virtual environment '{}' was made for Python {} in '{}', which is gone: make \
                     the environment again with a Python that is there",
                    Shown(home),
                    Shown(version),
                    Shown(base)
                )
            }
            Self::ServiceGroup { directive, name, declared } => write!(
                f,
                "{directive}: requests would be refused with status 500: they are for process group \
                 '{}' ({declared}), which has threads=0 and only runs scripts: name another one",
                Shown(name)
            ),
            Self::AllowedNoGroup { name, nearest } => {
                f.write_str("WSGIRestrictProcess allows ")?;
                no_group(f, name, nearest.as_deref())
            }
            Self::NoTrustedHeaders => f.write_str(
                "WSGITrustedProxies has no effect, as WSGITrustedProxyHeaders is nowhere: name the \
                 headers that are to be believed",
            ),
            Self::UnknownCallable { value } => write!(
                f,
                "WSGICallableObject: '{}' is no callable's name and is taken for 'application': \
                 expected a name or %{{ENV:NAME}}",
                Shown(value)
            ),
            Self::PointlessOption { group, option, why } => write!(
                f,
                "WSGIDaemonProcess {}: option '{option}' has no effect: it {why}",
                Shown(group)
            ),
            Self::SharedInterpreter { process_group, application_group, script, other, at } => {
                let interpreter = match application_group.as_slice() {
                    b"" => b"%{GLOBAL}",
                    name => name,
                };
                write!(
                    f,
                    "the application '{}' shares the interpreter '{}' of ",
                    Shown(script),
                    Shown(interpreter)
                )?;
                match process_group.as_slice() {
                    b"" => f.write_str("httpd's own processes")?,
                    name => write!(f, "process group '{}'", Shown(name))?,
                }
                write!(
                    f,
                    " with '{}' ({at}), and with it modules and os.environ: if that is not meant, \
                     give each a process group (WSGIDaemonProcess) of its own",
                    Shown(other)
                )
            }
            Self::StrayInSection { directive } => write!(
                f,
                "{} in <WSGIInterpreterOptions> holds for the whole server and not for these \
                 interpreters only: move it out of the section",
                Shown(directive)
            ),
            Self::SectionForNoGroup { name, nearest } => {
                f.write_str("<WSGIInterpreterOptions> is for ")?;
                no_group(f, name, nearest.as_deref())
            }
            Self::LiteralSelector { name } => write!(
                f,
                "<WSGIInterpreterOptions>: '{}' is not expanded here and fits no interpreter: \
                 expected %{{GLOBAL}} or a name, which is by default the ServerName, '|' and the \
                 path of the application",
                Shown(name)
            ),
            Self::SharedInterval { name } => write!(
                f,
                "WSGISwitchInterval has no effect for application group '{}': the interpreters of \
                 a process share one interval: leave out application-group, or name %{{GLOBAL}}",
                Shown(name)
            ),
            Self::NoOwnGil { pythons } => write!(
                f,
                "WSGIPerInterpreterGIL has no effect: interpreters can have a GIL of their own from Python 3.13 on, unless they \
                 have none at all; it holds for {pythons}"
            ),
            Self::NotFreeThreaded { pythons } => write!(
                f,
                "WSGIFreeThreading has no effect: only a Python that was built for it (3.14t, configured with --disable-gil) \
                 can do without the GIL; it holds for {pythons}"
            ),
            Self::FreeThreadingOfOne { name } => write!(
                f,
                "WSGIFreeThreading has no effect for application group '{}' alone: the interpreters of a process do without \
                 the GIL together: leave out application-group",
                Shown(match name.as_slice() {
                    b"" => b"%{GLOBAL}",
                    name => name,
                })
            ),
            Self::GilIsOn { group, version } => {
                python_of(f, group.as_deref())?;
                write!(
                    f,
                    "Python {version} can do without the GIL and runs with it, so one of its threads runs at a time: let \
                     WSGIFreeThreading On hold for it, or use a Python {} that is faster with the GIL",
                    version.trim_end_matches('t')
                )
            }
            Self::ClosedPython { group, python, closed } => {
                python_of(f, group.as_deref())?;
                write!(
                    f,
                    "its Python '{}' cannot be run: {closed}: grant it access or use a Python outside \
                     of that directory",
                    Shown(python)
                )
            }
        }
    }
}

/// Whose Python it is; `WSGIPythonHome` without a group.
fn python_of(f: &mut fmt::Formatter<'_>, group: Option<&[u8]>) -> fmt::Result {
    match group {
        Some(group) => write!(f, "WSGIDaemonProcess {}: ", Shown(group)),
        None => f.write_str("WSGIPythonHome: "),
    }
}

fn no_group(f: &mut fmt::Formatter<'_>, name: &[u8], nearest: Option<&[u8]>) -> fmt::Result {
    write!(f, "process group '{}', which no WSGIDaemonProcess declares", Shown(name))?;
    match nearest {
        Some(nearest) => write!(f, ": did you mean '{}'?", Shown(nearest)),
        None => Ok(()),
    }
}

fn foreign_group(f: &mut fmt::Formatter<'_>, name: &[u8], declared: &Origin) -> fmt::Result {
    write!(
        f,
        "process group '{}', which belongs to a virtual host with another ServerName \
         ({declared}): declare it in the main server to share it",
        Shown(name)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_with_id_and_place() {
        let finding = Finding {
            origin: Origin::new("/etc/a.conf", 3),
            fault: Fault::IdleDirective { directive: "WSGIX", because: "of rain" },
        };
        assert_eq!(
            finding.to_string(),
            "WRS1041: /etc/a.conf:3: warning: WSGIX is accepted but has no effect: of rain"
        );
        assert_eq!(finding.severity(), Severity::Warning);
    }

    #[test]
    fn what_is_spelled_nearly_right_is_asked_for() {
        let fault = Fault::NoSuchGroup {
            directive: "WSGIProcessGroup",
            name: b"aap".to_vec(),
            nearest: Some(b"app".to_vec()),
        };
        assert!(
            fault.to_string().ends_with("which no WSGIDaemonProcess declares: did you mean 'app'?")
        );
    }
}
