//! Launch data: what a leader is told when it starts.
//!
//! Written by the httpd parent to an anonymous file whose descriptor the leader inherits, read once.
//! The form is FastCGI's name-value pairs (FastCGI 1.0, section 3.4): names and paths are bytes, of
//! any length, and the codec is there already. Names that stand for lists are repeated.

use fastcgi::pairs;
use std::fmt;
use std::os::fd::RawFd;

/// Milliseconds that stand for a timeout of zero where that means none.
pub const FOREVER: u64 = 10 * 365 * 24 * 3600 * 1000;

/// A script to load before the first request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preload {
    /// Absolute path.
    pub filename: Vec<u8>,
    /// Name of the interpreter; empty: the main one.
    pub application_group: Vec<u8>,
}

/// What is said for some interpreters only (`<WSGIInterpreterOptions>`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    /// The application group it is for, empty for the main interpreter; `None`: all.
    pub application_group: Option<Vec<u8>>,
    /// More directories with modules, separated by `:`.
    pub python_path: Vec<u8>,
    /// `WSGIRestrictStdin`, where something is said.
    pub restrict_stdin: Option<bool>,
    /// `WSGIRestrictStdout`, where something is said.
    pub restrict_stdout: Option<bool>,
    /// `WSGIRestrictSignal`, where something is said.
    pub restrict_signal: Option<bool>,
    /// Microseconds for `sys.setswitchinterval`, where something is said.
    pub switch_interval: Option<u64>,
    /// `WSGIPerInterpreterGIL`, where something is said.
    pub own_gil: Option<bool>,
}

/// Everything a leader and its workers need to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// Name of the process group.
    pub group: Vec<u8>,
    /// What `ps` shows.
    pub title: Vec<u8>,
    /// Threads of each worker.
    pub threads: u32,
    /// `wsgi.multiprocess`.
    pub multiprocess: bool,
    /// One listening socket per worker; their number is the number of processes.
    pub listeners: Vec<RawFd>,
    /// How many workers there are at least; fewer than listeners: their number follows the demand.
    pub least_processes: u32,
    /// The bell of such a group: readable when a request has begun to wait.
    pub bell: RawFd,
    /// Milliseconds for which one worker less must have been enough before one is ended; 0: for ever.
    pub shrink_timeout: u64,
    /// The scoreboard's memory.
    pub scoreboard: RawFd,
    /// End of file: the parent has retired this group (restart or stop).
    pub control: RawFd,
    /// End of file: no httpd process that can send requests to this group is left.
    pub lifeline: RawFd,
    /// The socket to ask httpd for its scoreboard by ([`crate::inquiry`]); 0: none.
    pub server_metrics: RawFd,
    /// What requests of httpd have; see [`crate::secret`].
    pub secret: Vec<u8>,
    /// The user the group must run as.
    pub uid: u32,
    /// `home=`: also the first entry of `sys.path`.
    pub home: Option<Vec<u8>>,
    /// `locale=`.
    pub locale: Option<Vec<u8>>,
    /// `python-path=`.
    pub python_path: Vec<u8>,
    /// `reload=rolling`: a changed script is loaded by new workers before the old ones end.
    pub rolling: bool,
    /// `preload=On`: one process loads the scripts, and the workers are forked from it.
    pub preload: bool,
    /// Scripts to load, in order.
    pub preloads: Vec<Preload>,
    /// Stack of a worker thread in bytes; 0: the system's default.
    pub stack_size: u64,
    /// Requests after which a worker is replaced; 0: never.
    pub maximum_requests: u64,
    /// Milliseconds a retired group may go on while old httpd children use it.
    pub graceful_timeout: u64,
    /// Milliseconds a stopping worker has for its running requests.
    pub shutdown_timeout: u64,
    /// Milliseconds to wait for the other end of a connection.
    pub socket_timeout: u64,
    /// Milliseconds from the first request in which a script must be loaded; 0: any time.
    pub startup_timeout: u64,
    /// Milliseconds for which Python's lock may not be had; 0: for ever.
    pub deadlock_timeout: u64,
    /// Milliseconds without a request after which a worker is replaced; 0: never.
    pub inactivity_timeout: u64,
    /// Milliseconds a request may take, before the number of threads is considered; 0: any time.
    pub request_timeout: u64,
    /// Milliseconds a request has left after `mod_wsgi.RequestTimeout` was raised in it; 0: it is not raised.
    pub interrupt_timeout: u64,
    /// Milliseconds for running requests after SIGUSR1; 0: as after any other reason.
    pub eviction_timeout: u64,
    /// Milliseconds a worker may live; 0: for ever.
    pub restart_interval: u64,
    /// Bytes of memory above which a worker is replaced; 0: never.
    pub memory_restart: u64,
    /// Seconds of CPU time a worker may use; 0: any.
    pub cpu_time_limit: u64,
    /// The nice value that the leader was to get; 0: its parent's.
    pub cpu_priority: i32,
    /// `RLIMIT_DATA` of a worker; 0: as it is.
    pub memory_limit: u64,
    /// `RLIMIT_AS` of a worker; 0: as it is.
    pub virtual_memory_limit: u64,
    /// Microseconds for `sys.setswitchinterval`; 0: Python's own.
    pub switch_interval: u64,
    /// `SO_SNDBUF` of a worker's connections; 0: the system's.
    pub send_buffer: u32,
    /// `SO_RCVBUF` of a worker's connections; 0: the system's.
    pub receive_buffer: u32,
    /// `python-eggs=`.
    pub python_eggs: Option<Vec<u8>>,
    /// Lines less important than this httpd level (`APLOG_...`) are not written.
    pub log_level: u32,
    /// `WSGIRestrictStdin`.
    pub restrict_stdin: bool,
    /// `WSGIRestrictStdout`.
    pub restrict_stdout: bool,
    /// `WSGIRestrictSignal`.
    pub restrict_signal: bool,
    /// `WSGIPerInterpreterGIL`.
    pub own_gil: bool,
    /// What is said for some interpreters; where several say the same thing for one, the last one holds.
    pub layers: Vec<Layer>,
    /// The socket that telemetry is sent to, if any (`WSGITelemetryService`).
    pub telemetry_socket: Option<Vec<u8>>,
    /// Milliseconds between two reports.
    pub telemetry_interval: u64,
    /// `WSGITelemetryOptions`: telemetry tells of the `User-Agent`.
    pub telemetry_user_agent: bool,
    /// Microseconds of a request that telemetry tells of by itself; 0: none (`WSGISlowRequests`).
    pub slow_requests: u64,
    /// The process id of httpd's parent.
    pub server_pid: u32,
    /// `WSGIDestroyInterpreter`: what Python runs at its end is run.
    pub shut_down: bool,
    /// `WSGICaseSensitivity`.
    pub case_sensitive: bool,
    /// `apache.maximum_processes`.
    pub server_processes: u32,
    /// `apache.threads_per_process`.
    pub server_threads: u32,
    /// `apache.version`.
    pub server_version: [u32; 3],
    /// `apache.description`.
    pub server_description: Vec<u8>,
    /// `apache.mpm_name`.
    pub server_mpm: Vec<u8>,
    /// `apache.build_date`.
    pub server_built: Vec<u8>,
}

/// Launch data that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Error {
    /// Not name-value pairs.
    Malformed(fastcgi::Error),
    /// A name this version does not know: module and engine come from different builds.
    Unknown(Vec<u8>),
    /// A value that is not the number it should be.
    Number(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "the launch data is damaged: {error}"),
            Self::Unknown(name) => write!(
                f,
                "the launch data has '{}', which this engine does not know: \
                 install the module and its engines from the same build",
                String::from_utf8_lossy(name)
            ),
            Self::Number(name) => write!(f, "the launch data has no number for '{name}'"),
        }
    }
}

impl std::error::Error for Error {}

/// One row per field that is a number or a switch, so that writing and reading cannot drift apart.
macro_rules! numbers {
    ($($name:literal => $field:ident),* $(,)?) => {
        impl Launch {
            fn encode_numbers(&self, out: &mut Vec<u8>) {
                $(pairs::push(out, $name.as_bytes(), self.$field.to_string().as_bytes());)*
            }

            fn decode_number(&mut self, name: &[u8], value: &[u8]) -> Result<bool, Error> {
                $(if name == $name.as_bytes() {
                    self.$field = number(value).ok_or(Error::Number($name))?;
                    return Ok(true);
                })*
                Ok(false)
            }
        }
    };
}

numbers! {
    "threads" => threads,
    "scoreboard" => scoreboard,
    "least-processes" => least_processes,
    "bell" => bell,
    "rolling" => rolling,
    "preload-once" => preload,
    "shrink-timeout" => shrink_timeout,
    "control" => control,
    "lifeline" => lifeline,
    "server-metrics" => server_metrics,
    "uid" => uid,
    "stack-size" => stack_size,
    "maximum-requests" => maximum_requests,
    "graceful-timeout" => graceful_timeout,
    "shutdown-timeout" => shutdown_timeout,
    "socket-timeout" => socket_timeout,
    "log-level" => log_level,
    "startup-timeout" => startup_timeout,
    "deadlock-timeout" => deadlock_timeout,
    "inactivity-timeout" => inactivity_timeout,
    "request-timeout" => request_timeout,
    "interrupt-timeout" => interrupt_timeout,
    "eviction-timeout" => eviction_timeout,
    "restart-interval" => restart_interval,
    "memory-restart" => memory_restart,
    "cpu-time-limit" => cpu_time_limit,
    "cpu-priority" => cpu_priority,
    "memory-limit" => memory_limit,
    "virtual-memory-limit" => virtual_memory_limit,
    "restrict-stdin" => restrict_stdin,
    "restrict-stdout" => restrict_stdout,
    "restrict-signal" => restrict_signal,
    "own-gil" => own_gil,
    "shut-down" => shut_down,
    "case-sensitive" => case_sensitive,
    "switch-interval" => switch_interval,
    "send-buffer" => send_buffer,
    "receive-buffer" => receive_buffer,
    "telemetry-interval" => telemetry_interval,
    "telemetry-user-agent" => telemetry_user_agent,
    "slow-requests" => slow_requests,
    "server-pid" => server_pid,
    "server-processes" => server_processes,
    "server-threads" => server_threads,
}

impl Launch {
    /// The launch data as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        self.encode_numbers(&mut out);
        pairs::push(&mut out, b"group", &self.group);
        pairs::push(&mut out, b"title", &self.title);
        pairs::push(&mut out, b"secret", &self.secret);
        pairs::push(&mut out, b"multiprocess", if self.multiprocess { b"1" } else { b"0" });
        for fd in &self.listeners {
            pairs::push(&mut out, b"listener", fd.to_string().as_bytes());
        }
        if let Some(home) = &self.home {
            pairs::push(&mut out, b"home", home);
        }
        if let Some(socket) = &self.telemetry_socket {
            pairs::push(&mut out, b"telemetry-socket", socket);
        }
        if let Some(locale) = &self.locale {
            pairs::push(&mut out, b"locale", locale);
        }
        if let Some(directory) = &self.python_eggs {
            pairs::push(&mut out, b"python-eggs", directory);
        }
        pairs::push(&mut out, b"python-path", &self.python_path);
        pairs::push(&mut out, b"server-description", &self.server_description);
        pairs::push(&mut out, b"server-mpm", &self.server_mpm);
        pairs::push(&mut out, b"server-built", &self.server_built);
        for preload in &self.preloads {
            pairs::push(&mut out, b"preload", &preload.filename);
            pairs::push(&mut out, b"preload-group", &preload.application_group);
        }
        for layer in &self.layers {
            layer.encode(&mut out);
        }
        for part in self.server_version {
            pairs::push(&mut out, b"server-version", part.to_string().as_bytes());
        }
        out
    }

    /// Reads launch data again.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut launch = Self::default();
        let mut version = 0..;
        for pair in pairs::iter(bytes) {
            let (name, value) = pair.map_err(Error::Malformed)?;
            if launch.decode_number(name, value)? {
                continue;
            }
            match name {
                b"group" => launch.group = value.to_vec(),
                b"title" => launch.title = value.to_vec(),
                b"secret" => launch.secret = value.to_vec(),
                b"multiprocess" => launch.multiprocess = value == b"1",
                b"listener" => {
                    launch.listeners.push(number(value).ok_or(Error::Number("listener"))?);
                }
                b"home" => launch.home = Some(value.to_vec()),
                b"locale" => launch.locale = Some(value.to_vec()),
                b"python-path" => launch.python_path = value.to_vec(),
                b"python-eggs" => launch.python_eggs = Some(value.to_vec()),
                b"telemetry-socket" => launch.telemetry_socket = Some(value.to_vec()),
                b"server-description" => launch.server_description = value.to_vec(),
                b"server-mpm" => launch.server_mpm = value.to_vec(),
                b"server-built" => launch.server_built = value.to_vec(),
                b"preload" => launch
                    .preloads
                    .push(Preload { filename: value.to_vec(), application_group: Vec::new() }),
                b"preload-group" => {
                    if let Some(last) = launch.preloads.last_mut() {
                        last.application_group = value.to_vec();
                    }
                }
                b"layer" => launch.layers.push(Layer::default()),
                name if name.starts_with(LAYER) => {
                    let known = launch.layers.last_mut().map(|last| last.decode(name, value));
                    if !known.transpose()?.unwrap_or(false) {
                        return Err(Error::Unknown(name.to_vec()));
                    }
                }
                b"server-version" => {
                    let part = number(value).ok_or(Error::Number("server-version"))?;
                    let place = version.next().and_then(|at| launch.server_version.get_mut(at));
                    if let Some(place) = place {
                        *place = part;
                    }
                }
                other => return Err(Error::Unknown(other.to_vec())),
            }
        }
        Ok(launch)
    }

    /// How many workers the group has, or may have at most.
    pub fn processes(&self) -> usize {
        self.listeners.len()
    }

    /// Whether the number of workers follows the demand.
    pub fn is_elastic(&self) -> bool {
        self.least_processes > 0 && (self.least_processes as usize) < self.processes()
    }
}

/// What the names of a layer's pairs begin with; the pair `layer` begins one.
const LAYER: &[u8] = b"layer-";

impl Layer {
    fn encode(&self, out: &mut Vec<u8>) {
        pairs::push(out, b"layer", b"");
        if let Some(name) = &self.application_group {
            pairs::push(out, b"layer-group", name);
        }
        pairs::push(out, b"layer-python-path", &self.python_path);
        for (name, value) in [
            ("layer-restrict-stdin", self.restrict_stdin),
            ("layer-restrict-stdout", self.restrict_stdout),
            ("layer-restrict-signal", self.restrict_signal),
            ("layer-own-gil", self.own_gil),
        ] {
            if let Some(value) = value {
                pairs::push(out, name.as_bytes(), value.to_string().as_bytes());
            }
        }
        if let Some(value) = self.switch_interval {
            pairs::push(out, b"layer-switch-interval", value.to_string().as_bytes());
        }
    }

    /// Reads one pair; whether it is known.
    fn decode(&mut self, name: &[u8], value: &[u8]) -> Result<bool, Error> {
        let switch = || number(value).map(Some).ok_or(Error::Number("a switch of a layer"));
        match name {
            b"layer-group" => self.application_group = Some(value.to_vec()),
            b"layer-python-path" => self.python_path = value.to_vec(),
            b"layer-restrict-stdin" => self.restrict_stdin = switch()?,
            b"layer-restrict-stdout" => self.restrict_stdout = switch()?,
            b"layer-restrict-signal" => self.restrict_signal = switch()?,
            b"layer-own-gil" => self.own_gil = switch()?,
            b"layer-switch-interval" => {
                let value = number(value).ok_or(Error::Number("layer-switch-interval"))?;
                self.switch_interval = Some(value);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn number<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn launch_data_comes_back_as_it_was() {
        let launch = Launch {
            group: b"site \xff".to_vec(),
            title: b"(wsgi:site)".to_vec(),
            threads: 15,
            multiprocess: true,
            listeners: vec![5, 9],
            least_processes: 1,
            bell: 8,
            shrink_timeout: 30_000,
            scoreboard: 4,
            control: 6,
            lifeline: 7,
            server_metrics: 8,
            secret: b"a \xff secret".to_vec(),
            uid: 33,
            home: Some(b"/srv".to_vec()),
            locale: Some(b"C.UTF-8".to_vec()),
            python_path: b"/a:/b".to_vec(),
            rolling: true,
            preload: true,
            preloads: vec![
                Preload { filename: b"/a.wsgi".to_vec(), application_group: b"x".to_vec() },
                Preload { filename: b"/b.wsgi".to_vec(), application_group: Vec::new() },
            ],
            stack_size: 1 << 20,
            maximum_requests: 7,
            graceful_timeout: 15_000,
            shutdown_timeout: 5_000,
            socket_timeout: 60_000,
            log_level: 6,
            startup_timeout: 1_000,
            deadlock_timeout: 2_000,
            inactivity_timeout: 3_000,
            request_timeout: 4_000,
            interrupt_timeout: 5_000,
            eviction_timeout: 6_000,
            restart_interval: 7_000,
            memory_restart: 1 << 30,
            cpu_time_limit: 30,
            cpu_priority: -5,
            memory_limit: 1 << 33,
            virtual_memory_limit: 1 << 34,
            restrict_stdin: true,
            restrict_stdout: false,
            restrict_signal: true,
            own_gil: true,
            layers: vec![
                Layer {
                    application_group: Some(Vec::new()),
                    python_path: b"/l".to_vec(),
                    restrict_stdin: Some(false),
                    restrict_stdout: Some(true),
                    restrict_signal: None,
                    switch_interval: Some(7),
                    own_gil: Some(true),
                },
                Layer { restrict_signal: Some(false), ..Layer::default() },
            ],
            telemetry_socket: Some(b"/run/t".to_vec()),
            telemetry_interval: 500,
            telemetry_user_agent: true,
            slow_requests: 1_500_000,
            server_pid: 99,
            shut_down: false,
            case_sensitive: true,
            switch_interval: 5000,
            send_buffer: 4096,
            receive_buffer: 8192,
            server_processes: 8,
            server_threads: 32,
            python_eggs: Some(b"/eggs".to_vec()),
            server_version: [2, 4, 62],
            server_description: b"Apache/2.4.62 (Test)".to_vec(),
            server_mpm: b"event".to_vec(),
            server_built: b"2024".to_vec(),
        };
        assert_eq!(Launch::decode(&launch.encode()), Ok(launch));
    }

    #[test]
    fn a_name_of_another_build_is_told() {
        let mut bytes = Launch::default().encode();
        pairs::push(&mut bytes, b"colour", b"red");
        assert_eq!(Launch::decode(&bytes), Err(Error::Unknown(b"colour".to_vec())));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Launch::decode(&bytes);
        }
    }
}
