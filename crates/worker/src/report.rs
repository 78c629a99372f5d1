//! What workers tell their leader, each as one message over a socket that all of them have.
//!
//! An application can write there too, so what cannot be read is no report; it can spoil its own group only.

use daemon_abi::ending::Ending;
use daemon_abi::launch::Preload;
use fastcgi::pairs;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, recv, send, setsockopt, socketpair, sockopt,
};
use nix::sys::time::TimeVal;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// The longest report; scripts that it has no room for are left out.
const LONGEST: usize = 64 * 1024;

/// A leader that does not read for so many seconds is not told.
const PATIENCE: i64 = 2;

/// A script of a worker: which one, and when the file was changed that it has seen last.
pub(crate) type SeenScript = (Preload, i64);

/// A message of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// It finishes its requests: another one is to take its place.
    Leaves { pid: i32, ending: Ending },
    /// It could take the place of the one it was started to follow.
    Ready { pid: i32 },
    /// A script of it has changed; all that it has loaded.
    Changed { pid: i32, scripts: Vec<SeenScript> },
}

/// The workers' end, and the leader's.
pub(crate) fn channel() -> io::Result<(OwnedFd, Reports)> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let (workers, leader) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
    setsockopt(&workers, sockopt::SendTimeout, &TimeVal::new(PATIENCE, 0))?;
    Ok((workers, Reports(leader)))
}

impl Report {
    /// Sends it to the leader; whether that worked.
    pub(crate) fn send(&self, to: &OwnedFd) -> bool {
        let message = self.encode();
        loop {
            match send(to.as_raw_fd(), &message, MsgFlags::MSG_NOSIGNAL) {
                Err(Errno::EINTR) => {}
                result => return result.is_ok(),
            }
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut number = |name: &[u8], number: i64| {
            pairs::push(&mut out, name, number.to_string().as_bytes());
        };
        match self {
            Self::Leaves { pid, ending } => {
                number(b"leaves", (*pid).into());
                number(b"ending", ending.code().into());
            }
            Self::Ready { pid } => number(b"ready", (*pid).into()),
            Self::Changed { pid, scripts } => {
                number(b"changed", (*pid).into());
                for (script, seen) in scripts {
                    let before = out.len();
                    pairs::push(&mut out, b"script", &script.filename);
                    pairs::push(&mut out, b"group", &script.application_group);
                    pairs::push(&mut out, b"seen", seen.to_string().as_bytes());
                    if out.len() > LONGEST {
                        out.truncate(before);
                        break;
                    }
                }
            }
        }
        out
    }

    fn decode(message: &[u8]) -> Option<Self> {
        let (mut told, mut ending) = (None, None);
        let mut scripts: Vec<SeenScript> = Vec::new();
        for pair in pairs::iter(message) {
            let (name, value) = pair.ok()?;
            let number = || std::str::from_utf8(value).ok()?.parse::<i64>().ok();
            match name {
                b"leaves" | b"ready" | b"changed" => {
                    told = Some((name, i32::try_from(number()?).ok()?));
                }
                b"ending" => ending = Ending::from_code(u8::try_from(number()?).ok()?),
                b"script" => {
                    let filename = value.to_vec();
                    scripts.push((Preload { filename, ..Preload::default() }, 0));
                }
                b"group" => scripts.last_mut()?.0.application_group = value.to_vec(),
                b"seen" => scripts.last_mut()?.1 = number()?,
                _ => return None,
            }
        }
        Some(match told? {
            (b"leaves", pid) => Self::Leaves { pid, ending: ending? },
            (b"ready", pid) => Self::Ready { pid },
            (_, pid) => Self::Changed { pid, scripts },
        })
    }
}

/// Where the leader hears of its workers.
#[derive(Debug)]
pub(crate) struct Reports(OwnedFd);

impl Reports {
    /// Becomes readable with a report.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.0.as_fd()
    }

    /// The next report there is.
    pub(crate) fn next(&self) -> Option<Report> {
        let mut message = vec![0; LONGEST + 1];
        loop {
            match recv(self.0.as_raw_fd(), &mut message, MsgFlags::MSG_DONTWAIT) {
                // No report is empty; nobody else could send one.
                Ok(0) => return None,
                Ok(count) => match message.get(..count).and_then(Report::decode) {
                    None => {}
                    report => return report,
                },
                Err(Errno::EINTR) => {}
                Err(_) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn script(number: usize) -> SeenScript {
        let filename = format!("/srv/{number}{}", "x".repeat(4000)).into_bytes();
        (Preload { filename, application_group: b"group".to_vec() }, 7)
    }

    #[test]
    fn reports_come_in_order_and_garbage_is_none() {
        let (workers, leader) = channel().unwrap();
        let reports = [
            Report::Leaves { pid: 7, ending: Ending::ScriptChanged },
            Report::Ready { pid: 8 },
            Report::Changed { pid: 9, scripts: vec![script(1), script(2)] },
        ];
        send(workers.as_raw_fd(), b"garbage", MsgFlags::empty()).unwrap();
        for report in &reports {
            assert!(report.send(&workers));
        }
        for report in reports {
            assert_eq!(leader.next(), Some(report));
        }
        assert_eq!(leader.next(), None);
    }

    #[test]
    fn what_is_too_long_is_left_out() {
        let (workers, leader) = channel().unwrap();
        let scripts: Vec<_> = (0..100).map(script).collect();
        assert!(Report::Changed { pid: 1, scripts: scripts.clone() }.send(&workers));
        let Some(Report::Changed { scripts: heard, .. }) = leader.next() else { panic!() };
        assert!(heard.len() > 10 && heard.len() < 20, "{}", heard.len());
        assert_eq!(heard, scripts[..heard.len()]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_report_or_none(bytes: Vec<u8>) {
            let _ = Report::decode(&bytes);
        }
    }
}
