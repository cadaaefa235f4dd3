//! Where to send, from the configuration and the standard variables.

use std::time::Duration;

use tonic::transport::Uri;

use super::EXPORTER;
use crate::{
    config::{self, OtlpProtocol},
    export::Error,
};

/// Settings with every gap filled.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Endpoint {
    /// Address of the collector for gRPC, of the traces route for HTTP.
    pub url: String,
    pub protocol: OtlpProtocol,
    pub headers: Vec<(String, String)>,
    pub timeout: Duration,
}

/// Fills what the configuration leaves at its default from `OTEL_EXPORTER_OTLP_*`.
///
/// The form for traces (`OTEL_EXPORTER_OTLP_TRACES_*`) wins over the general one. Over HTTP,
/// `/v1/traces` is added to the configured address and to the general variable, while the address for
/// traces is taken as it is. An address without scheme means `http`; without a port, `http` means
/// 4317 for gRPC and 4318 for HTTP, while `https` means 443, where managed collectors listen.
///
/// # Errors
/// `Endpoint` when the address is no URL, `Protocol` when a variable names an unknown one.
pub(super) fn resolve(
    config: &config::Otlp,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Endpoint>, Error> {
    let general = |name: &str| set(variable(&format!("OTEL_EXPORTER_OTLP_{name}")));
    let traces = |name: &str| set(variable(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}")));
    let either = |name: &str| traces(name).or_else(|| general(name));

    let for_traces = traces("ENDPOINT").map(|address| (address, false));
    let for_all = || general("ENDPOINT").map(|address| (address, true));
    let configured = config.endpoint.clone().map(|address| (address, true));
    let Some((address, add_path)) = configured.or(for_traces).or_else(for_all) else {
        return Ok(None);
    };

    let defaults = config::Otlp::default();
    let protocol = match either("PROTOCOL") {
        Some(text) if config.protocol == defaults.protocol => protocol(&text)?,
        _ => config.protocol,
    };
    let timeout = either("TIMEOUT")
        .filter(|_| config.timeout == defaults.timeout)
        .and_then(|text| text.trim().parse().ok())
        .map_or(config.timeout.0, Duration::from_millis);
    let stated = config.headers.iter();
    let mut headers: Vec<(String, String)> = stated
        .map(|(name, value)| (name.clone(), value.expose().to_owned()))
        .collect();
    for (name, value) in either("HEADERS").iter().flat_map(|text| pairs(text)) {
        if !headers
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(&name))
        {
            headers.push((name, value));
        }
    }
    let url = url(&address, protocol, add_path).map_err(|problem| Error::Endpoint {
        exporter: EXPORTER,
        endpoint: address,
        problem,
    })?;
    Ok(Some(Endpoint {
        url,
        protocol,
        headers,
        timeout,
    }))
}

/// An empty variable means the same as none.
fn set(value: Option<String>) -> Option<String> {
    value.filter(|text| !text.trim().is_empty())
}

fn protocol(text: &str) -> Result<OtlpProtocol, Error> {
    match text.trim() {
        "grpc" => Ok(OtlpProtocol::Grpc),
        "http/protobuf" => Ok(OtlpProtocol::HttpProtobuf),
        other => Err(Error::Protocol {
            protocol: other.to_owned(),
        }),
    }
}

fn url(address: &str, protocol: OtlpProtocol, add_path: bool) -> Result<String, &'static str> {
    let address = address.trim();
    let with_scheme = match address.contains("://") {
        true => address.to_owned(),
        false => format!("http://{address}"),
    };
    let uri: Uri = with_scheme.parse().map_err(|_invalid| "it is no URL")?;
    let scheme = match uri.scheme_str() {
        Some(scheme @ ("http" | "https")) => scheme,
        _ => return Err("the scheme is neither http nor https"),
    };
    let host = uri
        .host()
        .filter(|host| !host.is_empty())
        .ok_or("it has no host")?;
    if uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
    {
        return Err("credentials belong into `headers`");
    }
    let port = uri.port_u16().unwrap_or(match (scheme, protocol) {
        ("https", _) => 443,
        (_, OtlpProtocol::Grpc) => 4317,
        (_, OtlpProtocol::HttpProtobuf) => 4318,
    });
    let path = match protocol {
        OtlpProtocol::Grpc => String::new(),
        OtlpProtocol::HttpProtobuf => http_path(uri.path(), add_path),
    };
    Ok(format!("{scheme}://{host}:{port}{path}"))
}

fn http_path(path: &str, add_path: bool) -> String {
    let trimmed = path.trim_end_matches('/');
    if !add_path || trimmed.ends_with("/v1/traces") {
        path.to_owned()
    } else {
        format!("{trimmed}/v1/traces")
    }
}

/// Reads `name=value,name=value`, values percent-encoded; entries without `=` are left out.
fn pairs(text: &str) -> Vec<(String, String)> {
    text.split(',')
        .filter_map(|entry| entry.split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), percent_decode(value.trim())))
        .filter(|(name, _)| !name.is_empty())
        .collect()
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let coded = (*first == b'%').then(|| tail.get(..2)).flatten();
        let decoded = coded
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (byte, skip) = decoded.map_or((*first, 0), |byte| (byte, 2));
        bytes.push(byte);
        rest = tail.get(skip..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(config: &config::Otlp, env: &[(&str, &str)]) -> Result<Option<Endpoint>, Error> {
        resolve(config, |name| {
            let (_, value) = env.iter().find(|(known, _)| *known == name)?;
            Some((*value).to_owned())
        })
    }

    fn url_of(endpoint: &str, protocol: OtlpProtocol) -> String {
        let config = config::Otlp {
            endpoint: Some(endpoint.to_owned()),
            protocol,
            ..config::Otlp::default()
        };
        match resolved(&config, &[]) {
            Ok(Some(endpoint)) => endpoint.url,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn addresses_get_scheme_port_and_path() {
        use OtlpProtocol::{Grpc, HttpProtobuf};
        let cases = [
            ("http://tempo:4317", Grpc, "http://tempo:4317"),
            ("http://tempo", Grpc, "http://tempo:4317"),
            ("tempo", Grpc, "http://tempo:4317"),
            ("tempo:9999", Grpc, "http://tempo:9999"),
            ("https://tempo", Grpc, "https://tempo:443"),
            ("http://[::1]", Grpc, "http://[::1]:4317"),
            ("http://tempo", HttpProtobuf, "http://tempo:4318/v1/traces"),
            (
                "http://tempo:80/",
                HttpProtobuf,
                "http://tempo:80/v1/traces",
            ),
            (
                "https://gateway/otlp",
                HttpProtobuf,
                "https://gateway:443/otlp/v1/traces",
            ),
            (
                "http://tempo:4318/v1/traces",
                HttpProtobuf,
                "http://tempo:4318/v1/traces",
            ),
        ];
        for (address, protocol, expected) in cases {
            assert_eq!(url_of(address, protocol), expected, "{address}");
        }
        for bad in [
            "ftp://tempo",
            "http://",
            "http://a b",
            "http://user:pass@tempo",
        ] {
            let text = url_of(bad, Grpc);
            assert!(text.contains("Err(Endpoint"), "{bad}: {text}");
        }
    }

    #[test]
    fn without_any_address_nothing_is_sent() {
        let config = config::Otlp::default();
        assert_eq!(resolved(&config, &[]).expect("valid"), None);
        let empty = [("OTEL_EXPORTER_OTLP_ENDPOINT", "")];
        assert_eq!(resolved(&config, &empty).expect("valid"), None);
    }

    #[test]
    fn variables_fill_gaps_and_the_file_wins() {
        let env = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://general"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                "Authorization=Basic%20eA%3D%3D, x-org = 1,broken",
            ),
        ];
        let from_env = resolved(&config::Otlp::default(), &env)
            .expect("valid")
            .expect("set");
        assert_eq!(from_env.url, "http://general:4318/v1/traces");
        assert_eq!(from_env.timeout, Duration::from_millis(2500));
        let headers = [("Authorization", "Basic eA=="), ("x-org", "1")];
        assert_eq!(
            from_env.headers,
            headers.map(|(k, v)| (k.to_owned(), v.to_owned()))
        );

        let file = config::Otlp {
            endpoint: Some("http://file:1".to_owned()),
            timeout: config::Interval(Duration::from_secs(3)),
            headers: [("X-Org".to_owned(), "2".to_owned().into())].into(),
            ..config::Otlp::default()
        };
        let both = resolved(&file, &env).expect("valid").expect("set");
        assert_eq!(both.url, "http://file:1/v1/traces");
        assert_eq!(both.timeout, Duration::from_secs(3));
        assert!(both.headers.contains(&("X-Org".to_owned(), "2".to_owned())));
        assert_eq!(both.headers.len(), 2);
    }

    #[test]
    fn the_variable_for_traces_wins_and_is_taken_as_it_is() {
        let env = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://general"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces/custom"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
        ];
        let endpoint = resolved(&config::Otlp::default(), &env)
            .expect("valid")
            .expect("set");
        assert_eq!(endpoint.url, "http://traces:4318/custom");
        let unknown = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://general"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ];
        let error = resolved(&config::Otlp::default(), &unknown).expect_err("not spoken");
        assert_eq!(error.error_type(), "protocol");
    }

    #[test]
    fn broken_percent_codes_stay_as_they_are() {
        for (text, expected) in [
            ("a%20b", "a b"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%+1", "%+1"),
        ] {
            assert_eq!(percent_decode(text), expected);
        }
    }
}
