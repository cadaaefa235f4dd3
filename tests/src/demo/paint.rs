//! Colours, widths and units of the terminal report.

use std::{
    env,
    io::{self, IsTerminal},
};

/// Colours, or none where nobody would see them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    coloured: bool,
    /// Columns of the terminal.
    pub(super) width: usize,
}

/// What a colour stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tone {
    Heading,
    Quiet,
    Good,
    Warn,
    Bad,
    /// One of six colours that tell services apart.
    Service(usize),
}

impl Paint {
    /// Suits stdout; `NO_COLOR` is respected.
    pub(super) fn for_stdout() -> Self {
        let terminal = io::stdout().is_terminal();
        Self {
            coloured: terminal && env::var_os("NO_COLOR").is_none(),
            width: match terminal {
                true => columns().clamp(80, 160),
                false => 110,
            },
        }
    }

    /// The text in the tone.
    pub(super) fn tone(self, tone: Tone, text: &str) -> String {
        if !self.coloured {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Heading => "1",
            Tone::Quiet => "2",
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "31",
            Tone::Service(number) => ["36", "35", "34", "33", "32", "31"][number % 6],
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

fn columns() -> usize {
    // SAFETY: winsize is a plain C struct for which all-zero bytes are a valid value.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: `size` outlives the call, and TIOCGWINSZ writes one winsize.
    match unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) } {
        0 => usize::from(size.ws_col),
        _ => 100,
    }
}

/// A duration with three digits: `950 ns`, `4.21 ms`, `1.50 s`.
pub(super) fn duration(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s >= 1.0 => (s, "s"),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        s if s >= 1e-6 => (s * 1e6, "us"),
        s => (s * 1e9, "ns"),
    };
    let decimals = match value {
        v if unit == "ns" || v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$} {unit}")
}

/// A number of nanoseconds as a duration.
pub(super) fn nanos(nanos: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    duration(nanos as f64 / 1e9)
}

/// A size with one decimal: `4.2 MiB`.
pub(super) fn bytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let bytes = bytes as f64;
    match bytes {
        b if b >= 1024.0 * 1024.0 => format!("{:.1} MiB", b / 1024.0 / 1024.0),
        b if b >= 1024.0 => format!("{:.1} KiB", b / 1024.0),
        b => format!("{b:.0} B"),
    }
}

/// The text cut to `width` characters, with an ellipsis where something is missing.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits() {
        for (seconds, text) in [
            (1.5, "1.50 s"),
            (0.004_21, "4.21 ms"),
            (0.0421, "42.1 ms"),
            (0.421, "421 ms"),
            (0.000_012, "12.0 us"),
            (9.5e-7, "950 ns"),
            (0.0, "0 ns"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn long_text_is_cut_at_characters() {
        assert_eq!(cut("añejo", 4), "añe…");
        assert_eq!(cut("añejo", 5), "añejo");
        assert_eq!(bytes(4_404_019), "4.2 MiB");
        assert_eq!(bytes(1_536), "1.5 KiB");
    }
}
