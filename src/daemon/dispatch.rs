//! The way of a request to a worker: a slot, a connection, the request on it, and another worker where the first one
//! did not start it.

use crate::config::Effective;
use crate::daemon::chroot;
use crate::daemon::client::{Broken, Connection};
use crate::daemon::group::Group;
use crate::daemon::relay::{Ended, Relay};
use crate::daemon::runtime;
use crate::httpd::{Level, Request, Status, log};
use crate::request::environ::Environ;
use daemon_abi::ending;
use daemon_abi::scoreboard::{Death, Refused, Slot};
use daemon_abi::wire;
use fastcgi::{Role, request};
use nix::errno::Errno;
use std::ffi::CStr;
use std::time::{Duration, Instant};

/// The id of every request: a connection carries one at a time.
pub const REQUEST_ID: u16 = 1;

/// Seconds after which a client may try again that was turned away.
const RETRY_AFTER: &CStr = c"1";

/// How long to wait for the leader to find out what a worker died of.
const AUTOPSY: Duration = Duration::from_millis(500);

/// Answers a request by a worker of `group`.
pub fn dispatch(
    request: Request<'_>,
    group: &Group,
    effective: &Effective<'_>,
    environ: &Environ<'_>,
) -> Status {
    let queued = wire::now();
    let modified = effective.script_time(request.file_time());
    let mut head = opening(group, effective, environ, modified, &queued, None);
    let mut relay = Relay::new(request, group, effective);
    relay.prepare();
    let patience = group.patience();
    let mut turned_away = TurnedAway::default();
    while turned_away.may_try(group) {
        if turned_away.tries > 1 {
            head = opening(group, effective, environ, modified, &queued, Some(&turned_away));
        }
        let slot = match group.acquire(patience) {
            Ok(slot) => slot,
            Err(refused) => return no_worker(request, group, refused),
        };
        let pid = slot.pid;
        let (mut connection, used) = match group.connection(&slot) {
            Ok(found) => found,
            // Its queue is full, or it is about to be replaced: nothing was sent, so another one may do.
            Err(Errno::EAGAIN | Errno::ECONNREFUSED) => continue,
            // Those that rest can be opened again.
            Err(Errno::EMFILE | Errno::ENFILE) if runtime::close_resting() => continue,
            Err(error) => {
                log::write(
                    request,
                    Level::ERROR,
                    format_args!(
                        "WRS3011: httpd cannot connect to worker process {pid} of process group '{}': {error}; \
                         is httpd's user allowed to use the socket, and is the worker alive?",
                        group.name()
                    ),
                );
                return Status::SERVICE_UNAVAILABLE;
            }
        };
        match relay.run(&mut connection, &head) {
            Ended::Complete => {
                rest(group, &slot, connection);
                return Status::OK;
            }
            Ended::Status(status) => {
                rest(group, &slot, connection);
                return status;
            }
            Ended::Abandoned(status) => return status,
            Ended::Refused => {
                turned_away.restarts = turned_away.restarts.saturating_add(1);
                if connection.frames.is_empty() {
                    rest(group, &slot, connection);
                }
            }
            Ended::Broken(Broken::Reset) if relay.may_go_elsewhere() => {
                turned_away.restarts = turned_away.restarts.saturating_add(1);
            }
            Ended::Broken(why) => return broken(request, group, &slot, pid, &mut relay, why, used),
        }
    }
    log::write(
        request,
        Level::ERROR,
        format_args!(
            "WRS3012: every worker of process group '{}' turned the request away; \
             its workers are replaced faster than they can answer, see the lines before this one",
            group.name()
        ),
    );
    Status::SERVICE_UNAVAILABLE
}

/// Keeps a connection for another request. When too many rest all are closed: those that are in use are soon there again, and
/// those of groups that have nothing to do are not.
fn rest(group: &Group, slot: &Slot<'_>, connection: Connection) {
    if !group.rest(slot.worker, connection) {
        runtime::close_resting();
    }
}

/// How often, and since when, a request was turned away by workers that are being replaced. It was not started, so nothing is
/// lost but time: as long as a request may wait for a worker, it may be sent to another one.
#[derive(Default)]
struct TurnedAway {
    tries: u32,
    /// Tries that reached a worker.
    restarts: u32,
    since: Option<Instant>,
}

impl TurnedAway {
    /// Whether the request may be sent (again).
    fn may_try(&mut self, group: &Group) -> bool {
        self.tries = self.tries.saturating_add(1);
        // Each process may turn it away once or twice, as in mod_wsgi.
        if self.tries <= 2 * group.config.processes + 1 {
            return true;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() >= group.config.connect_timeout {
            return false;
        }
        // A script that changes all the time: do not spin.
        std::thread::sleep(Duration::from_millis(10));
        true
    }
}

/// The records that begin a request, up to the end of its parameters.
fn opening(
    group: &Group,
    effective: &Effective<'_>,
    environ: &Environ<'_>,
    modified: i64,
    queued: &str,
    again: Option<&TurnedAway>,
) -> Vec<u8> {
    let mut head = Vec::with_capacity(4096);
    request::begin(&mut head, REQUEST_ID, Role::Responder, true);
    let mut params = request::Params::new(&mut head, REQUEST_ID);
    let elsewhere = group.config.chroot.is_some();
    for (name, value) in environ.pairs().iter().map(|pair| pair.parts()) {
        // A path that the worker cannot see is of no use to it.
        if !elsewhere || value.is_empty() || !is_path(name) {
            params.push(name, value);
        } else if let Some(value) = chroot::inside(&group.config, value) {
            params.push(name, value);
        }
    }
    params.push(wire::SECRET, &group.secret);
    let reloading: &[u8] = if effective.script_reloading { b"1" } else { b"0" };
    params.push(wire::SCRIPT_RELOADING, reloading);
    if effective.script_reloading && modified != 0 {
        params.push(wire::SCRIPT_MODIFIED, itoa::Buffer::new().format(modified).as_bytes());
    }
    if effective.ignore_activity {
        params.push(wire::IGNORE_ACTIVITY, b"1");
    }
    params.push(wire::PULL_BODY, b"1");
    params.push(wire::PASS_FILES, b"1");
    params.push(wire::QUEUE_START, queued.as_bytes());
    if let Some(again) = again {
        params.push(wire::DAEMON_CONNECTS, again.tries.to_string().as_bytes());
        params.push(wire::DAEMON_RESTARTS, again.restarts.to_string().as_bytes());
    }
    params.finish();
    head
}

/// Whether a variable is a path, which is another one for workers with a root directory of their own.
fn is_path(name: &[u8]) -> bool {
    matches!(
        name,
        b"SCRIPT_FILENAME"
            | b"DOCUMENT_ROOT"
            | b"CONTEXT_DOCUMENT_ROOT"
            | b"mod_wsgi.handler_script"
    )
}

fn no_worker(request: Request<'_>, group: &Group, refused: Refused) -> Status {
    let name = group.name();
    match refused {
        Refused::Busy => {
            log::write(
                request,
                Level::ERROR,
                format_args!(
                    "WRS3013: no thread of process group '{name}' became free in time ({} processes with {} threads \
                     each, {} requests wait): give it more, or find out what its requests wait for",
                    group.config.processes,
                    group.config.threads,
                    group.board.waiting()
                ),
            );
            Status::GATEWAY_TIMEOUT
        }
        Refused::Loading => {
            log::write(
                request,
                Level::ERROR,
                format_args!(
                    "WRS3029: the processes of process group '{name}' still loaded their scripts when the time for this request \
                     was over (queue-timeout, or socket-timeout if that is not set): find out what they wait for, or load less \
                     at once"
                ),
            );
            Status::GATEWAY_TIMEOUT
        }
        Refused::NoWorker => {
            log::write(
                request,
                Level::ERROR,
                format_args!(
                    "WRS3014: no worker of process group '{name}' was ready within connect-timeout ({} s): \
                     its error log says why they do not start",
                    group.config.connect_timeout.as_secs()
                ),
            );
            Status::SERVICE_UNAVAILABLE
        }
        Refused::QueueFull => {
            log::write(
                request,
                Level::ERROR,
                format_args!(
                    "WRS3023: {} requests wait for process group '{name}' already (queue-limit), so this one is \
                     turned away: the group has more to do than it can",
                    group.config.queue_limit
                ),
            );
            request.err_headers_out().set(c"Retry-After", RETRY_AFTER);
            Status::SERVICE_UNAVAILABLE
        }
        Refused::Over => {
            log::write(
                request,
                Level::ERROR,
                format_args!(
                    "WRS3028: process group '{name}' of the configuration before the restart has ended while this request \
                     still waited for it: graceful-timeout ({} s) was over",
                    group.config.graceful_timeout.as_secs()
                ),
            );
            // That of the new configuration is there already.
            request.err_headers_out().set(c"Retry-After", RETRY_AFTER);
            Status::SERVICE_UNAVAILABLE
        }
        Refused::Failed => {
            log::write(
                request,
                Level::ERROR,
                format_args!(
                    "WRS3015: process group '{name}' cannot be started: its error log says why, httpd tries again"
                ),
            );
            Status::SERVICE_UNAVAILABLE
        }
    }
}

/// A connection that broke in the middle of a request.
fn broken(
    request: Request<'_>,
    group: &Group,
    slot: &Slot<'_>,
    pid: i32,
    relay: &mut Relay<'_>,
    why: Broken,
    used: bool,
) -> Status {
    let name = group.name();
    let status = match why {
        Broken::TimedOut => {
            log::write(
                request,
                Level::ERROR,
                format_args!(
                    "WRS3016: worker process {pid} of process group '{name}' sent nothing for {} s (socket-timeout): \
                     the application is stuck or too slow",
                    group.socket_timeout.as_secs()
                ),
            );
            Status::GATEWAY_TIMEOUT
        }
        Broken::Closed | Broken::Reset => {
            let death = death_of(group, slot.worker, pid);
            let cause = match ending::cause(death, group.board.ending(slot.worker, pid)) {
                Some(cause) => format!("{cause} while it answered this request"),
                None => "closed the connection in the middle of this request".to_owned(),
            };
            log::write(
                request,
                Level::ERROR,
                format_args!("WRS3017: worker process {pid} of process group '{name}' {cause}"),
            );
            Status::BAD_GATEWAY
        }
        Broken::Error(error) => {
            log::write(
                request,
                Level::ERROR,
                format_args!(
                    "WRS3018: the connection to worker process {pid} of process group '{name}' broke: {error} \
                     (used before: {used})"
                ),
            );
            Status::BAD_GATEWAY
        }
    };
    relay.fail(status)
}

/// What a worker died of, once the leader knows.
fn death_of(group: &Group, worker: usize, pid: i32) -> Option<Death> {
    let deadline = Instant::now() + AUTOPSY;
    loop {
        if let Some(death) = group.board.last_death(worker).filter(|death| death.pid == pid) {
            return Some(death);
        }
        if Instant::now() >= deadline {
            return None;
        }
        // Only after a crash, for a few milliseconds: not worth a futex of its own.
        std::thread::sleep(Duration::from_millis(2));
    }
}
