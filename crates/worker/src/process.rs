//! A worker process: forked from the leader, it prepares, takes requests, and ends when it is told to.
//!
//! The main thread holds the GIL when it comes here and gives it back before the first request. From then
//! on it only waits: for a signal, for the death of the leader, or for a thread that found a reason to end.

use crate::connections::Connections;
use crate::descriptor::{self, Own};
use crate::life::Life;
use crate::limits;
use crate::loading;
use crate::log::{self, line};
use crate::report::{Report, SeenScript};
use crate::seats::Seats;
use crate::server;
use crate::service;
use crate::signals::{self, Signals};
use crate::threads;
use crate::title;
use daemon_abi::ending::Ending;
use daemon_abi::launch::{self, Launch, Preload};
use daemon_abi::scoreboard::{Scoreboard, State};
use engine::{Call, Engine, Exchange, Layer, LoadedScript, Outcome};
use engine::{Reload, ServerWords, Settings, StartUp, Telemetry};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::Signal;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// What the leader leaves to a worker.
pub(crate) struct Inheritance {
    pub(crate) launch: Launch,
    pub(crate) engine: &'static Engine,
    pub(crate) board: Arc<Scoreboard>,
    /// The sockets of all workers; the others' are closed.
    pub(crate) listeners: Vec<OwnedFd>,
    /// End of file: the leader died.
    pub(crate) leash: OwnedFd,
    /// Where it tells its leader.
    pub(crate) report: OwnedFd,
}

/// Which worker is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// Its place.
    pub(crate) worker: usize,
    /// It loads its scripts first and tells when it could take the place of the one that is there; otherwise it is in its
    /// place from the beginning.
    pub(crate) follows: bool,
    /// Scripts that others of its group have loaded.
    pub(crate) scripts: Vec<Preload>,
}

/// Exit status of a worker that was to follow another one and cannot load its scripts.
pub(crate) const CANNOT_LOAD: i32 = 4;

/// What the threads of a worker share.
pub(crate) struct Worker {
    pub(crate) engine: &'static Engine,
    pub(crate) connections: Connections,

    pub(crate) group: String,
    /// What requests of httpd have.
    pub(crate) secret: Vec<u8>,
    pub(crate) threads: u32,
    pub(crate) socket_timeout: Duration,
    board: Arc<Scoreboard>,
    place: usize,
    pub(crate) pid: i32,
    requests: AtomicU64,
    maximum_requests: u64,
    generation: u32,
    /// Why it ends, as [`Ending::code`]; 0: it does not.
    ending: AtomicU8,
    /// Becomes readable when a thread has found a reason to end.
    pub(crate) wish: EventFd,
    pub(crate) seats: Seats,
    /// Where it tells its leader.
    report: OwnedFd,
}

impl Worker {
    /// Has the engine answer a request, and sees whether the worker should end after it. `counts`: it is activity.
    pub(crate) fn call(
        &self,
        call: &Call<'_>,
        counts: bool,
        exchange: &mut dyn Exchange,
    ) -> Outcome {
        self.board.begin_request(self.place, self.pid);
        self.seats.begin(call.script.application_group, counts);
        let outcome = self.engine.call(call, exchange);
        self.seats.end(self.engine);
        self.board.end_request(self.place, self.pid);
        if let Some(scripts) = self.engine.take_change() {
            let scripts = scripts.into_iter().map(seen).collect();
            if !self.tell(&Report::Changed { pid: self.pid, scripts }) {
                self.engine.keep_change();
            }
        }
        match outcome {
            Outcome::Reload => self.end_because(Ending::ScriptChanged),
            Outcome::Stopping => {}
            _ => {
                let count = self.requests.fetch_add(1, SeqCst) + 1;
                if self.maximum_requests > 0 && count == self.maximum_requests {
                    self.end_because(Ending::MaximumRequests);
                }
            }
        }
        outcome
    }

    /// This worker can take no more requests.
    pub(crate) fn give_up(&self) {
        self.end_because(Ending::Broken);
    }

    /// Takes no more requests from now on; the main thread does the rest.
    fn end_because(&self, ending: Ending) {
        if self.begins_to_end(ending) {
            // Cannot fail: the counter is far from full.
            let _ = self.wish.write(1);
        }
    }

    /// This process ends now; `false`: it does already. The scoreboard knows why, whatever happens from here on.
    pub(crate) fn begins_to_end(&self, ending: Ending) -> bool {
        let first = self.ending.compare_exchange(0, ending.code(), SeqCst, SeqCst).is_ok();
        if first {
            self.board.set_ending(self.place, self.generation, self.pid, ending);
            self.set_state(State::Draining);
        }
        first
    }

    /// Why this process ends.
    pub(crate) fn ending(&self) -> Option<Ending> {
        Ending::from_code(self.ending.load(SeqCst))
    }

    /// Tells the leader; whether that worked.
    pub(crate) fn tell(&self, report: &Report) -> bool {
        report.send(&self.report)
    }

    /// Why the leader ends this process, if it does.
    pub(crate) fn told_by_leader(&self) -> Option<Ending> {
        self.board.ending(self.place, self.pid)
    }

    /// Says in the scoreboard what this process does.
    fn set_state(&self, state: State) {
        self.board.set_state(self.place, self.pid, state);
    }
}

/// A script as the leader hears of it.
fn seen(script: LoadedScript) -> SeenScript {
    let LoadedScript { filename, application_group, seen } = script;
    (Preload { filename, application_group }, seen)
}

fn pid() -> i32 {
    nix::unistd::getpid().as_raw()
}

/// What the engine of this group is started with.
pub(crate) fn start_up(launch: &Launch) -> StartUp {
    StartUp {
        executable: None,
        python_path: launch.python_path.clone(),
        home: launch.home.clone(),
        process_group: launch.group.clone(),
        multithread: launch.threads != 1,
        multiprocess: launch.multiprocess,
        threads: launch.threads,
        processes: u32::try_from(launch.processes()).unwrap_or(u32::MAX),
        server_version: launch.server_version,
        run_once: launch.threads == 1 && launch.maximum_requests == 1,
        restrict_stdin: launch.restrict_stdin,
        restrict_stdout: launch.restrict_stdout,
        // The main thread of a service script is its own.
        restrict_signal: launch.restrict_signal && launch.threads != 0,
        own_gil: launch.own_gil,
        layers: launch.layers.iter().map(|layer| self::layer(launch, layer)).collect(),
        telemetry: launch.telemetry_socket.as_ref().map(|socket| Telemetry {
            socket: socket.clone(),
            interval: Duration::from_millis(launch.telemetry_interval),
            slow_requests: Duration::from_micros(launch.slow_requests),
            user_agent: launch.telemetry_user_agent,
            server_pid: launch.server_pid,
        }),
        service: launch.threads == 0,
        python_eggs: launch.python_eggs.clone(),
        switch_interval: (launch.switch_interval > 0)
            .then_some(launch.switch_interval as f64 / 1e6),
        // Python runs already: it was told on its command line.
        settings: Settings::default(),
        shut_down: launch.shut_down,
        case_sensitive: launch.case_sensitive,
        server: ServerWords {
            description: launch.server_description.clone(),
            mpm_name: launch.server_mpm.clone(),
            build_date: launch.server_built.clone(),
            processes: launch.server_processes,
            threads: launch.server_threads,
        },
        reload: if launch.rolling { Reload::Keep } else { Reload::Refuse },
        server_metrics: (launch.server_metrics != 0).then_some(server::metrics),
        log: log::write,
    }
}

fn layer(launch: &Launch, layer: &launch::Layer) -> Layer {
    Layer {
        application_group: layer.application_group.clone(),
        python_path: layer.python_path.clone(),
        restrict_stdin: layer.restrict_stdin,
        restrict_stdout: layer.restrict_stdout,
        restrict_signal: layer.restrict_signal.filter(|_| launch.threads != 0),
        own_gil: layer.own_gil,
        // What the group's own line says holds, as it always did.
        switch_interval: layer
            .switch_interval
            .filter(|_| launch.switch_interval == 0)
            .map(|interval| interval as f64 / 1e6),
    }
}

/// Runs a worker to its end. Called in the child of a fork, on its only thread, without the GIL.
pub(crate) fn main(inheritance: Inheritance, order: Order) -> ! {
    let status = match run(inheritance, &order) {
        Ok(status) => status,
        Err(error) => {
            line!(Critical, "WRS5006: a worker process cannot start: {error}");
            1
        }
    };
    // No destructors and no atexit handlers: threads may be in the middle of anything (and in Python).
    // SAFETY: ends the process.
    unsafe { libc::_exit(status) }
}

fn run(inheritance: Inheritance, order: &Order) -> io::Result<i32> {
    let Inheritance { launch, engine, board, mut listeners, leash, report } = inheritance;
    let place = order.worker;
    if place >= listeners.len() {
        return Err(io::Error::other("there is no socket for it"));
    }
    let mut generation = board.generation(place).wrapping_add(1);
    if !order.follows {
        board.worker_started(place, pid());
        generation = board.generation(place);
    }
    let listener = listeners.swap_remove(place);
    drop(listeners);
    if launch.threads == 0 {
        // Nobody must connect to it; its socket stays with the leader.
        drop((listener, report));
        return service::run(&launch, engine, leash);
    }
    let signals = Signals::receive(&[
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGUSR1,
        Signal::SIGHUP,
        Signal::SIGUSR2,
        Signal::SIGXCPU,
        Signal::SIGQUIT,
    ])?;
    // The application's own children are not ours to hear of.
    Signals::leave(Signal::SIGCHLD)?;
    signals::hold(false);
    title::set(&launch.title);
    limits::set(&launch);
    descriptor::close_in_children()?;
    engine.prepare_stacks();
    engine.start_telemetry();
    let load = || load(engine, &launch, order);
    let has_scripts = !launch.preloads.is_empty() || !order.scripts.is_empty();
    let loaded = match has_scripts {
        true => loading::watched(engine, &launch, &signals, &leash, load)?,
        false => load(),
    };
    if !loaded {
        return Ok(CANNOT_LOAD);
    }
    let worker = Arc::new(Worker {
        engine,
        connections: Connections::new(
            Own::new(listener),
            [launch.send_buffer, launch.receive_buffer],
        )?,
        group: String::from_utf8_lossy(&launch.group).into_owned(),
        secret: launch.secret.clone(),
        threads: launch.threads,
        socket_timeout: Duration::from_millis(launch.socket_timeout),
        board: Arc::clone(&board),
        place,
        pid: pid(),
        requests: AtomicU64::new(0),
        maximum_requests: launch.maximum_requests,
        generation,
        ending: AtomicU8::new(0),
        seats: Seats::new(launch.threads),
        wish: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
        report,
    });
    threads::start(&worker, launch.stack_size)?;
    worker.set_state(State::Ready);
    if order.follows && !worker.tell(&Report::Ready { pid: worker.pid }) {
        return Err(io::Error::other("its leader does not listen"));
    }
    line!(Info, "a worker of process group '{}' is ready for requests", worker.group);
    let life = Life::begin(&worker, &launch, signals, leash);
    let ending = life.wait()?;
    Ok(life.end(ending))
}

/// Loads the scripts that are known; whether a worker that was to follow another one can go on.
fn load(engine: &Engine, launch: &Launch, order: &Order) -> bool {
    // Where nobody has said what it has loaded, all that are known are needed.
    let unknown = order.scripts.is_empty();
    let mut found = unknown;
    let others = order.scripts.iter().filter(|script| !launch.preloads.contains(script));
    for script in launch.preloads.iter().chain(others) {
        let needed = order.follows && (unknown || order.scripts.contains(script));
        // One that others have loaded may have been removed since.
        if needed && !Path::new(OsStr::from_bytes(&script.filename)).exists() {
            continue;
        }
        // What went wrong is in the log; otherwise the next request tries again.
        let loaded = engine.preload(&service::script(script)).is_ok();
        if needed && !loaded {
            return false;
        }
        found |= needed;
    }
    found || !order.follows
}
