//! The handler: is the request ours, may it be answered, and by whom.
//!
//! The checks and their order are those of mod_wsgi.

use crate::access;
use crate::config::{Effective, HandlerScript, effective};
use crate::daemon::{chroot, dispatch, runtime};
use crate::embedded;
use crate::httpd::request::{FileType, PathInfo};
use crate::httpd::{Level, Request, Status, log};
use crate::module::Wsgi;
use crate::request::environ::{Environ, Mount, RequestFacts, bytes};
use crate::request::{ownership, translate};
use std::borrow::Cow;

/// The handler's name when a MIME type chose it.
const MIME_HANDLER: &[u8] = b"application/x-httpd-wsgi";

/// The hook.
pub fn handle(request: Request<'_>) -> Status {
    let name = bytes(request.handler());
    let script = match handler_script(request, name) {
        None if name != translate::HANDLER && name != MIME_HANDLER => return Status::DECLINED,
        script => script,
    };
    let aliased = translate::is_aliased(request);
    let answered = match script {
        // What the request was mapped to is the script's business, and need not exist.
        Some(_) => Ok(()),
        None => check_script(request, aliased),
    };
    answered
        .and_then(|()| check_path_info(request))
        .and_then(|()| answer(request, script, aliased))
        .unwrap_or_else(|status| status)
}

/// The script that is the handler of this name.
fn handler_script<'r>(request: Request<'r>, name: &[u8]) -> Option<&'r HandlerScript> {
    let section = request.directory_config::<Wsgi>().handler(name);
    section.or_else(|| request.server_config::<Wsgi>().requests.handler(name))
}

fn refuse(request: Request<'_>, status: Status, text: &str) -> Result<(), Status> {
    let filename = String::from_utf8_lossy(bytes(request.filename()));
    log::write(request, Level::ERROR, format_args!("{text}: '{filename}'"));
    Err(status)
}

/// What must hold of a script that a request was mapped to.
fn check_script(request: Request<'_>, aliased: bool) -> Result<(), Status> {
    if !aliased && !request.may_execute() {
        let text = "WRS2001: Options ExecCGI is off, so a script is only run where WSGIScriptAlias says so";
        return refuse(request, Status::FORBIDDEN, text);
    }
    match request.file_type() {
        FileType::File | FileType::Other => {}
        FileType::Missing => {
            return refuse(request, Status::NOT_FOUND, "WRS2002: there is no such script");
        }
        FileType::Directory => {
            return refuse(request, Status::FORBIDDEN, "WRS2003: a directory is not a script");
        }
    }
    Ok(())
}

fn check_path_info(request: Request<'_>) -> Result<(), Status> {
    if request.path_info_use() == PathInfo::Reject && !bytes(request.path_info()).is_empty() {
        let text = "WRS2004: AcceptPathInfo Off allows nothing behind the name of a script";
        return refuse(request, Status::NOT_FOUND, text);
    }
    Ok(())
}

/// Whether the request body can be read.
fn check_body(request: Request<'_>, chunked: bool) -> Result<(), Status> {
    let headers = request.headers_in();
    if let Some(coding) = headers.get(c"Transfer-Encoding") {
        if !coding.to_bytes().eq_ignore_ascii_case(b"chunked") {
            let coding = String::from_utf8_lossy(coding.to_bytes()).into_owned();
            let text =
                format!("WRS2005: a request body in Transfer-Encoding '{coding}' cannot be read");
            return refuse(request, Status::NOT_IMPLEMENTED, &text);
        }
        if !chunked {
            let text =
                "WRS2013: WSGIChunkedRequest Off takes no request body without Content-Length";
            return refuse(request, Status::LENGTH_REQUIRED, text);
        }
        return Ok(());
    }
    let Some(length) = headers.get(c"Content-Length") else { return Ok(()) };
    let Ok(length) = wsgi::content_length::parse(length.to_bytes()) else {
        return refuse(request, Status::BAD_REQUEST, "WRS2006: Content-Length is not a number");
    };
    let limit = request.body_limit();
    if limit > 0 && length > limit {
        let text = format!(
            "WRS2007: the request body of {length} bytes is larger than LimitRequestBody ({limit})"
        );
        return refuse(request, Status::CONTENT_TOO_LARGE, &text);
    }
    Ok(())
}

fn answer(
    request: Request<'_>,
    handler: Option<&HandlerScript>,
    aliased: bool,
) -> Result<Status, Status> {
    let config = request.server_config::<Wsgi>();
    let directory = request.directory_config::<Wsgi>();
    let options = match handler {
        Some(handler) => Some(&handler.options),
        None if aliased => translate::options(request, config),
        None => None,
    };
    let mount = Mount::of(request);
    let dispatch = directory.dispatch_script.as_ref().or(config.requests.dispatch_script.as_ref());
    let facts = RequestFacts::new(request, &mount, config.globals.python.is_case_sensitive());
    let mut effective = effective(directory, config, options, &facts);
    effective.handler_script = handler.map_or(b"", |handler| &handler.script);
    check_body(request, effective.chunked_request)?;
    let mut environ = Environ::new(request);
    environ.collect(&mount, &effective);
    if let Some(script) = dispatch {
        access::dispatch(request, script, &facts, &environ, &mut effective)?;
    }
    if !effective.application_group_configured
        && aliased
        && embedded::runs_in_main_interpreter(&effective.process_group)
    {
        effective.application_group = Cow::Borrowed(b"");
    }
    environ.run_by(&effective);
    if !effective.may_use_process_group() {
        let name = String::from_utf8_lossy(&effective.process_group);
        log::write(
            request,
            Level::ERROR,
            format_args!(
                "WRS2017: WSGIRestrictProcess does not allow process group '{name}' here: add it there, or choose \
                 another one ('' is embedded mode, which is allowed as %{{GLOBAL}})"
            ),
        );
        return Err(Status::INTERNAL_SERVER_ERROR);
    }
    if effective.process_group.is_empty() {
        if !config.globals.embedded_allowed() {
            log::write(
                request,
                Level::ERROR,
                format_args!(
                    "WRS2008: WSGIRestrictEmbedded is On and the request has no process group: \
                     set WSGIProcessGroup, or process-group of its WSGIScriptAlias"
                ),
            );
            return Err(Status::INTERNAL_SERVER_ERROR);
        }
        return Ok(embedded::answer(request, &effective, &environ));
    }
    Ok(in_daemon(request, &effective, &environ))
}

fn in_daemon(request: Request<'_>, effective: &Effective<'_>, environ: &Environ<'_>) -> Status {
    let name = || String::from_utf8_lossy(&effective.process_group);
    let runtime = runtime::current();
    let Some(group) = runtime.as_ref().and_then(|runtime| runtime.find(&effective.process_group))
    else {
        log::write(
            request,
            Level::ERROR,
            format_args!(
                "WRS3009: there is no process group '{0}' that was started: is there a WSGIDaemonProcess '{0}', \
                 and did the error log say at the start of httpd why it does not work?",
                name()
            ),
        );
        return Status::INTERNAL_SERVER_ERROR;
    };
    let server = request.server();
    let accessible = match &group.owner {
        None => true,
        Some(owner) => server.is_virtual() && bytes(server.hostname()) == owner.as_slice(),
    };
    if !accessible {
        log::write(
            request,
            Level::ERROR,
            format_args!(
                "WRS3010: process group '{}' belongs to another virtual host; \
                 define it outside of <VirtualHost> to use it everywhere",
                name()
            ),
        );
        return Status::INTERNAL_SERVER_ERROR;
    }
    if group.config.threads == 0 {
        log::write(
            request,
            Level::ERROR,
            format_args!(
                "WRS3019: process group '{}' has threads=0, so it runs scripts and answers no requests",
                name()
            ),
        );
        return Status::INTERNAL_SERVER_ERROR;
    }
    let script = effective.script(bytes(request.filename()));
    if let Err(why) = ownership::check(script, &group.config) {
        log::write(request, Level::ERROR, format_args!("WRS2018: {why} ({})", group.config.origin));
        return Status::FORBIDDEN;
    }
    if chroot::inside(&group.config, script).is_none() {
        let why = chroot::outside(&group.config, script);
        log::write(request, Level::ERROR, format_args!("WRS3024: {why} ({})", group.config.origin));
        return Status::INTERNAL_SERVER_ERROR;
    }
    dispatch::dispatch(request, group, effective, environ)
}
