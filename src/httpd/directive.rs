//! Directives: a table of data, and the entry through which httpd runs each of them.
//!
//! Directives run on the one thread that reads the configuration, except those of `.htaccess` files, which run during
//! requests; these get no access to the configuration of the server, which all threads share by then.
//! See <https://httpd.apache.org/docs/2.4/developer/modguide.html#directives>.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use super::config::Module;
use super::entry::entry;
use super::log::{self, Level};
use super::pool::{Pool, text};
use super::sys;

/// Where a directive may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context(c_int);

impl Context {
    /// In the main server and in virtual hosts.
    pub const SERVER: Self = Self(sys::RSRC_CONF as c_int);
    /// There, and in sections.
    pub const SERVER_OR_SECTION: Self = Self((sys::RSRC_CONF | sys::ACCESS_CONF) as c_int);
    /// Everywhere; in `.htaccess` with `AllowOverride FileInfo`.
    pub const FILE_INFO: Self = Self(sys::OR_FILEINFO as c_int);
    /// Everywhere; in `.htaccess` with `AllowOverride AuthConfig`.
    pub const AUTH_CONFIG: Self = Self(sys::OR_AUTHCFG as c_int);

    /// Run while the file is read, before other directives of it.
    #[must_use]
    pub const fn on_read(self) -> Self {
        Self(self.0 | sys::EXEC_ON_READ as c_int)
    }
}

/// What a directive answers; the text is shown with the file and line, and httpd does not start.
pub type Answer = Result<(), String>;

/// How httpd splits the arguments, and what runs.
pub enum Handler<M: Module> {
    /// The rest of the line.
    Raw(fn(&Command<'_>, Scope<'_, M>, &CStr) -> Answer),
    /// A container: the rest of its line with the bracket that closes it; what stands in it runs afterwards.
    Section(fn(&Command<'_>, Scope<'_, M>, &CStr) -> Answer),
    /// No arguments.
    None(fn(&Command<'_>, Scope<'_, M>) -> Answer),
    /// One argument.
    One(fn(&Command<'_>, Scope<'_, M>, &CStr) -> Answer),
    /// Two arguments.
    Two(fn(&Command<'_>, Scope<'_, M>, &CStr, &CStr) -> Answer),
    /// One or two arguments.
    OneOrTwo(fn(&Command<'_>, Scope<'_, M>, &CStr, Option<&CStr>) -> Answer),
    /// One or more arguments, one call for each.
    Each(fn(&Command<'_>, Scope<'_, M>, &CStr) -> Answer),
    /// `On` or `Off`.
    Flag(fn(&Command<'_>, Scope<'_, M>, bool) -> Answer),
}

/// One directive.
pub struct Directive<M: Module> {
    /// Its name; `<Name` for a container.
    pub name: &'static CStr,
    /// Where it may stand.
    pub context: Context,
    /// What runs.
    pub handler: Handler<M>,
    /// What is shown when the arguments are wrong.
    pub help: &'static CStr,
}

impl<M: Module> Directive<M> {
    const fn command(&'static self) -> sys::command_rec {
        let (func, args_how) = match self.handler {
            Handler::Raw(_) | Handler::Section(_) => (raw_func::<M>(), sys::cmd_how_RAW_ARGS),
            Handler::None(_) => {
                (sys::cmd_func { no_args: Some(run_none::<M>) }, sys::cmd_how_NO_ARGS)
            }
            Handler::One(_) => (raw_func::<M>(), sys::cmd_how_TAKE1),
            Handler::Two(_) => (sys::cmd_func { take2: Some(run_two::<M>) }, sys::cmd_how_TAKE2),
            Handler::OneOrTwo(_) => {
                (sys::cmd_func { take2: Some(run_two::<M>) }, sys::cmd_how_TAKE12)
            }
            Handler::Each(_) => (raw_func::<M>(), sys::cmd_how_ITERATE),
            Handler::Flag(_) => (sys::cmd_func { flag: Some(run_flag::<M>) }, sys::cmd_how_FLAG),
        };
        sys::command_rec {
            name: self.name.as_ptr(),
            func,
            cmd_data: ptr::from_ref(self).cast_mut().cast(),
            req_override: self.context.0,
            args_how,
            errmsg: self.help.as_ptr(),
        }
    }
}

const fn raw_func<M: Module>() -> sys::cmd_func {
    sys::cmd_func { take1: Some(run_one::<M>) }
}

/// The table as httpd reads it: one record for each directive, and an empty one at the end.
#[repr(transparent)]
pub struct Commands<M: Module, const N: usize> {
    records: [sys::command_rec; N],
    of: PhantomData<fn() -> M>,
}

// SAFETY: constant; the pointers in it are to 'static data that nobody changes.
unsafe impl<M: Module, const N: usize> Sync for Commands<M, N> {}

impl<M: Module, const N: usize> Commands<M, N> {
    /// The table of the module's directives; `N` is one more than there are.
    #[allow(
        clippy::new_without_default,
        clippy::indexing_slicing,
        reason = "evaluated by the compiler"
    )]
    pub const fn new() -> Self {
        assert!(N == M::DIRECTIVES.len() + 1, "one record more than there are directives");
        let end = sys::command_rec {
            name: ptr::null(),
            func: sys::cmd_func { no_args: None },
            cmd_data: ptr::null_mut(),
            req_override: 0,
            args_how: sys::cmd_how_RAW_ARGS,
            errmsg: ptr::null(),
        };
        let mut records = [end; N];
        let mut i = 0;
        while i < M::DIRECTIVES.len() {
            records[i] = M::DIRECTIVES[i].command();
            i += 1;
        }
        Self { records, of: PhantomData }
    }

    pub(super) const fn as_ptr(&'static self) -> *const sys::command_rec {
        self.records.as_ptr()
    }
}

/// The configuration a directive writes into.
pub struct Scope<'c, M: Module> {
    /// The configuration of the server; none in `.htaccess`.
    pub server: Option<&'c mut M::Server>,
    /// The configuration of the section, or of the server as a whole outside of sections.
    pub directory: &'c mut M::Directory,
}

/// A directive at its place in a file.
#[derive(Clone, Copy)]
pub struct Command<'c> {
    ptr: NonNull<sys::cmd_parms>,
    alive: PhantomData<&'c sys::cmd_parms>,
}

impl<'c> Command<'c> {
    /// # Safety
    /// `ptr` is the cmd_parms that httpd passes to a directive, alive during `'c`.
    unsafe fn from_ptr(ptr: *mut sys::cmd_parms) -> Self {
        // SAFETY: the caller promises a cmd_parms.
        let ptr = unsafe { NonNull::new_unchecked(ptr) };
        Self { ptr, alive: PhantomData }
    }

    fn record(&self) -> &sys::cmd_parms {
        // SAFETY: a live cmd_parms; the reference ends before httpd is called again.
        unsafe { self.ptr.as_ref() }
    }

    /// The pool of the configuration.
    pub fn pool(self) -> Pool<'c> {
        // SAFETY: the pool outlives the directive.
        unsafe { Pool::from_ptr(self.record().pool) }
    }

    /// A pool that ends when the configuration was read.
    pub fn temporary_pool(self) -> Pool<'c> {
        // SAFETY: the pool outlives the directive.
        unsafe { Pool::from_ptr(self.record().temp_pool) }
    }

    /// The directive as it is named in the table.
    pub fn name(self) -> &'c CStr {
        // SAFETY: httpd sets the record of the directive, whose name is 'static.
        unsafe { text((*self.record().cmd).name) }.unwrap_or_default()
    }

    /// Does it stand in a section (`<Directory>`, `<Location>`, ...) or in `.htaccess`?
    pub fn is_in_section(self) -> bool {
        !self.record().path.is_null()
    }

    /// The path of the section.
    pub fn section(self) -> Option<&'c CStr> {
        // SAFETY: null or a string of the configuration.
        unsafe { text(self.record().path) }
    }

    /// Does it stand in a `.htaccess` file?
    pub fn is_in_htaccess(self) -> bool {
        // So does `ap_check_cmd_context` tell it.
        self.record().pool == self.record().temp_pool
    }

    /// Does it stand in a virtual host?
    pub fn is_in_virtual_host(self) -> bool {
        self.server().is_virtual != 0
    }

    /// The `ServerName` of the server it stands in, as far as it was read.
    pub fn server_hostname(self) -> Option<&'c CStr> {
        // SAFETY: null or a string of the configuration.
        unsafe { text(self.server().server_hostname) }
    }

    /// The port of the server it stands in.
    pub fn server_port(self) -> u16 {
        self.server().port
    }

    fn server(&self) -> &sys::server_rec {
        // SAFETY: httpd sets the server that is being configured.
        unsafe { &*self.record().server }
    }

    fn tree(&self) -> Option<&sys::ap_directive_t> {
        // SAFETY: null, or the node of the directive.
        unsafe { self.record().directive.as_ref() }
    }

    /// The file it stands in.
    pub fn file_name(self) -> Option<&'c CStr> {
        // SAFETY: null or a string of the configuration.
        self.tree().and_then(|node| unsafe { text(node.filename) })
    }

    /// The line it stands in.
    pub fn line(self) -> Option<u32> {
        self.tree().and_then(|node| u32::try_from(node.line_num).ok())
    }

    /// The directive that directly encloses it: its name, with `<` before it, and its arguments.
    pub fn parent(self) -> Option<(&'c CStr, &'c CStr)> {
        // SAFETY: null, or the node of the enclosing directive.
        let parent = unsafe { self.tree()?.parent.as_ref() }?;
        // SAFETY: strings of the configuration.
        unsafe { text(parent.directive).zip(text(parent.args)) }
    }

    /// The directives that directly stand in it, for a container: their names, with `<` before those of containers, and
    /// their lines.
    pub fn children(self) -> impl Iterator<Item = (&'c CStr, u32)> {
        let first = self.tree().map_or(ptr::null(), |node| node.first_child.cast_const());
        // SAFETY: null, or a node of the configuration's tree; so is what comes next.
        let nodes =
            std::iter::successors(unsafe { first.as_ref() }, |node| unsafe { node.next.as_ref() });
        nodes.map(|node| {
            // SAFETY: a string of the configuration.
            let name = unsafe { text(node.directive) }.unwrap_or_default();
            (name, u32::try_from(node.line_num).unwrap_or_default())
        })
    }

    /// Has httpd run the directives that stand in it; null, or the error of one as httpd takes it.
    fn run_children(self) -> *const c_char {
        let Some(node) = self.tree() else { return ptr::null() };
        let parms = self.ptr.as_ptr();
        // SAFETY: the nodes of the container, the cmd_parms that httpd passed, and the configuration it was passed for.
        unsafe { sys::ap_walk_config(node.first_child, parms, (*parms).context) }
    }

    /// An error unless it stands in the main server, outside of any section.
    pub fn global_only(self) -> Answer {
        self.forbid(sys::GLOBAL_ONLY)
    }

    /// An error if it stands in a section.
    pub fn not_in_section(self) -> Answer {
        self.forbid(sys::NOT_IN_DIR_CONTEXT)
    }

    fn forbid(self, places: c_uint) -> Answer {
        // SAFETY: a live cmd_parms; the result is null or a string of its pool.
        match unsafe { text(sys::ap_check_cmd_context(self.ptr.as_ptr(), places)) } {
            None => Ok(()),
            Some(error) => Err(error.to_string_lossy().into_owned()),
        }
    }

    /// Takes the next word of `rest`, unquoted; none at the end. For directives with [`Handler::Raw`].
    pub fn next_word(self, rest: &mut &'c CStr) -> Option<&'c CStr> {
        let mut position = rest.as_ptr();
        // SAFETY: reads a NUL-terminated string, moves on in it, and returns a string of the pool.
        let word = unsafe { text(sys::ap_getword_conf(self.pool().as_ptr(), &raw mut position)) };
        let at_end = rest.is_empty();
        // SAFETY: still in the same string.
        *rest = unsafe { text(position) }.unwrap_or_default();
        word.filter(|word| !(at_end && word.is_empty()))
    }

    fn scope<M: Module>(self, directory: *mut c_void) -> Scope<'c, M> {
        assert!(!directory.is_null(), "httpd has made no configuration for the section");
        let server = if self.is_in_htaccess() {
            None
        } else {
            // SAFETY: the server is being configured, by this thread alone.
            Some(unsafe { &mut *M::record().server_slot(self.server().module_config) })
        };
        // SAFETY: httpd passes the value `create_directory::<M>` has made for the section that is being read.
        Scope { server, directory: unsafe { &mut *directory.cast() } }
    }

    fn directive<M: Module>(self) -> &'static Directive<M> {
        // SAFETY: `info` is the `cmd_data` of the record, set by `Directive::<M>::command`.
        unsafe { &*self.record().info.cast_const().cast() }
    }

    fn answer(self, answer: Answer) -> *const c_char {
        match answer {
            Ok(()) => ptr::null(),
            Err(error) => self.pool().dup(error.as_bytes()).as_ptr(),
        }
    }

    fn bug(parms: *mut sys::cmd_parms, text: &str) -> *const c_char {
        // SAFETY: httpd passes a live cmd_parms.
        let command = unsafe { Command::from_ptr(parms) };
        log::write(log::Main, Level::CRIT, format_args!("{text}"));
        command.answer(Err(text.to_owned()))
    }
}

/// The string of an argument that httpd promises.
///
/// # Safety
/// As for `text`.
unsafe fn given<'a>(argument: *const c_char) -> &'a CStr {
    // SAFETY: the caller promises it.
    unsafe { text(argument) }.unwrap_or_default()
}

entry! {
    fn run_none[M: Module](parms: *mut sys::cmd_parms, directory: *mut c_void) -> *const c_char {
        // SAFETY: httpd passes a live cmd_parms.
        let command = unsafe { Command::from_ptr(parms) };
        let answer = match command.directive::<M>().handler {
            Handler::None(run) => run(&command, command.scope(directory)),
            _ => Ok(()),
        };
        command.answer(answer)
    }
    bug |text| { Command::bug(parms, &text) }
}

entry! {
    fn run_one[M: Module](parms: *mut sys::cmd_parms, directory: *mut c_void, word: *const c_char) -> *const c_char {
        // SAFETY: httpd passes a live cmd_parms.
        let command = unsafe { Command::from_ptr(parms) };
        // SAFETY: httpd passes the argument as a string that outlives the call.
        let word = unsafe { given(word) };
        let answer = match command.directive::<M>().handler {
            Handler::Raw(run) | Handler::One(run) | Handler::Each(run) => {
                run(&command, command.scope(directory), word)
            }
            Handler::Section(run) => {
                let answer = run(&command, command.scope(directory), word);
                if answer.is_ok() {
                    // No scope is alive any more: each of these gets its own.
                    return command.run_children();
                }
                answer
            }
            _ => Ok(()),
        };
        command.answer(answer)
    }
    bug |text| { Command::bug(parms, &text) }
}

entry! {
    fn run_two[M: Module](
        parms: *mut sys::cmd_parms,
        directory: *mut c_void,
        first: *const c_char,
        second: *const c_char,
    ) -> *const c_char {
        // SAFETY: httpd passes a live cmd_parms.
        let command = unsafe { Command::from_ptr(parms) };
        // SAFETY: httpd passes the arguments as strings that outlive the call, the second may be missing.
        let (first, second) = unsafe { (given(first), text(second)) };
        let scope = command.scope(directory);
        let answer = match command.directive::<M>().handler {
            Handler::Two(run) => run(&command, scope, first, second.unwrap_or_default()),
            Handler::OneOrTwo(run) => run(&command, scope, first, second),
            _ => Ok(()),
        };
        command.answer(answer)
    }
    bug |text| { Command::bug(parms, &text) }
}

entry! {
    fn run_flag[M: Module](parms: *mut sys::cmd_parms, directory: *mut c_void, on: c_int) -> *const c_char {
        // SAFETY: httpd passes a live cmd_parms.
        let command = unsafe { Command::from_ptr(parms) };
        let answer = match command.directive::<M>().handler {
            Handler::Flag(run) => run(&command, command.scope(directory), on != 0),
            _ => Ok(()),
        };
        command.answer(answer)
    }
    bug |text| { Command::bug(parms, &text) }
}
