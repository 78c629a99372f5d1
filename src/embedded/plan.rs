//! What embedded mode needs: found out by the parent, used by the children.

use crate::config::{self, HookScript, PythonOptions, ScriptOptions, ServerConfig};
use crate::httpd::log;
use crate::httpd::server::{self, Mpm};
use crate::httpd::{Level, Server, Status};
use crate::module::Wsgi;
use crate::python::{self, Interpreter};
use daemon_abi::privileges::Identity;
use engine_abi::{Engine, library};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

/// The plan of one generation.
#[derive(Debug)]
pub struct Plan {
    /// Something is surely embedded, so Python is started with a child.
    pub certain: bool,
    python: Result<Embedded, String>,
    options: PythonOptions,
    /// Scripts to load with a child, and their interpreters.
    preloads: Vec<(Vec<u8>, Vec<u8>)>,
    threads: u32,
    processes: u32,
    /// Process groups whose only application runs in the main interpreter.
    alone: BTreeSet<Vec<u8>>,
}

/// What to load.
#[derive(Debug)]
struct Embedded {
    python: Interpreter,
    libpython: PathBuf,
    engine: PathBuf,
}

static CURRENT: RwLock<Option<Arc<Plan>>> = RwLock::new(None);

/// The plan of this generation; none before the configuration was read.
pub fn current() -> Option<Arc<Plan>> {
    CURRENT.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn servers(main: Server<'_>) -> impl Iterator<Item = &ServerConfig> {
    main.iter().map(|server| server.config::<Wsgi>())
}

/// Whether something is surely answered in httpd's children.
fn is_certain(main: Server<'_>) -> bool {
    let globals = &main.config::<Wsgi>().globals;
    let imports = config::imports(servers(main)).any(|import| import.process_group.is_empty());
    // These are asked in httpd's children whatever answers the request.
    let hooks = servers(main).any(|config| !config.hooks.is_empty());
    let aliases = servers(main).any(|config| {
        let sections = config.mentions.iter().any(|mention| !mention.whole_server);
        config.aliases.iter().any(|alias| match &alias.options.process_group {
            Some(group) => group.is_empty(),
            None => {
                let inherited = config.requests.process_group.as_deref();
                matches!(inherited, None | Some(b"" | b"%{GLOBAL}")) && !sections
            }
        })
    });
    imports || hooks || (globals.embedded_allowed() && aliases)
}

/// Process groups with one application whose interpreter nobody chose: it runs in the main one, where every extension
/// module works. As soon as there are several, or a section decides, each has its own as in mod_wsgi.
pub fn alone(main: Server<'_>) -> BTreeSet<Vec<u8>> {
    let chosen_later = |config: &ServerConfig| {
        config.mentions.iter().any(|mention| !mention.whole_server)
            || config.hooks.iter().any(|hook| hook.directive == HookScript::DISPATCH)
    };
    if servers(main).any(chosen_later) {
        return BTreeSet::new();
    }
    let mut applications: BTreeMap<Vec<u8>, BTreeSet<Application<'_>>> = BTreeMap::new();
    for server in main.iter() {
        let config = server.config::<Wsgi>();
        let name = server.hostname().map(CStr::to_bytes).unwrap_or_default();
        for alias in &config.aliases {
            let found = applications.entry(group_of(config, &alias.options)).or_default();
            let (location, script) = (alias.location.source(), alias.target.as_slice());
            let path = std::path::Path::new(std::ffi::OsStr::from_bytes(&alias.target));
            found.insert(Application::At { name, location, script });
            if alias.target_varies() || path.is_dir() {
                found.insert(Application::Others);
            }
        }
        for handler in &config.handlers {
            // Each resource is an application of its own.
            let found = applications.entry(group_of(config, &handler.options)).or_default();
            found.insert(Application::At { name, location: &handler.name, script: b"" });
            found.insert(Application::Others);
        }
    }
    for (group, found) in &applications {
        if found.len() > 1 {
            log::write(
                main,
                Level::INFO,
                format_args!(
                    "{} runs several applications: each that has no WSGIApplicationGroup gets an interpreter of its own",
                    if group.is_empty() {
                        "httpd".to_owned()
                    } else {
                        format!("process group '{}'", String::from_utf8_lossy(group))
                    }
                ),
            );
        }
    }
    applications.into_iter().filter(|(_, found)| found.len() == 1).map(|(group, _)| group).collect()
}

/// What mod_wsgi has an interpreter for, if nobody chooses one.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Application<'c> {
    /// A script at a path of a `ServerName`. Virtual hosts for several ports, mostly of http and https, have it in common.
    At { name: &'c [u8], location: &'c [u8], script: &'c [u8] },
    /// Those that only requests tell.
    Others,
}

/// The process group of an alias or a handler, where no section decides.
fn group_of(config: &ServerConfig, options: &ScriptOptions) -> Vec<u8> {
    let own = options.process_group.as_deref();
    match own.or(config.requests.process_group.as_deref()).unwrap_or_default() {
        b"%{GLOBAL}" => Vec::new(),
        group => group.to_vec(),
    }
}

/// The Python that `WSGIPythonHome` names, and its engine.
fn ask(main: Server<'_>) -> Result<(Interpreter, PathBuf), String> {
    let httpd = server::identity(main);
    let identity = Identity::new(httpd.uid, httpd.gid, None).map_err(|error| error.to_string())?;
    let home = main.config::<Wsgi>().globals.python_home.as_deref();
    python::with_engine(home, None, &identity)
}

/// The Python of embedded mode, or why there is none.
pub fn python(main: Server<'_>) -> Result<String, String> {
    ask(main).map(|(python, _)| python.to_string())
}

/// What to load for embedded mode.
fn find(main: Server<'_>) -> Result<Embedded, String> {
    if let Some(other) = library::python_in_process() {
        return Err(format!(
            "another module has brought '{}' into httpd; two Pythons cannot be in one process: remove that module, \
             or use process groups and WSGIRestrictEmbedded On",
            other.display()
        ));
    }
    let (python, engine) = ask(main)?;
    let Some(libpython) = python.libpython.clone() else {
        return Err(format!(
            "Python {0} at '{1}' has no shared library, which embedded mode needs: install it (on Debian the package \
             libpython{0}; with pyenv, PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install), or use a process group \
             (WSGIDaemonProcess), which needs none",
            python.version,
            python.executable.display()
        ));
    };
    if python.closed_libpython {
        return Err(format!(
            "the user of httpd's processes cannot read '{0}', the library of Python {1}: every directory above it must be searchable \
             by that user, which a home directory often is not; use a Python \
             that is installed for all users, or a process group (WSGIDaemonProcess) of a user who can",
            libpython.display(),
            python.version
        ));
    }
    Ok(Embedded { python, libpython, engine })
}

/// Tests the configuration: can what is embedded work? Adds its Python to `pythons`.
pub fn check(main: Server<'_>, pythons: &mut Vec<config::Used>) -> Status {
    if !server::is_config_test() {
        return Status::OK;
    }
    let globals = &main.config::<Wsgi>().globals;
    let place = &globals.python_home_origin;
    let certain = is_certain(main);
    let looked = if certain {
        find(main).map(|embedded| Some(embedded.python)).map_err(|why| {
            format!("WRS2012: {place}: httpd's own processes need Python, which cannot work: {why}")
        })
    } else if globals.python_home.is_some() {
        ask(main)
            .map(|(python, _)| Some(python))
            .map_err(|why| format!("WRS2014: {place}: WSGIPythonHome cannot be used: {why}"))
    } else {
        Ok(None)
    };
    match looked {
        Ok(python) => {
            if certain {
                pythons.extend(python.as_ref().map(|python| python.used_by(b"", place)));
            }
            if let Some(why) = python.and_then(|python| python.outdated_environment()) {
                log::write(
                    main,
                    Level::WARNING.at_startup(),
                    format_args!("WRS1059: {place}: warning: WSGIPythonHome: {why}"),
                );
            }
            Status::OK
        }
        Err(text) => {
            log::write(main, Level::ERROR.at_startup(), format_args!("{text}"));
            Status::INTERNAL_SERVER_ERROR
        }
    }
}

/// Makes the plan of this generation.
pub fn configure(main: Server<'_>) {
    let config = main.config::<Wsgi>();
    let certain = is_certain(main);
    let python = if config.globals.embedded_allowed() || certain {
        find(main)
    } else {
        Err("WSGIRestrictEmbedded is On, and outside of .htaccess files no script is named that needs it".to_owned())
    };
    if let (true, Err(why)) = (certain, &python) {
        log::write(
            main,
            Level::ERROR.at_startup(),
            format_args!("WRS2012: httpd's own processes need Python, which cannot work: {why}"),
        );
    }
    let preloads = config::imports(servers(main))
        .filter(|import| import.process_group.is_empty())
        .map(|import| (import.script.clone(), import.application_group.clone()))
        .collect();
    let plan = Plan {
        certain,
        python,
        options: config.globals.python.clone(),
        preloads,
        threads: Mpm.threads(),
        processes: Mpm.processes(),
        alone: alone(main),
    };
    *CURRENT.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(plan));
}

/// Whether an application of this process group, whose interpreter nobody chose, runs in the main one.
pub fn runs_in_main_interpreter(group: &[u8]) -> bool {
    current().is_some_and(|plan| plan.alone.contains(group))
}

impl Plan {
    /// Loads libpython and the engine into this process and starts Python.
    pub fn load(&self) -> Result<&'static Engine, String> {
        let embedded = self.python.as_ref().map_err(Clone::clone)?;
        if let Some(other) = library::python_in_process() {
            return Err(format!("'{}' is in this process already", other.display()));
        }
        library::open_python(&embedded.libpython).map_err(|error| error.to_string())?;
        let engine = library::open_engine(&embedded.engine).map_err(|error| error.to_string())?;
        let executable = embedded.python.executable.as_os_str().as_bytes();
        super::table::start(engine, executable, &self.options, self.threads, self.processes)?;
        for (script, group) in &self.preloads {
            super::table::preload(engine, script, group);
        }
        Ok(engine)
    }
}
