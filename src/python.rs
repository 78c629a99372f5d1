//! Which Python: an interpreter is asked, once, what it is.
//!
//! Runs in the httpd parent while the configuration is checked. The interpreter runs as the user who will use
//! it, isolated and without `site`, so that nothing of a virtual environment is executed.

use crate::config::{Origin, Pyvenv, Used};
use daemon_abi::privileges::Identity;
use daemon_abi::spawn::{Directory, Output, Spawn};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long an interpreter may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(20);

/// One line per fact: version, ABI, and where libpython may be, with `+` before those that can be read. The one that it runs
/// with itself comes first; then that beside it, as an installation may have been moved since it was configured.
const QUESTION: &[u8] = b"
import os, sys, sysconfig
v = sysconfig.get_config_var
print('%d.%d' % sys.version_info[:2])
print(sys.implementation.name)
print('cp%d%d%s' % (sys.version_info[:2] + ('t' if v('Py_GIL_DISABLED') else '',)))
print('%d.%d.%d' % sys.version_info[:3])
names = [n for n in (v('INSTSONAME'), v('LDLIBRARY')) if n and '.so' in n]
found = []
try:
    with open('/proc/self/maps', 'rb') as maps:
        mapped = [os.fsdecode(line[line.find(b'/'):]).rstrip() for line in maps if b'/' in line]
    found += [path for path in mapped if path.rpartition('/')[2] in names][:1]
except OSError:
    pass
places = [sys.base_prefix + '/lib', v('LIBDIR'), v('LIBPL')]
if v('LIBDIR') and v('MULTIARCH'):
    places.insert(2, v('LIBDIR') + '/' + v('MULTIARCH'))
found += [place + '/' + name for name in names for place in places if place]
for path in found:
    print('+' if os.access(path, os.R_OK) else '-', path, sep='')
";

/// A Python interpreter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// Its path, as it is to be executed: a virtual environment is found by it.
    pub executable: PathBuf,
    /// For example `3.11`.
    pub version: String,
    /// For example `cp311`; the name of the engine it needs.
    pub abi: String,
    /// Its libpython; `None` if it has none, or it is not installed.
    pub libpython: Option<PathBuf>,
    /// Its libpython is there, but not for the user it was asked as.
    pub closed_libpython: bool,
}

impl Interpreter {
    /// Its version as people write it, for example `3.14t`.
    pub fn name(&self) -> String {
        format!("{}{}", self.version, if self.is_free_threaded() { "t" } else { "" })
    }

    /// Whether it can do without the GIL.
    pub fn is_free_threaded(&self) -> bool {
        self.abi.ends_with('t')
    }

    /// What the checks of the configuration want to know of it.
    pub fn used_by(&self, process_group: &[u8], origin: &Origin) -> Used {
        let mut numbers = self.version.split('.').map(|part| part.parse().unwrap_or(0));
        Used {
            process_group: process_group.to_vec(),
            origin: origin.clone(),
            version: (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)),
            free_threaded: self.is_free_threaded(),
        }
    }

    /// What is wrong with the virtual environment it is of, if that was made for another version: what is installed there is
    /// not found.
    pub fn outdated_environment(&self) -> Option<String> {
        let home = self.executable.parent()?.parent()?;
        let pyvenv = Pyvenv::parse(&std::fs::read(home.join(Pyvenv::FILE)).ok()?);
        let made_for = String::from_utf8_lossy(pyvenv.minor()?).into_owned();
        (made_for != self.version).then(|| {
            format!(
                "the virtual environment '{}' was made for Python {made_for} and its interpreter is Python {} now, which \
                 does not find what is installed there: make the environment again",
                home.display(),
                self.version
            )
        })
    }
}

/// For a person: version and path.
impl fmt::Display for Interpreter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Python {} ({})", self.name(), self.executable.display())
    }
}

/// Why there is no interpreter.
#[derive(Debug)]
pub enum Error {
    /// Nothing below a python-home, or no Python on the system.
    None(Option<PathBuf>),
    /// None inside of a root directory; where it was looked for.
    NotInside(PathBuf, Vec<PathBuf>),
    /// It cannot be executed.
    Start(PathBuf, io::Error),
    /// It did not answer as Python does.
    NoPython(PathBuf, String),
    /// It took too long.
    TooLong(PathBuf),
    /// It is not CPython.
    Other(PathBuf, String),
    /// No engine for its version; those there are.
    NoEngine(Box<Interpreter>, Vec<String>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None(Some(home)) => write!(
                f,
                "'{0}' is not the home of a Python: there is no '{0}/bin/python'; expected is the \
                 directory of a virtual environment, the prefix of an installation, or an interpreter",
                home.display()
            ),
            Self::None(None) => write!(
                f,
                "there is no Python: neither {}; install one, or name one with WSGIPythonHome",
                DEFAULT_PLACES.join(" nor ")
            ),
            Self::NotInside(root, places) => write!(
                f,
                "inside of the chroot '{}' there is no Python that can be executed: neither {} (a program of which the \
                 loader or a library is not inside either cannot be executed)",
                root.display(),
                places.iter().map(|it| it.display().to_string()).collect::<Vec<_>>().join(" nor ")
            ),
            Self::Start(path, error) => write!(
                f,
                "'{}' cannot be executed by the user it is for: {error}; every directory above it must be \
                 searchable by that user, which a home directory often is not",
                path.display()
            ),
            Self::NoPython(path, text) => {
                write!(f, "'{}' is no working Python: {text}", path.display())
            }
            Self::TooLong(path) => write!(
                f,
                "'{}' did not say in {} seconds which Python it is",
                path.display(),
                PATIENCE.as_secs()
            ),
            Self::Other(path, name) => {
                write!(f, "'{}' is {name}; only CPython can be used", path.display())
            }
            Self::NoEngine(python, engines) => write!(
                f,
                "'{}' is Python {}, and there is no engine for it; there are engines for: {}",
                python.executable.display(),
                python.name(),
                if engines.is_empty() { "none".to_owned() } else { engines.join(", ") }
            ),
        }
    }
}

impl std::error::Error for Error {}

/// Where Python is looked for when none is named, in this order.
const DEFAULT_PLACES: [&str; 2] = ["/usr/local/bin/python3", "/usr/bin/python3"];

/// Where the interpreter of a `home` may be; without one the system's.
fn candidates(home: Option<&[u8]>) -> Vec<PathBuf> {
    let Some(home) = home else { return DEFAULT_PLACES.map(PathBuf::from).to_vec() };
    let home = Path::new(OsStr::from_bytes(home));
    vec![home.join("bin/python"), home.join("bin/python3"), home.to_path_buf()]
}

/// The interpreter below `home`: a virtual environment, a prefix, or an interpreter itself; without one the system's.
fn find(home: Option<&[u8]>) -> Result<PathBuf, Error> {
    let is_program = |path: &PathBuf| {
        path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
    };
    let mut found = candidates(home).into_iter();
    match home {
        None => found.find(|path| path.exists()).ok_or(Error::None(None)),
        Some(home) => found
            .find(is_program)
            .ok_or_else(|| Error::None(Some(PathBuf::from(OsStr::from_bytes(home))))),
    }
}

/// The interpreter below `home`, inside of a root directory if one is given, and its engine; or the sentence that says why there is
/// none. It is asked as `identity`.
pub fn with_engine(
    home: Option<&[u8]>,
    root: Option<&[u8]>,
    identity: &Identity,
) -> Result<(Interpreter, PathBuf), String> {
    let python = match root {
        Some(root) => ask_inside(root, home, identity),
        None => find(home).and_then(|path| ask(&path, identity, None)),
    };
    python
        .and_then(|python| {
            Engines::beside_the_module().engine_for(&python).map(|engine| (python, engine))
        })
        .map_err(|error| error.to_string())
}

/// Asks the interpreter below `home` inside of a root directory. Only the system can follow links there, so those that
/// may be there are executed, one after the other.
fn ask_inside(root: &[u8], home: Option<&[u8]>, identity: &Identity) -> Result<Interpreter, Error> {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    let places = candidates(home);
    for place in &places {
        match ask(place, identity, Some(root)) {
            Err(Error::Start(_, error)) if matches!(error.kind(), NotFound | NotADirectory) => {}
            // The home itself, which is mostly a directory.
            Err(Error::Start(path, error))
                if error.kind() == PermissionDenied && places.last() == Some(&path) => {}
            answer => return answer,
        }
    }
    Err(Error::NotInside(PathBuf::from(OsStr::from_bytes(root)), places))
}

/// Asks an interpreter what it is, as `identity`, inside of a root directory if one is given.
fn ask(executable: &Path, identity: &Identity, root: Option<&[u8]>) -> Result<Interpreter, Error> {
    let path = || executable.to_path_buf();
    let mut child = Spawn {
        program: executable.as_os_str().as_bytes(),
        arguments: &[b"-I", b"-S", b"-c", QUESTION],
        environment: &[],
        identity,
        root,
        directory: Directory::Preferred(b"/"),
        umask: None,
        nice: None,
        keep: &[],
        output: Output::Captured,
    }
    .start()
    .map_err(|error| Error::Start(path(), error))?;
    let deadline = Instant::now() + PATIENCE;
    let mut answer = Vec::new();
    let mut complaint = Vec::new();
    let in_time = match (&mut child.stdout, &mut child.stderr) {
        (Some(out), Some(err)) => {
            read_until(&mut [(out, &mut answer), (err, &mut complaint)], deadline)
        }
        _ => false,
    };
    if !in_time {
        // It may have ended meanwhile, which is as good.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| Error::Start(path(), error))?;
    if !in_time {
        return Err(Error::TooLong(path()));
    }
    if !status.success() {
        let text = String::from_utf8_lossy(&complaint);
        let last = text.lines().last().unwrap_or("it said nothing").to_owned();
        return Err(Error::NoPython(path(), last));
    }
    parse(executable, &answer)
}

fn parse(executable: &Path, answer: &[u8]) -> Result<Interpreter, Error> {
    let path = || executable.to_path_buf();
    let text = String::from_utf8_lossy(answer);
    let mut lines = text.lines();
    let facts = (lines.next(), lines.next(), lines.next(), lines.next());
    let (Some(version), Some(name), Some(abi), Some(_)) = facts else {
        return Err(Error::NoPython(path(), "it did not answer".to_owned()));
    };
    if name != "cpython" {
        return Err(Error::Other(path(), name.to_owned()));
    }
    // One in a directory which that user may not enter is seen from here only.
    let there = lines.filter_map(|line| line.split_at_checked(1)).filter_map(|(sign, path)| {
        let path = PathBuf::from(path);
        path.exists().then_some((sign == "+", path))
    });
    let there: Vec<_> = there.collect();
    let readable = there.iter().find(|(readable, _)| *readable);
    Ok(Interpreter {
        executable: path(),
        version: version.to_owned(),
        abi: abi.to_owned(),
        closed_libpython: readable.is_none() && !there.is_empty(),
        libpython: readable.or(there.first()).map(|(_, path)| path.clone()),
    })
}

/// A pipe, and where what comes out of it goes.
trait Source: Read + AsFd {}
impl<T: Read + AsFd> Source for T {}

/// Reads two pipes to their ends, whichever has something; whether both ends came before the deadline.
fn read_until(pipes: &mut [(&mut dyn Source, &mut Vec<u8>); 2], deadline: Instant) -> bool {
    let mut open = [true; 2];
    while open != [false; 2] {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut fds = Vec::with_capacity(2);
        for ((pipe, _), open) in pipes.iter().zip(open) {
            if open {
                fds.push(PollFd::new(pipe.as_fd(), PollFlags::POLLIN));
            }
        }
        match poll(&mut fds, timeout) {
            Err(nix::errno::Errno::EINTR) => continue,
            Ok(1..) => {}
            _ => return false,
        }
        let told: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        let mut told = told.into_iter();
        for ((pipe, into), open) in pipes.iter_mut().zip(&mut open).filter(|(_, open)| **open) {
            if told.next() != Some(true) {
                continue;
            }
            let mut piece = [0; 4096];
            match pipe.read(&mut piece) {
                Ok(count @ 1..) => into.extend_from_slice(piece.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => *open = false,
            }
        }
    }
    true
}

/// The engines that are installed beside the module, by ABI.
#[derive(Clone, Debug)]
struct Engines {
    directory: PathBuf,
}

impl Engines {
    /// Those in the directory of the module itself.
    fn beside_the_module() -> Self {
        let module = engine_abi::library::path_of(Self::beside_the_module as *const () as usize);
        let directory =
            module.and_then(|it| it.parent().map(Path::to_path_buf)).unwrap_or_default();
        Self { directory }
    }

    /// The engine for an interpreter.
    fn engine_for(&self, python: &Interpreter) -> Result<PathBuf, Error> {
        let path = self.directory.join(format!("engine.{}.so", python.abi));
        if path.exists() {
            Ok(path)
        } else {
            Err(Error::NoEngine(Box::new(python.clone()), self.versions()))
        }
    }

    /// What there are engines for, for people: `3.11`, `3.14t`.
    fn versions(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.directory);
        let mut found: Vec<String> = entries
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let name = entry.ok()?.file_name().into_string().ok()?;
                let abi = name.strip_prefix("engine.cp3")?.strip_suffix(".so")?;
                Some(format!("3.{abi}"))
            })
            .collect();
        found.sort_by_key(|version| (version.len(), version.clone()));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> Identity {
        let uid = nix::unistd::getuid().as_raw();
        Identity::new(if uid == 0 { 65534 } else { uid }, 65534, Some(&[])).unwrap()
    }

    #[test]
    fn an_answer_is_read() {
        let python = parse(
            Path::new("/x/bin/python"),
            b"3.13\ncpython\ncp313\n3.13.0\n+/no/such/libpython3.13.so\n-/etc\n+/usr\n",
        );
        let python = python.unwrap();
        assert_eq!((python.version.as_str(), python.abi.as_str()), ("3.13", "cp313"));
        assert_eq!(python.libpython, Some(PathBuf::from("/usr")));
        assert!(!python.closed_libpython);
    }

    #[test]
    fn a_library_that_the_user_cannot_read_is_not_taken_for_none() {
        let answer = b"3.13\ncpython\ncp313\n3.13.0\n-/no/such/libpython3.13.so\n-/etc\n";
        let python = parse(Path::new("/x/bin/python"), answer).unwrap();
        assert!(python.closed_libpython);
        assert_eq!(python.libpython, Some(PathBuf::from("/etc")));
        let none = parse(Path::new("/x/bin/python"), b"3.13\ncpython\ncp313\n3.13.0\n").unwrap();
        assert_eq!((none.closed_libpython, none.libpython), (false, None));
    }

    #[test]
    fn another_implementation_is_refused() {
        let error = parse(Path::new("/pypy"), b"3.11\npypy\ncp311\n3.11.1\n").unwrap_err();
        assert!(error.to_string().contains("only CPython"), "{error}");
    }

    #[test]
    fn a_home_without_python_is_named() {
        let error = find(Some(b"/usr/share")).unwrap_err().to_string();
        assert!(error.contains("'/usr/share/bin/python'"), "{error}");
    }

    #[test]
    fn a_program_that_is_no_python_says_so() {
        let error = ask(Path::new("/bin/ls"), &me(), None).unwrap_err().to_string();
        assert!(error.contains("no working Python"), "{error}");
    }

    #[test]
    fn a_version_without_an_engine_is_told_with_those_there_are() {
        let engines = Engines { directory: PathBuf::from("/nonexistent") };
        let python = parse(Path::new("/p"), b"3.9\ncpython\ncp39\n3.9.1\n").unwrap();
        let error = engines.engine_for(&python).unwrap_err().to_string();
        assert!(error.contains("Python 3.9") && error.contains("none"), "{error}");
        let free = parse(Path::new("/p"), b"3.13\ncpython\ncp313t\n3.13.9\n").unwrap();
        let error = engines.engine_for(&free).unwrap_err().to_string();
        assert!(error.contains("is Python 3.13t, and"), "{error}");
    }
}
