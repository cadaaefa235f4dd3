//! What a plain word means: YAML 1.2's core schema.

use serde_json::Number;

use crate::Data;

/// The value of a word without quotes.
///
/// # Errors
/// For numbers that no JSON number can hold without loss; the text is not shown.
pub(super) fn plain(text: &str) -> Result<Data, String> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Data::Null,
        "true" | "True" | "TRUE" => Data::Bool(true),
        "false" | "False" | "FALSE" => Data::Bool(false),
        _ if is_infinite(text) => {
            return Err("infinity and not-a-number are no numbers here".to_owned());
        }
        _ => match number(text) {
            Some(number) => Data::Number(number?),
            None => Data::Text(text.to_owned()),
        },
    })
}

fn is_infinite(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN")
}

/// The number that a text is; `None` when it is no number.
fn number(text: &str) -> Option<Result<Number, String>> {
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(integer(text.strip_prefix('+').unwrap_or(text)));
    }
    is_float(unsigned).then(|| float(text))
}

fn radix(digits: &str, radix: u32) -> Option<Result<Number, String>> {
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let number = u64::from_str_radix(digits, radix);
    Some(number.map(Number::from).map_err(|_overflow| too_large()))
}

/// An integer in decimal digits, with or without a minus.
pub(super) fn integer(text: &str) -> Result<Number, String> {
    if let Ok(number) = text.parse::<i64>() {
        return Ok(number.into());
    }
    let number = text.parse::<u64>();
    number.map(Number::from).map_err(|_overflow| too_large())
}

/// A number with a fraction or an exponent.
pub(super) fn float(text: &str) -> Result<Number, String> {
    let number = text.parse().ok().and_then(Number::from_f64);
    number.ok_or_else(|| "the number is larger than any of double precision".to_owned())
}

fn too_large() -> String {
    "the integer does not fit into 64 bits; a text needs quotes".to_owned()
}

/// Digits with a point, an exponent, or both: `1.5`, `.5`, `5.`, `1e3`.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let unsigned = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !unsigned.is_empty() && digits(unsigned)
    });
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && exponent_fits
}
