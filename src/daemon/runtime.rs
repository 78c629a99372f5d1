//! The process groups of one httpd generation, from the parent's reading of the configuration to their retirement.
//!
//! The parent makes a [`Runtime`] when the configuration is about to be used, starts the leaders, replaces those that
//! die, and retires all of them with the configuration. The children inherit it and send requests by it.

use crate::config::{self, DaemonGroup, ServerConfig};
use crate::daemon::chroot;
use crate::daemon::files::Room;
use crate::daemon::group::Group;
use crate::daemon::leader::{Leader, Recipe};
use crate::daemon::metrics::ServerMetrics;
use crate::daemon::pythons::Pythons;
use crate::daemon::socket::{LONGEST_PATH, WorkerSocket};
use crate::embedded;
use crate::httpd::log::{self, Subject};
use crate::httpd::process::{Event, Watch};
use crate::httpd::server::{self, Mpm, Phase};
use crate::httpd::{Level, OwnedPool, Pool, Server, Status};
use crate::module::Wsgi;
use crate::python::Interpreter;
use daemon_abi::launch::Preload;
use daemon_abi::privileges::Identity;
use daemon_abi::scoreboard::{Death, Scoreboard};
use daemon_abi::secret;
use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, Uid};
use std::cell::{Cell, RefCell};
use std::ffi::OsStr;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// All groups of one generation.
#[derive(Debug)]
pub struct Runtime {
    groups: Vec<Managed>,
    /// If a group asks for them.
    server_metrics: Option<ServerMetrics>,
    /// The process that made it; only that one retires it.
    parent: u32,
    /// Its end is seen by the leaders when every httpd process that has it is gone.
    _lifeline: OwnedFd,
}

/// A group and its leader.
#[derive(Debug)]
struct Managed {
    group: Group,
    recipe: Recipe,
    leader: Mutex<Leadership>,
}

#[derive(Debug, Default)]
struct Leadership {
    leader: Option<Leader>,
    started: Option<Instant>,
    /// The leader before this one did not live long.
    hasty: bool,
}

static CURRENT: RwLock<Option<Arc<Runtime>>> = RwLock::new(None);

/// A leader that lived this long, or whose workers have answered requests, is replaced at once, and so is one that was
/// killed, unless the one before it ended early too; others only when httpd looks again.
const GOOD_LIFE: Duration = Duration::from_secs(10);

/// Likewise, if it ended because somebody told it to.
const SHORTEST_LIFE: Duration = Duration::from_millis(500);

/// Time for a group to end after its own deadline, before it is killed.
const REAPING: Duration = Duration::from_secs(3);

/// A leader that was started and has not been seen to end, of this generation or an earlier one.
struct Living {
    pid: i32,
    over: bool,
    shutdown: Duration,
    /// Has the watch over it.
    _pool: OwnedPool<'static>,
}

thread_local! {
    /// Only in the parent, on its only thread. Never dropped: `httpd -X` cleans up when the thread's other values are gone.
    static LIVING: ManuallyDrop<RefCell<Vec<Living>>> = const { ManuallyDrop::new(RefCell::new(Vec::new())) };

    /// httpd ends its children, and the groups of this generation with them.
    static CHILDREN_END: Cell<bool> = const { Cell::new(false) };
}

/// The groups this process can send requests to.
pub fn current() -> Option<Arc<Runtime>> {
    CURRENT.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn replace_current(runtime: Option<Arc<Runtime>>) {
    *CURRENT.write().unwrap_or_else(PoisonError::into_inner) = runtime;
}

/// A group as it will be started.
struct Plan<'s> {
    server: Server<'s>,
    config: &'s DaemonGroup,
    identity: Identity,
    python: Interpreter,
    engine: PathBuf,
    preloads: Vec<Preload>,
    environment: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Every group that is defined, with the server that defines it.
fn groups(main: Server<'_>) -> impl Iterator<Item = (Server<'_>, &DaemonGroup)> {
    let own = main.config::<Wsgi>();
    main.iter()
        .filter(move |server| !server.is_virtual() || !std::ptr::eq(server.config::<Wsgi>(), own))
        .flat_map(|server| server.config::<Wsgi>().groups.iter().map(move |group| (server, group)))
}

fn plan<'s>(
    main: Server<'s>,
    server: Server<'s>,
    config: &'s DaemonGroup,
    pythons: &mut Pythons,
) -> Result<Plan<'s>, String> {
    let httpd = server::identity(main);
    let uid = config.user.as_ref().map_or(httpd.uid, |account| account.id);
    let gid = config.group.as_ref().map_or(httpd.gid, |account| account.id);
    let identity = Identity::new(uid, gid, config.supplementary_groups.as_deref())
        .map_err(|error| format!("the groups of user {uid} cannot be found out: {error}"))?;
    let home = main.config::<Wsgi>().globals.python_home.as_ref();
    let (python, engine) = pythons.of(config, home, &identity)?;
    if let Some(root) = &config.chroot {
        chroot::check(root, &engine)?;
    }
    let preloads = preloads(main, config)?;
    let mut environment = Vec::new();
    for path in &config.environment_files {
        environment.extend(config::environment::read(path)?);
    }
    environment.extend(config.environment.iter().cloned());
    Ok(Plan { server, config, identity, python, engine, preloads, environment })
}

fn complain(server: Server<'_>, config: &DaemonGroup, why: &str) {
    log::write(
        server,
        Level::ERROR.at_startup(),
        format_args!(
            "WRS3001: {}: process group '{}' cannot be started: {why}",
            config.origin,
            String::from_utf8_lossy(&config.name)
        ),
    );
}

/// Looks whether every group has a Python that works. A test of the configuration fails if one has not; a server that starts goes
/// on with the others. Adds the Pythons to `pythons`.
pub fn check(main: Server<'_>, pythons: &mut Vec<config::Used>) -> Status {
    if !server::is_config_test() {
        return Status::OK;
    }
    let mut status = Status::OK;
    let mut asked = Pythons::default();
    for (server, config) in groups(main) {
        match plan(main, server, config, &mut asked) {
            Err(why) => {
                complain(server, config, &why);
                status = Status::INTERNAL_SERVER_ERROR;
            }
            Ok(plan) => {
                pythons.push(plan.python.used_by(&config.name, &config.origin));
                if let Some(why) = plan.python.outdated_environment() {
                    let name = String::from_utf8_lossy(&config.name);
                    log::write(
                        server,
                        Level::WARNING.at_startup(),
                        format_args!(
                            "WRS1059: {}: warning: WSGIDaemonProcess {name}: {why}",
                            config.origin
                        ),
                    );
                }
            }
        }
    }
    status
}

/// The Python of every group, or why it has none.
pub fn pythons(main: Server<'_>) -> impl Iterator<Item = (Vec<u8>, Result<String, String>)> {
    let mut asked = Pythons::default();
    groups(main).map(move |(server, config)| {
        let plan = plan(main, server, config, &mut asked);
        (config.name.clone(), plan.map(|plan| plan.python.to_string()))
    })
}

/// Makes the groups and starts their leaders. They are retired with the configuration's pool.
pub fn start(pool: Pool<'_>, main: Server<'_>) {
    CHILDREN_END.set(false);
    let (lifeline, held) = match nix::unistd::pipe2(OFlag::O_CLOEXEC) {
        Ok(pipe) => pipe,
        Err(error) => {
            log::write(
                main,
                Level::CRIT,
                format_args!("WRS3002: no process group can be started: no pipe: {error}"),
            );
            return;
        }
    };
    let server_metrics = server_metrics(main);
    let mut room = Room::make(groups(main).map(|(_, config)| config));
    let mut asked = Pythons::default();
    let mut managed = Vec::new();
    for (number, (server, config)) in (1..).zip(groups(main)) {
        let made = plan(main, server, config, &mut asked).and_then(|plan| {
            room.take(config)?;
            let lifeline = lifeline.try_clone();
            let made = lifeline.and_then(|lifeline| {
                manage(pool, main, &plan, number, lifeline, server_metrics.as_ref())
            });
            made.map_err(|error| error.to_string())
        });
        match made {
            Ok(one) => managed.push(one),
            Err(why) => complain(server, config, &why),
        }
    }
    drop(lifeline);
    let runtime = Arc::new(Runtime {
        groups: managed,
        server_metrics,
        parent: std::process::id(),
        _lifeline: held,
    });
    replace_current(Some(Arc::clone(&runtime)));
    runtime.groups.iter().for_each(lead);
    let retiring = Arc::downgrade(&runtime);
    drop(runtime);
    pool.on_cleanup(move || {
        if let Some(runtime) = retiring.upgrade() {
            retire(runtime);
        }
    });
}

/// By what groups ask for httpd's scoreboard, if one does.
fn server_metrics(main: Server<'_>) -> Option<ServerMetrics> {
    if !groups(main).any(|(_, config)| config.server_metrics) {
        return None;
    }
    let made = ServerMetrics::new();
    if let Err(error) = &made {
        log::write(
            main,
            Level::ERROR,
            format_args!(
                "WRS3027: mod_wsgi.server_metrics() has no answer in process groups: no sockets: {error}"
            ),
        );
    }
    made.ok()
}

fn manage(
    pool: Pool<'_>,
    main: Server<'_>,
    plan: &Plan<'_>,
    number: usize,
    lifeline: OwnedFd,
    server_metrics: Option<&ServerMetrics>,
) -> io::Result<Managed> {
    let config = plan.config;
    let by_root = Uid::effective().is_root();
    let httpd = server::identity(main);
    let owner = config.socket_user.as_ref().map_or(httpd.uid, |account| account.id);
    let prefix = socket_prefix(pool, main.config::<Wsgi>())?;
    let stem = [
        prefix.as_slice(),
        format!(".{}.{}.{number}", std::process::id(), Mpm.generation()).as_bytes(),
    ]
    .concat();
    let workers = config.processes as usize;
    let sockets = (1..=workers)
        .map(|worker| {
            let path = [stem.as_slice(), format!(".{worker}.sock").as_bytes()].concat();
            if path.len() > LONGEST_PATH {
                return Err(io::Error::other(format!(
                    "the path of its socket '{}' is longer than {LONGEST_PATH} bytes: \
                     choose a shorter WSGISocketPrefix",
                    String::from_utf8_lossy(&path)
                )));
            }
            let sizes = (config.send_buffer_size, config.receive_buffer_size);
            WorkerSocket::listen(&path, config.listen_backlog, sizes, by_root.then_some(owner))
                .map_err(|error| {
                    io::Error::other(format!(
                        "its socket '{}' cannot be made: {error} (see WSGISocketPrefix)",
                        String::from_utf8_lossy(&path)
                    ))
                })
        })
        .collect::<io::Result<Vec<_>>>()?;
    // Children that end overlap with those that replace them.
    let children = Mpm.hard_limit_children().unwrap_or(256) as usize * 2 + 16;
    let (memory, mut board) = Scoreboard::create(workers, children, config.threads)?;
    let bell = config.is_elastic().then(|| board.hang_bell()).transpose()?;
    let timeout = [config.socket_timeout, plan.server.timeout()];
    let timeout =
        timeout.into_iter().find(|time| !time.is_zero()).unwrap_or(Duration::from_secs(60));
    let owner = plan.server.is_virtual().then(|| plan.server.hostname());
    let owner = owner.map(|name| name.map(|it| it.to_bytes().to_vec()).unwrap_or_default());
    let log = match plan.server.error_log() {
        Some(log) => log.try_clone_to_owned()?,
        // With syslog: httpd's standard error, which is what httpd leaves to its own programs.
        None => io::stderr().as_fd().try_clone_to_owned()?,
    };
    let recipe = Recipe {
        python: plan.python.clone(),
        engine: plan.engine.clone(),
        options: main.config::<Wsgi>().globals.python.clone(),
        identity: plan.identity.clone(),
        httpd_uid: httpd.uid,
        preload: config.preload && plan.preloads.iter().any(|it| it.application_group.is_empty()),
        preloads: plan.preloads.clone(),
        log,
        log_level: log_level(plan.server),
        environment: plan.environment.clone(),
        scoreboard: memory,
        bell,
        lifeline,
        server_metrics: server_metrics
            .filter(|_| config.server_metrics)
            .map(ServerMetrics::asking)
            .transpose()?,
    };
    let group = Group::new(config.clone(), owner, secret::make()?, timeout, board, sockets);
    Ok(Managed { group, recipe, leader: Mutex::default() })
}

/// Where sockets are made.
fn socket_prefix(pool: Pool<'_>, config: &ServerConfig) -> io::Result<Vec<u8>> {
    if let Some(prefix) = &config.globals.socket_prefix {
        return Ok(prefix.clone());
    }
    let path = server::runtime_relative(pool, c"wsgi");
    path.map(|path| path.to_bytes().to_vec())
        .ok_or_else(|| io::Error::other("there is no DefaultRuntimeDir: set WSGISocketPrefix"))
}

/// The scripts to load when the workers of a group start.
fn preloads(main: Server<'_>, group: &DaemonGroup) -> Result<Vec<Preload>, String> {
    let servers = || main.iter().map(|server| server.config::<Wsgi>());
    let mut preloads = Vec::new();
    for import in config::imports(servers()).filter(|it| it.process_group == group.name) {
        let filename = chroot::inside(group, &import.script);
        let filename = filename.ok_or_else(|| chroot::outside(group, &import.script))?.to_vec();
        let application_group = import.application_group.clone();
        preloads.push(Preload { filename, application_group });
    }
    if group.preload {
        let alone = embedded::runs_in_main_interpreter(&group.name);
        let scripts = config::main_scripts(servers(), &group.name, alone);
        for path in scripts.iter().filter(|path| !Path::new(OsStr::from_bytes(path)).is_dir()) {
            let Some(filename) = chroot::inside(group, path) else { continue };
            let preload = Preload { filename: filename.to_vec(), application_group: Vec::new() };
            if !preloads.contains(&preload) {
                preloads.push(preload);
            }
        }
    }
    Ok(preloads)
}

/// The least important level that this server logs for our module.
fn log_level(server: Server<'_>) -> u32 {
    (0..=8).rev().find(|&level| server.logs(Level::from_number(level))).unwrap_or(0).into()
}

/// Starts the leader of a group.
fn lead(managed: &Managed) {
    let mut leadership = managed.leader.lock().unwrap_or_else(PoisonError::into_inner);
    leadership.started = Some(Instant::now());
    managed.group.board.set_failed(false);
    // Until the leader knows better.
    managed.group.board.set_coming(true);
    match managed.recipe.start(&managed.group) {
        Ok(leader) => {
            watch(leader.pid, managed.group.config.shutdown_timeout);
            leadership.leader = Some(leader);
        }
        Err(error) => {
            managed.group.board.set_failed(true);
            log::write(
                log::Main,
                Level::CRIT,
                format_args!(
                    "WRS3003: the leader of process group '{}' cannot be started: '{}' as user {}: {error}",
                    managed.group.name(),
                    managed.recipe.python.executable.display(),
                    managed.recipe.identity.uid()
                ),
            );
        }
    }
}

/// Has httpd reap a leader, in whatever generation it ends.
fn watch(pid: i32, shutdown: Duration) {
    let pool = OwnedPool::new();
    let mut told = false;
    Watch::new(pool.pool(), pid, move |event, _| match event {
        Event::Death(status) => leader_ended(pid, Some(status)),
        Event::Lost => leader_ended(pid, None),
        Event::Restart => end_with_children(pid, &mut told),
        Event::Unregister => {}
    });
    let living = Living { pid, over: false, shutdown, _pool: pool };
    LIVING.with(|all| all.borrow_mut().push(living));
}

/// httpd ends all its children: it stops, or restarts without grace, or the time of a graceful stop is over. They wait for
/// requests in process groups until httpd kills them after nine seconds. So the groups end too, in the time they have for it.
fn end_with_children(pid: i32, told: &mut bool) {
    CHILDREN_END.set(true);
    if !std::mem::replace(told, true) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
}

fn leader_ended(pid: i32, status: Option<i32>) {
    LIVING.with(|living| {
        living.borrow_mut().iter_mut().filter(|it| it.pid == pid).for_each(|it| it.over = true);
    });
    let Some(runtime) = current() else { return };
    let Some(managed) = runtime.groups.iter().find(|it| it.is_led_by(pid)) else { return };
    if CHILDREN_END.get() {
        // No other one comes that requests could wait for.
        managed.group.board.set_failed(true);
        return;
    }
    let killed = status.is_some_and(|status| libc::WIFSIGNALED(status));
    let told =
        status.is_some_and(|status| libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0);
    let at_once = {
        let mut leadership = managed.leader.lock().unwrap_or_else(PoisonError::into_inner);
        leadership.leader = None;
        managed.group.board.set_coming(false);
        let lived = leadership.started.map_or(Duration::ZERO, |at| at.elapsed());
        let good = lived >= GOOD_LIFE
            || (told && lived >= SHORTEST_LIFE)
            || managed.group.board.has_answered();
        let first = !std::mem::replace(&mut leadership.hasty, !good);
        good || (killed && first)
    };
    let how = status.map_or("is gone".to_owned(), |status| Death { pid, status }.to_string());
    log::write(
        log::Main,
        Level::ERROR,
        format_args!(
            "WRS3004: the leader {pid} of process group '{}' {how}; its workers finish their requests, and it is \
             started again{}",
            managed.group.name(),
            if at_once { "" } else { " when httpd looks after its processes the next time" }
        ),
    );
    if at_once {
        lead(managed);
    } else {
        managed.group.board.set_failed(true);
    }
}

impl Managed {
    fn is_led_by(&self, pid: i32) -> bool {
        let leadership = self.leader.lock().unwrap_or_else(PoisonError::into_inner);
        leadership.leader.as_ref().is_some_and(|leader| leader.pid == pid)
    }

    fn has_leader(&self) -> bool {
        self.leader.lock().unwrap_or_else(PoisonError::into_inner).leader.is_some()
    }
}

/// Closes the connections of this process that rest, of all groups; whether there were any.
pub fn close_resting() -> bool {
    let Some(runtime) = current() else { return false };
    let closed = runtime.groups.iter().filter(|managed| managed.group.close_resting());
    closed.count() > 0
}

/// Starts the leaders that could not be started, or ended too soon.
pub fn retry() {
    // Here no watch is in the middle of its callback, so the pools of those that are over can go.
    LIVING.with(|living| living.borrow_mut().retain(|it| !it.over));
    if let Some(runtime) = current() {
        runtime.groups.iter().filter(|managed| !managed.has_leader()).for_each(lead);
    }
}

/// The parent: an httpd child ended.
pub fn child_ended(pid: i32) {
    if let Some(runtime) = current() {
        runtime.groups.iter().for_each(|managed| managed.group.board.clear_child(pid));
    }
}

/// A new httpd child; with `httpd -X` the parent itself.
pub fn enter_child(pool: Pool<'_>) {
    let Some(runtime) = current() else { return };
    if let Some(metrics) = &runtime.server_metrics {
        metrics.enter_child(pool);
    }
    for managed in &runtime.groups {
        managed.group.enter_child();
        if !runtime.is_parent() {
            managed.group.close_listeners();
            // The control pipe is the parent's: held here, a retired group would not know before this child ends.
            managed.leader.lock().unwrap_or_else(PoisonError::into_inner).leader = None;
        }
    }
}

impl Runtime {
    /// The group of this name.
    pub fn find(&self, name: &[u8]) -> Option<&Group> {
        self.groups.iter().map(|managed| &managed.group).find(|group| group.config.name == name)
    }

    /// Whether this process made it, and is no child that inherited it.
    fn is_parent(&self) -> bool {
        self.parent == std::process::id()
    }
}

/// The parent: the configuration goes. The groups end when the last httpd child that uses them has ended.
fn retire(runtime: Arc<Runtime>) {
    if !runtime.is_parent() {
        // An httpd child that ends cleans up its copy of the configuration.
        return;
    }
    replace_current(None);
    runtime.groups.iter().for_each(|managed| managed.group.unlink_sockets());
    drop(runtime);
    if server::phase() == Phase::Exiting {
        wait_for_all();
    }
}

/// When httpd ends, its groups have ended before.
fn wait_for_all() {
    let mut left: Vec<(Pid, Duration)> = LIVING.with(|living| {
        let living = living.borrow();
        let alive = living.iter().filter(|it| !it.over);
        alive.map(|it| (Pid::from_raw(it.pid), it.shutdown)).collect()
    });
    let longest = left.iter().map(|(_, shutdown)| *shutdown).max().unwrap_or_default();
    let deadline = Instant::now() + longest + REAPING;
    loop {
        left.retain(|(pid, _)| {
            matches!(waitpid(*pid, Some(WaitPidFlag::WNOHANG)), Ok(WaitStatus::StillAlive))
        });
        if left.is_empty() || Instant::now() >= deadline {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    for (pid, _) in left {
        log::write(
            log::Main,
            Level::ERROR,
            format_args!(
                "WRS3005: the process group led by {pid} did not end in time and is killed"
            ),
        );
        // The leader and its workers are a process group of their own.
        let _ = killpg(pid, Signal::SIGKILL);
        let _ = waitpid(pid, None);
    }
}
