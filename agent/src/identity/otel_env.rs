//! `OTEL_RESOURCE_ATTRIBUTES`: `key=value` pairs, comma-separated, values percent-encoded.

/// Why the whole variable is ignored; the specification asks for all or nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttributesError {
    /// A part between commas is no `key=value`.
    #[error("part {index} of OTEL_RESOURCE_ATTRIBUTES is no key=value")]
    NoPair {
        /// Counted from 0.
        index: usize,
    },
    /// A value holds a `%` that two hexadecimal digits do not follow, or decodes to no UTF-8.
    #[error("the value of {key} in OTEL_RESOURCE_ATTRIBUTES is not percent-encoded UTF-8")]
    Encoding {
        /// The attribute.
        key: String,
    },
}

impl AttributesError {
    /// A word from a fixed set, for metrics and log fields.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::NoPair { .. } => "no_pair",
            Self::Encoding { .. } => "percent_encoding",
        }
    }
}

/// Takes the value of the variable apart; of a key that comes twice the last value counts.
///
/// # Errors
/// When any part has another form; nothing of the variable may be used then.
pub fn parse_attributes(text: &str) -> Result<Vec<(String, String)>, AttributesError> {
    let mut attributes: Vec<(String, String)> = Vec::new();
    for (index, part) in text.split(',').enumerate() {
        if part.trim().is_empty() {
            continue;
        }
        let (key, value) = part
            .split_once('=')
            .map(|(key, value)| (key.trim(), value.trim()))
            .filter(|(key, _)| !key.is_empty())
            .ok_or(AttributesError::NoPair { index })?;
        let value = decode(value).ok_or_else(|| AttributesError::Encoding {
            key: key.to_owned(),
        })?;
        match attributes.iter_mut().find(|(known, _)| known == key) {
            Some((_, earlier)) => *earlier = value,
            None => attributes.push((key.to_owned(), value)),
        }
    }
    Ok(attributes)
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let (high, low) = (hex(rest.next()?)?, hex(rest.next()?)?);
            bytes.push(high << 4 | low);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse_attributes(text).expect("well formed")
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn pairs_are_trimmed_and_decoded() {
        assert_eq!(
            pairs(" team = check%2Cout , zone=z%C3%BCrich,,empty=,x=a=b"),
            [
                pair("team", "check,out"),
                pair("zone", "zürich"),
                pair("empty", ""),
                pair("x", "a=b"),
            ]
        );
        assert_eq!(pairs(""), []);
        assert_eq!(pairs("a=1,a=2"), [pair("a", "2")]);
    }

    #[test]
    fn one_bad_part_spoils_all() {
        let error = parse_attributes("a=1,b").expect_err("b is no pair");
        assert_eq!(error, AttributesError::NoPair { index: 1 });
        for value in ["%", "%2", "%zz", "%ff"] {
            let error = parse_attributes(&format!("a=1,b={value}")).expect_err(value);
            assert_eq!(error.error_type(), "percent_encoding");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_an_answer(text in ".{0,200}") {
            let _answer = parse_attributes(&text);
        }
    }
}
