//! Reading requests: the worker's side (FastCGI 1.0, sections 3.5, 4 and 6.2).
//!
//! One request at a time: a front that begins a second one on the connection is told so, and
//! management records are answered, by bytes the worker has only to write. The parameters of a
//! request are copied once, into a buffer that is used again for the next one.

use crate::frame::{Frames, Span};
use crate::management::{self, Values};
use crate::record::{Kind, ProtocolStatus, Role};
use crate::request::KEEP_CONN;
use crate::{Error, response};

/// The most bytes of parameters a request may have unless said otherwise: 16 MiB.
pub const MAX_PARAMS: usize = 16 << 20;

/// The memory for parameters that is kept between requests.
const KEPT_PARAMS: usize = 64 << 10;

/// A request whose parameters are complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its id, for the records of the response.
    pub id: u16,
    /// What is wanted: always [`Role::Responder`].
    pub role: Role,
    /// Whether the connection stays open after the request.
    pub keep_conn: bool,
}

/// What the front said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A request whose parameters are complete: see [`Responder::params`].
    Request(Request),
    /// Bytes of the request body.
    Stdin(&'a [u8]),
    /// The end of the request body.
    StdinEnd,
    /// The front wants no response any more; the request is still to be ended. FastCGI leaves the
    /// content empty.
    Abort(&'a [u8]),
    /// An answer to be written to the front as it is.
    Reply(&'a [u8]),
}

/// What a record came to; an [`Event`] without its borrow.
enum Step {
    Nothing,
    Request(Request),
    Stdin,
    StdinEnd,
    Abort,
    Reply,
}

/// Where the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Params(Request),
    Stdin { id: u16 },
    StdinEnded { id: u16 },
}

/// The state of a connection at the worker.
#[derive(Debug)]
pub struct Responder {
    state: State,
    params: Vec<u8>,
    max_params: usize,
    /// What a front can ask for.
    values: Values,
    reply: Vec<u8>,
}

impl Responder {
    /// A connection to a worker that takes `capacity` connections at a time.
    #[must_use]
    pub fn new(capacity: u32) -> Self {
        let connections = capacity.to_string();
        let mut values = Values::default();
        values.set(b"FCGI_MAX_CONNS", connections.as_bytes());
        values.set(b"FCGI_MAX_REQS", connections.as_bytes());
        values.set(b"FCGI_MPXS_CONNS", b"0");
        Self {
            state: State::Idle,
            params: Vec::new(),
            max_params: MAX_PARAMS,
            values,
            reply: Vec::new(),
        }
    }

    /// Sets the most bytes of parameters a request may have; otherwise [`MAX_PARAMS`].
    #[must_use]
    pub fn with_max_params(mut self, max: usize) -> Self {
        self.max_params = max;
        self
    }

    /// Adds a value a front can ask for with `FCGI_GET_VALUES`.
    #[must_use]
    pub fn with_value(mut self, name: &[u8], value: &[u8]) -> Self {
        self.values.set(name, value);
        self
    }

    /// Takes the next event from the records in `frames`, or `None` if it needs more bytes.
    ///
    /// # Errors
    /// Any [`Error`]; the connection is to be closed then.
    pub fn next<'a>(&'a mut self, frames: &'a mut Frames) -> Result<Option<Event<'a>>, Error> {
        loop {
            let Some(span) = frames.next_span()? else { return Ok(None) };
            return Ok(Some(match self.step(span, frames.content(span))? {
                Step::Nothing => continue,
                Step::Request(request) => Event::Request(request),
                Step::Stdin => Event::Stdin(frames.content(span)),
                Step::StdinEnd => Event::StdinEnd,
                Step::Abort => Event::Abort(frames.content(span)),
                Step::Reply => Event::Reply(&self.reply),
            }));
        }
    }

    fn step(&mut self, span: Span, content: &[u8]) -> Result<Step, Error> {
        let id = span.request_id;
        match span.kind {
            Kind::BeginRequest => return self.begin(id, content),
            Kind::GetValues if id == 0 => {
                self.reply.clear();
                self.values.answer(&mut self.reply, content)?;
                return Ok(Step::Reply);
            }
            // Answers to questions we never ask; to answer them could go on forever.
            Kind::GetValuesResult | Kind::UnknownType if id == 0 => return Ok(Step::Nothing),
            Kind::Other(kind) if id == 0 => {
                self.reply.clear();
                self.reply.extend_from_slice(&management::unknown_type(kind));
                return Ok(Step::Reply);
            }
            _ => {}
        }
        // Records of a request that is over, or was refused, may still be on their way: section 3.3
        // has them ignored.
        match self.state {
            State::Params(request) if request.id == id => {
                self.step_params(request, span.kind, content)
            }
            State::Stdin { id: active } if active == id => match span.kind {
                Kind::Stdin if content.is_empty() => {
                    self.state = State::StdinEnded { id };
                    Ok(Step::StdinEnd)
                }
                Kind::Stdin => Ok(Step::Stdin),
                Kind::AbortRequest => Ok(Step::Abort),
                kind => Err(Error::Unexpected(kind)),
            },
            State::StdinEnded { id: active } if active == id => match span.kind {
                Kind::Stdin => Ok(Step::Nothing),
                Kind::AbortRequest => Ok(Step::Abort),
                kind => Err(Error::Unexpected(kind)),
            },
            _ => Ok(Step::Nothing),
        }
    }

    fn begin(&mut self, id: u16, content: &[u8]) -> Result<Step, Error> {
        let &[role_1, role_0, flags, _, _, _, _, _] = content else {
            return Err(Error::ContentLength { kind: Kind::BeginRequest, length: content.len() });
        };
        if id == 0 {
            return Err(Error::NullRequestId);
        }
        match self.active() {
            Some(active) if active == id => return Err(Error::Unexpected(Kind::BeginRequest)),
            Some(_) => return Ok(self.reply_end(id, ProtocolStatus::CantMpxConn)),
            None => {}
        }
        let role = Role::from(u16::from_be_bytes([role_1, role_0]));
        if role != Role::Responder {
            return Ok(self.reply_end(id, ProtocolStatus::UnknownRole));
        }
        self.params.clear();
        self.state = State::Params(Request { id, role, keep_conn: flags & KEEP_CONN != 0 });
        Ok(Step::Nothing)
    }

    fn step_params(&mut self, request: Request, kind: Kind, content: &[u8]) -> Result<Step, Error> {
        match kind {
            Kind::Params if content.is_empty() => {
                self.state = State::Stdin { id: request.id };
                Ok(Step::Request(request))
            }
            Kind::Params if content.len() > self.max_params.saturating_sub(self.params.len()) => {
                Err(Error::ParamsTooLong { limit: self.max_params })
            }
            Kind::Params => {
                self.params.extend_from_slice(content);
                Ok(Step::Nothing)
            }
            // The application has not heard of the request, so that it can be ended right here.
            Kind::AbortRequest => {
                self.state = State::Idle;
                Ok(self.reply_end(request.id, ProtocolStatus::RequestComplete))
            }
            kind => Err(Error::Unexpected(kind)),
        }
    }

    fn reply_end(&mut self, id: u16, status: ProtocolStatus) -> Step {
        self.reply.clear();
        self.reply.extend_from_slice(&response::end(id, 0, status));
        Step::Reply
    }

    fn active(&self) -> Option<u16> {
        match self.state {
            State::Idle => None,
            State::Params(request) => Some(request.id),
            State::Stdin { id } | State::StdinEnded { id } => Some(id),
        }
    }

    /// Whether no request is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// Whether the whole body of the request was read.
    #[must_use]
    pub fn stdin_ended(&self) -> bool {
        matches!(self.state, State::StdinEnded { .. })
    }

    /// The parameters of the request, as [`pairs`](crate::pairs).
    #[must_use]
    pub fn params(&self) -> &[u8] {
        &self.params
    }

    /// Takes the parameters, for a worker that looks at them while it reads the body. Give the
    /// buffer back with [`recycle`](Self::recycle).
    #[must_use]
    pub fn take_params(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.params)
    }

    /// Gives back the buffer of [`take_params`](Self::take_params), to be used again.
    pub fn recycle(&mut self, mut params: Vec<u8>) {
        if self.params.capacity() == 0 {
            params.clear();
            params.shrink_to(KEPT_PARAMS);
            self.params = params;
        }
    }

    /// Says that the request was ended with [`response::end`] or [`response::finish`]. What is
    /// still to come of its body is ignored.
    pub fn finish(&mut self) {
        self.state = State::Idle;
        self.params.clear();
        self.params.shrink_to(KEPT_PARAMS);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::pairs;
    use crate::record::head;
    use crate::request::{self, Params};

    /// A worker's end that is fed and asked as on a socket.
    struct Worker {
        frames: Frames,
        responder: Responder,
    }

    impl Worker {
        fn new() -> Self {
            Self { frames: Frames::new(), responder: Responder::new(15) }
        }

        fn feed(&mut self, bytes: &[u8]) {
            self.frames.spare(bytes.len())[..bytes.len()].copy_from_slice(bytes);
            self.frames.advance(bytes.len());
        }

        fn next(&mut self) -> Option<Event<'_>> {
            self.responder.next(&mut self.frames).unwrap()
        }

        fn error(&mut self) -> Error {
            self.responder.next(&mut self.frames).unwrap_err()
        }
    }

    /// Begin and parameters of a request.
    fn begun(id: u16) -> Vec<u8> {
        let mut out = Vec::new();
        request::begin(&mut out, id, Role::Responder, true);
        let mut params = Params::new(&mut out, id);
        params.push(b"REQUEST_METHOD", b"GET");
        params.finish();
        out
    }

    fn request_event(id: u16) -> Option<Event<'static>> {
        Some(Event::Request(Request { id, role: Role::Responder, keep_conn: true }))
    }

    #[test]
    fn request_without_a_body_is_one_read() {
        let mut worker = Worker::new();
        worker.feed(&begun(1));
        worker.feed(&request::stdin_end(1));
        assert_eq!(worker.next(), request_event(1));
        let params: Vec<_> = pairs::iter(worker.responder.params()).collect();
        assert_eq!(params, [Ok((&b"REQUEST_METHOD"[..], &b"GET"[..]))]);
        assert!(!worker.responder.stdin_ended());
        assert_eq!(worker.next(), Some(Event::StdinEnd));
        assert!(worker.responder.stdin_ended());
        assert_eq!(worker.next(), None);
    }

    #[test]
    fn buffer_of_parameters_is_used_again() {
        let mut worker = Worker::new();
        worker.feed(&begun(1));
        assert_eq!(worker.next(), request_event(1));
        let params = worker.responder.take_params();
        let address = params.as_ptr();
        worker.responder.recycle(params);
        worker.responder.finish();
        worker.feed(&begun(1));
        assert_eq!(worker.next(), request_event(1));
        assert_eq!(worker.responder.params().as_ptr(), address);
    }

    #[test]
    fn body_left_unread_is_ignored_after_the_end_of_its_request() {
        let mut worker = Worker::new();
        worker.feed(&begun(1));
        assert_eq!(worker.next(), request_event(1));
        worker.responder.finish();
        let mut rest = Vec::new();
        request::stream(&mut rest, Kind::Stdin, 1, b"never read");
        rest.extend_from_slice(&request::stdin_end(1));
        worker.feed(&rest);
        worker.feed(&request::abort(1));
        worker.feed(&begun(1));
        assert_eq!(worker.next(), request_event(1));
    }

    #[test]
    fn second_request_is_refused_and_the_first_goes_on() {
        let mut worker = Worker::new();
        worker.feed(&begun(1));
        worker.feed(&begun(2));
        worker.feed(&request::stdin_end(2));
        worker.feed(&request::stdin_end(1));
        assert_eq!(worker.next(), request_event(1));
        let refused = response::end(2, 0, ProtocolStatus::CantMpxConn);
        assert_eq!(worker.next(), Some(Event::Reply(&refused)));
        assert_eq!(worker.next(), Some(Event::StdinEnd));
    }

    #[test]
    fn other_roles_are_refused() {
        for role in [Role::Authorizer, Role::Filter, Role::Other(9)] {
            let mut worker = Worker::new();
            let mut out = Vec::new();
            request::begin(&mut out, 1, role, true);
            request::params(&mut out, 1, b"");
            worker.feed(&out);
            let refused = response::end(1, 0, ProtocolStatus::UnknownRole);
            assert_eq!(worker.next(), Some(Event::Reply(&refused)));
            assert_eq!(worker.next(), None);
            assert!(worker.responder.is_idle());
        }
    }

    #[test]
    fn management_records_are_answered_at_any_time() {
        let mut worker = Worker::new();
        worker.responder = Responder::new(15).with_value(b"OURS", b"yes");
        worker.feed(&begun(1));
        let mut asked = Vec::new();
        management::ask_values(&mut asked, &[b"OURS", b"FCGI_MAX_REQS"]);
        worker.feed(&asked);
        worker.feed(&head(Kind::Other(99), 0, 0));
        // An answer must not be answered: that could go on forever.
        worker.feed(&head(Kind::UnknownType, 0, 0));
        worker.feed(&request::stdin_end(1));
        assert_eq!(worker.next(), request_event(1));
        let mut values = vec![1, 10, 0, 0, 0, 26, 0, 0];
        pairs::push(&mut values, b"FCGI_MAX_REQS", b"15");
        pairs::push(&mut values, b"OURS", b"yes");
        assert_eq!(worker.next(), Some(Event::Reply(&values)));
        assert_eq!(worker.next(), Some(Event::Reply(&management::unknown_type(99))));
        assert_eq!(worker.next(), Some(Event::StdinEnd));
    }

    #[test]
    fn abort_is_told_once_the_application_knows_of_the_request() {
        let mut worker = Worker::new();
        worker.feed(&begun(1));
        worker.feed(&request::abort(1));
        assert_eq!(worker.next(), request_event(1));
        assert_eq!(worker.next(), Some(Event::Abort(b"")));
    }

    #[test]
    fn abort_among_the_parameters_ends_the_request() {
        let mut worker = Worker::new();
        worker.feed(&begun(1)[..16]);
        worker.feed(&request::abort(1));
        let ended = response::end(1, 0, ProtocolStatus::RequestComplete);
        assert_eq!(worker.next(), Some(Event::Reply(&ended)));
        assert!(worker.responder.is_idle());
    }

    #[test]
    fn parameters_have_a_limit() {
        let mut worker = Worker::new();
        worker.responder = Responder::new(1).with_max_params(10);
        let mut out = Vec::new();
        request::begin(&mut out, 1, Role::Responder, true);
        request::stream(&mut out, Kind::Params, 1, &[0; 10]);
        worker.feed(&out);
        assert_eq!(worker.next(), None);
        out.clear();
        request::stream(&mut out, Kind::Params, 1, &[0]);
        worker.feed(&out);
        assert_eq!(worker.error(), Error::ParamsTooLong { limit: 10 });
    }

    #[test]
    fn broken_order_is_an_error() {
        let mut worker = Worker::new();
        worker.feed(&begun(1)[..16]);
        worker.feed(&request::stdin_end(1));
        assert_eq!(worker.error(), Error::Unexpected(Kind::Stdin));

        let mut worker = Worker::new();
        worker.feed(&begun(1));
        worker.feed(&begun(1));
        assert_eq!(worker.next(), request_event(1));
        assert_eq!(worker.error(), Error::Unexpected(Kind::BeginRequest));

        let mut worker = Worker::new();
        worker.feed(&begun(0));
        assert_eq!(worker.error(), Error::NullRequestId);

        let mut worker = Worker::new();
        worker.feed(&head(Kind::BeginRequest, 1, 0));
        let expected = Error::ContentLength { kind: Kind::BeginRequest, length: 0 };
        assert_eq!(worker.error(), expected);
    }

    proptest! {
        #[test]
        fn request_survives_any_chunking(
            params in vec((vec(any::<u8>(), 0..200), vec(any::<u8>(), 0..200)), 0..10),
            body in vec(any::<u8>(), 0..3000),
            chunk in 1..600_usize,
        ) {
            let mut out = Vec::new();
            request::begin(&mut out, 5, Role::Responder, false);
            let mut writer = Params::new(&mut out, 5);
            for (name, value) in &params {
                writer.push(name, value);
            }
            writer.finish();
            for part in body.chunks(500) {
                request::stream(&mut out, Kind::Stdin, 5, part);
            }
            out.extend_from_slice(&request::stdin_end(5));

            let mut worker = Worker::new();
            let mut found = Vec::new();
            let mut requests = 0;
            for bytes in out.chunks(chunk) {
                prop_assert!(!worker.responder.stdin_ended());
                worker.feed(bytes);
                while let Some(event) = worker.next() {
                    match event {
                        Event::Request(request) => {
                            prop_assert!(request.id == 5 && !request.keep_conn);
                            requests += 1;
                        }
                        Event::Stdin(bytes) => found.extend_from_slice(bytes),
                        Event::StdinEnd => {}
                        other => prop_assert!(false, "{:?}", other),
                    }
                }
            }
            prop_assert!(worker.responder.stdin_ended());
            prop_assert_eq!(requests, 1);
            prop_assert_eq!(found, body);
            let read: Result<Vec<_>, _> = pairs::iter(worker.responder.params())
                .map(|pair| pair.map(|(n, v)| (n.to_vec(), v.to_vec())))
                .collect();
            prop_assert_eq!(read, Ok(params));
        }

        #[test]
        fn any_records_come_to_an_end(
            records in vec((0..13_u8, 0..3_u16, vec(0..3_u8, 0..12)), 0..40),
        ) {
            let mut worker = Worker::new();
            for (kind, id, content) in &records {
                worker.feed(&head(Kind::from(*kind), *id, content.len() as u16));
                worker.feed(content);
            }
            let mut events = 0;
            while let Ok(Some(_)) = worker.responder.next(&mut worker.frames) {
                events += 1;
            }
            prop_assert!(events <= records.len());
        }
    }
}
