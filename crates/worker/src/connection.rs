//! One FastCGI connection: reads requests from it, one after the other, and has them answered.
//!
//! Owned by one thread at a time. The buffers belong to the thread and are lent to the connection while it is served; a
//! connection that rests keeps them only in the middle of a request's parameters.

use crate::descriptor::Own;
use crate::exchange::{Finish, WorkerExchange};
use crate::process::Worker;
use daemon_abi::{secret, wire};
use engine::{Call, Script};
use engine::{Level, Outcome, Pair};
use fastcgi::responder::{Event, Request};
use fastcgi::{Frames, ProtocolStatus, Responder, pairs, response};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, getsockopt, recv, send, sockopt};
use nix::unistd::geteuid;
use smallvec::SmallVec;
use std::os::fd::AsRawFd;

/// The buffers a connection is read with.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) frames: Frames,
    pub(crate) responder: Responder,
}

impl Wire {
    pub(crate) fn new(threads: u32) -> Self {
        Self { frames: Frames::new(), responder: Responder::new(threads) }
    }
}

/// A connection to a front end.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: Own,
    /// The buffers, where part of a request is in them.
    partial: Option<Box<Wire>>,
}

/// What to do with a connection.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Rest,
    Close,
}

impl Connection {
    pub(crate) fn new(socket: Own) -> Self {
        Self { socket, partial: None }
    }

    /// Serves what has arrived. The connection again if it is to rest. `spare` are the thread's buffers.
    pub(crate) fn serve(mut self, worker: &Worker, spare: &mut Option<Box<Wire>>) -> Option<Self> {
        let mut wire = self
            .partial
            .take()
            .or_else(|| spare.take())
            .unwrap_or_else(|| Box::new(Wire::new(worker.threads)));
        let next = self.serve_with(worker, &mut wire);
        let idle = wire.frames.is_empty() && wire.responder.is_idle();
        if next == Next::Rest && !idle {
            self.partial = Some(wire);
        } else {
            if !idle {
                wire.frames.clear();
                wire.responder.finish();
            }
            *spare = Some(wire);
        }
        (next == Next::Rest).then_some(self)
    }

    fn serve_with(&mut self, worker: &Worker, wire: &mut Wire) -> Next {
        loop {
            match recv(self.socket.as_raw_fd(), wire.frames.spare(4096), MsgFlags::empty()) {
                Ok(0) => return Next::Close,
                Ok(count) => wire.frames.advance(count),
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => return Next::Rest,
                Err(_) => return Next::Close,
            }
            loop {
                match wire.responder.next(&mut wire.frames) {
                    Ok(None) => break,
                    Ok(Some(Event::Request(request))) => {
                        if self.answer(worker, wire, request) == Next::Close {
                            return Next::Close;
                        }
                    }
                    Ok(Some(Event::Reply(bytes))) => {
                        // A reply fits into an empty socket; a front that does not read is none.
                        let flags = MsgFlags::MSG_NOSIGNAL;
                        if send(self.socket.as_raw_fd(), bytes, flags) != Ok(bytes.len()) {
                            return Next::Close;
                        }
                    }
                    Ok(Some(Event::Stdin(_) | Event::StdinEnd | Event::Abort(_))) => {}
                    Err(error) => {
                        crate::log::line!(
                            Error,
                            "WRS5010: a FastCGI connection is closed because of what came over it: {error}"
                        );
                        return Next::Close;
                    }
                }
            }
            if wire.frames.is_empty() && wire.responder.is_idle() {
                // The next request would be a surprise: do not ask for it.
                return Next::Rest;
            }
        }
    }

    /// Whether the other end may have scripts run by the user of this process: httpd, which knows the secret, or any FastCGI front end
    /// of a user who can do so anyway.
    fn may_ask(&self, worker: &Worker, given: &[u8]) -> bool {
        secret::is_same(&worker.secret, given) || is_privileged(&self.socket)
    }

    fn answer(&mut self, worker: &Worker, wire: &mut Wire, request: Request) -> Next {
        let params = wire.responder.take_params();
        let mut exchange =
            WorkerExchange::new(&self.socket, wire, request.id, worker.socket_timeout);
        let now = wire::now();
        let next = match Environ::parse(&params) {
            Ok(environ) if !self.may_ask(worker, environ.secret) => {
                crate::log::line!(
                    Error,
                    "WRS5032: a request for process group '{}' that is not httpd's is refused: a program of another user than the \
                     group's has connected to a socket of the group",
                    worker.group
                );
                Finish::Close
            }
            Ok(mut environ) => {
                environ.pairs.push(Pair::new(wire::DAEMON_START, now.as_bytes()));
                exchange.pull_body(environ.pull_body);
                exchange.pass_files(environ.pass_files);
                let outcome = worker.call(&environ.call(), environ.counts, &mut exchange);
                finish(&mut exchange, outcome, environ.pull_body)
            }
            Err(error) => {
                crate::log::line!(Error, "WRS5011: a request has unreadable parameters: {error}");
                Finish::Close
            }
        };
        wire.responder.finish();
        wire.responder.recycle(params);
        match next {
            Finish::Keep if request.keep_conn => Next::Rest,
            Finish::Keep | Finish::Close => Next::Close,
        }
    }
}

/// Whether the other end is a program of the superuser or of the user that this process has.
fn is_privileged(socket: &Own) -> bool {
    let peer = getsockopt(socket, sockopt::PeerCredentials).map(|peer| peer.uid());
    peer.is_ok_and(|uid| uid == 0 || uid == geteuid().as_raw())
}

/// Ends the request on the wire as its outcome demands.
fn finish(exchange: &mut WorkerExchange<'_>, outcome: Outcome, module: bool) -> Finish {
    match outcome {
        Outcome::Done => exchange.end(0, ProtocolStatus::RequestComplete),
        Outcome::Reload | Outcome::Stopping => exchange.end(0, ProtocolStatus::Overloaded),
        // Any front end sees by the connection that the response is broken; the module also by the status.
        Outcome::Broken if module => exchange.end(500, ProtocolStatus::RequestComplete),
        Outcome::Broken => Finish::Close,
        Outcome::Failed | Outcome::NotFound if module => {
            exchange.end(500, ProtocolStatus::RequestComplete)
        }
        Outcome::Failed | Outcome::NotFound => exchange.error_page(),
    }
}

/// The parameters of a request.
struct Environ<'a> {
    pairs: SmallVec<[Pair<'a>; 64]>,
    secret: &'a [u8],
    filename: &'a [u8],
    application_group: &'a [u8],
    callable: &'a [u8],
    reloading: bool,
    modified: Option<i64>,
    pull_body: bool,
    pass_files: bool,
    /// The request is activity of the process.
    counts: bool,
}

impl<'a> Environ<'a> {
    fn parse(params: &'a [u8]) -> Result<Self, fastcgi::Error> {
        let mut environ = Self {
            pairs: SmallVec::new(),
            secret: b"",
            filename: b"",
            application_group: b"",
            callable: b"application",
            reloading: true,
            modified: None,
            pull_body: false,
            pass_files: false,
            counts: true,
        };
        let (mut filename, mut handler_script): (&[u8], &[u8]) = (b"", b"");
        for pair in pairs::iter(params) {
            let (name, value) = pair?;
            match name {
                wire::SECRET => environ.secret = value,
                b"SCRIPT_FILENAME" => filename = value,
                wire::HANDLER_SCRIPT => handler_script = value,
                wire::APPLICATION_GROUP => environ.application_group = value,
                wire::CALLABLE_OBJECT if !value.is_empty() => environ.callable = value,
                wire::SCRIPT_RELOADING => environ.reloading = value == b"1",
                wire::SCRIPT_MODIFIED => environ.modified = number(value),
                wire::PULL_BODY => environ.pull_body = value == b"1",
                wire::IGNORE_ACTIVITY => environ.counts = value != b"1",
                wire::PASS_FILES => environ.pass_files = value == b"1",
                _ => {}
            }
            environ.pairs.push(Pair::new(name, value));
        }
        environ.filename = if handler_script.is_empty() { filename } else { handler_script };
        Ok(environ)
    }

    fn call(&self) -> Call<'_> {
        Call {
            script: Script {
                filename: self.filename,
                application_group: self.application_group,
                callable: self.callable,
                reloading: self.reloading,
                modified: self.modified,
            },
            environ: &self.pairs,
        }
    }
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A panic is a fault of ours, and one request's only.
pub(crate) fn log_panic(group: &str) {
    crate::log::write(
        Level::Critical,
        format!(
            "WRS9002: a bug in mod_wsgi_rs: a request of process group '{group}' ended in a panic; \
             please report the lines above"
        )
        .as_bytes(),
    );
}

/// Bytes of the end of a request, for fronts that get an error page from the worker itself.
pub(crate) fn error_page(id: u16) -> Vec<u8> {
    let mut text = Vec::new();
    fastcgi::cgi_head::encode(
        &mut text,
        b"500 Internal Server Error",
        [(b"Content-Type".as_slice(), b"text/plain".as_slice())],
    );
    text.extend_from_slice(b"Internal Server Error\n");
    let mut out = Vec::new();
    fastcgi::record::stream(&mut out, fastcgi::Kind::Stdout, id, &text);
    response::finish(&mut out, id, 500);
    out
}
