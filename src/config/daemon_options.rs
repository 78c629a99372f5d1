//! The options of `WSGIDaemonProcess`, as a table: name, whether it has an effect in this release,
//! and how its value is read into a [`DaemonGroup`].
//!
//! An option begins to have an effect by changing `later` to `now` in its row.

use super::account;
use super::daemon_group::{DIRECTIVE, DaemonGroup, Reload};
use super::environment;
use super::error::Error;
use super::setting::{Setting, unknown};
use super::words::Assignment;

type Read = fn(&mut DaemonGroup, &Setting<'_>) -> Result<(), Error>;

struct Row {
    name: &'static str,
    read: Read,
}

const fn row(name: &'static str, read: Read) -> Row {
    Row { name, read }
}

/// Numbers that are kept as a C int by mod_wsgi.
const INT: i64 = i32::MAX as i64;

/// More threads than this cannot be counted in mod_wsgi, and would not be wise here.
const MOST_THREADS: i64 = 65533;

static OPTIONS: &[Row] = &[
    row("user", |group, value| {
        group.user = Some(account::user_not_root(value)?);
        Ok(())
    }),
    row("group", |group, value| {
        group.group = Some(account::group(value)?);
        Ok(())
    }),
    row("supplementary-groups", |group, value| {
        group.supplementary_groups = Some(account::group_list(value)?);
        Ok(())
    }),
    row("umask", |group, value| {
        group.umask = Some(value.umask()?);
        Ok(())
    }),
    row("chroot", |group, value| {
        group.chroot = Some(value.absolute_path()?);
        Ok(())
    }),
    row("home", |group, value| {
        group.home = Some(value.absolute_path()?);
        Ok(())
    }),
    row("lang", |group, value| {
        group.lang = Some(value.text());
        Ok(())
    }),
    row("locale", |group, value| {
        group.locale = Some(value.text());
        Ok(())
    }),
    row("python-home", |group, value| {
        group.python_home = Some(value.text());
        Ok(())
    }),
    row("python-path", |group, value| {
        group.python_path = Some(value.text());
        Ok(())
    }),
    row("python-eggs", |group, value| {
        group.python_eggs = Some(value.text());
        Ok(())
    }),
    row("switch-interval", |group, value| {
        group.switch_interval = Some(value.positive_float()?);
        Ok(())
    }),
    row("display-name", |group, value| {
        group.display_name = Some(value.text());
        Ok(())
    }),
    row("processes", |group, value| {
        let range = value.count_or_range()?;
        (group.least_processes, group.processes) = range.into_inner();
        group.multiprocess = true;
        Ok(())
    }),
    row("threads", |group, value| {
        group.threads = value.integer(0..=MOST_THREADS)?;
        Ok(())
    }),
    row("stack-size", |group, value| {
        group.stack_size = Some(value.integer(1..=INT)?);
        Ok(())
    }),
    row("listen-backlog", |group, value| {
        group.listen_backlog = value.integer(0..=INT)?;
        Ok(())
    }),
    row("maximum-requests", |group, value| {
        group.maximum_requests = value.integer(0..=INT)?;
        Ok(())
    }),
    row("cpu-time-limit", |group, value| {
        group.cpu_time_limit = value.seconds()?;
        Ok(())
    }),
    row("cpu-priority", |group, value| {
        group.cpu_priority = value.integer(-INT..=INT)?;
        Ok(())
    }),
    row("memory-limit", |group, value| {
        group.memory_limit = value.bytes()?;
        Ok(())
    }),
    row("virtual-memory-limit", |group, value| {
        group.virtual_memory_limit = value.bytes()?;
        Ok(())
    }),
    row("startup-timeout", |group, value| {
        group.startup_timeout = value.seconds()?;
        Ok(())
    }),
    row("deadlock-timeout", |group, value| {
        group.deadlock_timeout = value.seconds()?;
        Ok(())
    }),
    row("inactivity-timeout", |group, value| {
        group.inactivity_timeout = value.seconds()?;
        Ok(())
    }),
    row("request-timeout", |group, value| {
        group.request_timeout = value.seconds()?;
        Ok(())
    }),
    row("interrupt-timeout", |group, value| {
        group.interrupt_timeout = value.seconds()?;
        Ok(())
    }),
    row("graceful-timeout", |group, value| {
        group.graceful_timeout = value.seconds()?;
        Ok(())
    }),
    row("eviction-timeout", |group, value| {
        group.eviction_timeout = value.seconds()?;
        Ok(())
    }),
    row("restart-interval", |group, value| {
        group.restart_interval = value.seconds()?;
        Ok(())
    }),
    row("shutdown-timeout", |group, value| {
        group.shutdown_timeout = value.seconds()?;
        Ok(())
    }),
    row("queue-timeout", |group, value| {
        group.queue_timeout = value.seconds()?;
        Ok(())
    }),
    row("connect-timeout", |group, value| {
        group.connect_timeout = value.seconds()?;
        Ok(())
    }),
    row("socket-timeout", |group, value| {
        group.socket_timeout = value.seconds()?;
        Ok(())
    }),
    row("response-socket-timeout", |group, value| {
        group.response_socket_timeout = value.seconds()?;
        Ok(())
    }),
    row("send-buffer-size", |group, value| {
        group.send_buffer_size = value.buffer(512)?;
        Ok(())
    }),
    row("receive-buffer-size", |group, value| {
        group.receive_buffer_size = value.buffer(512)?;
        Ok(())
    }),
    row("header-buffer-size", |group, value| {
        group.header_buffer_size = or(value.buffer(8192)?, DaemonGroup::HEADER_BUFFER);
        Ok(())
    }),
    row("response-buffer-size", |group, value| {
        group.response_buffer_size = or(value.buffer(65536)?, DaemonGroup::RESPONSE_BUFFER);
        Ok(())
    }),
    row("response-flush-delay", |group, value| {
        group.response_flush_delay = value.milliseconds()?;
        Ok(())
    }),
    row("socket-user", |group, value| {
        group.socket_user = Some(account::user(value)?);
        Ok(())
    }),
    row("script-user", |group, value| {
        group.script_user = Some(account::user(value)?);
        Ok(())
    }),
    row("script-group", |group, value| {
        group.script_group = Some(account::group(value)?);
        Ok(())
    }),
    row("server-metrics", |group, value| {
        group.server_metrics = value.flag()?;
        Ok(())
    }),
    // From here on our own, which mod_wsgi does not have.
    row("env", |group, value| {
        group.environment.push(environment::assignment(value)?);
        Ok(())
    }),
    row("env-file", |group, value| {
        group.environment_files.push(value.absolute_path()?);
        Ok(())
    }),
    row("memory-restart", |group, value| {
        group.memory_restart = value.size()?;
        Ok(())
    }),
    row("queue-limit", |group, value| {
        group.queue_limit = value.integer(0..=INT)?;
        Ok(())
    }),
    row("preload", |group, value| {
        group.preload = value.flag()?;
        Ok(())
    }),
    row("reload", |group, value| {
        group.reload = match value.one_of(&["replace", "rolling"])? {
            "rolling" => Reload::Rolling,
            _ => Reload::Replace,
        };
        Ok(())
    }),
    row("shrink-timeout", |group, value| {
        group.shrink_timeout = value.seconds()?;
        Ok(())
    }),
];

/// Reads one option into the group.
pub(super) fn set(group: &mut DaemonGroup, given: &Assignment) -> Result<(), Error> {
    let Some(row) = OPTIONS.iter().find(|row| row.name.as_bytes() == given.name) else {
        return Err(unknown(DIRECTIVE, names(), given));
    };
    (row.read)(group, &Setting::option(DIRECTIVE, row.name, &given.value)?)
}

/// The names of all options.
pub fn names() -> impl Iterator<Item = &'static str> {
    OPTIONS.iter().map(|row| row.name)
}

/// A size, or the default for 0.
fn or(size: u32, default: u32) -> u32 {
    if size == 0 { default } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::origin::Origin;
    use std::collections::BTreeSet;

    fn with(text: &str) -> Result<DaemonGroup, Error> {
        DaemonGroup::parse(format!("g {text}").as_bytes(), Origin::default(), true)
    }

    #[test]
    fn all_44_options_of_mod_wsgi_and_ours_are_known_once() {
        const OURS: [&str; 7] = [
            "env",
            "env-file",
            "memory-restart",
            "preload",
            "queue-limit",
            "reload",
            "shrink-timeout",
        ];
        let known: BTreeSet<_> = names().collect();
        assert_eq!(known.len(), OPTIONS.len());
        assert_eq!(names().filter(|name| !OURS.contains(name)).count(), 44);
        assert!(OURS.iter().all(|name| known.contains(name)));
    }

    #[test]
    fn variables_and_their_files_add_up() {
        let group = with("env=A=1 env='B=two words' env-file=/a env-file=/b").unwrap();
        let pair = |name: &[u8], value: &[u8]| (name.to_vec(), value.to_vec());
        assert_eq!(group.environment, [pair(b"A", b"1"), pair(b"B", b"two words")]);
        assert_eq!(group.environment_files, [b"/a", b"/b"]);
    }

    #[test]
    fn an_empty_value_is_refused_for_every_option() {
        for name in names() {
            for text in [format!("{name}="), format!("{name}=\"\""), format!("{name}= threads=1")] {
                assert!(matches!(with(&text), Err(Error::EmptyValue { .. })), "{text}");
            }
        }
    }

    #[test]
    fn of_an_option_that_is_given_twice_the_last_one_holds() {
        assert!(with("server-metrics=Off threads=2 server-metrics=On").unwrap().server_metrics);
    }

    #[test]
    fn the_limits_are_those_of_mod_wsgi() {
        for (least, below) in [
            ("processes=1", "processes=0"),
            ("processes=1..1", "processes=0..1"),
            ("processes=2..8", "processes=8..2"),
            ("processes=1..2147483647", "processes=1..2147483648"),
            ("processes=3", "processes=3.."),
            ("processes=3", "processes=..3"),
            ("processes=3", "processes=1..+3"),
            ("processes=3", "processes=1...3"),
            ("threads=0", "threads=-1"),
            ("threads=65533", "threads=65534"),
            ("stack-size=1", "stack-size=0"),
            ("listen-backlog=0", "listen-backlog=-1"),
            ("maximum-requests=0", "maximum-requests=-1"),
            ("cpu-priority=-20", "cpu-priority=low"),
            ("memory-limit=0", "memory-limit=-1"),
            ("send-buffer-size=512", "send-buffer-size=511"),
            ("receive-buffer-size=0", "receive-buffer-size=1"),
            ("header-buffer-size=8192", "header-buffer-size=8191"),
            ("response-buffer-size=65536", "response-buffer-size=65535"),
            ("response-flush-delay=0", "response-flush-delay=-1"),
            ("switch-interval=0.001", "switch-interval=0"),
            ("home=/srv", "home=srv"),
            ("chroot=/srv", "chroot=srv"),
            ("umask=077", "umask=099"),
            ("server-metrics=off", "server-metrics=no"),
            ("memory-restart=500M", "memory-restart=500X"),
            ("queue-limit=0", "queue-limit=-1"),
            ("reload=Rolling", "reload=roll"),
            ("preload=on", "preload=yes"),
            ("env=A=", "env=A"),
            ("env=_a1=b=c", "env=1=b"),
            ("env-file=/srv/env", "env-file=srv/env"),
        ] {
            assert!(with(least).is_ok(), "{least}");
            let error = with(below).unwrap_err().to_string();
            assert!(error.contains(&format!("'{below}'")), "{below}: {error}");
        }
    }

    #[test]
    fn a_size_of_zero_is_the_default_size() {
        let group = with("header-buffer-size=0 response-buffer-size=0").unwrap();
        assert_eq!(group.header_buffer_size, 32768);
        assert_eq!(group.response_buffer_size, 8_388_608);
    }

    #[test]
    fn every_timeout_is_whole_seconds() {
        let timeouts =
            names().filter(|name| name.ends_with("-timeout") || name.ends_with("-interval"));
        for name in timeouts.filter(|name| *name != "switch-interval") {
            assert!(with(&format!("{name}=0")).is_ok(), "{name}");
            for wrong in ["-1", "5s", "soon"] {
                let error = with(&format!("{name}={wrong}")).unwrap_err().to_string();
                assert!(
                    error.ends_with("expected a whole number of seconds, 0 or more"),
                    "{error}"
                );
            }
        }
    }
}
