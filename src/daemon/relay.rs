//! Carries one request to a worker and its response back, both at the same time.
//!
//! The body is sent only when the worker asks for it, so whatever was refused can be sent again to another worker. While the client is
//! slow to send or the worker slow to take, what the application answers already goes out.

use crate::config::Effective;
use crate::daemon::client::{Broken, Connection, Ready};
use crate::daemon::dispatch::REQUEST_ID;
use crate::daemon::downstream::Downstream;
use crate::daemon::group::Group;
use crate::daemon::outgoing::Outgoing;
use crate::httpd::{Blocking, Input, Level, Read, Request, SendBy, Status, log};
use crate::request::body::Unreadable;
use crate::request::{response, sendfile};
use daemon_abi::wire;
use fastcgi::cgi_head::{HeadError, MAX_HEAD, Parser};
use fastcgi::response::Event;
use fastcgi::{Kind, ProtocolStatus, Response, record, request};
use nix::sys::stat::{SFlag, fstat};
use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use wsgi::Limit;

/// How often an HTTP/2 stream that cannot be polled is looked at (httpd before 2.4.58).
const GLANCE: Duration = Duration::from_millis(10);

/// After so many pieces of the body that went through without waiting, the worker's answer is looked for.
const LOOK_UP: u32 = 8;

/// How a request on a connection ended.
pub enum Ended {
    /// Answered; the connection can be used again.
    Complete,
    /// Not answered by the application; httpd gives an error document. The connection can be used again.
    Status(Status),
    /// Over, and the connection with it.
    Abandoned(Status),
    /// The worker did not start it.
    Refused,
    /// The connection broke.
    Broken(Broken),
}

/// The relay of one request.
pub struct Relay<'r> {
    request: Request<'r>,
    group: &'r Group,
    input: Input<'r>,
    output: Downstream<'r>,
    /// What was there of the body before the request was sent; kept to be sent again.
    eager: Vec<u8>,
    /// The whole body was read from the client.
    body_read: bool,
    /// Why the request body could not be read.
    unreadable: Option<Unreadable>,
    /// The head of the response was handed to httpd.
    started: bool,
    /// Error responses of the application are replaced by httpd's own.
    error_override: bool,
    /// The status of a response that is replaced: what else comes of it is dropped.
    replaced: Option<u16>,
    /// What is left of the length that the head declares.
    limit: Limit,
    /// The worker said something in this attempt, so it has the request.
    heard: bool,
    /// `WSGIEnableSendfile`
    sendfile: Option<bool>,
    /// How long a client that cannot be polled has sent nothing.
    quiet: Duration,
    sent: usize,
}

/// The state of one attempt.
struct Attempt<'c> {
    connection: &'c mut Connection,
    response: Response,
    parser: Parser,
    /// The worker asked for the body.
    pulled: bool,
    /// The worker takes nothing any more.
    deaf: bool,
    /// Body bytes for the worker.
    outgoing: Outgoing,
    /// How many pieces of the body there were.
    records: u32,
}

impl<'r> Relay<'r> {
    /// A relay; nothing is read or sent yet.
    pub fn new(request: Request<'r>, group: &'r Group, effective: &Effective<'_>) -> Self {
        Self {
            request,
            group,
            input: Input::new(request),
            output: Downstream::new(request, &group.config),
            eager: Vec::new(),
            body_read: false,
            unreadable: None,
            started: false,
            error_override: effective.error_override,
            replaced: None,
            limit: Limit::default(),
            heard: false,
            sendfile: effective.enable_sendfile,
            quiet: Duration::ZERO,
            sent: 0,
        }
    }

    /// Reads what is there of the body, without waiting. An error stays, and is told to the application when it reads on.
    pub fn prepare(&mut self) {
        if !self.request.may_have_body() {
            self.body_read = true;
            return;
        }
        if self.request.expects_continue() {
            // The first read would tell the client to go on, before the application wants anything.
            return;
        }
        self.eager.resize(wire::EAGER_BODY, 0);
        let mut filled = 0;
        while let Some(room) = self.eager.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.input.read(room, Blocking::Now) {
                Ok(Read::Data(count)) => filled += count,
                Ok(Read::Blocked) | Err(_) => break,
                Ok(Read::End) => {
                    self.body_read = true;
                    break;
                }
            }
        }
        self.eager.truncate(filled);
    }

    /// Whether a worker that closed the connection cannot have started the request.
    pub fn may_go_elsewhere(&self) -> bool {
        !self.started && self.replaced.is_none() && !self.heard && self.sent <= wire::WHOLE_MESSAGE
    }

    /// Ends the response in the only way that is left: as an error of httpd's, or cut off.
    pub fn fail(&mut self, status: Status) -> Status {
        if self.started { self.output.break_off() } else { status }
    }

    /// Sends the request and relays until it ended.
    pub fn run(&mut self, connection: &mut Connection, opening: &[u8]) -> Ended {
        connection.clear();
        let line = self.group.config.header_buffer_size as usize;
        let mut attempt = Attempt {
            connection,
            response: Response::new(REQUEST_ID),
            parser: Parser::with_limits(line, MAX_HEAD.saturating_add(line)),
            pulled: false,
            deaf: false,
            outgoing: Outgoing::default(),
            records: 0,
        };
        self.heard = false;
        if let Err(why) = self.open(&mut attempt, opening) {
            return Ended::Broken(why);
        }
        loop {
            match self.hear(&mut attempt) {
                Ok(None) => {}
                Ok(Some(ended)) => return ended,
                Err(ended) => return ended,
            }
            if let Err(ended) = self.go_on(&mut attempt) {
                return ended;
            }
        }
    }

    fn open(&mut self, attempt: &mut Attempt<'_>, opening: &[u8]) -> Result<(), Broken> {
        let length = u16::try_from(self.eager.len()).unwrap_or(u16::MAX);
        let header = request::stdin_header(REQUEST_ID, length);
        let end = request::stdin_end(REQUEST_ID);
        let header: &[u8] = if self.eager.is_empty() { &[] } else { &header };
        let end: &[u8] = if self.body_read { &end } else { &[] };
        let mut parts = [opening, header, &self.eager, end].map(IoSlice::new);
        self.sent = parts.iter().map(|part| part.len()).sum();
        attempt.connection.send(&mut parts)
    }

    /// Takes what the worker said, as far as it is here.
    fn hear(&mut self, attempt: &mut Attempt<'_>) -> Result<Option<Ended>, Ended> {
        loop {
            let event = match attempt.response.next(&mut attempt.connection.frames) {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(None),
                Err(error) => return Err(self.protocol_error(&error.to_string())),
            };
            match event {
                Event::Stdout(_) if self.is_answered() || self.replaced.is_some() => {}
                Event::Stdout(bytes) if self.started => {
                    let bytes = bytes.get(..self.limit.allow(bytes.len())).unwrap_or(bytes);
                    self.output.pass(bytes).map_err(|_| self.client_gone())?;
                }
                Event::Stdout(bytes) => match attempt.parser.feed(bytes) {
                    Ok(None) => {}
                    Ok(Some((head, _)))
                        if response::is_replaced(self.error_override, head.status) =>
                    {
                        response::start_replaced(self.request, head.headers());
                        self.replaced = Some(head.status);
                    }
                    Ok(Some((head, rest))) => {
                        if head.status < 200 {
                            return Err(self.interim(head.status));
                        }
                        let (status, line) = (head.status, head.status_line);
                        let declared = response::start(self.request, status, line, head.headers());
                        if wsgi::has_body(status, self.request.is_head()) {
                            self.limit = Limit::new(declared);
                        }
                        let rest = rest.get(..self.limit.allow(rest.len())).unwrap_or(rest);
                        self.started = true;
                        self.output.begin();
                        self.output.pass(rest).map_err(|_| self.client_gone())?;
                    }
                    Err(error) => return Err(self.bad_head(&error)),
                },
                Event::Stderr(line) => log::write_bytes(self.request, Level::ERROR, line),
                Event::Other { kind: Kind::Other(wire::CONTINUE), .. } => {
                    attempt.pulled = true;
                    if self.request.expects_continue() && !self.started {
                        // Now, and not with the first read: the answer may be here already.
                        self.request.send_continue();
                    }
                }
                Event::Other { kind: Kind::Other(wire::LOG), content: [level, line @ ..] } => {
                    log::write_bytes(self.request, Level::from_number(*level), line);
                }
                Event::Other { kind: Kind::Other(wire::FILE), .. }
                    if self.is_answered() || self.replaced.is_some() =>
                {
                    drop(attempt.connection.take_file());
                }
                Event::Other { kind: Kind::Other(wire::FILE), content } => {
                    let part = wire::parse_file_part(content);
                    match (part, attempt.connection.take_file()) {
                        (Some(part), Some(file)) if self.started => self.file(&file, part)?,
                        _ => return Err(self.protocol_error("it passed a file that is none")),
                    }
                }
                Event::Other { .. } => {}
                Event::End { app_status, protocol_status } => {
                    return Ok(Some(self.ended(attempt, app_status, protocol_status)));
                }
            }
        }
    }

    /// Takes a part of a file of the application's.
    fn file(&mut self, file: &OwnedFd, (offset, length): (u64, u64)) -> Result<(), Ended> {
        // A worker may be another user's: httpd must not be made to wait for a pipe or a device.
        let regular = fstat(file)
            .is_ok_and(|facts| facts.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits());
        if !regular {
            return Err(self.protocol_error("it passed something that is no regular file"));
        }
        let length = length.min(self.limit.remaining().unwrap_or(length));
        self.limit.take(length);
        // A worker may be another user's, who must not be able to end httpd by truncating a file.
        let sendfile = sendfile::is_allowed(self.sendfile, file.as_fd(), length);
        let by = SendBy { sendfile, mmap: false };
        let added = self.output.file(file.as_fd(), (offset, length), by);
        added.map_err(|error| self.protocol_error(&format!("it passed an unusable file: {error}")))
    }

    fn ended(
        &mut self,
        attempt: &mut Attempt<'_>,
        app_status: u32,
        protocol_status: ProtocolStatus,
    ) -> Ended {
        // Nothing of the body is on its way that the next request would come behind.
        let again = !attempt.deaf
            // The worker closes it where a body was broken off.
            && self.unreadable.is_none()
            && attempt.connection.frames.is_empty()
            && attempt.outgoing.is_empty()
            && (!attempt.pulled || self.body_read);
        let status = match (protocol_status, app_status) {
            (ProtocolStatus::Overloaded, _) if !self.started && !attempt.pulled => {
                return Ended::Refused;
            }
            (ProtocolStatus::RequestComplete, _) if self.is_answered() => Status::FILTER_ERROR,
            (ProtocolStatus::RequestComplete, _) if self.replaced.is_some() => {
                Status::http(self.replaced.unwrap_or(500))
            }
            (ProtocolStatus::RequestComplete, 0) if self.is_short() => self.short(),
            (ProtocolStatus::RequestComplete, 0) if self.started => {
                if self.output.end().is_err() {
                    response::client_gone(self.request);
                }
                Status::OK
            }
            (ProtocolStatus::RequestComplete, 0) => {
                return self.bad_head(&attempt.parser.truncated());
            }
            (ProtocolStatus::RequestComplete, failure) => {
                let code = u16::try_from(failure).ok().filter(|code| (400..=599).contains(code));
                // Mostly it failed because the body could not be read.
                let status =
                    self.unreadable.map_or(Status::http(code.unwrap_or(500)), |body| body.status);
                self.fail(status)
            }
            (refusal, _) => {
                return self
                    .protocol_error(&format!("it does not take this request ({refusal:?})"));
            }
        };
        match (again, status) {
            (true, Status::OK) => Ended::Complete,
            (true, status) => Ended::Status(status),
            (false, status) => Ended::Abandoned(status),
        }
    }

    /// Gets on with whatever can be done next: the body to the worker, or the response from it.
    fn go_on(&mut self, attempt: &mut Attempt<'_>) -> Result<(), Ended> {
        if attempt.pulled && !(self.body_read && attempt.outgoing.is_empty()) {
            return self.feed(attempt);
        }
        if let Some(delay) = self.output.delay() {
            // Is there more soon? Only if not, the client is made to see what there is.
            if self.receive(attempt, false)? {
                return Ok(());
            }
            if !delay.is_zero() && attempt.connection.wait(false, None, delay) != Ready::Nothing {
                return self.receive(attempt, false).map(|_| ());
            }
            self.flush()?;
        }
        self.receive(attempt, true).map(|_| ())
    }

    fn receive(&mut self, attempt: &mut Attempt<'_>, wait: bool) -> Result<bool, Ended> {
        let received = attempt.connection.receive(wait).map_err(Ended::Broken)?;
        self.heard |= received;
        Ok(received)
    }

    fn flush(&mut self) -> Result<(), Ended> {
        self.output.flush().map_err(|_| self.client_gone())
    }

    /// Moves a piece of the body on; waits only when neither side can go on, and for both.
    fn feed(&mut self, attempt: &mut Attempt<'_>) -> Result<(), Ended> {
        if attempt.outgoing.is_empty() {
            if self.output.is_unflushed() {
                self.flush()?;
            }
            if !self.read_body(attempt)? {
                return Ok(());
            }
        }
        let count = match attempt.connection.send_some(attempt.outgoing.rest(), &[]) {
            Ok(count) => count,
            Err(Broken::Reset) => {
                // It takes no more of the body. What it has answered before is still to be heard.
                attempt.deaf = true;
                attempt.outgoing.clear();
                self.body_read = true;
                return Ok(());
            }
            Err(why) => return Err(Ended::Broken(why)),
        };
        self.sent += count;
        attempt.outgoing.sent(count);
        if attempt.outgoing.is_empty() {
            if attempt.records % LOOK_UP == 0 {
                // The answer of an application that reads on and on goes out meanwhile.
                self.receive(attempt, false)?;
            }
            return Ok(());
        }
        // The worker does not take more now: perhaps it waits for us to take its answer.
        if attempt.connection.wait(true, None, self.group.socket_timeout) == Ready::Nothing {
            return Err(Ended::Broken(Broken::TimedOut));
        }
        self.receive(attempt, false)?;
        Ok(())
    }

    /// Reads a piece of the body, as a record to be sent; `false` if there is none yet.
    fn read_body(&mut self, attempt: &mut Attempt<'_>) -> Result<bool, Ended> {
        match self.input.read_all(attempt.outgoing.room()) {
            Ok(Read::Data(count)) => {
                self.quiet = Duration::ZERO;
                attempt.records = attempt.records.wrapping_add(1);
                attempt.outgoing.set_body(count);
                if self.input.has_ended() {
                    // Goes along with the last bytes: an application that has read them may answer at once.
                    self.body_read = true;
                    attempt.outgoing.add(&request::stdin_end(REQUEST_ID));
                }
            }
            Ok(Read::End) => {
                self.body_read = true;
                attempt.outgoing.set(&[&request::stdin_end(REQUEST_ID)]);
            }
            Ok(Read::Blocked) => {
                if self.wait_for_either(attempt)? {
                    return Ok(false);
                }
                self.abort(attempt, crate::httpd::Error::TIMED_OUT);
            }
            Err(error) => self.abort(attempt, error),
        }
        Ok(true)
    }

    /// Waits for the client's body or the worker's answer; `false` if neither came in time.
    fn wait_for_either(&mut self, attempt: &mut Attempt<'_>) -> Result<bool, Ended> {
        let signal = self.request.connection().input_signal();
        let time = self.group.socket_timeout;
        let step = if signal.is_some() { time } else { GLANCE };
        match attempt.connection.wait(false, signal, step) {
            Ready::Client => Ok(true),
            Ready::Worker => self.receive(attempt, false).map(|_| true),
            Ready::Nothing if signal.is_none() => {
                self.quiet += GLANCE;
                Ok(self.quiet < time)
            }
            Ready::Nothing => Ok(false),
        }
    }

    /// Tells the worker that there is no more of the body to come, and why. The application may still answer.
    fn abort(&mut self, attempt: &mut Attempt<'_>, error: crate::httpd::Error) {
        let unreadable = Unreadable::new(self.request, error);
        self.unreadable = Some(unreadable);
        self.body_read = true;
        let head = record::head(Kind::AbortRequest, REQUEST_ID, 1);
        attempt.outgoing.set(&[&head, &unreadable.reason.content()]);
    }

    /// httpd has answered the request itself: nothing that the application says is for the client.
    fn is_answered(&self) -> bool {
        self.unreadable.is_some_and(|body| body.answered)
    }

    fn client_gone(&self) -> Ended {
        response::client_gone(self.request);
        Ended::Abandoned(Status::OK)
    }

    /// The worker sent less than it declared.
    fn is_short(&self) -> bool {
        self.started && self.limit.remaining().is_some_and(|left| left > 0)
    }

    fn short(&mut self) -> Status {
        log::write(
            self.request,
            Level::ERROR,
            format_args!(
                "WRS3022: a worker of process group '{}' sent less than its Content-Length declares",
                self.group.name()
            ),
        );
        self.fail(Status::BAD_GATEWAY)
    }

    fn interim(&mut self, status: u16) -> Ended {
        self.protocol_error(&format!(
            "its response has the status {status}, which is an interim one"
        ))
    }

    fn bad_head(&mut self, error: &HeadError) -> Ended {
        log::write(
            self.request,
            Level::ERROR,
            format_args!(
                "WRS3020: the response of process group '{}' has no usable head: {error}",
                self.group.name()
            ),
        );
        Ended::Abandoned(Status::INTERNAL_SERVER_ERROR)
    }

    fn protocol_error(&mut self, error: &str) -> Ended {
        log::write(
            self.request,
            Level::ERROR,
            format_args!(
                "WRS3021: a worker of process group '{}' does not speak FastCGI as it should: {error}",
                self.group.name()
            ),
        );
        let status = self.fail(Status::BAD_GATEWAY);
        Ended::Abandoned(status)
    }
}
