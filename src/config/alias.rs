//! `WSGIScriptAlias` and `WSGIScriptAliasMatch`: which URLs belong to which script.
//!
//! The aliases of a server are walked in their order and the first one that fits takes the request;
//! there is no longest-prefix rule. Matching works on the decoded URI path and touches nothing but
//! its arguments, on any thread. Regular expressions are httpd's own: this file only knows them as
//! a [`Pattern`].

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::Error;
use super::import::ImportScript;
use super::origin::Origin;
use super::setting::Setting;
use super::words::Words;

/// What a regular expression and its groups matched: `$0` to `$9`, empty for a group that took no
/// part.
pub type Captures = [Range<usize>; 10];

/// A compiled regular expression.
pub trait Pattern: fmt::Debug + Send + Sync {
    /// The expression as it was written.
    fn source(&self) -> &[u8];

    /// Matches a URI path; the places of the groups in it.
    fn captures(&self, uri: &[u8]) -> Option<Captures>;
}

/// Compiles a regular expression, or tells why it cannot be.
pub type Compile<'a> = &'a dyn Fn(&[u8]) -> Result<Arc<dyn Pattern>, String>;

/// The URLs an alias takes.
#[derive(Debug, Clone)]
pub enum Location {
    /// Those below a path.
    Prefix(Vec<u8>),
    /// Those a regular expression matches.
    Match(Arc<dyn Pattern>),
}

impl Location {
    /// As it was written.
    pub fn source(&self) -> &[u8] {
        match self {
            Self::Prefix(path) => path,
            Self::Match(pattern) => pattern.source(),
        }
    }
}

impl PartialEq for Location {
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
            && self.source() == other.source()
    }
}

impl Eq for Location {}

/// What an alias, or a handler that is a script, says about its requests; each comes before what
/// directives of the same meaning say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptOptions {
    /// `process-group`; empty for embedded mode.
    pub process_group: Option<Vec<u8>>,
    /// `application-group`; empty for the main interpreter.
    pub application_group: Option<Vec<u8>>,
    /// `callable-object`, taken as it is.
    pub callable_object: Option<Vec<u8>>,
    /// `pass-authorization`.
    pub pass_authorization: Option<bool>,
}

/// One alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptAlias {
    /// Which URLs.
    pub location: Location,
    /// The script, or a directory of scripts.
    pub target: Vec<u8>,
    /// What else it says.
    pub options: ScriptOptions,
    /// Where it was written.
    pub origin: Origin,
    /// The target is the same for all requests, and httpd takes it as it is written.
    is_plain: bool,
    /// Whether a request found a directory there.
    pub is_directory: Learned,
}

/// Something that is learned while requests are served, and begins as `false`. It is no part of what was configured.
#[derive(Debug, Default)]
pub struct Learned(AtomicBool);

impl Learned {
    /// Is it known?
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// It is known from now on.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Clone for Learned {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Learned {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Learned {}

/// Where an alias sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route<'a> {
    /// The alias's place in the list.
    pub place: usize,
    /// The alias, with its options for the request.
    pub alias: &'a ScriptAlias,
    /// The file name for the request, with whatever of the URI follows the alias.
    pub filename: Vec<u8>,
}

/// Is this an absolute path in which no component is empty, but the last, or `.` or `..`?
fn is_clean(path: &[u8]) -> bool {
    let mut rest = path;
    while let [b'/', after @ ..] = rest {
        let end = after.iter().position(|&byte| byte == b'/').unwrap_or(after.len());
        let (component, next) = after.split_at(end);
        if matches!(component, b"." | b"..") || (component.is_empty() && !next.is_empty()) {
            return false;
        }
        rest = next;
    }
    rest.is_empty() && !path.is_empty()
}

impl ScriptAlias {
    /// The directive for a path.
    pub const DIRECTIVE: &'static str = "WSGIScriptAlias";
    /// The directive for a regular expression.
    pub const DIRECTIVE_MATCH: &'static str = "WSGIScriptAliasMatch";

    /// Reads the arguments of `WSGIScriptAlias`.
    ///
    /// # Errors
    /// The first thing that is wrong with the line.
    pub fn parse(text: &[u8], origin: Origin) -> Result<Self, Error> {
        let mut words = Words::new(text);
        let path = words.argument(Self::DIRECTIVE, "the URL path")?;
        Self::rest(Self::DIRECTIVE, words, Location::Prefix(path), origin)
    }

    /// Reads the arguments of `WSGIScriptAliasMatch`.
    ///
    /// # Errors
    /// The first thing that is wrong with the line; [`Error::BadPattern`].
    pub fn parse_match(text: &[u8], origin: Origin, compile: Compile<'_>) -> Result<Self, Error> {
        let mut words = Words::new(text);
        let source = words.argument(Self::DIRECTIVE_MATCH, "the regular expression")?;
        let pattern = compile(&source).map_err(|reason| Error::BadPattern {
            directive: Self::DIRECTIVE_MATCH,
            pattern: source,
            reason,
        })?;
        Self::rest(Self::DIRECTIVE_MATCH, words, Location::Match(pattern), origin)
    }

    fn rest(
        directive: &'static str,
        mut words: Words<'_>,
        location: Location,
        origin: Origin,
    ) -> Result<Self, Error> {
        const OPTIONS: &[&str] =
            &["process-group", "application-group", "callable-object", "pass-authorization"];
        let target = words.argument(directive, "the path of the script")?;
        let mut options = ScriptOptions::default();
        while let Some(given) = words.option(directive)? {
            let setting = Setting::known(directive, OPTIONS, &given)?;
            match setting.option {
                Some("process-group") => options.process_group = Some(setting.group_name()),
                Some("application-group") => options.application_group = Some(setting.group_name()),
                Some("callable-object") => options.callable_object = Some(setting.text()),
                _ => options.pass_authorization = Some(setting.flag()?),
            }
        }
        let varies = matches!(location, Location::Match(_))
            && target.iter().any(|byte| matches!(byte, b'$' | b'\\'));
        let is_plain = !varies && is_clean(&target) && !target.ends_with(b"/");
        let is_directory = Learned::default();
        Ok(Self { location, target, options, origin, is_plain, is_directory })
    }

    /// The directive that made this alias.
    pub fn directive(&self) -> &'static str {
        match self.location {
            Location::Prefix(_) => Self::DIRECTIVE,
            Location::Match(_) => Self::DIRECTIVE_MATCH,
        }
    }

    /// The file name for a URI path, if the alias takes it.
    pub fn filename(&self, uri: &[u8]) -> Option<Vec<u8>> {
        match &self.location {
            Location::Prefix(path) => {
                let end = wsgi::mount::match_prefix(uri, path)?;
                let rest = if path == b"/" { uri } else { uri.get(end..)? };
                Some([self.target.as_slice(), rest].concat())
            }
            Location::Match(pattern) => {
                let captures = pattern.captures(uri)?;
                let end = captures.first().map_or(0, |whole| whole.end);
                let rest = if uri.get(..end)? == b"/" { uri } else { uri.get(end..)? };
                let mut filename = substitute(&self.target, uri, &captures);
                filename.extend_from_slice(rest);
                Some(filename)
            }
        }
    }

    /// The path info in a file name of this alias, provided that the target is a file: where the walk of httpd from one component of the
    /// name to the next would cut it. `None` if there is none, or httpd would clean up the name first.
    pub fn path_info<'a>(&self, filename: &'a [u8]) -> Option<&'a [u8]> {
        let rest = filename.strip_prefix(self.target.as_slice())?;
        (self.is_plain && is_clean(rest)).then_some(rest)
    }

    /// Whether the script depends on what the regular expression matches.
    pub fn target_varies(&self) -> bool {
        matches!(self.location, Location::Match(_)) && self.target.contains(&b'$')
    }

    /// The script to load when the process starts: known beforehand if both groups are given and
    /// nothing varies.
    pub fn preload(&self) -> Option<ImportScript> {
        let literal =
            |name: &Vec<u8>| (!name.windows(2).any(|two| two == b"%{")).then(|| name.clone());
        if self.target_varies() {
            return None;
        }
        Some(ImportScript {
            script: self.target.clone(),
            process_group: self.options.process_group.as_ref().and_then(literal)?,
            application_group: self.options.application_group.as_ref().and_then(literal)?,
            directive: self.directive(),
            origin: self.origin.clone(),
        })
    }
}

/// The first alias that takes a URI path, and the file name it gives.
pub fn route<'a>(
    aliases: impl IntoIterator<Item = &'a ScriptAlias>,
    uri: &[u8],
) -> Option<Route<'a>> {
    if uri.first().is_some_and(|byte| *byte != b'/') {
        return None;
    }
    aliases
        .into_iter()
        .enumerate()
        .find_map(|(place, alias)| Some(Route { place, alias, filename: alias.filename(uri)? }))
}

/// The target with `$0` to `$9` replaced by what was matched; a backslash takes the next byte
/// literally. As `ap_pregsub`.
fn substitute(mut target: &[u8], uri: &[u8], captures: &Captures) -> Vec<u8> {
    let mut out = Vec::with_capacity(target.len() + uri.len());
    loop {
        target = match target {
            [b'$', digit @ b'0'..=b'9', rest @ ..] => {
                let group = captures.get(usize::from(digit - b'0')).cloned().unwrap_or(0..0);
                out.extend_from_slice(uri.get(group).unwrap_or_default());
                rest
            }
            [b'\\', byte, rest @ ..] | [byte, rest @ ..] => {
                out.push(*byte);
                rest
            }
            [] => return out,
        };
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Stands for a regular expression: matches a fixed beginning; `$1` is that without its first
    /// byte.
    #[derive(Debug)]
    struct Beginning(Vec<u8>);

    impl Pattern for Beginning {
        fn source(&self) -> &[u8] {
            &self.0
        }

        fn captures(&self, uri: &[u8]) -> Option<Captures> {
            let mut captures = Captures::default();
            captures[0] = 0..self.0.len();
            captures[1] = 1..self.0.len();
            uri.starts_with(&self.0).then_some(captures)
        }
    }

    /// Compiles everything except `(`.
    pub(crate) fn compile(source: &[u8]) -> Result<Arc<dyn Pattern>, String> {
        if source == b"(" {
            return Err("Unmatched (".to_owned());
        }
        Ok(Arc::new(Beginning(source.to_vec())))
    }

    fn prefix(text: &str) -> ScriptAlias {
        ScriptAlias::parse(text.as_bytes(), Origin::default()).unwrap()
    }

    fn pattern(text: &str) -> ScriptAlias {
        ScriptAlias::parse_match(text.as_bytes(), Origin::default(), &compile).unwrap()
    }

    fn refused(text: &str) -> String {
        ScriptAlias::parse(text.as_bytes(), Origin::default()).unwrap_err().to_string()
    }

    #[test]
    fn all_options_are_read() {
        let alias = prefix(
            "/ /srv/app.wsgi process-group=app application-group=%{GLOBAL} \
             callable-object=app.main pass-authorization=on",
        );
        assert_eq!(alias.location, Location::Prefix(b"/".to_vec()));
        assert_eq!(alias.target, b"/srv/app.wsgi");
        assert_eq!(alias.options.process_group.as_deref(), Some(&b"app"[..]));
        assert_eq!(alias.options.application_group.as_deref(), Some(&b""[..]));
        assert_eq!(alias.options.callable_object.as_deref(), Some(&b"app.main"[..]));
        assert_eq!(alias.options.pass_authorization, Some(true));
    }

    #[test]
    fn wrong_lines_say_what_is_wrong() {
        assert!(refused("").contains("the URL path is missing"));
        assert!(refused("/a").contains("the path of the script is missing"));
        assert!(refused("/a /b threads=2").contains("known options are process-group, "));
        assert!(refused("/a /b process-group=").starts_with("WRS1004: "));
        assert!(refused("/a /b pass-authorization=1").starts_with("WRS1006: "));
        let error = ScriptAlias::parse_match(b"( /b", Origin::default(), &compile).unwrap_err();
        assert_eq!(
            error.to_string(),
            "WRS1014: WSGIScriptAliasMatch: the regular expression '(' does not compile: \
             Unmatched ("
        );
    }

    #[test]
    fn the_rest_of_the_uri_follows_the_target() {
        let alias = prefix("/app /srv/app.wsgi");
        assert_eq!(alias.filename(b"/app"), Some(b"/srv/app.wsgi".to_vec()));
        assert_eq!(alias.filename(b"/app/x/y"), Some(b"/srv/app.wsgi/x/y".to_vec()));
        assert_eq!(alias.filename(b"//app//x"), Some(b"/srv/app.wsgi//x".to_vec()));
        assert_eq!(alias.filename(b"/apple"), None);
        assert_eq!(alias.filename(b"/"), None);
    }

    #[test]
    fn the_root_alias_keeps_the_whole_uri() {
        let alias = prefix("/ /srv/app.wsgi");
        assert_eq!(alias.filename(b"/"), Some(b"/srv/app.wsgi/".to_vec()));
        assert_eq!(alias.filename(b"/x"), Some(b"/srv/app.wsgi/x".to_vec()));
    }

    #[test]
    fn a_match_expands_the_target_and_appends_the_rest() {
        let alias = pattern("/one /srv$0.wsgi");
        assert_eq!(alias.filename(b"/one/x"), Some(b"/srv/one.wsgi/x".to_vec()));
        assert_eq!(pattern("/ /srv/a.wsgi").filename(b"/x"), Some(b"/srv/a.wsgi/x".to_vec()));
        assert_eq!(alias.filename(b"/two"), None);
    }

    #[test]
    fn a_name_is_cut_where_httpd_would_cut_it() {
        fn path_info(alias: &ScriptAlias, uri: &str) -> Option<String> {
            let name = alias.filename(uri.as_bytes()).unwrap();
            alias.path_info(&name).map(|rest| String::from_utf8(rest.to_vec()).unwrap())
        }
        let alias = prefix("/app /srv/app.wsgi");
        for (uri, expected) in [
            ("/app/", "/"),
            ("/app/x/.y/", "/x/.y/"),
            ("//app/..x/y.", "/..x/y."),
            ("/app/x", "/x"),
        ] {
            assert_eq!(path_info(&alias, uri).as_deref(), Some(expected), "{uri}");
        }
        for uri in ["/app", "/app//x", "/app/x//", "/app/./x", "/app/x/.."] {
            assert_eq!(path_info(&alias, uri), None, "{uri}");
        }
        for line in ["/app/ /srv/scripts/", "/ /srv/scripts/", "/ /srv/./app.wsgi", "/ app.wsgi"] {
            assert_eq!(path_info(&prefix(line), "/app/x"), None, "{line}");
        }
        assert_eq!(path_info(&pattern("/one /srv/app.wsgi"), "/one/x").as_deref(), Some("/x"));
        assert_eq!(path_info(&pattern("/one /srv$0.wsgi"), "/one/x"), None);
        assert_eq!(alias.path_info(b"/srv/other.wsgi/x"), None, "another module has mapped it");
    }

    #[test]
    fn a_target_takes_what_the_groups_matched() {
        let target = |text: &str| {
            let captures = pattern("/one /x").location;
            let Location::Match(captures) = captures else { panic!() };
            let captures = captures.captures(b"/one/two").unwrap();
            String::from_utf8(substitute(text.as_bytes(), b"/one/two", &captures)).unwrap()
        };
        assert_eq!(target("/srv/$1.wsgi"), "/srv/one.wsgi");
        assert_eq!(target("/srv/$1$2$0"), "/srv/one/one");
        assert_eq!(target("/srv/$x$"), "/srv/$x$");
        assert_eq!(target(r"/srv/\$1\"), r"/srv/$1\");
    }

    #[test]
    fn the_first_alias_that_fits_wins_however_short() {
        let aliases = [prefix("/a /one"), prefix("/a/b /two"), pattern("/c /three")];
        let filename = |uri: &[u8]| route(&aliases, uri).map(|route| route.filename);
        assert_eq!(filename(b"/a/b"), Some(b"/one/b".to_vec()));
        assert_eq!(filename(b"/c"), Some(b"/three".to_vec()));
        assert_eq!(filename(b"/d"), None);
        assert_eq!(filename(b"a"), None, "a proxied or malformed URI is not ours");
    }

    #[test]
    fn a_script_is_preloaded_when_both_groups_are_given_literally() {
        let both = prefix("/ /a.wsgi process-group=g application-group=%{GLOBAL}");
        let import = both.preload().unwrap();
        assert_eq!(
            (import.script, import.process_group, import.application_group),
            (b"/a.wsgi".to_vec(), b"g".to_vec(), Vec::new())
        );
        for text in [
            "/ /a.wsgi process-group=g",
            "/ /a.wsgi application-group=g",
            "/ /a.wsgi process-group=%{ENV:x} application-group=g",
            "/ /a.wsgi process-group=x%{ENV:x} application-group=g",
        ] {
            assert_eq!(prefix(text).preload(), None, "{text}");
        }
        let varies = pattern("/ /srv/$1.wsgi process-group=g application-group=a");
        assert_eq!(varies.preload(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_alias_or_a_sentence(text: Vec<u8>, uri: Vec<u8>) {
            for alias in [
                ScriptAlias::parse(&text, Origin::default()),
                ScriptAlias::parse_match(&text, Origin::default(), &compile),
            ] {
                match alias {
                    Ok(alias) => { let _ = route([&alias], &uri); }
                    Err(error) => prop_assert!(error.to_string().starts_with("WRS1")),
                }
            }
        }
    }
}
