//! Durations as Go writes them: `1h2m3s`, `100ms`, `1.5s`.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Units with their length in ns, longest spelling first where one begins with another.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

const SECOND: u64 = 1_000_000_000;

/// A length of time in the range of Go's `time.Duration`.
///
/// # Units
/// Signed nanoseconds. In JSON a text such as `10s`, or a number of nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GoDuration(i64);

/// Says what is wrong with the text of a duration, in the words of Go's `time.ParseDuration`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DurationError {
    /// The text is no duration, or too long a one.
    #[error("time: invalid duration {text:?}")]
    Invalid {
        /// The whole text.
        text: String,
    },
    /// A number has no unit.
    #[error("time: missing unit in duration {text:?}")]
    MissingUnit {
        /// The whole text.
        text: String,
    },
    /// A number has a unit that does not exist.
    #[error("time: unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit {
        /// What stands where a unit should.
        unit: String,
        /// The whole text.
        text: String,
    },
}

impl GoDuration {
    /// No time at all.
    pub(crate) const ZERO: Self = Self(0);

    /// Signed ns.
    #[must_use]
    pub(crate) const fn nanos(self) -> i64 {
        self.0
    }

    /// Whether it is zero.
    #[must_use]
    pub(crate) const fn is_zero(&self) -> bool {
        self.0 == 0
    }

    /// The same length for the clock; a negative one is no time.
    #[must_use]
    pub(crate) fn to_std(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }

    /// Reads what `time.ParseDuration` reads.
    ///
    /// # Errors
    /// The text is not a sequence of numbers with units, or the sum exceeds 2^63 ns.
    pub(crate) fn parse(text: &str) -> Result<Self, DurationError> {
        let invalid = || DurationError::Invalid {
            text: text.to_owned(),
        };
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if unsigned == "0" {
            return Ok(Self::ZERO);
        }
        if unsigned.is_empty() {
            return Err(invalid());
        }
        let mut rest = unsigned;
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (nanos, after) = one_part(rest, text)?;
            total = total.checked_add(nanos).ok_or_else(invalid)?;
            rest = after;
        }
        let signed = if negative {
            0_i64.checked_sub_unsigned(total)
        } else {
            0_i64.checked_add_unsigned(total)
        };
        signed.map(Self).ok_or_else(invalid)
    }
}

impl From<Duration> for GoDuration {
    fn from(length: Duration) -> Self {
        Self(i64::try_from(length.as_nanos()).unwrap_or(i64::MAX))
    }
}

/// One number with its unit: its ns and what follows it.
fn one_part<'a>(part: &'a str, text: &str) -> Result<(u64, &'a str), DurationError> {
    let invalid = || DurationError::Invalid {
        text: text.to_owned(),
    };
    let (whole, rest) = split_digits(part);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => split_digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(invalid());
    }
    let end = rest
        .find(|letter: char| letter == '.' || letter.is_ascii_digit())
        .unwrap_or(rest.len());
    let (unit, after) = rest.split_at(end);
    if unit.is_empty() {
        return Err(DurationError::MissingUnit {
            text: text.to_owned(),
        });
    }
    let (_, scale) = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(|| DurationError::UnknownUnit {
            unit: unit.to_owned(),
            text: text.to_owned(),
        })?;
    let whole = match whole {
        "" => 0,
        digits => digits.parse::<u64>().map_err(|_error| invalid())?,
    };
    whole
        .checked_mul(*scale)
        .and_then(|nanos| nanos.checked_add(part_of_unit(fraction, *scale)))
        .map(|nanos| (nanos, after))
        .ok_or_else(invalid)
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

/// The ns of the digits behind the point; those too small to count are dropped, as in Go.
fn part_of_unit(digits: &str, scale: u64) -> u64 {
    let mut nanos = 0;
    let mut weight = scale;
    for digit in digits.bytes() {
        weight /= 10;
        nanos += u64::from(digit - b'0') * weight;
    }
    nanos
}

/// As Go's `Duration.String`: `1h30m0s`, `1.5s`, `15ms`, `0s`.
impl fmt::Display for GoDuration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            out.write_str("-")?;
        }
        let nanos = self.0.unsigned_abs();
        match nanos {
            0 => out.write_str("0s"),
            1..1_000 => write!(out, "{nanos}ns"),
            1_000..1_000_000 => write_fraction(out, nanos, 1_000, "\u{b5}s"),
            1_000_000..SECOND => write_fraction(out, nanos, 1_000_000, "ms"),
            _ => write_clock(out, nanos),
        }
    }
}

fn write_clock(out: &mut fmt::Formatter<'_>, nanos: u64) -> fmt::Result {
    let minutes = nanos / (60 * SECOND);
    let hours = minutes / 60;
    if hours > 0 {
        write!(out, "{hours}h")?;
    }
    if minutes > 0 {
        write!(out, "{}m", minutes % 60)?;
    }
    write_fraction(out, nanos % (60 * SECOND), SECOND, "s")
}

fn write_fraction(out: &mut fmt::Formatter<'_>, nanos: u64, scale: u64, unit: &str) -> fmt::Result {
    write!(out, "{}", nanos / scale)?;
    let rest = nanos % scale;
    if rest > 0 {
        let width = scale.ilog10() as usize;
        let digits = format!("{rest:0width$}");
        write!(out, ".{}", digits.trim_end_matches('0'))?;
    }
    out.write_str(unit)
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrNanos)
    }
}

struct TextOrNanos;

impl de::Visitor<'_> for TextOrNanos {
    type Value = GoDuration;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a duration such as \"10s\", or a number of nanoseconds")
    }

    /// An empty text is no duration given, as Consul takes it.
    fn visit_str<E: de::Error>(self, text: &str) -> Result<GoDuration, E> {
        if text.is_empty() {
            return Ok(GoDuration::ZERO);
        }
        GoDuration::parse(text).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, nanos: i64) -> Result<GoDuration, E> {
        Ok(GoDuration(nanos))
    }

    fn visit_u64<E: de::Error>(self, nanos: u64) -> Result<GoDuration, E> {
        i64::try_from(nanos)
            .map(GoDuration)
            .map_err(|_error| E::custom(format!("time: invalid duration {nanos}")))
    }

    fn visit_f64<E: de::Error>(self, nanos: f64) -> Result<GoDuration, E> {
        if nanos.is_finite() && nanos.abs() < i64::MAX as f64 {
            return Ok(GoDuration(nanos as i64));
        }
        Err(E::custom(format!("time: invalid duration {nanos}")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nanos(text: &str) -> i64 {
        GoDuration::parse(text).unwrap().nanos()
    }

    #[test]
    fn everything_go_reads_is_read() {
        assert_eq!(nanos("1h2m3s"), 3_723_000_000_000);
        assert_eq!(nanos("100ms"), 100_000_000);
        assert_eq!(nanos("55000ms"), 55_000_000_000);
        assert_eq!(nanos("1.5s"), 1_500_000_000);
        assert_eq!(nanos(".5m"), 30_000_000_000);
        assert_eq!(nanos("5.s"), 5_000_000_000);
        assert_eq!(nanos("-2us"), -2_000);
        assert_eq!(nanos("+3\u{b5}s4\u{3bc}s"), 7_000);
        assert_eq!(nanos("0"), 0);
        assert_eq!(nanos("-9223372036854775808ns"), i64::MIN);
        assert_eq!(nanos("0.100000000000000000000h"), 360_000_000_000);
    }

    #[test]
    fn errors_are_in_the_words_of_go() {
        for (text, message) in [
            ("nope", "time: invalid duration \"nope\""),
            ("", "time: invalid duration \"\""),
            ("-", "time: invalid duration \"-\""),
            ("3.", "time: missing unit in duration \"3.\""),
            ("10", "time: missing unit in duration \"10\""),
            ("10x", "time: unknown unit \"x\" in duration \"10x\""),
            (".s", "time: invalid duration \".s\""),
            (
                "9223372036854775808ns",
                "time: invalid duration \"9223372036854775808ns\"",
            ),
            ("2562048h", "time: invalid duration \"2562048h\""),
        ] {
            assert_eq!(GoDuration::parse(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn texts_are_those_of_go() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1\u{b5}s"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (480_000_000_001, "8m0.000000001s"),
            (i64::MAX, "2562047h47m16.854775807s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(GoDuration(nanos).to_string(), text);
        }
    }

    #[test]
    fn json_takes_texts_and_nanoseconds() {
        let read = |json: &str| serde_json::from_str::<GoDuration>(json);
        assert_eq!(read("\"10s\"").unwrap().nanos(), 10_000_000_000);
        assert_eq!(read("5000000000").unwrap().nanos(), 5_000_000_000);
        assert_eq!(read("\"\"").unwrap(), GoDuration::ZERO);
        assert!(read("18446744073709551615").is_err());
        assert!(read("1e300").is_err());
        assert!(read("true").is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(nanos: i64) {
            let duration = GoDuration(nanos);
            prop_assert_eq!(GoDuration::parse(&duration.to_string()), Ok(duration));
        }

        #[test]
        fn what_is_read_is_written_and_read_again(text in "[-+]?([0-9]{0,5}[.]?[0-9]{0,5}(h|m|s|ms|us|ns|x)?){0,4}") {
            if let Ok(duration) = GoDuration::parse(&text) {
                prop_assert_eq!(GoDuration::parse(&duration.to_string()), Ok(duration));
            }
        }
    }
}
