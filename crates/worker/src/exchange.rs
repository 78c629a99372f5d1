//! A request on a FastCGI connection, as the engine sees it.
//!
//! Lives for one request on the thread that answers it. What is to be sent goes out in one call together with what could not be sent
//! before; the socket does not block, so every wait is a `poll` with the group's socket-timeout.

use crate::connection::{Wire, error_page};
use crate::records::{gather, record_headers};
use daemon_abi::wire::{self, Abort};
use engine::Level;
use engine::{Exchange, FilePart, Gone, Head, ReadError, stream_file};
use fastcgi::responder::Event;
use fastcgi::{Kind, MAX_CONTENT, ProtocolStatus, cgi_head, record, response};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::sys::uio::readv;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Whether the connection can be used for another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Keep,
    Close,
}

/// The most parts of a message the kernel takes at once (`UIO_MAXIOV`).
const MOST_PARTS: usize = 1024;

/// An application that wants so much of its body gets it straight from the socket, up to that much at once.
const MUCH: usize = 4 * 1024;
const MUCH_AT_ONCE: usize = 64 * 1024;

/// Log lines that a front end does not read are kept up to this many bytes.
const MOST_PENDING: usize = 1 << 20;

pub(crate) struct WorkerExchange<'c> {
    socket: &'c OwnedFd,
    wire: &'c mut Wire,
    id: u16,
    timeout: PollTimeout,
    /// How long the body is waited for.
    patience: PollTimeout,
    /// The front sends the rest of the body when it is asked.
    pull: bool,
    asked: bool,
    /// The front takes open files and sends them itself.
    pass_files: bool,
    /// Bytes of the body that were received and not read yet, from `taken` on.
    body: Vec<u8>,
    taken: usize,
    /// Bytes to be sent before anything else.
    pending: Vec<u8>,
    /// The last read took all that there was, so that the next one has to wait.
    dry: bool,
    ended: bool,
    gone: bool,
    /// The front said that no more of the body comes: what comes next is another request.
    aborted: bool,
}

impl<'c> WorkerExchange<'c> {
    pub(crate) fn new(socket: &'c OwnedFd, wire: &'c mut Wire, id: u16, timeout: Duration) -> Self {
        Self {
            socket,
            wire,
            id,
            timeout: poll_timeout(timeout),
            // A front that says when its client is too slow is given the time to say so.
            patience: poll_timeout(timeout.saturating_mul(2)),
            pull: false,
            asked: false,
            pass_files: false,
            body: Vec::new(),
            taken: 0,
            pending: Vec::new(),
            dry: false,
            ended: false,
            gone: false,
            aborted: false,
        }
    }

    /// The front end said how it sends the body.
    pub(crate) fn pull_body(&mut self, pull: bool) {
        self.pull = pull;
    }

    /// The front end said whether it takes files.
    pub(crate) fn pass_files(&mut self, pass: bool) {
        self.pass_files = pass;
    }

    /// Ends the request, unless its response is whole already.
    pub(crate) fn end(&mut self, app_status: u32, status: ProtocolStatus) -> Finish {
        if !self.ended && !self.gone {
            let end = response::end(self.id, app_status, status);
            self.ended = self.transmit(&mut [IoSlice::new(&end)]).is_ok();
        }
        self.finish()
    }

    /// Ends a request that failed with a page of the worker's own.
    pub(crate) fn error_page(&mut self) -> Finish {
        if !self.ended && !self.gone {
            let page = error_page(self.id);
            self.ended = self.transmit(&mut [IoSlice::new(&page)]).is_ok();
        }
        self.finish()
    }

    fn finish(&mut self) -> Finish {
        // What is on its way of a body that was asked for would come before the next request. Its end is mostly here,
        // though the application had no reason to look for it.
        let mut looked = false;
        while self.asked && !self.gone && !self.aborted && !self.wire.responder.stdin_ended() {
            match self.wire.responder.next(&mut self.wire.frames) {
                Ok(Some(Event::Stdin(_) | Event::StdinEnd)) => {}
                Ok(None) if !looked => {
                    looked = true;
                    let spare = self.wire.frames.spare(16 * 1024);
                    match readv(self.socket, &mut [IoSliceMut::new(spare)]) {
                        Ok(count) if count > 0 => self.wire.frames.advance(count),
                        _ => break,
                    }
                }
                _ => break,
            }
        }
        let rest = self.asked && !self.wire.responder.stdin_ended();
        if self.ended && !self.gone && !rest { Finish::Keep } else { Finish::Close }
    }

    /// Sends what is pending and then these parts.
    fn transmit(&mut self, parts: &mut [IoSlice<'_>]) -> Result<(), Gone> {
        self.transmit_with(parts, None)
    }

    /// The same, with an open file that goes along with the first byte of the parts.
    fn transmit_with(
        &mut self,
        parts: &mut [IoSlice<'_>],
        file: Option<BorrowedFd<'_>>,
    ) -> Result<(), Gone> {
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            self.transmit_parts(&mut [IoSlice::new(&pending)], None)?;
        }
        self.transmit_parts(parts, file)
    }

    fn transmit_parts(
        &mut self,
        mut parts: &mut [IoSlice<'_>],
        mut file: Option<BorrowedFd<'_>>,
    ) -> Result<(), Gone> {
        if self.gone {
            return Err(Gone);
        }
        loop {
            IoSlice::advance_slices(&mut parts, 0);
            if parts.is_empty() {
                return Ok(());
            }
            let now = parts.get(..MOST_PARTS).unwrap_or(parts);
            let flags = MsgFlags::MSG_NOSIGNAL;
            let descriptor = file.map(|file| [file.as_raw_fd()]);
            let rights = descriptor.as_ref().map(|file| [ControlMessage::ScmRights(file)]);
            let rights: &[ControlMessage<'_>] = rights.as_ref().map_or(&[], |rights| rights);
            match sendmsg::<()>(self.socket.as_raw_fd(), now, rights, flags, None) {
                Ok(count) => {
                    file = None;
                    IoSlice::advance_slices(&mut parts, count);
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) if self.wait(PollFlags::POLLOUT, self.timeout) => {}
                Err(_) => {
                    self.gone = true;
                    return Err(Gone);
                }
            }
        }
    }

    /// Waits until the socket can do something; not if it takes too long.
    fn wait(&self, what: PollFlags, timeout: PollTimeout) -> bool {
        loop {
            let mut fds = [PollFd::new(self.socket.as_fd(), what)];
            match poll(&mut fds, timeout) {
                Err(Errno::EINTR) => {}
                result => return result.is_ok_and(|count| count > 0),
            }
        }
    }

    /// Tries to send what is pending, without waiting.
    fn push_pending(&mut self) {
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        let parts = [IoSlice::new(&self.pending)];
        if let Ok(count) = sendmsg::<()>(self.socket.as_raw_fd(), &parts, &[], flags, None) {
            self.pending.drain(..count.min(self.pending.len()));
        }
    }

    /// Takes bytes of the body that are here already into `buffer`; `None` if more must come first.
    fn take_body(&mut self, buffer: &mut [u8]) -> Option<Result<usize, ReadError>> {
        let rest = self.body.get(self.taken..).unwrap_or_default();
        if !rest.is_empty() {
            let count = copy(rest, buffer);
            self.taken += count;
            return Some(Ok(count));
        }
        if self.wire.responder.stdin_ended() {
            return Some(Ok(0));
        }
        loop {
            match self.wire.responder.next(&mut self.wire.frames) {
                Ok(None) => return None,
                Ok(Some(Event::Stdin(bytes))) => {
                    let count = copy(bytes, buffer);
                    self.body.clear();
                    self.body.extend_from_slice(bytes.get(count..).unwrap_or_default());
                    self.taken = 0;
                    return Some(Ok(count));
                }
                Ok(Some(Event::StdinEnd)) => return Some(Ok(0)),
                Ok(Some(Event::Request(_) | Event::Reply(_))) => {}
                Ok(Some(Event::Abort(content))) => {
                    self.aborted = true;
                    return Some(Err(match Abort::parse(content) {
                        Abort::Gone => ReadError::Gone,
                        Abort::TimedOut => ReadError::TimedOut,
                        Abort::TooLarge => ReadError::TooLarge,
                        Abort::Failed => ReadError::Failed,
                    }));
                }
                Err(_) => return Some(Err(ReadError::Failed)),
            }
        }
    }

    /// Asks the front for the rest of the body, once.
    fn ask(&mut self) -> Result<(), ReadError> {
        if self.pull && !self.asked {
            self.asked = true;
            let ask = record::head(Kind::Other(wire::CONTINUE), self.id, 0);
            self.transmit(&mut [IoSlice::new(&ask)]).map_err(|Gone| ReadError::Gone)?;
        }
        Ok(())
    }

    /// Waits for bytes from the front; how many of the body went straight into `buffer`.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        // What is not ended is the body of this request.
        let missing = self.wire.frames.missing(self.id).min(buffer.len());
        // Between two records: the next one is the body's, mostly.
        let between = self.asked && buffer.len() >= MUCH && self.wire.frames.is_empty();
        let direct = if between { buffer.len().min(MUCH_AT_ONCE) } else { missing };
        let buffer_len = buffer.len();
        let room = buffer.get_mut(..direct).unwrap_or_default();
        let mut header = [0; fastcgi::HEADER_LEN];
        loop {
            if self.dry {
                let time = if self.pull { self.patience } else { self.timeout };
                if !self.wait(PollFlags::POLLIN, time) {
                    return Err(ReadError::TimedOut);
                }
                self.dry = false;
            }
            let mut spare = self.wire.frames.spare(16 * 1024);
            if between {
                spare = &mut header;
            } else if direct > 0 && buffer_len >= MUCH {
                // Behind the content comes another header, and then content that is wanted elsewhere.
                spare = spare.get_mut(..fastcgi::HEADER_LEN).unwrap_or_default();
            }
            let mut parts = [IoSliceMut::new(room), IoSliceMut::new(spare)];
            if between {
                parts.reverse();
            }
            let most = parts.iter().map(|part| part.len()).sum();
            match readv(self.socket, &mut parts) {
                Ok(0) => {
                    self.gone = true;
                    return Err(ReadError::Gone);
                }
                Ok(count) => {
                    self.dry = count < most;
                    if between {
                        let head = header.get(..count).unwrap_or(&header);
                        let behind = room.get(..count - head.len()).unwrap_or_default();
                        return Ok(self.wire.frames.begin(self.id, head, behind));
                    }
                    let past = count.min(direct);
                    if past > 0 {
                        self.wire.frames.taken(past);
                    }
                    self.wire.frames.advance(count - past);
                    return Ok(past);
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => self.dry = true,
                Err(_) => {
                    self.gone = true;
                    return Err(ReadError::Gone);
                }
            }
        }
    }
}

fn poll_timeout(time: Duration) -> PollTimeout {
    PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX)
}

fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let count = from.len().min(to.len());
    if let (Some(to), Some(from)) = (to.get_mut(..count), from.get(..count)) {
        to.copy_from_slice(from);
    }
    count
}

/// A head as it goes over the wire; nothing where it went before.
fn head_text(head: Option<&Head<'_>>) -> Vec<u8> {
    let Some(head) = head else { return Vec::new() };
    let mut text = Vec::with_capacity(512);
    let headers = head.headers.iter().map(|header| header.parts());
    cgi_head::encode(&mut text, head.status_line, headers);
    text
}

impl Exchange for WorkerExchange<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        if self.ended {
            return Ok(0);
        }
        if buffer.is_empty() {
            if !self.wire.responder.stdin_ended() {
                self.ask()?;
            }
            return Ok(0);
        }
        loop {
            if let Some(result) = self.take_body(buffer) {
                return result;
            }
            self.ask()?;
            match self.receive(buffer)? {
                0 => {}
                count => return Ok(count),
            }
        }
    }

    fn send(&mut self, head: Option<&Head<'_>>, chunks: &[&[u8]], last: bool) -> Result<(), Gone> {
        let text = head_text(head);
        let total = text.len() + chunks.iter().map(|chunk| chunk.len()).sum::<usize>();
        let headers = record_headers(self.id, total);
        let end = response::end(self.id, 0, ProtocolStatus::RequestComplete);
        let mut parts = Vec::with_capacity(headers.len() + chunks.len() + 2);
        gather(&mut parts, &headers, &text, chunks);
        if last {
            parts.push(IoSlice::new(&end));
        }
        self.transmit(&mut parts)?;
        self.ended = last;
        Ok(())
    }

    fn send_file(
        &mut self,
        head: Option<&Head<'_>>,
        part: &FilePart,
        last: bool,
    ) -> Result<u64, Gone> {
        if !self.pass_files {
            return stream_file(self, head, part, last);
        }
        let text = head_text(head);
        let headers = record_headers(self.id, text.len());
        let length = u16::try_from(wire::FILE_PART).unwrap_or(u16::MAX);
        let header = record::head(Kind::Other(wire::FILE), self.id, length);
        let place = wire::file_part(part.offset, part.length);
        let end = response::end(self.id, 0, ProtocolStatus::RequestComplete);
        let mut parts = Vec::with_capacity(headers.len() + 4);
        gather(&mut parts, &headers, &text, &[]);
        parts.extend([IoSlice::new(&header), IoSlice::new(&place)]);
        if last {
            parts.push(IoSlice::new(&end));
        }
        self.transmit_with(&mut parts, Some(part.file.as_fd()))?;
        self.ended = last;
        Ok(part.length)
    }

    fn log(&mut self, level: Level, line: &[u8]) {
        let known = self.pull || level <= Level::Error;
        if !known || self.gone || self.ended || self.pending.len() > MOST_PENDING {
            crate::log::write(level, line);
            return;
        }
        if self.pull {
            let line = line.get(..MAX_CONTENT - 1).unwrap_or(line);
            let length = u16::try_from(line.len() + 1).unwrap_or(u16::MAX);
            let header = record::head(Kind::Other(wire::LOG), self.id, length);
            self.pending.extend_from_slice(&header);
            self.pending.push(level as u8);
            self.pending.extend_from_slice(line);
        } else {
            record::stream(&mut self.pending, Kind::Stderr, self.id, line);
        }
        self.push_pending();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastcgi::{Frames, Response};

    use nix::sys::socket::{ControlMessageOwned, recvmsg};
    use std::io::{IoSliceMut, Read, Write};
    use std::os::unix::net::UnixStream;

    /// What a front receives of a file of ten bytes, of which five are sent from the third on: bytes and descriptors.
    fn sent_file(pass: bool) -> (Vec<u8>, usize) {
        let (mut front, worker) = UnixStream::pair().unwrap();
        let socket = OwnedFd::from(worker);
        let path = std::env::temp_dir().join(format!("wsgi-part-{}-{pass}", std::process::id()));
        std::fs::write(&path, "0123456789").unwrap();
        let part = FilePart { file: std::fs::File::open(&path).unwrap(), offset: 3, length: 5 };
        std::fs::remove_file(&path).unwrap();
        let mut wire = Wire::new(1);
        let mut exchange = WorkerExchange::new(&socket, &mut wire, 1, Duration::from_secs(5));
        exchange.pass_files(pass);
        let head = Head { status: 200, status_line: b"200 OK", headers: &[] };
        assert_eq!(exchange.send_file(Some(&head), &part, true), Ok(5));
        assert_eq!(exchange.end(0, ProtocolStatus::RequestComplete), Finish::Keep);
        drop(socket);

        let mut beside = nix::cmsg_space!([std::os::fd::RawFd; 4]);
        let mut room = [0; 4096];
        let (count, descriptors) = {
            let mut parts = [IoSliceMut::new(&mut room)];
            let fd = front.as_raw_fd();
            let message = recvmsg::<()>(fd, &mut parts, Some(&mut beside), MsgFlags::empty());
            let message = message.unwrap();
            let descriptors = message.cmsgs().unwrap().map(|beside| match beside {
                ControlMessageOwned::ScmRights(files) => files.len(),
                _ => 0,
            });
            (message.bytes, descriptors.sum())
        };
        let mut all = room[..count].to_vec();
        front.read_to_end(&mut all).unwrap();
        (all, descriptors)
    }

    #[test]
    fn nothing_is_taken_of_the_next_request_when_the_body_was_broken_off() {
        let (mut front, worker) = UnixStream::pair().unwrap();
        let socket = OwnedFd::from(worker);
        let mut wire = Wire::new(1);
        let mut opening = Vec::new();
        fastcgi::request::begin(&mut opening, 1, fastcgi::Role::Responder, true);
        fastcgi::request::Params::new(&mut opening, 1).finish();
        wire.frames.spare(opening.len())[..opening.len()].copy_from_slice(&opening);
        wire.frames.advance(opening.len());
        wire.responder.next(&mut wire.frames).unwrap();

        let mut exchange = WorkerExchange::new(&socket, &mut wire, 1, Duration::from_secs(5));
        exchange.pull_body(true);
        front.write_all(&record::head(Kind::AbortRequest, 1, 1)).unwrap();
        front.write_all(&Abort::Failed.content()).unwrap();
        assert_eq!(exchange.read(&mut [0; 10]), Err(ReadError::Failed));
        // A front that is quick sends another request when it has seen the end of this one.
        front.write_all(&opening).unwrap();
        assert_eq!(exchange.end(0, ProtocolStatus::RequestComplete), Finish::Close);
        drop(socket);
        // So it learns that none of it was read, and sends it elsewhere.
        let read = front.read_to_end(&mut Vec::new());
        assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    }

    /// What becomes of the connection when the application has read as much as was declared, of a body of 200,000 bytes
    /// that ends with its last bytes or later.
    fn read_to_the_declared_length(end_is_here: bool) -> Finish {
        let (mut front, worker) = UnixStream::pair().unwrap();
        let socket = OwnedFd::from(worker);
        nix::fcntl::fcntl(&socket, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))
            .unwrap();
        let mut wire = Wire::new(1);
        let mut opening = Vec::new();
        fastcgi::request::begin(&mut opening, 1, fastcgi::Role::Responder, true);
        fastcgi::request::Params::new(&mut opening, 1).finish();
        wire.frames.spare(opening.len())[..opening.len()].copy_from_slice(&opening);
        wire.frames.advance(opening.len());
        wire.responder.next(&mut wire.frames).unwrap();

        let sender = std::thread::spawn(move || {
            let body: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
            let mut records = Vec::new();
            for piece in body.chunks(60_000) {
                fastcgi::request::stream(&mut records, Kind::Stdin, 1, piece);
            }
            if end_is_here {
                records.extend_from_slice(&fastcgi::request::stdin_end(1));
            }
            front.write_all(&records).unwrap();
            (front, body)
        });
        let mut exchange = WorkerExchange::new(&socket, &mut wire, 1, Duration::from_secs(5));
        exchange.pull_body(true);
        let mut found = vec![0; 200_000];
        let mut filled = 0;
        while filled < found.len() {
            filled += exchange.read(&mut found[filled..]).unwrap();
        }
        let (_front, body) = sender.join().unwrap();
        assert_eq!(found, body);
        exchange.end(0, ProtocolStatus::RequestComplete)
    }

    #[test]
    fn a_connection_is_kept_when_the_end_of_the_body_came_with_its_last_bytes() {
        assert_eq!(read_to_the_declared_length(true), Finish::Keep);
        assert_eq!(read_to_the_declared_length(false), Finish::Close);
    }

    /// The records of a response.
    fn records(bytes: &[u8]) -> Vec<String> {
        let mut frames = Frames::new();
        frames.spare(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        frames.advance(bytes.len());
        let mut response = Response::new(1);
        let mut found = Vec::new();
        while let Some(event) = response.next(&mut frames).unwrap() {
            found.push(match event {
                fastcgi::response::Event::Stdout(text) => {
                    String::from_utf8_lossy(text).into_owned()
                }
                fastcgi::response::Event::Other { kind: Kind::Other(wire::FILE), content } => {
                    format!("{:?}", wire::parse_file_part(content))
                }
                other => format!("{other:?}"),
            });
        }
        found
    }

    #[test]
    fn a_front_that_takes_files_gets_the_descriptor_and_others_the_bytes() {
        let end = "End { app_status: 0, protocol_status: RequestComplete }";
        let (bytes, descriptors) = sent_file(true);
        assert_eq!(descriptors, 1);
        assert_eq!(records(&bytes)[1..], ["Some((3, 5))", end]);

        let (bytes, descriptors) = sent_file(false);
        assert_eq!(descriptors, 0);
        let found = records(&bytes);
        assert!(found[0].ends_with("\r\n\r\n34567"), "{found:?}");
        assert_eq!(found[1..], [end]);
    }

    #[test]
    fn a_body_that_is_aborted_says_why() {
        for (content, expected) in [
            (&b""[..], ReadError::Gone),
            (&wire::Abort::TimedOut.content(), ReadError::TimedOut),
            (&wire::Abort::TooLarge.content(), ReadError::TooLarge),
            (&wire::Abort::Failed.content(), ReadError::Failed),
        ] {
            let (mut front, worker) = UnixStream::pair().unwrap();
            let socket = OwnedFd::from(worker);
            let mut bytes = Vec::new();
            fastcgi::request::begin(&mut bytes, 1, fastcgi::Role::Responder, true);
            fastcgi::request::params(&mut bytes, 1, b"");
            bytes.extend_from_slice(&record::head(Kind::Stdin, 1, 3));
            bytes.extend_from_slice(b"abc");
            let length = u16::try_from(content.len()).unwrap();
            bytes.extend_from_slice(&record::head(Kind::AbortRequest, 1, length));
            bytes.extend_from_slice(content);
            front.write_all(&bytes).unwrap();
            let mut wire = Wire::new(1);
            let mut exchange = WorkerExchange::new(&socket, &mut wire, 1, Duration::from_secs(5));
            let mut room = [0; 10];
            assert_eq!(exchange.read(&mut room), Ok(3));
            assert_eq!(exchange.read(&mut room), Err(expected));
        }
    }
}
