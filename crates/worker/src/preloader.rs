//! The process that has loaded the scripts of a group and forks the workers (`preload=On`).
//!
//! Forked from the leader, which runs nothing of the application and so can make another one when a script changes. It
//! loads the scripts into the main interpreter, hides all objects from the garbage collector, whose marks would make copies of
//! shared memory, and then waits for orders of the leader on a socket. It has one thread, or forking would not be
//! sound. A worker that it forks becomes the leader's child, which is a subreaper: the process between them ends at once.
//! See <https://docs.python.org/3/library/gc.html#gc.freeze>.

use crate::log::line;
use crate::process::{self, CANNOT_LOAD, Inheritance, Order};
use crate::report::Report;
use crate::signals::{self, Signals};
use crate::{limits, service, title};
use daemon_abi::launch::{Launch, Preload};
use engine::{Engine, Fork};
use fastcgi::pairs;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, getpid, getppid};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

/// Exit status when the application has started threads, which a forked process would not have.
pub(crate) const HAS_THREADS: i32 = 5;

/// The longest order; scripts that it has no room for are left out.
const LONGEST: usize = 64 * 1024;

/// How long a fork may take, with all that the application has registered to be run with it.
const FORKING: Duration = Duration::from_secs(10);

/// Such a process, as its leader sees it. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Preloader {
    pub(crate) pid: i32,
    socket: OwnedFd,
    /// Which code it has loaded, counted.
    pub(crate) code: u64,
}

/// The ends of the socket between a leader and such a process: the leader's first.
pub(crate) fn channel() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC;
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?)
}

impl Preloader {
    pub(crate) fn new(pid: i32, socket: OwnedFd, code: u64) -> Self {
        Self { pid, socket, code }
    }

    /// Has it fork a worker; the process id.
    pub(crate) fn fork(&self, order: &Order) -> io::Result<i32> {
        send(self.socket.as_raw_fd(), &encode(order), MsgFlags::MSG_NOSIGNAL)?;
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(FORKING).unwrap_or(PollTimeout::MAX);
        while poll(&mut fds, timeout) == Err(Errno::EINTR) {}
        let mut answer = [0; 4];
        match recv(self.socket.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT) {
            Ok(4) => match i32::from_ne_bytes(answer) {
                pid if pid > 0 => Ok(pid),
                errno => Err(io::Error::from_raw_os_error(errno.saturating_neg())),
            },
            Ok(_) => Err(io::Error::other("the process that preloads is gone")),
            Err(Errno::EAGAIN) => {
                Err(io::Error::other("the process that preloads does not answer"))
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn encode(order: &Order) -> Vec<u8> {
    let mut out = Vec::new();
    let name: &[u8] = if order.follows { b"follow" } else { b"fill" };
    pairs::push(&mut out, name, order.worker.to_string().as_bytes());
    for script in &order.scripts {
        let before = out.len();
        pairs::push(&mut out, b"script", &script.filename);
        pairs::push(&mut out, b"group", &script.application_group);
        if out.len() > LONGEST {
            out.truncate(before);
            break;
        }
    }
    out
}

fn decode(message: &[u8]) -> Option<Order> {
    let mut found = None;
    let mut scripts: Vec<Preload> = Vec::new();
    for pair in pairs::iter(message) {
        let (name, value) = pair.ok()?;
        match name {
            b"fill" | b"follow" => {
                found = Some((std::str::from_utf8(value).ok()?.parse().ok()?, name == b"follow"));
            }
            b"script" => scripts.push(Preload { filename: value.to_vec(), ..Preload::default() }),
            b"group" => scripts.last_mut()?.application_group = value.to_vec(),
            _ => return None,
        }
    }
    found.map(|(worker, follows)| Order { worker, follows, scripts })
}

/// Runs such a process to its end. Called in the child of a fork of `leader`, on its only thread, without the GIL, and with
/// the signals held that the leader hears. What it inherits is for its workers.
pub(crate) fn main(
    inheritance: Inheritance,
    scripts: &[Preload],
    socket: OwnedFd,
    leader: Pid,
) -> ! {
    let status = match run(inheritance, scripts, socket, leader) {
        Ok(status) => status,
        Err(error) => {
            line!(Critical, "WRS5006: a process that preloads cannot start: {error}");
            1
        }
    };
    // What the application has registered for the end of Python is run by the workers.
    // SAFETY: ends the process.
    unsafe { libc::_exit(status) }
}

fn run(
    inheritance: Inheritance,
    scripts: &[Preload],
    socket: OwnedFd,
    leader: Pid,
) -> io::Result<i32> {
    // A script that never ends to load does not see the end of the socket.
    set_pdeathsig(Signal::SIGKILL)?;
    if getppid() != leader {
        return Ok(0);
    }
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT] {
        Signals::leave(signal)?;
    }
    signals::hold(false);
    let (engine, launch) = (inheritance.engine, &inheritance.launch);
    title::set(&[&launch.title, &b" preload"[..]].concat());
    limits::set_memory(launch);
    for script in scripts {
        // What went wrong is in the log.
        if engine.preload(&service::script(script)).is_err() {
            return Ok(CANNOT_LOAD);
        }
    }
    if has_threads(engine, launch)? {
        return Ok(HAS_THREADS);
    }
    engine.freeze();
    if !(Report::Ready { pid: getpid().as_raw() }).send(&inheritance.report) {
        return Err(io::Error::other("its leader does not listen"));
    }
    let mut message = vec![0; LONGEST + 1];
    loop {
        let order = match recv(socket.as_raw_fd(), &mut message, MsgFlags::empty()) {
            // The leader has no more use for this process.
            Ok(0) => return Ok(0),
            Ok(count) => message.get(..count).and_then(decode),
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
        };
        let order = order.ok_or_else(|| io::Error::other("there is an order it cannot read"))?;
        // What the application has registered to be run at a fork may have started some.
        if has_threads(engine, &inheritance.launch)? {
            return Ok(HAS_THREADS);
        }
        // The worker lets them go when it can hear them itself.
        signals::hold(true);
        match engine.fork_away(&|forked| answer(&socket, forked)) {
            Ok(Fork::Child) => {
                drop(socket);
                process::main(inheritance, order)
            }
            Ok(Fork::Parent(between)) => {
                signals::hold(false);
                let _ = waitpid(Pid::from_raw(between), None);
            }
            Err(error) => {
                signals::hold(false);
                answer(&socket, Err(error));
            }
        }
    }
}

/// Tells the leader of a worker, or why there is none. If nobody listens there is nobody to tell.
fn answer(socket: &OwnedFd, forked: io::Result<i32>) {
    let number = match forked {
        Ok(pid) => pid,
        Err(error) => error.raw_os_error().unwrap_or(libc::EIO).saturating_neg(),
    };
    let _ = send(socket.as_raw_fd(), &number.to_ne_bytes(), MsgFlags::MSG_NOSIGNAL);
}

/// Whether this process has threads besides the main one, which is told.
fn has_threads(engine: &Engine, launch: &Launch) -> io::Result<bool> {
    let tasks = match other_tasks() {
        // Inside of a root directory there mostly is no /proc.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if is_single_threaded().unwrap_or_else(|| engine.thread_names().is_empty()) {
                return Ok(false);
            }
            vec!["without a name".to_owned()]
        }
        tasks => tasks?,
    };
    if tasks.is_empty() {
        return Ok(false);
    }
    let known = engine.thread_names();
    let threads = if known.is_empty() { tasks } else { known };
    let shown: Vec<&str> = threads.iter().take(8).map(String::as_str).collect();
    line!(
        Warning,
        "WRS5029: preload=On has no effect in process group '{}': its scripts start {} threads when they are loaded ({}), \
         which processes that are forked afterwards would not have; each process loads the scripts itself. Let them start with \
         the first request, or in a function that is registered with os.register_at_fork(after_in_child=...)",
        String::from_utf8_lossy(&launch.group),
        threads.len(),
        shown.join(", ")
    );
    Ok(true)
}

/// The names of the threads besides the main one.
fn other_tasks() -> io::Result<Vec<String>> {
    let own = getpid().to_string();
    let mut tasks = Vec::new();
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?;
        if task.file_name().to_str() != Some(&own) {
            let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            tasks.push(name.trim_end().to_owned());
        }
    }
    Ok(tasks)
}

/// Whether this process has one thread; `None`: the system does not say. See unshare(2).
fn is_single_threaded() -> Option<bool> {
    // SAFETY: this flag changes nothing in a process of one thread, and is refused in others.
    match Errno::result(unsafe { libc::unshare(libc::CLONE_THREAD) }) {
        Ok(_) => Some(true),
        Err(Errno::EINVAL) => Some(false),
        // The filter of a container may forbid the call.
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_comes_back_as_it_was_given() {
        let filename = b"/srv/a \xff.wsgi".to_vec();
        let scripts = vec![Preload { filename, application_group: b"x".to_vec() }];
        for order in [
            Order { worker: 3, follows: true, scripts },
            Order { worker: 0, follows: false, scripts: Vec::new() },
        ] {
            assert_eq!(decode(&encode(&order)), Some(order));
        }
        assert_eq!(decode(b"garbage"), None);
        assert_eq!(decode(b""), None);
    }

    #[test]
    fn what_the_process_answers_is_a_worker_or_why_there_is_none() {
        let (leader, other) = channel().unwrap();
        let preloader = Preloader::new(1, leader, 1);
        let order = Order { worker: 0, follows: false, scripts: Vec::new() };
        answer(&other, Ok(77));
        assert_eq!(preloader.fork(&order).unwrap(), 77);
        answer(&other, Err(io::Error::from_raw_os_error(libc::EAGAIN)));
        assert_eq!(preloader.fork(&order).unwrap_err().raw_os_error(), Some(libc::EAGAIN));
        let mut message = [0; 100];
        let count = recv(other.as_raw_fd(), &mut message, MsgFlags::empty()).unwrap();
        assert_eq!(decode(&message[..count]), Some(order.clone()));
        drop(other);
        assert!(preloader.fork(&order).is_err());
    }
}
