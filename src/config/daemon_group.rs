//! One process group of `WSGIDaemonProcess`: its name and every option, typed and with its default.
//!
//! Made once while httpd reads the configuration and never changed; leaders, workers and the
//! dispatch in httpd's children read it. A duration of zero means what the option's own line says.
//! The options themselves are the table in `daemon_options`.

use std::time::Duration;

use super::account::Account;
use super::daemon_options;
use super::error::Error;
use super::origin::Origin;
use super::words::Words;

/// The directive's name.
pub const DIRECTIVE: &str = "WSGIDaemonProcess";

/// How the processes of a group come to run a script that changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reload {
    /// The request that finds the change waits for a process that has loaded the script, and so do those after it.
    #[default]
    Replace,
    /// Requests are answered with the old script until a process has loaded the new one.
    Rolling,
}

/// A group of processes that run applications for httpd.
#[derive(Debug, Clone, PartialEq)]
pub struct DaemonGroup {
    /// Its name, unique over all virtual hosts.
    pub name: Vec<u8>,
    /// Where it was declared.
    pub origin: Origin,

    /// `user`: whom the workers run as when httpd is started by root; httpd's own `User` if not
    /// given.
    pub user: Option<Account>,
    /// `group`: likewise; httpd's own `Group` if not given.
    pub group: Option<Account>,
    /// `supplementary-groups`, as gids; those the user is a member of if not given.
    pub supplementary_groups: Option<Vec<u32>>,
    /// `umask`; inherited if not given.
    pub umask: Option<u32>,
    /// `chroot`, an absolute path.
    pub chroot: Option<Vec<u8>>,
    /// `home`, an absolute path: the working directory, and first in `sys.path`.
    pub home: Option<Vec<u8>>,
    /// `lang`: the environment variable `LANG`.
    pub lang: Option<Vec<u8>>,
    /// `locale`: the environment variable `LC_ALL`.
    pub locale: Option<Vec<u8>>,
    /// `python-home`: Python's prefix or a virtual environment; `WSGIPythonHome` if not given.
    pub python_home: Option<Vec<u8>>,
    /// `python-path`: directories separated by `:`.
    pub python_path: Option<Vec<u8>>,
    /// `python-eggs`: the environment variable `PYTHON_EGG_CACHE`.
    pub python_eggs: Option<Vec<u8>>,
    /// `switch-interval`, seconds.
    pub switch_interval: Option<f64>,
    /// `display-name`, with `%{GROUP}` already put in.
    pub display_name: Option<Vec<u8>>,

    /// `processes`, 1 or more: how many there are, or the most there may be.
    pub processes: u32,
    /// The least there are, where `processes` gives both.
    pub least_processes: u32,
    /// Whether `processes` was given, which alone makes `wsgi.multiprocess` true.
    pub multiprocess: bool,
    /// `threads` of a process; 0 for a group that serves no requests and only runs its import
    /// scripts.
    pub threads: u32,
    /// `stack-size` of a thread in bytes; the system's if not given.
    pub stack_size: Option<usize>,
    /// `listen-backlog`.
    pub listen_backlog: u32,

    /// `maximum-requests` of a process before it is replaced; 0 for no limit.
    pub maximum_requests: u32,
    /// `cpu-time-limit`; zero for none.
    pub cpu_time_limit: Duration,
    /// `cpu-priority`, a nice value; 0 leaves it.
    pub cpu_priority: i32,
    /// `memory-limit` in bytes; 0 for none.
    pub memory_limit: u64,
    /// `virtual-memory-limit` in bytes; 0 for none.
    pub virtual_memory_limit: u64,

    /// `startup-timeout`; zero for none.
    pub startup_timeout: Duration,
    /// `deadlock-timeout`; zero for none.
    pub deadlock_timeout: Duration,
    /// `inactivity-timeout`; zero for none.
    pub inactivity_timeout: Duration,
    /// `request-timeout`; zero for none.
    pub request_timeout: Duration,
    /// `interrupt-timeout`; zero for none.
    pub interrupt_timeout: Duration,
    /// `graceful-timeout`; zero waits for running requests without an end.
    pub graceful_timeout: Duration,
    /// `eviction-timeout`; zero for none.
    pub eviction_timeout: Duration,
    /// `restart-interval`; zero for none.
    pub restart_interval: Duration,
    /// `shutdown-timeout`; zero never forces the end.
    pub shutdown_timeout: Duration,
    /// `queue-timeout`; zero lets a request wait for a worker as long as it takes.
    pub queue_timeout: Duration,
    /// `connect-timeout`.
    pub connect_timeout: Duration,
    /// `socket-timeout`; zero for the server's `Timeout`.
    pub socket_timeout: Duration,
    /// `response-socket-timeout`; zero for `socket-timeout`.
    pub response_socket_timeout: Duration,

    /// `send-buffer-size` in bytes; 0 for the system's.
    pub send_buffer_size: u32,
    /// `receive-buffer-size` in bytes; 0 for the system's.
    pub receive_buffer_size: u32,
    /// `header-buffer-size` in bytes.
    pub header_buffer_size: u32,
    /// `response-buffer-size` in bytes.
    pub response_buffer_size: u32,
    /// `response-flush-delay`; zero flushes at once.
    pub response_flush_delay: Duration,
    /// `socket-user`: owner of the socket when httpd is started by root; httpd's `User` if not
    /// given.
    pub socket_user: Option<Account>,

    /// `script-user`: the owner that scripts of this group must have.
    pub script_user: Option<Account>,
    /// `script-group`: the group that scripts of this group must have.
    pub script_group: Option<Account>,
    /// `server-metrics`.
    pub server_metrics: bool,

    /// `env`, repeatable: variables of the environment, name and value.
    pub environment: Vec<(Vec<u8>, Vec<u8>)>,
    /// `env-file`, repeatable: files with such variables, read when the group is started.
    pub environment_files: Vec<Vec<u8>>,
    /// `memory-restart`: bytes of memory above which a process is replaced; 0 for never.
    pub memory_restart: u64,
    /// `queue-limit`: how many requests may wait for a worker; 0 for any number.
    pub queue_limit: u32,
    /// `preload`: the scripts are loaded once for all processes.
    pub preload: bool,
    /// `reload`: what becomes of the processes when a script changes.
    pub reload: Reload,
    /// `shrink-timeout`: for how long one process less must have been enough; zero keeps all.
    pub shrink_timeout: Duration,
}

impl DaemonGroup {
    /// `header-buffer-size` when it is not given or 0.
    pub const HEADER_BUFFER: u32 = 32 * 1024;
    /// `response-buffer-size` when it is not given or 0.
    pub const RESPONSE_BUFFER: u32 = 8 * 1024 * 1024;

    /// `shrink-timeout` when it is not given.
    pub const SHRINK_TIMEOUT: Duration = Duration::from_secs(30);

    /// A group with nothing but a name: every option at its default.
    pub fn new(name: impl Into<Vec<u8>>, origin: Origin) -> Self {
        Self {
            name: name.into(),
            origin,
            user: None,
            group: None,
            supplementary_groups: None,
            umask: None,
            chroot: None,
            home: None,
            lang: None,
            locale: None,
            python_home: None,
            python_path: None,
            python_eggs: None,
            switch_interval: None,
            display_name: None,
            processes: 1,
            least_processes: 1,
            multiprocess: false,
            threads: 15,
            stack_size: None,
            listen_backlog: 100,
            maximum_requests: 0,
            cpu_time_limit: Duration::ZERO,
            cpu_priority: 0,
            memory_limit: 0,
            virtual_memory_limit: 0,
            startup_timeout: Duration::ZERO,
            deadlock_timeout: Duration::from_secs(300),
            inactivity_timeout: Duration::ZERO,
            request_timeout: Duration::ZERO,
            interrupt_timeout: Duration::ZERO,
            graceful_timeout: Duration::from_secs(15),
            eviction_timeout: Duration::ZERO,
            restart_interval: Duration::ZERO,
            shutdown_timeout: Duration::from_secs(5),
            queue_timeout: Duration::ZERO,
            connect_timeout: Duration::from_secs(15),
            socket_timeout: Duration::ZERO,
            response_socket_timeout: Duration::ZERO,
            send_buffer_size: 0,
            receive_buffer_size: 0,
            header_buffer_size: Self::HEADER_BUFFER,
            response_buffer_size: Self::RESPONSE_BUFFER,
            response_flush_delay: Duration::from_millis(5),
            socket_user: None,
            script_user: None,
            script_group: None,
            server_metrics: false,
            environment: Vec::new(),
            environment_files: Vec::new(),
            memory_restart: 0,
            queue_limit: 0,
            preload: false,
            reload: Reload::default(),
            shrink_timeout: Self::SHRINK_TIMEOUT,
        }
    }

    /// Reads the arguments of `WSGIDaemonProcess`. `by_root` tells whether this process may change
    /// its user.
    ///
    /// # Errors
    /// The first thing that is wrong with the line.
    pub fn parse(text: &[u8], origin: Origin, by_root: bool) -> Result<Self, Error> {
        let mut words = Words::new(text);
        let name = words.argument(DIRECTIVE, "the name of the process group")?;
        let mut group = Self::new(name, origin);
        while let Some(given) = words.option(DIRECTIVE)? {
            daemon_options::set(&mut group, &given)?;
        }
        group.finish(by_root)
    }

    /// Whether its number of processes follows the demand.
    pub fn is_elastic(&self) -> bool {
        self.least_processes < self.processes
    }

    /// What can only be judged when all options are read.
    fn finish(mut self, by_root: bool) -> Result<Self, Error> {
        // A group without threads runs its scripts to their end.
        let for_requests = [
            ("processes=MIN..MAX", self.is_elastic()),
            ("reload=rolling", self.reload == Reload::Rolling),
            ("preload=On", self.preload),
        ];
        let given = for_requests.into_iter().find(|(_, given)| *given && self.threads == 0);
        if let Some((first, _)) = given {
            let second = "threads=0";
            return Err(Error::ExclusiveOptions { directive: DIRECTIVE, first, second });
        }
        if self.script_user.is_some() && self.script_group.is_some() {
            return Err(Error::ExclusiveOptions {
                directive: DIRECTIVE,
                first: "script-user",
                second: "script-group",
            });
        }
        if self.chroot.is_some() && !by_root {
            return Err(Error::NeedsRoot { directive: DIRECTIVE, option: "chroot" });
        }
        if self.display_name.as_deref() == Some(b"%{GROUP}") {
            self.display_name = Some([b"(wsgi:", self.name.as_slice(), b")"].concat());
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<DaemonGroup, Error> {
        DaemonGroup::parse(text.as_bytes(), Origin::default(), false)
    }

    fn refused(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_name_alone_gives_mod_wsgis_defaults() {
        let group = parse("app").unwrap();
        assert_eq!(group, DaemonGroup::new("app", Origin::default()));
        assert_eq!((group.processes, group.multiprocess, group.threads), (1, false, 15));
        assert_eq!(group.shutdown_timeout, Duration::from_secs(5));
    }

    #[test]
    fn the_name_is_required() {
        for text in ["", "  ", "\"\""] {
            assert_eq!(
                refused(text),
                "WRS1001: WSGIDaemonProcess: the name of the process group is missing"
            );
        }
    }

    #[test]
    fn a_typical_line_is_read() {
        let group = parse(
            "site processes=2 threads=25 umask=0007 home=/srv/site python-home=/srv/site/venv \
             python-path=/srv/site:/srv/lib lang=C.UTF-8 locale='C.UTF-8' display-name=%{GROUP} \
             queue-timeout=45 maximum-requests=1000 stack-size=524288 listen-backlog=500",
        )
        .unwrap();
        assert_eq!((group.processes, group.multiprocess, group.threads), (2, true, 25));
        assert_eq!(group.umask, Some(0o007));
        assert_eq!(group.home.as_deref(), Some(&b"/srv/site"[..]));
        assert_eq!(group.python_path.as_deref(), Some(&b"/srv/site:/srv/lib"[..]));
        assert_eq!(group.display_name.as_deref(), Some(&b"(wsgi:site)"[..]));
        assert_eq!(group.queue_timeout, Duration::from_secs(45));
        assert_eq!((group.maximum_requests, group.stack_size), (1000, Some(524_288)));
    }

    #[test]
    fn giving_processes_even_as_one_makes_it_multiprocess() {
        assert!(parse("a processes=1").unwrap().multiprocess);
    }

    #[test]
    fn a_range_of_processes_is_kept_and_is_not_for_a_group_without_threads() {
        let group = parse("a processes=2..8").unwrap();
        assert_eq!((group.least_processes, group.processes, group.multiprocess), (2, 8, true));
        assert!(group.is_elastic());
        assert!(!parse("a processes=3").unwrap().is_elastic());
        assert!(!parse("a processes=3..3 threads=0").unwrap().is_elastic());
        assert!(refused("a processes=1..2 threads=0").starts_with("WRS1012: "));
        assert!(refused("a reload=rolling threads=0").starts_with("WRS1012: "));
        assert!(refused("a preload=On threads=0").starts_with("WRS1012: "));
    }

    #[test]
    fn a_repeated_option_overwrites_the_earlier_one() {
        assert_eq!(parse("a threads=1 threads=2").unwrap().threads, 2);
    }

    #[test]
    fn a_misspelled_option_names_the_nearest() {
        assert_eq!(
            refused("a proceses=2"),
            "WRS1003: WSGIDaemonProcess: invalid option 'proceses=2': did you mean 'processes'?"
        );
        assert!(refused("a Threads=2").contains("did you mean 'threads'?"));
    }

    #[test]
    fn options_that_do_not_exist_in_mod_wsgi_do_not_exist_here() {
        for name in ["python-optimize", "python-warnings", "environment", "ssl-verify"] {
            assert!(refused(&format!("a {name}=1")).starts_with("WRS1003: "), "{name}");
        }
    }

    #[test]
    fn script_user_and_script_group_exclude_each_other() {
        assert!(refused("a script-user=root script-group=#0").starts_with("WRS1012: "));
    }

    #[test]
    fn chroot_needs_root() {
        assert!(refused("a chroot=/srv").starts_with("WRS1013: "));
        let group = DaemonGroup::parse(b"a chroot=/srv", Origin::default(), true).unwrap();
        assert_eq!(group.chroot.as_deref(), Some(&b"/srv"[..]));
    }

    #[test]
    fn running_as_root_is_refused() {
        assert!(refused("a user=root").starts_with("WRS1009: "));
        assert!(refused("a user=#0").starts_with("WRS1009: "));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_group_or_a_sentence(text: Vec<u8>) {
            if let Err(error) = DaemonGroup::parse(&text, Origin::default(), false) {
                prop_assert!(error.to_string().starts_with("WRS1"));
            }
        }

        #[test]
        fn any_value_of_any_option_is_taken_or_told(at: prop::sample::Index, value: Vec<u8>) {
            let options: Vec<_> = daemon_options::names().collect();
            let mut text = format!("a {}=", at.get(&options)).into_bytes();
            text.extend(value);
            if let Err(error) = DaemonGroup::parse(&text, Origin::default(), true) {
                prop_assert!(error.to_string().starts_with("WRS1"));
            }
        }
    }
}
