//! Embedded mode: Python inside the httpd children.
//!
//! The parent finds out which Python and engine to use and never loads them. A child loads them when it starts, if the
//! configuration surely needs them there, or else with the first request that does. Python ends with the child, without
//! being finalised.

mod ask;
mod plan;
mod table;

pub use ask::{Answer, Question};
pub use plan::{alone, check, configure, python, runs_in_main_interpreter};

use crate::config::Effective;
use crate::httpd::log::{self, Main};
use crate::httpd::{Level, Pool, Request, Status};
use crate::request::environ::Environ;
use engine_abi::{Engine, Outcome};
use plan::Plan;
use std::cell::Cell;
use std::sync::OnceLock;

/// Milliseconds that running requests have when a child ends at once.
const SHUTDOWN: u32 = 2000;

/// The engine of this process, or why it has none.
static ENGINE: OnceLock<Result<&'static Engine, String>> = OnceLock::new();

thread_local! {
    /// This thread is in the engine. httpd's prefork MPM ends a child in a signal handler, which may interrupt a request.
    static IN_CALL: Cell<bool> = const { Cell::new(false) };
}

/// A new httpd child.
pub fn enter_child(pool: Pool<'_>) {
    let Some(plan) = plan::current() else { return };
    if plan.certain {
        if let Err(why) = start(&plan) {
            log::write(
                Main,
                Level::CRIT,
                format_args!("WRS2010: Python does not start in an httpd child: {why}"),
            );
        }
    }
    pool.on_cleanup(stop);
}

/// Loads and starts Python, once.
fn start(plan: &Plan) -> Result<&'static Engine, &'static str> {
    let started = ENGINE.get_or_init(|| plan.load());
    started.as_ref().copied().map_err(String::as_str)
}

/// The child ends.
fn stop() {
    if IN_CALL.get() {
        return;
    }
    if let Some(Ok(engine)) = ENGINE.get() {
        table::stop(engine, SHUTDOWN);
    }
}

/// The engine of this process, started if need be.
fn engine() -> Result<&'static Engine, &'static str> {
    match plan::current() {
        Some(plan) => start(&plan),
        None => Err("httpd is stopping"),
    }
}

/// Runs what calls the engine. Such calls nest: a page may include another application's.
fn in_call<R>(body: impl FnOnce() -> R) -> R {
    let outer = IN_CALL.replace(true);
    let result = body();
    IN_CALL.set(outer);
    result
}

/// Asks functions of a script about a request; an answer for each that was asked. `None`: the script cannot be asked, the
/// log has the reason.
pub fn ask(request: Request<'_>, question: &Question<'_>) -> Option<Vec<Answer>> {
    match engine() {
        Ok(engine) => in_call(|| ask::ask(engine, request, question)),
        Err(why) => {
            log::write(
                request,
                Level::ERROR,
                format_args!(
                    "WRS2030: the script '{}' ({}) cannot be asked, as there is no Python in httpd: {why}",
                    String::from_utf8_lossy(&question.script.script),
                    question.script.directive
                ),
            );
            None
        }
    }
}

/// Answers a request in this process.
pub fn answer(request: Request<'_>, effective: &Effective<'_>, environ: &Environ<'_>) -> Status {
    let engine = match engine() {
        Ok(engine) => engine,
        Err(why) => {
            log::write(
                request,
                Level::ERROR,
                format_args!(
                    "WRS2011: the request cannot be answered in httpd, as there is no Python: {why}"
                ),
            );
            return Status::INTERNAL_SERVER_ERROR;
        }
    };
    let mut exchange = table::RequestExchange::new(request, effective);
    let outcome = in_call(|| table::call(engine, request, effective, environ, &mut exchange));
    if let Some(status) = exchange.replaced() {
        return status;
    }
    match outcome {
        Outcome::Done => Status::OK,
        Outcome::Broken => exchange.break_off(),
        // As mod_wsgi says it here; a daemon process says 500.
        Outcome::NotFound => Status::NOT_FOUND,
        Outcome::Failed => exchange.failure(),
        Outcome::Reload => Status::INTERNAL_SERVER_ERROR,
        Outcome::Stopping => Status::SERVICE_UNAVAILABLE,
    }
}
