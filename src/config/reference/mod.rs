//! The manual of the directives, `docs/directives.md`, made from these rows and the tables that httpd
//! and the parsers use.
//!
//! Only for tests: one fails if a directive or an option has no row, if a row has no directive, or if
//! the file is not what would be written. `make docs` writes it.

use std::fmt::Write;

use super::daemon_options;

mod options;
mod rows;

/// Where a directive may stand, in the words of httpd's manual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Main,
    Server,
    Section,
    FileInfo,
    AuthConfig,
}

impl Place {
    fn words(self) -> &'static str {
        match self {
            Self::Main => "main server",
            Self::Server => "main server, virtual host",
            Self::Section => "main server, virtual host, directory",
            Self::FileInfo => {
                "main server, virtual host, directory, `.htaccess` (`AllowOverride FileInfo`)"
            }
            Self::AuthConfig => "directory, `.htaccess` (`AllowOverride AuthConfig`)",
        }
    }

    /// The name of its constant in `httpd::Context`.
    fn context(self) -> &'static str {
        match self {
            Self::Main | Self::Server => "SERVER",
            Self::Section => "SERVER_OR_SECTION",
            Self::FileInfo => "FILE_INFO",
            Self::AuthConfig => "AUTH_CONFIG",
        }
    }
}

/// A directive of the manual.
struct Row {
    name: &'static str,
    place: Place,
    syntax: &'static str,
    default: &'static str,
    meaning: &'static str,
    example: &'static str,
}

/// An option of `WSGIDaemonProcess` of the manual.
struct OptionRow {
    name: &'static str,
    value: &'static str,
    default: &'static str,
    meaning: &'static str,
}

const INTRODUCTION: &str = "\
# Directives

<!-- Made by `make docs` from src/config/reference; a test compares. -->

Every directive of mod_wsgi 6 is understood. Those that do nothing in this release say so at `apachectl configtest` (WRS1041).
Where a meaning differs from mod_wsgi's it is a row of [compatibility.md](compatibility.md).

*Context* says where a directive may stand. What is said further in wins over what is said further out: `.htaccess` over
directory sections (`<Directory>`, `<Location>`, `<Files>`, `<If>`), these over the virtual host, it over the main server. Lists replace lists.
Directives for the main server only hold for all virtual hosts.

## Names of groups

The values of `WSGIProcessGroup`, `WSGIApplicationGroup` and of the options `process-group` and `application-group` may be, as a whole:

| value | stands for |
|---|---|
| `%{GLOBAL}` | as a process group httpd's own processes (embedded mode), as an application group the main interpreter |
| `%{RESOURCE}` | `ServerName:port\\|SCRIPT_NAME`: one for each application |
| `%{SERVER}` | `ServerName:port` |
| `%{HOST}` | the host of the request, and the port |
| `%{ENV:NAME}` | the value of that variable, of `SetEnv`, `SetEnvIf`, `RewriteRule` or httpd's environment; it may be one of the above |

The port is left out if it is 80 or 443.
";

/// The whole manual.
fn manual() -> String {
    let mut out = INTRODUCTION.to_owned();
    for row in rows::ROWS {
        let _ = write!(
            out,
            "\n## {}\n\n{}\n\n- Syntax: `{}`\n- Default: {}\n- Context: {}\n\n```apache\n{}\n```\n",
            row.name.replace('<', "\\<"),
            row.meaning,
            row.syntax,
            row.default,
            row.place.words(),
            row.example
        );
        if row.name == super::daemon_group::DIRECTIVE {
            out.push_str("\n| option | value | default | meaning |\n|---|---|---|---|\n");
            for name in daemon_options::names() {
                let Some(option) = options::ROWS.iter().find(|row| row.name == name) else {
                    continue;
                };
                let _ = writeln!(
                    out,
                    "| `{name}` | {} | {} | {} |",
                    option.value, option.default, option.meaning
                );
            }
        }
    }
    out
}

/// The table that httpd gets. It is read as text, since a test that has its setters needs httpd.
const TABLE: &str = include_str!("../directives.rs");

#[test]
fn every_directive_has_its_row_and_its_context() {
    let mut registered: Vec<_> = TABLE
        .split("c\"")
        .filter_map(|rest| {
            let (name, rest) = rest.split_once("\",")?;
            let (context, _) = rest.trim_start().strip_prefix("Context::")?.split_once(',')?;
            Some((name, context))
        })
        .collect();
    let mut described: Vec<_> = rows::ROWS
        .iter()
        .map(|row| (row.name.trim_end_matches('>'), row.place.context()))
        .collect();
    registered.sort_unstable();
    described.sort_unstable();
    assert_eq!(registered.len(), 49, "those of mod_wsgi 6 and its section");
    assert_eq!(described, registered);
}

#[test]
fn every_option_has_its_row() {
    let mut parsed: Vec<_> = daemon_options::names().collect();
    let mut described: Vec<_> = options::ROWS.iter().map(|row| row.name).collect();
    parsed.sort_unstable();
    described.sort_unstable();
    assert_eq!(described, parsed);
}

#[test]
fn every_example_begins_with_its_directive() {
    for row in rows::ROWS {
        assert!(row.syntax.starts_with(row.name.trim_end_matches('>')), "{}", row.name);
        let name = row.name.trim_end_matches('>');
        assert!(row.example.lines().any(|line| line.trim_start().starts_with(name)), "{name}");
    }
}

/// With `WSGI_WRITE_DOCS` set, writes it.
#[test]
fn the_manual_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/directives.md");
    if std::env::var_os("WSGI_WRITE_DOCS").is_some() {
        std::fs::write(path, manual()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == manual(), "docs/directives.md is not up to date: run `make docs`");
}
