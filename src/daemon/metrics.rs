//! Answers the processes of groups that ask for httpd's scoreboard (`server-metrics=On`).
//!
//! The parent makes a pair of sockets for each generation, the leaders inherit one end, and each child of httpd answers at the
//! other on a thread of its own, which ends before the child does.

use crate::httpd::log::{self, Main};
use crate::httpd::{Level, Pool, scoreboard};
use daemon_abi::inquiry;
use engine_abi::server::Server;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Both ends of a generation.
#[derive(Debug)]
pub struct ServerMetrics {
    asking: OwnedFd,
    answering: OwnedFd,
}

impl ServerMetrics {
    /// Makes them.
    pub fn new() -> io::Result<Self> {
        let (asking, answering) = inquiry::pair()?;
        Ok(Self { asking, answering })
    }

    /// Where a group asks.
    pub fn asking(&self) -> io::Result<OwnedFd> {
        self.asking.try_clone()
    }

    /// A new httpd child: answers until its pool ends.
    pub fn enter_child(&self, pool: Pool<'_>) {
        if let Err(error) = self.start(pool) {
            log::write(
                Main,
                Level::WARNING,
                format_args!(
                    "WRS3026: this child of httpd answers no mod_wsgi.server_metrics(): {error}"
                ),
            );
        }
    }

    fn start(&self, pool: Pool<'_>) -> io::Result<()> {
        let socket = self.answering.try_clone()?;
        let (over, life) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        // Signals are for httpd's own threads.
        let mut usual = SigSet::empty();
        pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut usual))?;
        let started = std::thread::Builder::new()
            .name("wsgi-metrics".to_owned())
            .spawn(move || serve(socket.as_fd(), over.as_fd()));
        pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&usual), None)?;
        let thread = started?;
        pool.on_cleanup(move || {
            drop(life);
            // The scoreboard goes soon after.
            let _ = thread.join();
        });
        Ok(())
    }
}

/// Answers until the other end of `over` is closed.
fn serve(socket: BorrowedFd<'_>, over: BorrowedFd<'_>) {
    loop {
        let mut fds =
            [PollFd::new(socket, PollFlags::POLLIN), PollFd::new(over, PollFlags::empty())];
        let polled = poll(&mut fds, PollTimeout::NONE);
        let [asked, over] = fds.map(|fd| fd.any() == Some(true));
        match polled {
            _ if over => return,
            // Another child may have been faster; who asked may be gone.
            Ok(_) if asked => drop(inquiry::answer(socket, answer)),
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}

fn answer() -> Vec<u8> {
    scoreboard::look().as_ref().map(Server::encode).unwrap_or_default()
}
