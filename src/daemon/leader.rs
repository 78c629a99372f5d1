//! Starting the leader of a process group, in the httpd parent.

use crate::config::{InterpreterSection, PythonOptions, Reload};
use crate::daemon::group::Group;
use crate::httpd::{VERSION, server};
use crate::python::Interpreter;
use daemon_abi::launch::{FOREVER, Launch, Layer, Preload};
use daemon_abi::privileges::Identity;
use daemon_abi::spawn::{Directory, Output, Spawn, memory_file};
use nix::fcntl::OFlag;
use nix::unistd::{Uid, User};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

/// What a leader executes: takes the engine at the path given as an extension module and becomes the leader. It ends
/// without finalising Python. Applications find nothing of it in `__main__`.
const BOOTSTRAP: &[u8] = b"\
def lead():
    import sys, os
    from importlib.util import spec_from_file_location, module_from_spec
    del globals()['lead']
    if sys.path and sys.path[0] == '': del sys.path[0]
    spec = spec_from_file_location('mod_wsgi_engine', sys.argv[1])
    engine = module_from_spec(spec)
    spec.loader.exec_module(engine)
    os._exit(engine.main(int(sys.argv[2])))
lead()
";

/// All that is needed to start a group's leader, any number of times.
#[derive(Debug)]
pub struct Recipe {
    /// The interpreter.
    pub python: Interpreter,
    /// Its engine.
    pub engine: PathBuf,
    /// How it is started.
    pub options: PythonOptions,
    /// Who it runs as.
    pub identity: Identity,
    /// The user of httpd's children.
    pub httpd_uid: u32,
    /// One process loads those of the main interpreter, and the workers are forked from it.
    pub preload: bool,
    /// Scripts to load before the first request.
    pub preloads: Vec<Preload>,
    /// The error log of the virtual host that defines the group.
    pub log: OwnedFd,
    /// The least important level to write there.
    pub log_level: u32,
    /// The scoreboard's memory.
    pub scoreboard: OwnedFd,
    /// Readable when a request has begun to wait, where the number of workers follows the demand.
    pub bell: Option<OwnedFd>,
    /// Variables of its environment: of its files first, so that those of the directive win.
    pub environment: Vec<(Vec<u8>, Vec<u8>)>,
    /// By what it asks for httpd's scoreboard, if it may.
    pub server_metrics: Option<OwnedFd>,
    /// The end of this pipe says that no httpd process is left that uses the group.
    pub lifeline: OwnedFd,
}

/// A leader that was started.
#[derive(Debug)]
pub struct Leader {
    /// Its process.
    pub pid: i32,
    /// Dropping it retires the group.
    _control: OwnedFd,
}

impl Recipe {
    /// Starts the leader of `group`.
    pub fn start(&self, group: &Group) -> io::Result<Leader> {
        let (control, held) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        let config = &group.config;
        let listeners: Vec<RawFd> =
            group.with_listeners(|all| all.iter().map(AsRawFd::as_raw_fd).collect());
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let unless_zero =
            |time: Duration| if time.is_zero() { FOREVER } else { milliseconds(time) };
        let telemetry = &self.options.telemetry;
        let service = telemetry.service.as_ref();
        let launch = Launch {
            group: config.name.clone(),
            secret: group.secret.clone(),
            title: config.display_name.clone().unwrap_or_else(|| default_title(&config.name)),
            threads: config.threads,
            multiprocess: config.multiprocess,
            listeners: listeners.clone(),
            least_processes: config.least_processes,
            bell: self.bell.as_ref().map_or(-1, AsRawFd::as_raw_fd),
            shrink_timeout: milliseconds(config.shrink_timeout),
            scoreboard: self.scoreboard.as_raw_fd(),
            control: control.as_raw_fd(),
            lifeline: self.lifeline.as_raw_fd(),
            server_metrics: self.server_metrics.as_ref().map_or(0, AsRawFd::as_raw_fd),
            uid: if Uid::effective().is_root() {
                self.identity.uid()
            } else {
                Uid::current().as_raw()
            },
            home: config.home.clone(),
            locale: config.locale.clone(),
            python_path: config.python_path.clone().unwrap_or_default(),
            rolling: config.reload == Reload::Rolling,
            preload: self.preload,
            preloads: self.preloads.clone(),
            stack_size: config.stack_size.unwrap_or(0) as u64,
            maximum_requests: config.maximum_requests.into(),
            graceful_timeout: unless_zero(config.graceful_timeout),
            shutdown_timeout: unless_zero(config.shutdown_timeout),
            socket_timeout: milliseconds(group.socket_timeout),
            startup_timeout: milliseconds(config.startup_timeout),
            deadlock_timeout: milliseconds(config.deadlock_timeout),
            inactivity_timeout: milliseconds(config.inactivity_timeout),
            request_timeout: milliseconds(config.request_timeout),
            interrupt_timeout: milliseconds(config.interrupt_timeout),
            eviction_timeout: milliseconds(config.eviction_timeout),
            restart_interval: milliseconds(config.restart_interval),
            memory_restart: config.memory_restart,
            cpu_time_limit: config.cpu_time_limit.as_secs(),
            cpu_priority: config.cpu_priority,
            memory_limit: config.memory_limit,
            virtual_memory_limit: config.virtual_memory_limit,
            // Python counts in microseconds, and 0 stands for its own.
            switch_interval: config.switch_interval.map_or(0, |time| (time * 1e6).max(1.0) as u64),
            send_buffer: config.send_buffer_size,
            receive_buffer: config.receive_buffer_size,
            python_eggs: config.python_eggs.clone(),
            log_level: self.log_level,
            restrict_stdin: self.options.restricts_stdin(),
            restrict_stdout: self.options.restricts_stdout(),
            restrict_signal: self.options.restricts_signal(),
            own_gil: self.options.own_gil(),
            layers: self.options.layers(&config.name).into_iter().map(layer).collect(),
            telemetry_socket: service.map(|service| service.socket.clone()),
            telemetry_interval: service.map_or(0, |service| milliseconds(service.interval)),
            telemetry_user_agent: telemetry.capture_user_agent,
            slow_requests: u64::try_from(telemetry.slow_requests.as_micros()).unwrap_or(u64::MAX),
            server_pid: std::process::id(),
            shut_down: self.options.shuts_down(),
            case_sensitive: self.options.is_case_sensitive(),
            server_processes: server::Mpm.processes(),
            server_threads: server::Mpm.threads(),
            server_version: VERSION,
            server_description: server::description().to_vec(),
            server_mpm: server::mpm_name().to_vec(),
            server_built: server::built().to_vec(),
        };
        let data = memory_file(c"wsgi-launch", &launch.encode())?;
        let data_fd = data.as_raw_fd().to_string();
        let mut keep = vec![
            data.as_raw_fd(),
            self.scoreboard.as_raw_fd(),
            control.as_raw_fd(),
            self.lifeline.as_raw_fd(),
        ];
        keep.extend(&listeners);
        keep.extend(self.server_metrics.as_ref().map(AsRawFd::as_raw_fd));
        keep.extend(self.bell.as_ref().map(AsRawFd::as_raw_fd));
        let user = User::from_uid(Uid::from_raw(launch.uid)).ok().flatten();
        let options = self.options.arguments();
        let mut arguments: Vec<&[u8]> = options.iter().map(Vec::as_slice).collect();
        if self.python.is_free_threaded() && !self.options.free_threading(&config.name) {
            // Also for what applications start with `sys.executable`, as Python hands it on to.
            arguments.extend([&b"-X"[..], b"gil=1"]);
        }
        let engine = self.engine.as_os_str().as_bytes();
        arguments.extend([b"-c", BOOTSTRAP, engine, data_fd.as_bytes()]);
        let settings = self.options.environment(|name| std::env::var_os(name).is_some());
        let settings = settings.iter().map(|(name, value)| (name.as_bytes(), value.as_slice()));
        // What the group's own line says comes last, and so holds.
        let mut variables: Vec<(&[u8], &[u8])> = settings.collect();
        variables.extend(self.environment(group, user.as_ref()));
        let child = Spawn {
            program: self.python.executable.as_os_str().as_bytes(),
            arguments: &arguments,
            environment: &variables,
            identity: &self.identity,
            root: config.chroot.as_deref(),
            directory: self.directory(group, user.as_ref()),
            umask: config.umask,
            nice: Some(config.cpu_priority).filter(|&nice| nice != 0),
            keep: &keep,
            output: Output::Log(self.log_fd()),
        }
        .start()?;
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        Ok(Leader { pid, _control: held })
    }

    fn log_fd(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.log.as_fd()
    }

    /// `home`; without one the home of the user, if that is another than httpd's.
    fn directory<'a>(&self, group: &'a Group, user: Option<&'a User>) -> Directory<'a> {
        match (&group.config.home, user) {
            (Some(home), _) => Directory::Required(home),
            (None, Some(user)) if user.uid.as_raw() != self.httpd_uid => {
                Directory::Preferred(user.dir.as_os_str().as_bytes())
            }
            _ => Directory::Same,
        }
    }

    /// The variables that differ from httpd's own environment.
    fn environment<'a>(
        &'a self,
        group: &'a Group,
        user: Option<&'a User>,
    ) -> Vec<(&'a [u8], &'a [u8])> {
        let mut variables: Vec<(&[u8], &[u8])> = Vec::new();
        if let Some(user) = user {
            for name in ["USER", "USERNAME", "LOGNAME"] {
                if std::env::var_os(name).is_some() {
                    variables.push((name.as_bytes(), user.name.as_bytes()));
                }
            }
            variables.push((b"HOME", user.dir.as_os_str().as_bytes()));
        }
        if let Some(lang) = &group.config.lang {
            variables.push((b"LANG", lang));
        }
        if let Some(locale) = &group.config.locale {
            variables.push((b"LC_ALL", locale));
        }
        variables.extend(self.environment.iter().map(|(name, value)| (&name[..], &value[..])));
        variables
    }
}

fn layer(section: &InterpreterSection) -> Layer {
    let options = &section.options;
    Layer {
        application_group: section.application_group.clone(),
        python_path: options.python_path.clone().unwrap_or_default(),
        restrict_stdin: options.restrict_stdin,
        restrict_stdout: options.restrict_stdout,
        restrict_signal: options.restrict_signal,
        own_gil: options.own_gil.as_ref().map(|switch| switch.on),
        switch_interval: options
            .switch_interval
            .map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1)),
    }
}

/// What `ps` shows when `display-name` is not given.
fn default_title(name: &[u8]) -> Vec<u8> {
    [b"(wsgi:", name, b")"].concat()
}
