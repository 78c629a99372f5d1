//! `WSGIScriptAlias`: maps a URI to a script, in the translate_name hook.
//!
//! Source: behaviour of mod_alias and mod_wsgi. The alias that routed a request is remembered in a note, by its place in the
//! server's list, for the handler to find its options.

use crate::config::{ScriptOptions, ServerConfig, route};
use crate::httpd::{Request, Status};
use crate::module::Wsgi;
use crate::request::environ::bytes;

/// The name of our handler.
pub const HANDLER: &[u8] = b"wsgi-script";

/// httpd's own note for "an alias chose the handler".
const FORCED: &std::ffi::CStr = c"alias-forced-type";
const PLACE: &std::ffi::CStr = c"mod_wsgi.alias";

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

/// Was it an alias that made this a request for us?
pub fn is_aliased(request: Request<'_>) -> bool {
    request.notes().get(FORCED).is_some_and(|it| it.to_bytes() == HANDLER)
}

/// The options of the alias that routed a request, if it was an alias.
pub fn options<'r>(request: Request<'r>, config: &'r ServerConfig) -> Option<&'r ScriptOptions> {
    let place = request.notes().get(PLACE)?;
    let place: usize = place.to_str().ok()?.parse().ok()?;
    config.aliases.get(place).map(|alias| &alias.options)
}
