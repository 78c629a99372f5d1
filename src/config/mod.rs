//! The directives of httpd's configuration as plain Rust data.
//!
//! httpd hands over one directive at a time ([`directives`]); each is read completely when it is
//! read, so that what is wrong is told with its line. The records are merged as httpd merges its
//! own ([`ServerConfig`], [`DirectoryConfig`]), looked over as a whole before the server
//! starts ([`report`](report())), and from then on only read: for a request,
//! [`effective`](effective()) says what holds. Names and paths are bytes.
//!
//! Everything but [`directives`], its setters and [`report`](report()) is pure: no httpd, no global state, any
//! thread.

mod account;
mod alias;
mod check;
mod check_effect;
mod check_files;
mod check_gil;
mod check_interpreters;
mod check_preload;
mod check_sharing;
mod daemon_group;
mod daemon_options;
pub mod directives;
mod directory;
mod effective;
pub mod environment;
mod error;
pub mod expand;
mod finding;
mod handler_script;
mod hook_script;
mod import;
mod interpreter_options;
mod map;
mod origin;
mod permission;
mod python_options;
mod pyvenv;
#[cfg(test)]
mod reference;
mod report;
mod server;
mod setters;
mod setting;
mod telemetry;
mod trusted;
pub mod words;

pub use alias::{ScriptAlias, ScriptOptions, route};
pub use check_gil::Used;
pub use check_preload::main_scripts;
pub use daemon_group::{DaemonGroup, Reload};
pub use directory::{DirectoryConfig, MapHead};
pub use effective::{Effective, effective};
pub use expand::Facts;
pub use handler_script::HandlerScript;
pub use hook_script::HookScript;
pub use interpreter_options::InterpreterSection;
pub use map::{Named, Pythons, map};
pub use origin::Origin;
pub use python_options::{HashSeed, PythonOptions};
pub use pyvenv::Pyvenv;
pub use report::{report, report_gil, with_site};
pub use server::{ServerConfig, imports};

#[cfg(test)]
mod tests {
    const EXPLAINED: &str = include_str!("../../docs/errors.md");

    #[test]
    fn every_id_is_explained_once() {
        let sources = [include_str!("error.rs"), include_str!("finding.rs")].concat();
        let ids: Vec<_> = sources.split('"').filter(|text| is_id(text)).collect();
        assert!(ids.len() > 30);
        for id in ids {
            let rows = EXPLAINED.lines().filter(|line| line.starts_with(&format!("| {id} |")));
            assert_eq!(rows.count(), 1, "{id}");
        }
    }

    fn is_id(text: &str) -> bool {
        text.strip_prefix("WRS").is_some_and(|number| number.len() == 4)
    }
}
