//! `WSGIScriptAlias`: maps a URI to a script, in the translate_name and map_to_storage hooks.
//!
//! Source: behaviour of mod_alias and mod_wsgi. The alias that routed a request is remembered in a note, by its place in the
//! server's list, for the handler to find its options.

use crate::config::{ScriptAlias, ScriptOptions, ServerConfig, route};
use crate::httpd::request::FileType;
use crate::httpd::{Request, Status};
use crate::module::Wsgi;
use crate::request::environ::bytes;
use std::ffi::CStr;

/// The name of our handler.
pub const HANDLER: &[u8] = b"wsgi-script";

/// httpd's own note for "an alias chose the handler".
const FORCED: &CStr = c"alias-forced-type";
const PLACE: &CStr = c"mod_wsgi.alias";

/// The hook.
pub fn translate(request: Request<'_>) -> Status {
    let config = request.server_config::<Wsgi>();
    if config.aliases.is_empty() {
        return Status::DECLINED;
    }
    let uri = bytes(request.uri());
    if !uri.is_empty() && !uri.starts_with(b"/") {
        return Status::DECLINED;
    }
    let Some(found) = route(&config.aliases, uri) else { return Status::DECLINED };
    request.set_filename(&found.filename);
    request.set_handler(HANDLER);
    let notes = request.notes();
    notes.setn(FORCED, c"wsgi-script");
    notes.set_bytes(PLACE.to_bytes(), request.pool().decimal(found.place));
    Status::OK
}

/// The hook right before httpd's own walk over the directories of the file: tells it where the script ends.
///
/// As mod_alias does it, the path info is a part of the file name. So the file is not found as a whole, and httpd looks at each component
/// of the path, the last of which is the script: some five system calls instead of one. Where the script is a file the
/// name is cut here, as httpd has it when a request has no path info.
///
/// Not for what is made of another request, an internal redirection or a part of a page: where httpd finds the same file as before it
/// takes over the sections and who was let in, which it would not do step by step.
pub fn map_to_storage(request: Request<'_>) -> Status {
    let config = request.server_config::<Wsgi>();
    let is_first = request.previous().is_none() && request.main().is_none();
    if !config.aliases.is_empty() && is_first {
        if let Some(alias) = alias(request, config).filter(|alias| !alias.is_directory.get()) {
            cut(request, alias);
        }
    }
    Status::DECLINED
}

fn cut(request: Request<'_>, alias: &ScriptAlias) {
    let Some(whole) = request.filename() else { return };
    let Some(path_info) = alias.path_info(whole.to_bytes()) else { return };
    // Another module may have done something about it.
    let is_ours = request.path_info().is_none() && request.file_type() == FileType::Missing;
    if !is_ours || has_section_within(request, &alias.target) {
        return;
    }
    request.set_filename(&alias.target);
    match request.look_at_file() {
        FileType::File => return request.set_path_info(path_info),
        FileType::Directory => alias.is_directory.set(),
        FileType::Missing | FileType::Other => {}
    }
    request.forget_file();
    request.set_filename(whole.to_bytes());
}

/// Might a section be for what is in a directory of the name of this file? httpd applies it also to the file itself when it has found that
/// as a whole, but not when it came there step by step. (It also looks for a `.htaccess` in it then, if it looks for any, and finds none.)
fn has_section_within(request: Request<'_>, file: &[u8]) -> bool {
    let depth = 1 + file.iter().filter(|&&byte| byte == b'/').count();
    request.server().sections().any(|section| {
        let is_same = |path: &CStr| path.to_bytes().strip_suffix(b"/") == Some(file);
        usize::try_from(section.depth) == Ok(depth)
            && section.path().is_some_and(|path| section.has_wildcards || is_same(path))
    })
}

/// Was it an alias that made this a request for us?
pub fn is_aliased(request: Request<'_>) -> bool {
    request.notes().get(FORCED).is_some_and(|it| it.to_bytes() == HANDLER)
}

/// The options of the alias that routed a request, if it was an alias.
pub fn options<'r>(request: Request<'r>, config: &'r ServerConfig) -> Option<&'r ScriptOptions> {
    alias(request, config).map(|alias| &alias.options)
}

fn alias<'r>(request: Request<'r>, config: &'r ServerConfig) -> Option<&'r ScriptAlias> {
    let place = request.notes().get(PLACE)?;
    let place: usize = place.to_str().ok()?.parse().ok()?;
    config.aliases.get(place)
}
