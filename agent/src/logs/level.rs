//! Severity as a line states it, in the forms that Go loggers write.

use super::Level;

/// Bytes of a line that are searched.
const SEARCHED_BYTES: usize = 512;

/// Keys that loggers put before the severity.
const KEYS: [&str; 3] = ["level", "severity", "lvl"];

/// Reads `level=INFO`, `"level":"info"`, `INFO ...`, `[WARN] ...` and klog's `E1123 ...`.
#[must_use]
pub fn level_of(line: &str) -> Option<Level> {
    let mut end = line.len().min(SEARCHED_BYTES);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    let head = line.get(..end)?;
    stated(head)
        .or_else(|| leading_word(head))
        .or_else(|| klog(head))
}

/// The value behind a severity key, in logfmt or JSON.
fn stated(head: &str) -> Option<Level> {
    KEYS.iter().find_map(|key| {
        head.match_indices(key).find_map(|(at, _)| {
            let before = head.get(..at)?.chars().next_back();
            if before.is_some_and(|character| character.is_alphanumeric() || character == '_') {
                return None;
            }
            let rest = head.get(at + key.len()..)?;
            let rest = rest.strip_prefix('"').unwrap_or(rest).trim_start();
            let value = rest.strip_prefix(['=', ':'])?.trim_start();
            word(value.strip_prefix('"').unwrap_or(value))
        })
    })
}

/// A line that starts with the severity, perhaps behind a date and time.
fn leading_word(head: &str) -> Option<Level> {
    head.split_ascii_whitespace().take(3).find_map(|token| {
        let token = token.trim_matches(['[', ']', ':', '(', ')']);
        let shouted = token.len() >= 4 && token.bytes().all(|byte| byte.is_ascii_uppercase());
        if shouted { word(token) } else { None }
    })
}

/// klog and glog: one letter and the date.
fn klog(head: &str) -> Option<Level> {
    let (letter, rest) = (head.chars().next()?, head.get(1..5)?);
    if !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match letter {
        'I' => Some(Level::Info),
        'W' => Some(Level::Warn),
        'E' => Some(Level::Error),
        'F' => Some(Level::Fatal),
        _ => None,
    }
}

/// A severity word at the start of `text`; slog writes `INFO+2` for custom levels.
fn word(text: &str) -> Option<Level> {
    let end = text
        .find(|character: char| !character.is_ascii_alphabetic())
        .unwrap_or(text.len());
    match text.get(..end)?.to_ascii_lowercase().as_str() {
        "trace" => Some(Level::Trace),
        "debug" | "dbg" => Some(Level::Debug),
        "info" | "inf" | "information" | "notice" => Some(Level::Info),
        "warn" | "warning" | "wrn" => Some(Level::Warn),
        "error" | "err" => Some(Level::Error),
        "fatal" | "panic" | "dpanic" | "critical" | "crit" | "emerg" | "alert" | "ftl" => {
            Some(Level::Fatal)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_go_loggers() {
        for (line, level) in [
            (
                r#"time=2026-01-02T03:04:05Z level=INFO msg="x level=ERROR""#,
                Some(Level::Info),
            ),
            (
                r#"{"time":"2026","level":"WARN","msg":"x"}"#,
                Some(Level::Warn),
            ),
            (
                r#"{"level":"error","ts":1.2,"msg":"zap"}"#,
                Some(Level::Error),
            ),
            (r#"{"severity": "CRITICAL"}"#, Some(Level::Fatal)),
            ("2026/01/02 03:04:05 ERROR something", Some(Level::Error)),
            ("[WARN] disk", Some(Level::Warn)),
            ("E1123 12:00:00.000 1 file.go:3] bad", Some(Level::Error)),
            ("level=DEBUG-4 msg=x", Some(Level::Debug)),
            ("sea level=3 metres", None),
            ("an error occurred", None),
            ("sublevel=INFO", None),
            ("", None),
            ("é", None),
        ] {
            assert_eq!(level_of(line), level, "{line}");
        }
    }
}
