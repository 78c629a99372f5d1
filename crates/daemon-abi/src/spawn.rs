//! Starting the Python of a process group from the httpd parent.
//!
//! The parent has one thread and no Python, so `fork` is safe there. Between `fork` and `exec` the child
//! takes its limits and its identity, and lets go of every descriptor but the few it is given.

use crate::privileges::Identity;
use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// A program to start.
#[derive(Debug)]
pub struct Spawn<'a> {
    /// Path of the program.
    pub program: &'a [u8],
    /// Its arguments.
    pub arguments: &'a [&'a [u8]],
    /// Variables set in its environment, on top of the parent's own.
    pub environment: &'a [(&'a [u8], &'a [u8])],
    /// Who it runs as.
    pub identity: &'a Identity,
    /// Its root directory, in which the program and all other paths are; only for root.
    pub root: Option<&'a [u8]>,
    /// Its working directory.
    pub directory: Directory<'a>,
    /// Its umask, where it differs from the parent's.
    pub umask: Option<u32>,
    /// Its nice value, where it differs from the parent's. One that the parent may not give is not given.
    pub nice: Option<i32>,
    /// The descriptors it keeps, under their own numbers.
    pub keep: &'a [RawFd],
    /// Where its standard output goes; standard input is empty.
    pub output: Output<'a>,
}

/// Where a program starts.
#[derive(Clone, Copy, Debug)]
pub enum Directory<'a> {
    /// Where its parent is.
    Same,
    /// Here, or not at all.
    Required(&'a [u8]),
    /// Here, or in `/` where that cannot be.
    Preferred(&'a [u8]),
}

/// Where the output of a program goes.
#[derive(Clone, Copy, Debug)]
pub enum Output<'a> {
    /// Both streams to this descriptor.
    Log(BorrowedFd<'a>),
    /// Both streams are the parent's to read.
    Captured,
}

impl Spawn<'_> {
    /// Starts the program. An error of the child before it could execute the program comes back here.
    pub fn start(&self) -> io::Result<Child> {
        let mut command = Command::new(OsStr::from_bytes(self.program));
        command.args(self.arguments.iter().map(|argument| OsStr::from_bytes(argument)));
        for (name, value) in self.environment {
            command.env(OsStr::from_bytes(name), OsStr::from_bytes(value));
        }
        command.stdin(Stdio::null());
        match self.output {
            Output::Log(log) => {
                let copy: OwnedFd = log.try_clone_to_owned()?;
                command.stdout(copy.try_clone()?).stderr(copy);
            }
            Output::Captured => {
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
            }
        }
        let identity = self.identity.clone();
        let (umask, nice) = (self.umask, self.nice);
        let keep = self.keep.to_vec();
        let root = self.root.map(CString::new).transpose()?;
        let (directory, required) = match self.directory {
            Directory::Same => (None, false),
            Directory::Required(path) => (Some(CString::new(path)?), true),
            Directory::Preferred(path) => (Some(CString::new(path)?), false),
        };
        let prepare = move || {
            close_on_exec_from(3)?;
            for &fd in &keep {
                keep_open(fd)?;
            }
            // Its own process group: Ctrl-C in a terminal is for httpd, which then ends us in order.
            nix::unistd::setpgid(nix::unistd::Pid::from_raw(0), nix::unistd::Pid::from_raw(0))?;
            if let Some(nice) = nice {
                // Before the identity goes: only root may go below the present value.
                // SAFETY: changes this process only. It is no reason not to start; the program can see it.
                unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
            }
            if let Some(root) = &root {
                nix::unistd::chroot(root.as_c_str())?;
                // What is outside must not stay within reach as the working directory.
                nix::unistd::chdir("/")?;
            }
            identity.assume()?;
            if let Some(umask) = umask {
                nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(umask));
            }
            if let Some(path) = &directory {
                match nix::unistd::chdir(path.as_c_str()) {
                    Err(error) if required => return Err(error.into()),
                    Err(_) => nix::unistd::chdir("/")?,
                    Ok(()) => {}
                }
            }
            Ok(())
        };
        // SAFETY: the parent has one thread, so the child may do what any process may; and the closure
        // only makes system calls.
        unsafe { command.pre_exec(prepare) };
        command.spawn()
    }
}

/// Marks every descriptor from `first` on to be closed by `exec`.
fn close_on_exec_from(first: RawFd) -> io::Result<()> {
    // SAFETY: the call only changes flags of this process's descriptors.
    let done = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC as libc::c_uint,
        )
    };
    if done == 0 {
        return Ok(());
    }
    // Before Linux 5.11: one by one.
    let open: Vec<RawFd> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&fd| fd >= first)
        .collect();
    for fd in open {
        // SAFETY: changes a flag; a number that is no longer open gives an error, which means nothing here.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}

fn keep_open(fd: RawFd) -> io::Result<()> {
    // SAFETY: changes a flag of a descriptor that the caller says is open; anything else is an error.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// An anonymous file with `content`, to be read from its beginning.
pub fn memory_file(name: &std::ffi::CStr, content: &[u8]) -> io::Result<OwnedFd> {
    use nix::sys::memfd::{MFdFlags, memfd_create};
    let fd = memfd_create(name, MFdFlags::MFD_CLOEXEC)?;
    let file = std::fs::File::from(fd);
    std::os::unix::fs::FileExt::write_all_at(&file, content, 0)?;
    Ok(file.into())
}

/// Reads all of an anonymous file from its beginning, whatever the position.
pub fn read_memory_file(fd: &OwnedFd) -> io::Result<Vec<u8>> {
    let file = std::fs::File::from(fd.try_clone()?);
    let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let mut content = vec![0; length];
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut content, 0)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::fd::AsRawFd as _;

    fn me() -> Identity {
        // Tests of root run as nobody, so that the change is real.
        let uid = nix::unistd::getuid().as_raw();
        Identity::new(if uid == 0 { 65534 } else { uid }, 65534, Some(&[])).unwrap()
    }

    fn shell(script: &str, keep: &[RawFd], directory: Directory<'_>) -> io::Result<String> {
        let mut child = Spawn {
            program: b"/bin/sh",
            arguments: &[b"-c", script.as_bytes()],
            environment: &[(b"COLOUR", b"red")],
            identity: &me(),
            root: None,
            directory,
            umask: Some(0o027),
            nice: Some(3),
            keep,
            output: Output::Captured,
        }
        .start()?;
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text)?;
        child.wait()?;
        Ok(text)
    }

    #[test]
    fn a_program_has_only_the_descriptors_it_was_given() {
        let kept = memory_file(c"kept", b"hello").unwrap();
        let lost = std::fs::File::open("/dev/null").unwrap();
        // SAFETY: sets a flag on a file of this test.
        unsafe { libc::fcntl(lost.as_raw_fd(), libc::F_SETFD, 0) };
        let text = shell("ls /proc/$$/fd", &[kept.as_raw_fd()], Directory::Same);
        let open: Vec<RawFd> =
            text.unwrap().split_whitespace().map(|fd| fd.parse().unwrap()).collect();
        assert!(open.contains(&kept.as_raw_fd()), "{open:?}");
        assert!(!open.contains(&lost.as_raw_fd()), "{open:?}");
    }

    #[test]
    fn a_program_has_its_environment_umask_and_directory() {
        let text = shell("echo $COLOUR $(umask) $(pwd) $(nice)", &[], Directory::Required(b"/usr"));
        assert_eq!(text.unwrap(), "red 0027 /usr 3\n");
        let text = shell("pwd", &[], Directory::Preferred(b"/no/such/place"));
        assert_eq!(text.unwrap(), "/\n");
    }

    #[test]
    fn a_directory_that_is_required_and_missing_is_an_error_of_the_start() {
        let error = shell("pwd", &[], Directory::Required(b"/no/such/place"));
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_memory_file_gives_back_its_content() {
        let fd = memory_file(c"test", b"content").unwrap();
        assert_eq!(read_memory_file(&fd).unwrap(), b"content");
        assert_eq!(read_memory_file(&fd).unwrap(), b"content");
    }
}
