//! Chooses the format that a scraper likes best.

use super::Format;

/// The format for an `Accept` header; text 0.0.4 when there is none, or none that fits.
///
/// A scraper that wants OpenMetrics names it; `*/*` and `text/*` mean text 0.0.4, which every tool
/// and every browser reads.
#[must_use]
pub fn negotiate(accept: Option<&str>) -> Format {
    let mut best = (0.0, Format::Text);
    for range in accept.unwrap_or("").split(',') {
        if let Some((quality, format)) = offer(range)
            && quality > best.0
        {
            best = (quality, format);
        }
    }
    best.1
}

/// Quality and format of one media range, `None` when it is nothing we write.
fn offer(range: &str) -> Option<(f64, Format)> {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next()?.to_ascii_lowercase();
    let (mut quality, mut version) = (1.0, None);
    for part in parts {
        let (name, value) = part.split_once('=')?;
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            // A quality that is no number is read as 0: not acceptable.
            "q" => quality = value.parse::<f64>().unwrap_or(0.0).clamp(0.0, 1.0),
            "version" => version = Some(value.to_owned()),
            // `charset`, `escaping`: every name here is legal under every escaping scheme.
            _ => {}
        }
    }
    let format = match (media.as_str(), version.as_deref()) {
        ("application/openmetrics-text", None | Some("1.0.0")) => Format::OpenMetrics,
        // 1.0.0 of text/plain is 0.0.4 with quoted names, of which we have none.
        ("text/plain", None | Some("0.0.4" | "1.0.0")) => Format::Text,
        ("text/*" | "*/*", _) => Format::Text,
        _ => return None,
    };
    Some((quality, format))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Prometheus sends by default in the versions that Debian ships, and what people type.
    #[test]
    fn scrapers_get_the_format_they_prefer() {
        let cases = [
            (
                "2.42",
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            (
                "2.53",
                "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                Format::OpenMetrics,
            ),
            (
                "3.5",
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            (
                "3.5 with native histograms",
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            ("curl", "*/*", Format::Text),
            (
                "browser",
                "text/html,application/xhtml+xml,*/*;q=0.8",
                Format::Text,
            ),
            (
                "text first",
                "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;q=0.5",
                Format::Text,
            ),
            (
                "refused",
                "application/openmetrics-text;q=0,text/plain;q=0.1",
                Format::Text,
            ),
            (
                "old OpenMetrics only",
                "application/openmetrics-text;version=0.0.1",
                Format::Text,
            ),
            (
                "spaces and case",
                " Application/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=0.9 , text/plain;q=0.5",
                Format::OpenMetrics,
            ),
            ("nonsense", ";;,=,q=x", Format::Text),
        ];
        for (who, accept, format) in cases {
            assert_eq!(negotiate(Some(accept)), format, "{who}");
        }
        assert_eq!(negotiate(None), Format::Text);
    }
}
