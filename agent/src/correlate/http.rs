//! What a request line, a `Host` header and a route pattern say, in the words of the conventions.

use agent_ebpf::event::http::HttpServerEvent;

use super::HttpServer;

/// Methods of RFC 9110 and RFC 5789, and QUERY.
const METHODS: [&str; 10] = [
    "GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "CONNECT", "TRACE", "QUERY",
];

/// Words in the names of query parameters whose values are credentials: those of the semantic
/// conventions 1.44 (`AWSAccessKeyId`, `Signature`, `sig`, `X-Goog-Signature`) and common others.
const SECRET_WORDS: [&str; 9] = [
    "signature",
    "accesskey",
    "token",
    "password",
    "passwd",
    "secret",
    "apikey",
    "api_key",
    "auth",
];
/// Whole names of the same kind.
const SECRET_NAMES: [&str; 4] = ["sig", "code", "key", "pwd"];

/// Reads the attributes of a request.
pub(super) fn attributes(event: &HttpServerEvent) -> HttpServer {
    let method = text(&event.method, event.method_length);
    // The server treats an empty method as GET.
    let method = if method.is_empty() {
        "GET".to_owned()
    } else {
        method
    };
    let known = METHODS.contains(&method.as_str());
    let (path, query) = split_target(&text(&event.uri, event.uri_length));
    let (server_address, server_port) = split_host(&text(&event.host, event.host_length));
    let (client_address, client_port) = split_host(&text(&event.remote, event.remote_length));
    HttpServer {
        method: if known {
            method.clone()
        } else {
            "_OTHER".to_owned()
        },
        method_original: (!known).then_some(method),
        route: route(&text(&event.pattern, event.pattern_length)),
        scheme: if event.tls == 1 { "https" } else { "http" },
        path,
        query: query.map(|query| redact(&query)),
        // The handler that writes no status has answered 200.
        status_code: match u16::try_from(event.status) {
            Ok(0) | Err(_) => 200,
            Ok(status) => status,
        },
        response_body_bytes: u64::try_from(event.written).ok(),
        server_address,
        server_port,
        client_address,
        client_port,
    }
}

/// The captured part of a Go string; `length` is the whole one, `u32::MAX` when there is none.
fn text(captured: &[u8], length: u32) -> String {
    if length == u32::MAX {
        return String::new();
    }
    let end = captured.len().min(length as usize);
    let bytes = captured.get(..end).unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        // A character cut at the end of the capture is dropped, others are replaced.
        Err(error) if length as usize > end && error.error_len().is_none() => {
            String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default())
                .into_owned()
        }
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Path and query of a request target in origin, absolute, authority or asterisk form.
fn split_target(target: &str) -> (String, Option<String>) {
    let origin = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => rest
            .find('/')
            .and_then(|slash| rest.get(slash..))
            .unwrap_or("/"),
        _ => target,
    };
    match origin.split_once('?') {
        Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
        None => (origin.to_owned(), None),
    }
}

/// Address and port of `host`, `host:port`, `[v6]` or `[v6]:port`.
fn split_host(host: &str) -> (Option<String>, Option<u16>) {
    if host.is_empty() {
        return (None, None);
    }
    let (address, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => (address, rest.strip_prefix(':')),
        None => match host.rsplit_once(':') {
            Some((address, port)) if !address.contains(':') => (address, Some(port)),
            _ => (host, None),
        },
    };
    (
        Some(address.to_owned()),
        port.and_then(|port| port.parse().ok()),
    )
}

/// The path template of a `ServeMux` pattern: `[METHOD ][HOST]/[PATH]`.
fn route(pattern: &str) -> Option<String> {
    let without_method = match pattern.split_once([' ', '\t']) {
        Some((_, rest)) => rest.trim_start(),
        None => pattern,
    };
    let slash = without_method.find('/')?;
    without_method.get(slash..).map(str::to_owned)
}

fn redact(query: &str) -> String {
    query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((key, _)) if is_secret(key) => format!("{key}=REDACTED"),
            _ => pair.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("&")
}

fn is_secret(parameter: &str) -> bool {
    let name = parameter.to_ascii_lowercase();
    SECRET_NAMES.contains(&name.as_str()) || SECRET_WORDS.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_targets() {
        for (target, path, query) in [
            ("/a/b?x=1&y=2", "/a/b", Some("x=1&y=2")),
            ("/a", "/a", None),
            ("http://example.com/a?x", "/a", Some("x")),
            ("http://example.com", "/", None),
            (
                "/redirect?to=http://x/y",
                "/redirect",
                Some("to=http://x/y"),
            ),
            ("*", "*", None),
            ("example.com:443", "example.com:443", None),
        ] {
            let found = split_target(target);
            assert_eq!(
                found,
                (path.to_owned(), query.map(str::to_owned)),
                "{target}"
            );
        }
    }

    #[test]
    fn hosts() {
        for (host, address, port) in [
            ("example.com:8080", Some("example.com"), Some(8080)),
            ("example.com", Some("example.com"), None),
            ("[::1]:80", Some("::1"), Some(80)),
            ("[::1]", Some("::1"), None),
            ("::1", Some("::1"), None),
            ("", None, None),
        ] {
            assert_eq!(
                split_host(host),
                (address.map(str::to_owned), port),
                "{host}"
            );
        }
    }

    #[test]
    fn patterns() {
        for (pattern, expected) in [
            ("GET /orders/{id}", Some("/orders/{id}")),
            ("/static/", Some("/static/")),
            ("GET example.com/a", Some("/a")),
            ("example.com/", Some("/")),
            ("", None),
        ] {
            assert_eq!(route(pattern).as_deref(), expected, "{pattern}");
        }
    }

    #[test]
    fn a_character_cut_by_the_capture_is_dropped() {
        assert_eq!(text("abé".as_bytes().get(..3).unwrap(), 4), "ab");
        assert_eq!(text(b"ab\xff", 3), "ab\u{fffd}");
        assert_eq!(text(b"abcdef", 3), "abc");
        assert_eq!(text(b"abc", u32::MAX), "");
    }

    #[test]
    fn credentials_leave_no_trace() {
        assert_eq!(
            redact("a=1&sig=xyz&Signature=s&access_token=t&monkey=2"),
            "a=1&sig=REDACTED&Signature=REDACTED&access_token=REDACTED&monkey=2"
        );
    }
}
