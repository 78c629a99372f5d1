//! `WSGIDispatchScript`: a script chooses where a request runs, and what answers it.
//!
//! In the handler, when everything else that has a say was heard. A script that does not answer ends the request: it might
//! have sent it somewhere else.

use super::{Asked, is_usable, reloads};
use crate::config::{Effective, HookScript, expand};
use crate::embedded::{self, Answer, Question};
use crate::httpd::{Request, Status};
use crate::request::environ::{Environ, RequestFacts};
use std::borrow::Cow;

const PROCESS_GROUP: &str = "process_group";
const APPLICATION_GROUP: &str = "application_group";
const CALLABLE_OBJECT: &str = "callable_object";

/// Has the script change what holds for the request.
pub fn dispatch(
    request: Request<'_>,
    script: &HookScript,
    facts: &RequestFacts<'_>,
    environ: &Environ<'_>,
    effective: &mut Effective<'_>,
) -> Result<(), Status> {
    const FUNCTIONS: &[&str] = &[PROCESS_GROUP, APPLICATION_GROUP, CALLABLE_OBJECT];
    let group = expand::hook_group(&script.application_group, facts);
    let environ = environ.of_dispatch(&group);
    let answers = embedded::ask(
        request,
        &Question {
            script,
            application_group: &group,
            reloading: reloads(request),
            functions: FUNCTIONS,
            arguments: &[],
            environ: environ.pairs(),
            names: false,
            utf8: false,
        },
    );
    let answers = answers.ok_or(Status::INTERNAL_SERVER_ERROR)?;
    for (function, answer) in FUNCTIONS.iter().zip(answers) {
        let value = match answer {
            Answer::Missing | Answer::Nothing => continue,
            Answer::Text(value) | Answer::Bytes(value) if is_choice(function, &value) => value,
            answer => {
                let expected = match *function {
                    CALLABLE_OBJECT => "None, or the name of a callable as str",
                    _ => "None, or the name of a group as str",
                };
                Asked { request, script, function, expected }.unexpected(&answer);
                return Err(Status::INTERNAL_SERVER_ERROR);
            }
        };
        let owned = |value: Cow<'_, [u8]>| Cow::Owned(value.into_owned());
        match *function {
            PROCESS_GROUP => {
                effective.process_group = owned(expand::process_group(Some(&value), facts))
            }
            APPLICATION_GROUP => {
                effective.application_group = owned(expand::application_group(Some(&value), facts));
                effective.application_group_configured = true;
            }
            _ => effective.callable_object = owned(expand::callable_object(Some(&value), facts)),
        }
    }
    Ok(())
}

/// Groups may have the empty name: embedded mode, and the main interpreter.
fn is_choice(function: &str, value: &[u8]) -> bool {
    is_usable(value) || (value.is_empty() && function != CALLABLE_OBJECT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_may_have_the_empty_name_and_a_callable_may_not() {
        assert!(is_choice(PROCESS_GROUP, b"") && is_choice(APPLICATION_GROUP, b""));
        assert!(!is_choice(CALLABLE_OBJECT, b"") && is_choice(CALLABLE_OBJECT, b"x"));
        assert!(!is_choice(PROCESS_GROUP, b"a\0b"));
    }
}
