//! The processes that load the scripts of the group for all its workers (`preload=On`).

use super::{Leader, Pipe};
use crate::log::line;
use crate::preloader::{self, HAS_THREADS, Preloader};
use crate::preloading::{Lost, Source};
use crate::process::{CANNOT_LOAD, Inheritance, Order};
use crate::signals;
use daemon_abi::launch::Preload;
use daemon_abi::scoreboard::Death;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, getpid};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

impl Leader {
    /// Has the newest code loaded by a process, if that is not done.
    pub(super) fn preload(mut self, now: Instant) -> Self {
        let Some(preloading) = self.preloading.as_mut() else { return self };
        if let Some(pid) = preloading.overdue(now) {
            line!(
                Warning,
                "WRS5027: process {pid} of process group '{}' did not load its scripts in time and is killed",
                self.group()
            );
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            return self;
        }
        if !preloading.is_due(now, self.roll.code()) {
            return self;
        }
        let scripts = self.scripts_to_preload();
        // The child lets them go when it can hear them itself.
        signals::hold(true);
        let leader = getpid();
        let forked = preloader::channel().and_then(|ends| Ok((engine::fork()?, ends)));
        let forked = match forked {
            Ok((engine::Fork::Child, (others, own))) => {
                // With this end open it would not see that the leader lets go of the other one.
                drop(others);
                preloader::main(self.bequeath(), &scripts, own, leader)
            }
            Ok((engine::Fork::Parent(pid), (own, _))) => Ok((pid, own)),
            Err(error) => Err(error),
        };
        signals::hold(false);
        self.preloader_forked(forked, now);
        self
    }

    fn preloader_forked(&mut self, forked: io::Result<(i32, OwnedFd)>, now: Instant) {
        let code = self.roll.code();
        let give_up_at = now + self.time_to_load();
        let group = self.group();
        let Some(preloading) = self.preloading.as_mut() else { return };
        match forked {
            Ok((pid, socket)) => {
                preloading.begins(Preloader::new(pid, socket, code), give_up_at);
            }
            Err(error) => {
                line!(
                    Critical,
                    "WRS5004: a process that preloads for process group '{group}' cannot be forked: {error}"
                );
                preloading.cannot_begin(now, code);
            }
        }
    }

    /// What is loaded once for all workers: the scripts that run in the main interpreter.
    fn scripts_to_preload(&self) -> Vec<Preload> {
        let mut scripts = self.launch.preloads.clone();
        for script in self.roll.scripts() {
            if !scripts.contains(&script) {
                scripts.push(script);
            }
        }
        scripts.retain(|script| script.application_group.is_empty());
        scripts
    }

    /// What a forked process keeps of the leader. The GIL is not among it.
    pub(super) fn bequeath(self) -> Inheritance {
        let _gil = engine::release_gil();
        let Self { launch, engine, board, listeners, leash, report, .. } = self;
        let Pipe { reader: leash, .. } = leash;
        Inheritance { launch, engine, board, listeners, leash, report }
    }

    /// Has the process that has loaded the scripts fork a worker.
    pub(super) fn fork_from_preloader(&self, order: &Order) -> io::Result<i32> {
        let loaded = self.preloading.as_ref().and_then(|it| it.loaded());
        let loaded = loaded.ok_or_else(|| io::Error::other("no process has loaded the scripts"))?;
        let forked = loaded.fork(order);
        if forked.is_err() {
            // It is of no use any more.
            let _ = kill(Pid::from_raw(loaded.pid), Signal::SIGKILL);
        }
        forked
    }

    /// A process has loaded the scripts; `false`: it is none that preloads.
    pub(super) fn preloader_ready(&mut self, pid: i32) -> bool {
        let Some(preloading) = self.preloading.as_mut() else { return false };
        if !preloading.ready(pid) {
            return false;
        }
        preloading.renumber(|| self.roll.renew());
        self.roll.forgive();
        line!(
            Info,
            "process {pid} has loaded the scripts of process group '{}': its workers are forked from it",
            self.group()
        );
        true
    }

    /// A process ended; `false`: it is none that preloads.
    pub(super) fn preloader_ended(&mut self, death: Death, now: Instant) -> bool {
        let Death { pid, status } = death;
        let exit = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
        let Some(preloading) = self.preloading.as_mut() else { return false };
        let Some(lost) = preloading.ended(pid, exit == Some(HAS_THREADS), now) else {
            return false;
        };
        let how = match exit {
            Some(CANNOT_LOAD) => "cannot load them, the lines before this one say why".to_owned(),
            _ => death.to_string(),
        };
        let group = self.group();
        match lost {
            // It has said so itself.
            _ if exit == Some(HAS_THREADS) => {}
            Lost::Newer => line!(
                Error,
                "WRS5026: the scripts of process group '{group}' changed, but process {pid} that was to preload them \
                 {how}: the others go on with the old ones until there is another change (reload=rolling)"
            ),
            Lost::First => line!(
                Error,
                "WRS5030: process {pid} that was to preload the scripts of process group '{group}' {how}: each worker \
                 loads them itself, until preloading succeeds"
            ),
            Lost::Loaded => line!(
                Error,
                "WRS5030: process {pid} that has preloaded the scripts of process group '{group}' {how}: each worker \
                 loads them itself, until preloading succeeds"
            ),
        }
        true
    }

    /// Who makes workers now.
    pub(super) fn source(&self) -> Source {
        self.preloading.as_ref().map_or(Source::Leader, |it| it.source())
    }

    /// Ends all processes that preload. They hold nothing.
    pub(super) fn end_preloading(&mut self) {
        for pid in self.preloading.take().iter().flat_map(|it| it.pids()) {
            let pid = Pid::from_raw(pid);
            let _ = kill(pid, Signal::SIGKILL);
            let _ = waitpid(pid, None::<WaitPidFlag>);
        }
    }
}
