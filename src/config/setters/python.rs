//! Setters: how Python is started, in every process.

use std::ffi::CStr;

use super::{flag, globals, interpreter, main_server, origin};
use crate::config::interpreter_options::{DIRECTIVES, InterpreterSection, SECTION, Switch};
use crate::config::origin::Origin;
use crate::config::python_options::HashSeed;
use crate::config::setting::Setting;
use crate::httpd::{Answer, Command, Scope};
use crate::module::Wsgi;

/// Setters of switches for the whole server.
macro_rules! switches {
    ($($name:ident = $directive:literal;)*) => {$(
        pub fn $name(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
            globals(command, scope, $directive)?.python.$name = Some(flag($directive, word)?);
            Ok(())
        }
    )*};
}

switches! {
    case_sensitivity = "WSGICaseSensitivity";
    dont_write_bytecode = "WSGIDontWriteBytecode";
    destroy_interpreter = "WSGIDestroyInterpreter";
}

/// Setters of switches for the whole server or some interpreters.
macro_rules! switches_of_interpreters {
    ($($name:ident = $directive:literal;)*) => {$(
        pub fn $name(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
            interpreter(command, scope, $directive)?.$name = Some(flag($directive, word)?);
            Ok(())
        }
    )*};
}

switches_of_interpreters! {
    restrict_stdin = "WSGIRestrictStdin";
    restrict_stdout = "WSGIRestrictStdout";
    restrict_signal = "WSGIRestrictSignal";
}

/// The same for switches that only some Pythons can follow, of which the test of the configuration tells.
macro_rules! switches_of_some_pythons {
    ($($name:ident = $directive:literal;)*) => {$(
        pub fn $name(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
            let interpreter = interpreter(command, scope, $directive)?;
            let on = flag($directive, word)?;
            interpreter.$name = Some(Switch { on, origin: origin(command) });
            Ok(())
        }
    )*};
}

switches_of_some_pythons! {
    own_gil = "WSGIPerInterpreterGIL";
    free_threading = "WSGIFreeThreading";
}

/// Begins a section; the directives in it find it as the last one.
pub fn interpreter_options(command: &Command<'_>, scope: Scope<'_, Wsgi>, text: &CStr) -> Answer {
    let server = main_server(command, scope, SECTION)?;
    let mut section = InterpreterSection::parse(text.to_bytes(), origin(command))?;
    let belongs = |name: &CStr| {
        DIRECTIVES.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name.to_bytes()))
    };
    for (name, line) in command.children().filter(|(name, _)| !belongs(name)) {
        let origin = Origin { line, ..section.origin.clone() };
        section.strays.push((name.to_bytes().to_vec(), origin));
    }
    server.globals.python.sections.push(section);
    Ok(())
}

pub fn server_metrics(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    const DIRECTIVE: &str = "WSGIServerMetrics";
    globals(command, scope, DIRECTIVE)?.python.server_metrics = flag(DIRECTIVE, word)?;
    Ok(())
}

pub fn python_home(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    let globals = globals(command, scope, "WSGIPythonHome")?;
    globals.python_home = Some(word.to_bytes().to_vec());
    globals.python_home_origin = origin(command);
    Ok(())
}

pub fn python_path(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    interpreter(command, scope, "WSGIPythonPath")?.python_path = Some(word.to_bytes().to_vec());
    Ok(())
}

/// Each line adds a filter.
pub fn warnings(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    let globals = globals(command, scope, "WSGIPythonWarnings")?;
    globals.python.warnings.push(word.to_bytes().to_vec());
    Ok(())
}

pub fn optimize(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    const DIRECTIVE: &str = "WSGIPythonOptimize";
    let globals = globals(command, scope, DIRECTIVE)?;
    let level: i64 =
        Setting::argument(DIRECTIVE, word.to_bytes()).integer(0..=i64::from(i32::MAX))?;
    // Python knows no more than two.
    globals.python.optimize = Some(u8::try_from(level).unwrap_or(2).min(2));
    Ok(())
}

pub fn eggs(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    let globals = globals(command, scope, "WSGIPythonEggs")?;
    globals.python.eggs = Some(word.to_bytes().to_vec());
    Ok(())
}

pub fn hash_seed(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    const DIRECTIVE: &str = "WSGIPythonHashSeed";
    let globals = globals(command, scope, DIRECTIVE)?;
    let setting = Setting::argument(DIRECTIVE, word.to_bytes());
    globals.python.hash_seed = Some(HashSeed::read(&setting)?);
    Ok(())
}

pub fn switch_interval(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    const DIRECTIVE: &str = "WSGISwitchInterval";
    let interpreter = interpreter(command, scope, DIRECTIVE)?;
    let setting = Setting::argument(DIRECTIVE, word.to_bytes());
    interpreter.switch_interval = Some(setting.short_time()?);
    Ok(())
}
