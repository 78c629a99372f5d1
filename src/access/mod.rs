//! Scripts that are asked about a request before it is answered: who may come in, who it is, and where it runs.
//!
//! They are functions of Python scripts and run in httpd's own children, on the httpd thread of the request, also where all
//! applications are in daemon processes. Whatever goes wrong with them, nobody is let in by it: what a function does not
//! answer clearly is a refusal, with one line in the log.

mod authentication;
mod authorization;
mod dispatch;
mod host;

pub use dispatch::dispatch;

use crate::config::{HookScript, expand};
use crate::embedded::{self, Answer, Question};
use crate::httpd::{Hooks, Level, Order, Request, log};
use crate::module::Wsgi;
use crate::request::environ::{Environ, Mount, RequestFacts};

/// The name of our provider of authentication.
const USERS: &std::ffi::CStr = c"wsgi";
/// The name of our provider of authorization.
const GROUPS: &std::ffi::CStr = c"wsgi-group";

/// Registers what httpd asks.
pub fn register(hooks: &Hooks<'_>) {
    let order = Order::MIDDLE.after(&[c"mod_ssl.c"]).before(&[c"mod_authz_host.c"]);
    hooks.access_checker(order, host::check);
    hooks.authentication(USERS, authentication::password, authentication::realm_hash);
    hooks.authorization(GROUPS, authorization::parse, authorization::check);
}

/// One function of a script that is asked, in the words of messages.
struct Asked<'a> {
    request: Request<'a>,
    script: &'a HookScript,
    function: &'static str,
    /// What it may answer.
    expected: &'static str,
}

/// How strings are told, and what is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Something whose strings are told in latin-1.
    Value,
    /// Something whose strings are told in UTF-8.
    Utf8,
    /// Names, told in latin-1.
    Names,
}

impl Asked<'_> {
    /// Asks the function. What is no answer has been logged, and is [`Answer::Failed`].
    fn ask(&self, kind: Kind, arguments: &[&[u8]]) -> Answer {
        let request = self.request;
        let mount = Mount::of(request);
        let config = request.server_config::<Wsgi>();
        let facts = RequestFacts::new(request, &mount, config.globals.python.is_case_sensitive());
        let group = expand::hook_group(&self.script.application_group, &facts);
        let environ = Environ::of_question(request, &mount, &group);
        let answers = embedded::ask(
            request,
            &Question {
                script: self.script,
                application_group: &group,
                reloading: reloads(request),
                functions: &[self.function],
                arguments,
                environ: environ.pairs(),
                names: kind == Kind::Names,
                utf8: kind == Kind::Utf8,
            },
        );
        match answers.and_then(|answers| answers.into_iter().next()) {
            Some(Answer::Missing) => self.missing(),
            Some(answer) => answer,
            None => Answer::Failed,
        }
    }

    /// The function is not there.
    fn missing(&self) -> Answer {
        log::write(
            self.request,
            Level::ERROR,
            format_args!(
                "WRS2031: the script {} has no function {}(): add it, or name another script",
                self.place(),
                self.function
            ),
        );
        Answer::Failed
    }

    /// The function answered something else than it may.
    fn unexpected(&self, answer: &Answer) {
        // What failed has said so already.
        if *answer == Answer::Failed {
            return;
        }
        log::write(
            self.request,
            Level::ERROR,
            format_args!(
                "WRS2032: {}() of the script {} answered {}: expected {}",
                self.function,
                self.place(),
                words(answer),
                self.expected
            ),
        );
    }

    fn place(&self) -> String {
        let script = self.script;
        format!("'{}' ({})", String::from_utf8_lossy(&script.script), script.directive)
    }
}

/// The words for an answer that is none of those expected. What a string says is nobody's business: it may be a secret.
fn words(answer: &Answer) -> &str {
    match answer {
        Answer::Failed => "nothing",
        Answer::Missing => "not at all",
        Answer::Nothing => "None",
        Answer::Verdict(true) => "True",
        Answer::Verdict(false) => "False",
        Answer::Text(text) | Answer::Bytes(text) if text.is_empty() => "an empty string",
        Answer::Text(text) | Answer::Bytes(text) if text.contains(&0) => "a string with a NUL",
        Answer::Text(_) => "a str",
        Answer::Bytes(_) => "bytes",
        Answer::Names(_) => "names",
        Answer::Other(words) => words,
    }
}

/// Whether a string of a script means something to httpd, which reads up to a NUL.
fn is_usable(text: &[u8]) -> bool {
    !text.is_empty() && !text.contains(&0)
}

/// Whether scripts that changed are loaded again where the request was mapped to.
fn reloads(request: Request<'_>) -> bool {
    let section = request.directory_config::<Wsgi>().script_reloading;
    section.or(request.server_config::<Wsgi>().requests.script_reloading).unwrap_or(true)
}

/// httpd asks for something that needs a script, and none is named.
fn no_script(request: Request<'_>, asker: &str, directive: &str) {
    log::write(
        request,
        Level::ERROR,
        format_args!("WRS2033: {asker} needs a script, and none is named here: add {directive}"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        for answer in [Answer::Text(b"secret".to_vec()), Answer::Bytes(b"sec\0ret".to_vec())] {
            assert!(!words(&answer).contains("sec"), "{answer:?}");
        }
    }

    #[test]
    fn what_httpd_would_read_otherwise_is_not_usable() {
        assert!(is_usable(b"me") && is_usable(b"\xff\xfe"));
        assert!(!is_usable(b"") && !is_usable(b"me\0root") && !is_usable(b"\0"));
    }
}
