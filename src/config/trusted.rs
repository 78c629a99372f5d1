//! The words of `WSGITrustedProxyHeaders` and `WSGITrustedProxies`.

use wsgi::network::Network;
use wsgi::proxy::{self, HEADERS, Header};

use super::error::{Error, nearest};
use super::setting::Setting;
use super::words::Words;

/// The directive that names headers.
pub const TRUSTED_HEADERS: &str = "WSGITrustedProxyHeaders";
/// The directive that names proxies.
pub const TRUSTED_PROXIES: &str = "WSGITrustedProxies";

/// The headers of a line. One that no proxy is known to set is refused: its name would be a slip of
/// the pen, and what it says would never be believed.
///
/// # Errors
/// [`Error::InvalidValue`], [`Error::MissingArgument`].
pub fn headers(text: &[u8]) -> Result<Vec<&'static Header>, Error> {
    each(text, TRUSTED_HEADERS, "the name of a header", |word| {
        proxy::find(word.value).ok_or_else(|| {
            let names = || HEADERS.iter().map(|header| header.name);
            let near = nearest(word.value, names().map(str::as_bytes));
            match near.and_then(|near| std::str::from_utf8(near).ok()) {
                Some(near) => word.invalid(format!("a header of proxies, such as {near}")),
                None => {
                    let names: Vec<_> = names().collect();
                    word.invalid(format!("one of {}", names.join(", ")))
                }
            }
        })
    })
}

/// The networks of a line.
///
/// # Errors
/// [`Error::InvalidValue`], [`Error::MissingArgument`].
pub fn proxies(text: &[u8]) -> Result<Vec<Network>, Error> {
    each(text, TRUSTED_PROXIES, "the address of a proxy", |word| {
        Network::parse(word.value).ok_or_else(|| {
            word.invalid("an address or a subnet such as 10.0.0.0/8 or fd00::/8, not a name")
        })
    })
}

fn each<T>(
    text: &[u8],
    directive: &'static str,
    what: &'static str,
    read: impl Fn(&Setting<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut words = Words::new(text);
    let list: Vec<T> = std::iter::from_fn(|| words.word())
        .map(|word| read(&Setting::argument(directive, &word)))
        .collect::<Result<_, _>>()?;
    if list.is_empty() { Err(Error::MissingArgument { directive, what }) } else { Ok(list) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers_are_found_in_any_case_and_kept_in_their_order() {
        let found = headers(b"x-forwarded-proto X-Real-IP").unwrap();
        let names: Vec<_> = found.iter().map(|header| header.name).collect();
        assert_eq!(names, ["X-Forwarded-Proto", "X-Real-IP"]);
    }

    #[test]
    fn an_unknown_header_is_refused_with_the_nearest_known_one() {
        assert_eq!(
            headers(b"X-Real-IP X-Forwarded-Protocol").unwrap_err().to_string(),
            "WRS1005: WSGITrustedProxyHeaders: invalid value 'X-Forwarded-Protocol': expected a \
             header of proxies, such as X-Forwarded-Proto"
        );
        let list = headers(b"Forwarded").unwrap_err().to_string();
        assert!(list.contains("expected one of X-Forwarded-For, X-Client-IP, "), "{list}");
        assert!(headers(b" ").unwrap_err().to_string().starts_with("WRS1001: "));
    }

    #[test]
    fn a_proxy_is_an_address_or_a_subnet() {
        assert_eq!(proxies(b"127.0.0.1 10.0.0.0/8 ::1").unwrap().len(), 3);
        assert_eq!(
            proxies(b"127.0.0.1 proxy.example").unwrap_err().to_string(),
            "WRS1005: WSGITrustedProxies: invalid value 'proxy.example': expected an address or a \
             subnet such as 10.0.0.0/8 or fd00::/8, not a name"
        );
        assert!(proxies(b"").unwrap_err().to_string().starts_with("WRS1001: "));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(text: Vec<u8>) {
            let _ = headers(&text);
            let _ = proxies(&text);
        }
    }
}
