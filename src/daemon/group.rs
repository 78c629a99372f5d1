//! A process group as httpd sees it: its scoreboard, its workers' sockets, and the connections kept open.
//!
//! Made by the parent, inherited by the children through `fork`; each child has connections of its own.

use crate::config::DaemonGroup;
use crate::daemon::client::Connection;
use crate::daemon::files;
use crate::daemon::socket::WorkerSocket;
use daemon_abi::scoreboard::{Child, Patience, Refused, Scoreboard, Slot};
use nix::errno::Errno;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// A process group.
#[derive(Debug)]
pub struct Group {
    /// What the configuration says.
    pub config: DaemonGroup,
    /// The `ServerName` of the virtual host that defines it; `None`: the main server, whose groups everybody may use.
    pub owner: Option<Vec<u8>>,
    /// What its workers know requests of httpd by.
    pub secret: Vec<u8>,
    /// How long to wait for the other end of a connection.
    pub socket_timeout: Duration,
    /// Who is how busy.
    pub board: Scoreboard,
    sockets: Vec<WorkerSocket>,
    /// The listening ends; only the parent has them, for the leader and its successors.
    listeners: Mutex<Vec<OwnedFd>>,
    /// This httpd child's row in the scoreboard.
    child: OnceLock<Option<Child>>,
    /// Connections that rest, for each worker.
    resting: Vec<Mutex<Vec<Resting>>>,
}

/// Connections that rest in this process, of all groups.
static RESTING: AtomicUsize = AtomicUsize::new(0);

/// A connection that waits for its next request, and is counted while it does.
#[derive(Debug)]
struct Resting {
    connection: Connection,
    _counted: Counted,
}

#[derive(Debug)]
struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        RESTING.fetch_sub(1, SeqCst);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half done by a panic while one of these is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Group {
    /// A group with its sockets, one per worker.
    pub fn new(
        config: DaemonGroup,
        owner: Option<Vec<u8>>,
        secret: Vec<u8>,
        socket_timeout: Duration,
        board: Scoreboard,
        sockets: Vec<(WorkerSocket, OwnedFd)>,
    ) -> Self {
        let (sockets, listeners): (Vec<_>, Vec<_>) = sockets.into_iter().unzip();
        Self {
            config,
            owner,
            secret,
            socket_timeout,
            board,
            resting: sockets.iter().map(|_| Mutex::default()).collect(),
            sockets,
            listeners: Mutex::new(listeners),
            child: OnceLock::new(),
        }
    }

    /// The name, for people.
    pub fn name(&self) -> String {
        String::from_utf8_lossy(&self.config.name).into_owned()
    }

    /// Gives `use_them` the listening ends.
    pub fn with_listeners<R>(&self, use_them: impl FnOnce(&[OwnedFd]) -> R) -> R {
        use_them(&lock(&self.listeners))
    }

    /// A new httpd child does not listen: a socket that a process without workers keeps listening would take connections
    /// that nobody answers.
    pub fn close_listeners(&self) {
        lock(&self.listeners).clear();
    }

    /// A process that sends requests gets a row of the scoreboard.
    pub fn enter_child(&self) {
        let pid = nix::unistd::getpid().as_raw();
        let _ = self.child.set(self.board.join(pid));
    }

    /// How long a request may wait for a worker.
    pub fn patience(&self) -> Patience {
        let now = Instant::now();
        let (queue, ready) = (self.config.queue_timeout, self.config.connect_timeout);
        let (free, loaded) = match queue.is_zero() {
            true => (self.socket_timeout, self.socket_timeout.max(ready)),
            false => (queue, queue),
        };
        Patience { ready, loaded: now + loaded, free: now + free, queue: self.config.queue_limit }
    }

    /// A slot of a worker for one request.
    pub fn acquire(&self, patience: Patience) -> Result<Slot<'_>, Refused> {
        match self.child.get() {
            Some(Some(child)) => self.board.acquire(*child, patience),
            _ => Err(Refused::Failed),
        }
    }

    /// A connection to the worker of a slot: one that rests, or a new one. Whether it was used before.
    pub fn connection(&self, slot: &Slot<'_>) -> Result<(Connection, bool), Errno> {
        let resting = self.resting.get(slot.worker).ok_or(Errno::EINVAL)?;
        let kept = {
            let mut resting = lock(resting);
            // Connections to a process that was replaced are of no use.
            resting.retain(|it| it.connection.generation == slot.generation);
            resting.pop()
        };
        if let Some(Resting { connection, .. }) = kept {
            return Ok((connection, true));
        }
        let socket = self.sockets.get(slot.worker).ok_or(Errno::EINVAL)?;
        let (connect, io) = (self.config.connect_timeout, self.socket_timeout);
        let connection = Connection::open(socket.name(), slot.generation, connect, io)?;
        Ok((connection, false))
    }

    /// Keeps a connection for the next request; `false` if there are too many that rest.
    pub fn rest(&self, worker: usize, connection: Connection) -> bool {
        let Some(resting) = self.resting.get(worker) else { return true };
        let before = RESTING.fetch_add(1, SeqCst);
        lock(resting).push(Resting { connection, _counted: Counted });
        before < files::most_resting()
    }

    /// Closes the connections that rest; whether there were any.
    pub fn close_resting(&self) -> bool {
        let closed = self.resting.iter().map(|resting| lock(resting).drain(..).count());
        closed.sum::<usize>() > 0
    }

    /// Removes the names of the sockets: no new process will use them.
    pub fn unlink_sockets(&self) {
        self.sockets.iter().for_each(WorkerSocket::unlink);
    }
}
