//! `WSGIAccessScript`: whether a client may come in at all.
//!
//! In the access_checker hook, which is called for every request and subrequest, before anybody is asked for a password.

use super::{Asked, Kind};
use crate::config::HookScript;
use crate::embedded::Answer;
use crate::httpd::{Level, Request, Status, log};
use crate::module::Wsgi;
use crate::request::environ::bytes;

/// The hook.
pub fn check(request: Request<'_>) -> Status {
    let Some(script) = &request.directory_config::<Wsgi>().access_script else {
        return Status::DECLINED;
    };
    let host = request.client_host().or(request.client_ip());
    let asked =
        Asked { request, script, function: "allow_access", expected: "True, False or None" };
    match asked.ask(Kind::Value, &[bytes(host)]) {
        Answer::Verdict(true) => Status::OK,
        // Others decide.
        Answer::Nothing => Status::DECLINED,
        Answer::Verdict(false) => {
            denied(request, script);
            Status::FORBIDDEN
        }
        answer => {
            asked.unexpected(&answer);
            Status::FORBIDDEN
        }
    }
}

fn denied(request: Request<'_>, script: &HookScript) {
    if request.may_authenticate_instead() {
        return;
    }
    log::write(
        request,
        Level::ERROR,
        format_args!(
            "WRS2034: the client is denied '{}' by the script '{}' (WSGIAccessScript)",
            String::from_utf8_lossy(bytes(request.uri())),
            String::from_utf8_lossy(&script.script)
        ),
    );
}
