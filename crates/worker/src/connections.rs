//! The connections of a worker: those that rest, and the one wait for whatever happens next.
//!
//! All idle threads wait on one epoll set. A connection is armed for one event (`EPOLLONESHOT`), so the thread that gets it owns it
//! until it puts it back; a connection that rests costs a table entry and no thread. The kernel wakes the thread that began to wait
//! last, whose caches are warm.

use crate::connection::Connection;
use crate::descriptor::Own;
use crate::threads::Busy;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::socket::{SockFlag, accept4, setsockopt, sockopt};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

const LISTENER: u64 = u64::MAX;
const STOP: u64 = u64::MAX - 1;

/// Connections accepted at once; the rest waits in the kernel's queue.
const MOST_CONNECTIONS: usize = 16 * 1024;

/// What a thread is to do.
pub(crate) enum Work {
    /// Serve this connection, then [`Connections::rest`] it or drop it.
    Serve(Connection),
    /// End: the worker stops.
    End,
}

pub(crate) struct Connections {
    /// Threads that have a connection.
    pub(crate) busy: Busy,
    /// The listener waits until a connection is let go of: no more can be accepted.
    full: AtomicBool,
    epoll: Epoll,
    listener: Own,
    stop: EventFd,
    draining: AtomicBool,
    /// `SO_SNDBUF` and `SO_RCVBUF` of a connection; 0: the system's.
    buffers: [u32; 2],
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    places: Vec<Option<Connection>>,
    free: Vec<usize>,
    used: usize,
}

impl Table {
    fn remove(&mut self, place: usize) -> Option<Connection> {
        let connection = self.places.get_mut(place)?.take()?;
        self.free.push(place);
        self.used -= 1;
        Some(connection)
    }
}

fn once(data: u64) -> EpollEvent {
    EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLONESHOT, data)
}

impl Connections {
    /// Takes connections from `listener`, which is bound and listens.
    pub(crate) fn new(listener: Own, buffers: [u32; 2]) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let stop = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        nix::fcntl::fcntl(&listener, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))?;
        epoll.add(&listener, once(LISTENER))?;
        epoll.add(&stop, EpollEvent::new(EpollFlags::EPOLLIN, STOP))?;
        let (draining, table) = (AtomicBool::new(false), Mutex::default());
        let (busy, full) = (Busy::default(), AtomicBool::new(false));
        Ok(Self { busy, full, epoll, listener, stop, draining, buffers, table })
    }

    /// Waits for work.
    pub(crate) fn wait(&self) -> io::Result<Work> {
        let mut events = [EpollEvent::empty()];
        loop {
            match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(0) | Err(Errno::EINTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            let [event] = &events;
            match event.data() {
                STOP => return Ok(Work::End),
                LISTENER => self.accept()?,
                place => {
                    if let Some(connection) =
                        usize::try_from(place).ok().and_then(|it| self.take(it))
                    {
                        return Ok(Work::Serve(connection));
                    }
                }
            }
        }
    }

    /// Accepts all that wait, and arms the listener again unless the worker drains.
    fn accept(&self) -> io::Result<()> {
        while !self.draining.load(SeqCst) {
            if self.lock().used >= MOST_CONNECTIONS && !self.close_one() {
                self.full.store(true, SeqCst);
                return Ok(());
            }
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            match accept4(self.listener.as_raw_fd(), flags) {
                Ok(fd) => {
                    // SAFETY: the descriptor is new and nobody else knows it.
                    let socket = Own::new(unsafe { OwnedFd::from_raw_fd(fd) });
                    self.set_buffers(&socket);
                    self.put(Connection::new(socket), true)?;
                }
                Err(Errno::EINTR | Errno::ECONNABORTED) => {}
                // One that rests makes room: its front opens another when it needs one.
                Err(Errno::EMFILE | Errno::ENFILE) if self.close_one() => {}
                Err(Errno::EMFILE | Errno::ENFILE) => {
                    self.full.store(true, SeqCst);
                    return Ok(());
                }
                // No more of them.
                Err(_) => break,
            }
        }
        self.listen()
    }

    fn set_buffers(&self, socket: &OwnedFd) {
        let [send, receive] = self.buffers;
        // A size that the system does not give is no reason to refuse a connection.
        if send > 0 {
            let _ = setsockopt(socket, sockopt::SndBuf, &(send as usize));
        }
        if receive > 0 {
            let _ = setsockopt(socket, sockopt::RcvBuf, &(receive as usize));
        }
    }

    /// Arms the listener, unless the worker drains.
    fn listen(&self) -> io::Result<()> {
        match self.epoll.modify(&self.listener, &mut once(LISTENER)) {
            // Taken out of the set by `drain`.
            Err(Errno::ENOENT) => Ok(()),
            result => Ok(result?),
        }
    }

    /// A connection was let go of: others may be accepted again.
    pub(crate) fn relieved(&self) {
        if self.full.swap(false, SeqCst) {
            // If this fails the set itself is broken, and waiting on it will tell.
            let _ = self.listen();
        }
    }

    /// Closes a connection that rests; whether there was one.
    fn close_one(&self) -> bool {
        let mut table = self.lock();
        let Some(place) = table.places.iter().position(Option::is_some) else { return false };
        table.remove(place);
        true
    }

    /// A connection waits for its next request; when the worker drains it is closed instead.
    pub(crate) fn rest(&self, connection: Connection) -> io::Result<()> {
        if self.draining.load(SeqCst) {
            return Ok(());
        }
        let put = self.put(connection, false);
        self.relieved();
        put
    }

    fn put(&self, connection: Connection, new: bool) -> io::Result<()> {
        let mut table = self.lock();
        let place = table.free.last().copied().unwrap_or(table.places.len());
        let data = u64::try_from(place).map_err(io::Error::other)?;
        // Armed under the lock: the event cannot be taken before the connection is in its place.
        if new {
            self.epoll.add(&connection, once(data))?;
        } else {
            self.epoll.modify(&connection, &mut once(data))?;
        }
        table.free.pop();
        match table.places.get_mut(place) {
            Some(slot) => *slot = Some(connection),
            None => table.places.push(Some(connection)),
        }
        table.used += 1;
        Ok(())
    }

    fn take(&self, place: usize) -> Option<Connection> {
        let mut table = self.lock();
        let connection = table.remove(place)?;
        // Counted before the lock goes: whoever drains sees it in the table or among the busy.
        self.busy.begin();
        Some(connection)
    }

    /// No more connections are accepted, and those that rest are closed. Those that are served go on.
    pub(crate) fn drain(&self) {
        self.draining.store(true, SeqCst);
        // The listener's other owners go on with it.
        let _ = self.epoll.delete(&self.listener);
        let mut table = self.lock();
        table.places.clear();
        table.free.clear();
        table.used = 0;
    }

    /// Every thread that waits, now or later, is told to end.
    pub(crate) fn stop(&self) {
        // Cannot fail: the counter is far from full.
        let _ = self.stop.write(1);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
