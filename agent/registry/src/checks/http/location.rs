//! URLs of HTTP checks, and where redirects lead.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;

use crate::checks::error::ProbeError;

/// Reads an absolute URL.
pub(super) fn parse(url: &str) -> Result<Uri, ProbeError> {
    let uri = url.parse::<Uri>().map_err(|_error| wrong(url))?;
    match uri.scheme_str() {
        Some("http" | "https") if uri.host().is_some_and(|host| !host.is_empty()) => Ok(uri),
        _ => Err(wrong(url)),
    }
}

fn wrong(url: &str) -> ProbeError {
    ProbeError::Address {
        address: url.to_owned(),
        wanted: "an http:// or https:// URL",
    }
}

/// `host:port` of a URL.
pub(super) fn address(uri: &Uri) -> Result<String, ProbeError> {
    let host = uri.host().ok_or_else(|| wrong(&uri.to_string()))?;
    let port = uri.port_u16().unwrap_or(match uri.scheme_str() {
        Some("https") => 443,
        _ => 80,
    });
    Ok(format!("{host}:{port}"))
}

/// What stands in the header `Host`: the port only where the URL has one.
pub(super) fn host_header(uri: &Uri) -> Result<HeaderValue, ProbeError> {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    Ok(HeaderValue::from_str(host).map_err(http::Error::from)?)
}

/// Basic authorization for `http://user:password@host/`.
pub(super) fn credentials(uri: &Uri) -> Result<Option<HeaderValue>, ProbeError> {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let Some((user, _)) = authority.rsplit_once('@') else {
        return Ok(None);
    };
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let mut plain: Vec<u8> = percent_decode_str(name).collect();
    plain.push(b':');
    plain.extend(percent_decode_str(password));
    let value = format!("Basic {}", STANDARD.encode(plain));
    let mut value = HeaderValue::from_str(&value).map_err(http::Error::from)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// The URL as it is shown: without user and password.
pub(super) fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// Where `location` leads from `base`.
pub(super) fn resolve(base: &Uri, location: &str) -> Result<Uri, ProbeError> {
    let scheme = base.scheme_str().unwrap_or("http");
    let authority = base.authority().map_or("", |authority| authority.as_str());
    if location.contains("://") {
        return parse(location);
    }
    if let Some(rest) = location.strip_prefix("//") {
        return parse(&format!("{scheme}://{rest}"));
    }
    let path = match location.chars().next() {
        None | Some('#') => base.path().to_owned(),
        Some('/') => location.to_owned(),
        Some('?') => format!("{}{location}", base.path()),
        Some(_) => {
            let folder = base
                .path()
                .rsplit_once('/')
                .map_or("", |(folder, _)| folder);
            format!("{folder}/{location}")
        }
    };
    parse(&format!("{scheme}://{authority}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_to_connect_and_what_to_call_it() {
        let uri = parse("http://a%20b:c@[::1]/x?y#z").unwrap();
        assert_eq!(address(&uri).unwrap(), "[::1]:80");
        assert_eq!(host_header(&uri).unwrap(), "[::1]");
        assert_eq!(credentials(&uri).unwrap().unwrap(), "Basic YSBiOmM=");
        assert_eq!(uri.path_and_query().unwrap(), "/x?y");
        assert_eq!(without_user("http://a:b@c/d@e"), "http://c/d@e");
        let uri = parse("https://example.com:8443").unwrap();
        assert_eq!(address(&uri).unwrap(), "example.com:8443");
        assert_eq!(host_header(&uri).unwrap(), "example.com:8443");
        assert_eq!(credentials(&uri).unwrap(), None);
        for wrong in [
            "",
            "/health",
            "ftp://a/",
            "http://",
            "example.com",
            "http://a b/",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_redirect_is_resolved_against_the_url_it_comes_from() {
        let base = parse("https://a:1/b/c?d").unwrap();
        for (location, wanted) in [
            ("http://e/f", "http://e/f"),
            ("//e/f", "https://e/f"),
            ("/f?g", "https://a:1/f?g"),
            ("f", "https://a:1/b/f"),
            ("?g", "https://a:1/b/c?g"),
            ("", "https://a:1/b/c"),
        ] {
            assert_eq!(resolve(&base, location).unwrap(), wanted, "{location}");
        }
        assert!(resolve(&base, "ftp://e/").is_err());
    }
}
