//! Asks `apxs` where the headers of httpd are, makes the bindings of `src/httpd/sys.rs` from them and compiles the
//! shim that turns C macros into functions. What is missing on the machine is told in one sentence.

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

/// The C functions the vocabulary of `src/httpd` is built on.
const FUNCTIONS: &[&str] = &[
    "ap_(add_cgi_vars|add_common_vars|add_version_component|allow_options|check_cmd_context)",
    "ap_(context_document_root|context_prefix|discard_request_body|document_root)",
    "ap_(exists_config_define|get_limit_req_body|get_server_banner|get_server_built|get_server_description)",
    "ap_(get_server_name_for_url|get_server_port|get_useragent_host|getword_conf|internal_redirect)",
    "ap_(log_cerror_|log_error_|log_perror_|log_rerror_|map_http_request_error|mpm_query)",
    "ap_(note_auth_failure|pass_brigade|psignature|run_generate_log_id|run_http_scheme)",
    "ap_(register_auth_provider|satisfies|some_auth_required)",
    "ap_(runtime_dir_relative|server_root_relative|set_content_length|set_content_type)",
    "ap_(set_keepalive|state_query|bucket_error_create|show_mpm|walk_config)",
    "ap_hook_(access_checker|check_config|child_init|child_status|child_stopping|end_generation)",
    "ap_hook_(fixups|handler|monitor|open_logs|post_config|pre_config|pre_mpm|test_config)",
    "ap_hook_(insert_network_bucket|map_to_storage|translate_name)",
    "ap_reg(comp|exec_len|error|free)",
    "apr_brigade_(create|destroy|cleanup)",
    "apr_bucket_(eos|flush|heap|immortal|transient)_create",
    "apr_bucket_(alloc|copy_notimpl|destroy_noop|free|heap_make|immortal_make|setaside_notimpl|split_notimpl)",
    "apr_socket_(recv|timeout_get|timeout_set)",
    "apr_os_file_get",
    "apr_palloc",
    "apr_strerror",
    "apr_pool_(cleanup_null|cleanup_register|note_subprocess|tag)",
    "apr_proc_other_child_(register|unregister)",
    "apr_table_(add|addn|clear|get|set|setn|unset|elts|make)",
    "ap_remove_output_filter_byhandle",
    "ap_(copy_scoreboard_worker|exists_scoreboard_image|get_scoreboard_(global|process))",
    "shim_.*",
];

/// The C structures whose fields are read.
const TYPES: &[&str] = &[
    "request_rec",
    "conn_rec",
    "server_rec",
    "module",
    "cmd_parms",
    "command_rec",
    "ap_directive_t",
    "apr_table_entry_t",
    "apr_bucket(_heap|_type_t)?",
    "apr_read_type_e",
    "apr_array_header_t",
    "apr_proc_t",
    "ap_regex_t",
    "ap_regmatch_t",
    "apr_kill_conditions_e",
    "auth(n|z)_(provider|status)",
    "apr_filetype_e",
    "mpm_child_status",
    "(global|process|worker)_score",
];

/// The C constants and variables that are used.
const VARS: &[&str] = &[
    "ap_listeners",
    "(OK|DECLINED|DONE)",
    "HTTP_[A-Z_]+",
    "APLOG_.*",
    "AP_MPMQ_.*",
    "AP_SQ_.*",
    "AP_SERVER_(MAJORVERSION|MINORVERSION|PATCHLEVEL)_NUMBER",
    "MODULE_MAGIC_.*",
    "APR_HOOK_.*",
    "APR_OC_REASON_.*",
    "(RSRC_CONF|ACCESS_CONF|EXEC_ON_READ|OR_[A-Z]+)",
    "(GLOBAL_ONLY|NOT_IN_[A-Z_]+)",
    "OPT_.*",
    "AP_REQ_.*_PATH_INFO",
    "REMOTE_HOST",
    "M_[A-Z]+",
    "(ap_unixd_config|ap_server_conf)",
    "SERVER_(DEAD|STARTING|READY|BUSY_[A-Z]+|CLOSING|GRACEFUL|IDLE_KILL)",
    "AP_FILTER_ERROR",
    "AP_AUTH_INTERNAL_PER_URI",
    "AUTH(N|Z)_PROVIDER_(GROUP|VERSION)",
    "SATISFY_ANY",
    "APR_TIMEUP",
    "APR_BUCKET_BUFF_SIZE",
    "AP_DECLINED",
];

/// What apxs says about how modules are compiled.
struct Apxs {
    includes: Vec<PathBuf>,
    flags: Vec<String>,
}

fn main() {
    for name in ["APXS", "PATH", "LIBCLANG_PATH"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    for name in ["build.rs", "src/httpd/shim.c", "src/httpd/shim.h"] {
        println!("cargo:rerun-if-changed={name}");
    }
    let apxs = Apxs::ask();
    compile_shim(&apxs);
    write_bindings(&apxs);
    // httpd unloads and loads modules again while it starts; the code of ours stays where it is.
    println!("cargo:rustc-link-arg-cdylib=-Wl,-z,nodelete");
}

/// Ends the build with one sentence.
fn stop(sentence: impl Display) -> ! {
    eprintln!("mod_wsgi_rs cannot be built: {sentence}");
    exit(1)
}

impl Apxs {
    fn ask() -> Self {
        let program = find_apxs();
        println!("cargo:rerun-if-changed={}", program.display());
        let Some(include) = query(&program, "INCLUDEDIR").filter(|text| !text.is_empty()) else {
            stop(format_args!(
                "`{} -q INCLUDEDIR` gave no answer; set APXS to the apxs of your httpd, or install it (Debian: apt \
                 install apache2-dev).",
                program.display()
            ))
        };
        let mut includes = vec![PathBuf::from(&include)];
        for name in ["APR_INCLUDEDIR", "APU_INCLUDEDIR"] {
            includes
                .extend(query(&program, name).filter(|text| !text.is_empty()).map(PathBuf::from));
        }
        includes.dedup();
        for header in ["httpd.h", "apr.h", "apu.h"] {
            if !includes.iter().any(|folder| folder.join(header).is_file()) {
                stop(format_args!(
                    "{} says the headers of httpd are in {include}, but `{header}` is missing; install the headers of \
                     httpd and APR (Debian: apt install apache2-dev).",
                    program.display()
                ));
            }
        }
        let mut flags = Vec::new();
        for name in
            ["CFLAGS", "NOTEST_CPPFLAGS", "EXTRA_CPPFLAGS", "EXTRA_CFLAGS", "EXTRA_INCLUDES"]
        {
            // Only what the preprocessor needs: the rest is meant for one compiler, the bindings use another.
            for word in query(&program, name).unwrap_or_default().split_whitespace() {
                let useful = ["-D", "-U", "-I"].iter().any(|start| word.starts_with(start));
                if useful
                    && word.len() > 2
                    && word != "-I."
                    && !flags.iter().any(|known| known == word)
                {
                    flags.push(word.to_owned());
                }
            }
        }
        Self { includes, flags }
    }
}

/// The apxs to ask: the variable APXS, then the search path, then where httpd installs itself.
fn find_apxs() -> PathBuf {
    if let Some(named) = env::var_os("APXS").filter(|value| !value.is_empty()) {
        let path = PathBuf::from(&named);
        return match search(&path) {
            Some(found) => found,
            None => stop(format_args!(
                "the variable APXS names {}, which is no file; give the path of the apxs of your httpd.",
                path.display()
            )),
        };
    }
    ["apxs", "apxs2", "/usr/local/apache2/bin/apxs", "/usr/sbin/apxs"]
        .iter()
        .find_map(|name| search(Path::new(name)))
        .unwrap_or_else(|| {
            stop(
                "apxs was not found; install the development files of Apache httpd (Debian: apt install apache2-dev) \
                 or set APXS to the path of apxs.",
            )
        })
}

fn search(name: &Path) -> Option<PathBuf> {
    if name.components().count() > 1 {
        return name.is_file().then(|| name.to_owned());
    }
    let folders: OsString = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn query(program: &Path, name: &str) -> Option<String> {
    let output = match Command::new(program).args(["-q", name]).output() {
        Ok(output) => output,
        Err(error) => stop(format_args!(
            "{} could not be run ({error}); it is a Perl script, so Perl has to be there (Debian: apt install \
             apache2-dev).",
            program.display()
        )),
    };
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

fn compile_shim(apxs: &Apxs) {
    let mut build = cc::Build::new();
    build.file("src/httpd/shim.c").includes(&apxs.includes).warnings(true).extra_warnings(false);
    for flag in &apxs.flags {
        build.flag(flag);
    }
    let compiler = match build.try_get_compiler() {
        Ok(compiler) => compiler,
        Err(error) => stop(format_args!(
            "no C compiler was found ({error}); install one (Debian: apt install gcc)."
        )),
    };
    if let Err(error) = Command::new(compiler.path()).arg("--version").output() {
        stop(format_args!(
            "the C compiler {} could not be run ({error}); install one (Debian: apt install gcc).",
            compiler.path().display()
        ));
    }
    if let Err(error) = build.try_compile("mod_wsgi_shim") {
        stop(format_args!("src/httpd/shim.c did not compile against these headers: {error}"));
    }
}

fn write_bindings(apxs: &Apxs) {
    // bindgen panics when it cannot load libclang; the version is asked first, to say it better.
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let version = std::panic::catch_unwind(bindgen::clang_version);
    std::panic::set_hook(usual);
    if version.is_err() {
        stop(
            "libclang was not found; install it (Debian: apt install libclang-dev) or set LIBCLANG_PATH to the folder \
             of libclang.so.",
        );
    }
    let Ok(target) = bindgen::RustTarget::stable(85, 0) else {
        stop("this bindgen does not know Rust 1.85.");
    };
    let mut builder = bindgen::Builder::default()
        .header("src/httpd/shim.h")
        .clang_args(apxs.includes.iter().map(|folder| format!("-I{}", folder.display())))
        .clang_args(&apxs.flags)
        .rust_target(target)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .layout_tests(false)
        .generate_comments(false)
        .derive_debug(false)
        .derive_default(false)
        .formatter(bindgen::Formatter::None);
    for name in FUNCTIONS {
        builder = builder.allowlist_function(name);
    }
    for name in TYPES {
        builder = builder.allowlist_type(name);
    }
    for name in VARS {
        builder = builder.allowlist_var(name);
    }
    let bindings = match builder.generate() {
        Ok(bindings) => bindings,
        Err(error) => stop(format_args!(
            "libclang could not read the headers of httpd ({error}); install its own headers too (Debian: apt install \
             libclang-dev)."
        )),
    };
    let Some(folder) = env::var_os("OUT_DIR") else {
        stop("OUT_DIR is not set; build with cargo.");
    };
    let path = Path::new(&folder).join("httpd.rs");
    if let Err(error) = bindings.write_to_file(&path) {
        stop(format_args!("{} could not be written: {error}", path.display()));
    }
}
