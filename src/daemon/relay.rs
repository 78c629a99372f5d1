//! Carries one request to a worker and its response back, both at the same time.
//!
//! The body is sent only when the worker asks for it, so whatever was refused can be sent again to another worker. While the client is
//! slow to send or the worker slow to take, what the application answers already goes out. Response data is held back
//! only as long as more is there to be read at once.

use crate::daemon::client::{Broken, Connection};
use crate::daemon::dispatch::REQUEST_ID;
use crate::daemon::group::Group;
use crate::httpd::{After, Blocking, Brigade, Input, Level, Read, Request, Status, log};
use crate::request::response;
use daemon_abi::wire;
use fastcgi::cgi_head::{HeadError, Parser};
use fastcgi::response::Event;
use fastcgi::{Kind, ProtocolStatus, Response, record, request};
use std::io::IoSlice;

/// Body bytes in one record.
const RECORD: usize = 32 * 1024;

/// Response bytes that are worth copying to make fewer and larger pieces.
const SMALL: usize = 16 * 1024;

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
    output: Brigade<'r>,
    /// What was there of the body before the request was sent; kept to be sent again.
    eager: Vec<u8>,
    /// The whole body was read from the client.
    body_read: bool,
    /// The head of the response was handed to httpd.
    started: bool,
    /// Error responses of the application are replaced by httpd's own.
    error_override: bool,
    /// The status of a response that is replaced: what else comes of it is dropped.
    replaced: Option<u16>,
    /// The worker said something in this attempt, so it has the request.
    heard: bool,
    sent: usize,
}

/// The state of one attempt.
struct Attempt<'c> {
    connection: &'c mut Connection,
    response: Response,
    parser: Parser,
    /// The worker asked for the body.
    pulled: bool,
    /// Body bytes for the worker, as a record, and how much of it was sent.
    outgoing: Vec<u8>,
    gone: usize,
    /// Response bytes that httpd did not get yet.
    pending: Vec<u8>,
    /// httpd got bytes since the last flush.
    unflushed: bool,
}

impl<'r> Relay<'r> {
    /// A relay; nothing is read or sent yet.
    pub fn new(request: Request<'r>, group: &'r Group, error_override: bool) -> Self {
        Self {
            request,
            group,
            input: Input::new(request),
            output: Brigade::new(request),
            eager: Vec::new(),
            body_read: false,
            started: false,
            error_override,
            replaced: None,
            heard: false,
            sent: 0,
        }
    }

    /// Reads what is there of the body, without waiting.
    pub fn prepare(&mut self) -> Result<(), Status> {
        if !has_body(self.request) {
            self.body_read = true;
            return Ok(());
        }
        if self.request.expects_continue() {
            // The first read would tell the client to go on, before the application wants anything.
            return Ok(());
        }
        self.eager.resize(wire::EAGER_BODY, 0);
        let mut filled = 0;
        while let Some(room) = self.eager.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.input.read(room, Blocking::Now) {
                Ok(Read::Data(count)) => filled += count,
                Ok(Read::Blocked) => break,
                Ok(Read::End) => {
                    self.body_read = true;
                    break;
                }
                Err(error) => return Err(response::body_failed(self.request, error)),
            }
        }
        self.eager.truncate(filled);
        Ok(())
    }

    /// Whether a worker that closed the connection cannot have started the request.
    pub fn may_go_elsewhere(&self) -> bool {
        !self.started && self.replaced.is_none() && !self.heard && self.sent <= wire::WHOLE_MESSAGE
    }

    /// Ends the response in the only way that is left: as an error of httpd's, or cut off.
    pub fn fail(&mut self, status: Status) -> Status {
        if !self.started {
            return status;
        }
        self.request.connection().close_after_response();
        self.output.error(Status::BAD_GATEWAY);
        self.output.end();
        // The client is told by the connection; if that fails too, it knows.
        let _ = self.output.pass();
        Status::OK
    }

    /// Sends the request and relays until it ended.
    pub fn run(&mut self, connection: &mut Connection, opening: &[u8]) -> Ended {
        connection.frames.clear();
        let mut attempt = Attempt {
            connection,
            response: Response::new(REQUEST_ID),
            parser: Parser::with_limits(
                self.group.config.header_buffer_size as usize,
                fastcgi::cgi_head::MAX_HEAD,
            ),
            pulled: false,
            outgoing: Vec::new(),
            gone: 0,
            pending: Vec::new(),
            unflushed: false,
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
                Event::Stdout(_) if self.replaced.is_some() => {}
                Event::Stdout(bytes) if self.started => {
                    let passed = pass(&mut self.output, &mut attempt.pending, bytes);
                    attempt.unflushed = true;
                    passed.map_err(|_| self.client_gone())?;
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
                        response::start(
                            self.request,
                            head.status,
                            head.status_line,
                            head.headers(),
                        );
                        self.started = true;
                        attempt.unflushed = true;
                        let passed = pass(&mut self.output, &mut attempt.pending, rest);
                        passed.map_err(|_| self.client_gone())?;
                    }
                    Err(error) => return Err(self.bad_head(&error)),
                },
                Event::Stderr(line) => log::write_bytes(self.request, Level::ERROR, line),
                Event::Other { kind: Kind::Other(wire::CONTINUE), .. } => attempt.pulled = true,
                Event::Other { kind: Kind::Other(wire::LOG), content: [level, line @ ..] } => {
                    log::write_bytes(self.request, Level::from_number(*level), line);
                }
                Event::Other { .. } => {}
                Event::End { app_status, protocol_status } => {
                    return Ok(Some(self.ended(attempt, app_status, protocol_status)));
                }
            }
        }
    }

    fn ended(
        &mut self,
        attempt: &mut Attempt<'_>,
        app_status: u32,
        protocol_status: ProtocolStatus,
    ) -> Ended {
        // Nothing of the body is on its way that the next request would come behind.
        let again = attempt.connection.frames.is_empty()
            && attempt.outgoing.is_empty()
            && (!attempt.pulled || self.body_read);
        let status = match (protocol_status, app_status) {
            (ProtocolStatus::Overloaded, _) if !self.started && !attempt.pulled => {
                return Ended::Refused;
            }
            (ProtocolStatus::RequestComplete, _) if self.replaced.is_some() => {
                Status::http(self.replaced.unwrap_or(500))
            }
            (ProtocolStatus::RequestComplete, 0) if self.started => {
                let passed = self.output.pass_slices(&[&attempt.pending], After::End);
                if passed.is_err() {
                    response::client_gone(self.request);
                }
                Status::OK
            }
            (ProtocolStatus::RequestComplete, 0) => {
                return self.bad_head(&attempt.parser.truncated());
            }
            (ProtocolStatus::RequestComplete, failure) => {
                // What the application sent before it failed belongs to the client.
                let _ = self.output.pass_slices(&[&attempt.pending], After::More);
                let code = u16::try_from(failure).ok().filter(|code| (400..=599).contains(code));
                self.fail(Status::http(code.unwrap_or(500)))
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
        if attempt.unflushed {
            // Is there more at once? Only if not, the client is made to see what there is.
            if self.receive(attempt, false)? {
                return Ok(());
            }
            self.flush(attempt)?;
        }
        self.receive(attempt, true).map(|_| ())
    }

    fn receive(&mut self, attempt: &mut Attempt<'_>, wait: bool) -> Result<bool, Ended> {
        let received = attempt.connection.receive(wait).map_err(Ended::Broken)?;
        self.heard |= received;
        Ok(received)
    }

    fn flush(&mut self, attempt: &mut Attempt<'_>) -> Result<(), Ended> {
        let passed = self.output.pass_slices(&[&attempt.pending], After::Flush);
        attempt.pending.clear();
        attempt.unflushed = false;
        passed.map_err(|_| self.client_gone())
    }

    /// Moves a piece of the body on; waits only when neither side can go on, and for both.
    fn feed(&mut self, attempt: &mut Attempt<'_>) -> Result<(), Ended> {
        if attempt.outgoing.is_empty() && !self.body_read {
            // An HTTP/2 stream has no socket to wait for, and httpd sends 100 Continue only when it may wait: look for
            // the worker's answer, then wait in httpd.
            let client = self.request.connection().socket();
            let mut how = Blocking::Now;
            if client.is_none() || self.request.expects_continue() {
                if self.receive(attempt, false)? {
                    return Ok(());
                }
                how = Blocking::Wait;
            }
            if attempt.unflushed {
                self.flush(attempt)?;
            }
            attempt.outgoing.resize(fastcgi::HEADER_LEN + RECORD, 0);
            let room = attempt.outgoing.get_mut(fastcgi::HEADER_LEN..).unwrap_or_default();
            match self.input.read(room, how) {
                Ok(Read::Data(count)) => {
                    let length = u16::try_from(count).unwrap_or(u16::MAX);
                    attempt.outgoing.truncate(fastcgi::HEADER_LEN + count);
                    let header = record::head(Kind::Stdin, REQUEST_ID, length);
                    attempt.outgoing.splice(..fastcgi::HEADER_LEN, header);
                }
                Ok(Read::End) => {
                    self.body_read = true;
                    attempt.outgoing.clear();
                    attempt.outgoing.extend_from_slice(&request::stdin_end(REQUEST_ID));
                }
                Ok(Read::Blocked) => {
                    attempt.outgoing.clear();
                    let time = self.group.socket_timeout;
                    if !attempt.connection.wait(false, client, time) {
                        return Err(Ended::Abandoned(self.fail(Status::REQUEST_TIMEOUT)));
                    }
                    self.receive(attempt, false)?;
                    return Ok(());
                }
                Err(error) => {
                    attempt.outgoing.clear();
                    let status = response::body_failed(self.request, error);
                    return Err(Ended::Abandoned(self.fail(status)));
                }
            }
        }
        let rest = attempt.outgoing.get(attempt.gone..).unwrap_or_default();
        let count = attempt.connection.send_some(rest, &[]).map_err(Ended::Broken)?;
        self.sent += count;
        attempt.gone += count;
        if attempt.gone >= attempt.outgoing.len() {
            attempt.outgoing.clear();
            attempt.gone = 0;
            return Ok(());
        }
        // The worker does not take more now: perhaps it waits for us to take its answer.
        if !attempt.connection.wait(true, None, self.group.socket_timeout) {
            return Err(Ended::Broken(Broken::TimedOut));
        }
        self.receive(attempt, false)?;
        Ok(())
    }

    fn client_gone(&self) -> Ended {
        response::client_gone(self.request);
        Ended::Abandoned(Status::OK)
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

/// Hands bytes to httpd, or keeps them if they are few.
fn pass(
    output: &mut Brigade<'_>,
    pending: &mut Vec<u8>,
    bytes: &[u8],
) -> Result<(), crate::httpd::Error> {
    if pending.len() + bytes.len() <= SMALL {
        pending.extend_from_slice(bytes);
        return Ok(());
    }
    let passed = output.pass_slices(&[pending, bytes], After::More);
    pending.clear();
    passed
}

/// Whether the request may have a body.
fn has_body(request: Request<'_>) -> bool {
    let headers = request.headers_in();
    headers.get(c"Transfer-Encoding").is_some()
        || headers.get(c"Content-Length").is_some_and(|it| it.to_bytes() != b"0")
        // HTTP/2 needs neither header.
        || (request.connection().is_secondary() && !matches!(request.method().map(|it| it.to_bytes()), Some(b"GET" | b"HEAD")))
}
