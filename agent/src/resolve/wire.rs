//! What the child tells the agent: one JSON document. The agent takes it as untrusted input.

use std::io;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BinaryInfo, lines::LinesAnswer, report::Report};

/// Longest answer; that of a program of 200 MB has a tenth of it.
pub(super) const MAX_ANSWER: usize = 2 << 20;
/// Longest text in an answer, in bytes.
const MAX_TEXT: usize = 1024;

/// What the child found.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Answer {
    /// To a question for what can be attached.
    Binary(Box<BinaryInfo>),
    /// To a question for everything.
    Report(Box<Report>),
    /// To a question for lines.
    Lines(LinesAnswer),
    /// The file is no Go program that can be read.
    Refused {
        /// Word from a fixed set.
        kind: String,
        /// What is wrong with it.
        message: String,
    },
    /// The parser has a bug.
    Panicked {
        /// What the panic said.
        message: String,
    },
    /// Expanded sections found no room, so that much would be missing.
    NoScratch {
        /// What was short.
        message: String,
    },
    /// Rights could not be given up, so the file was not looked at.
    Unconfined {
        /// What failed.
        step: String,
        /// The kernel's answer.
        message: String,
    },
}

impl Answer {
    pub(super) fn unconfined(step: &str, error: &io::Error) -> Self {
        Self::Unconfined {
            step: step.to_owned(),
            message: error.to_string(),
        }
    }
}

/// Writes an answer; text that comes from the binary is cut and cleaned as [`decode`] wants it.
pub(super) fn encode(answer: &Answer) -> Vec<u8> {
    let encoded = serde_json::to_value(answer).and_then(|mut value| {
        each_text(&mut value, &mut |text| {
            if !is_clean(text) {
                *text = cleaned(text);
            }
            Ok(())
        })
        .map_err(serde::ser::Error::custom)?;
        serde_json::to_vec(&value)
    });
    // The types have string keys and whole numbers only; an empty answer is a refused one.
    encoded.unwrap_or_default()
}

/// Reads an answer.
///
/// # Errors
/// What is wrong with it.
pub(super) fn decode(bytes: &[u8]) -> Result<Answer, String> {
    let mut value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    each_text(&mut value, &mut |text| match is_clean(text) {
        true => Ok(()),
        false => Err("text is too long or holds control characters".to_owned()),
    })?;
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn each_text(
    value: &mut Value,
    visit: &mut impl FnMut(&mut String) -> Result<(), String>,
) -> Result<(), String> {
    match value {
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter_mut().try_for_each(|item| each_text(item, visit)),
        Value::Object(fields) => fields
            .values_mut()
            .try_for_each(|field| each_text(field, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// No longer than allowed, and nothing that a terminal or a log would act on.
fn is_clean(text: &str) -> bool {
    text.len() <= MAX_TEXT && !text.chars().any(is_harmful)
}

fn cleaned(text: &str) -> String {
    const CUT: char = '…';
    let room = MAX_TEXT - CUT.len_utf8();
    let mut clean = String::new();
    for character in text.chars() {
        let shown = match is_harmful(character) {
            true => char::REPLACEMENT_CHARACTER,
            false => character,
        };
        if clean.len() + shown.len_utf8() > room {
            clean.push(CUT);
            break;
        }
        clean.push(shown);
    }
    clean
}

/// Control characters, and those that reorder text.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_of_a_binary_is_cut_and_cleaned_on_the_way() {
        let hostile = format!("\u{1b}[31m\u{202e}{}", "ä".repeat(2 * MAX_TEXT));
        let sent = Answer::Panicked { message: hostile };
        let Ok(Answer::Panicked { message }) = decode(&encode(&sent)) else {
            panic!("another answer");
        };
        assert!(message.starts_with("\u{fffd}[31m\u{fffd}ää"), "{message}");
        assert!(message.len() <= MAX_TEXT && message.ends_with('…'));
    }

    #[test]
    fn answers_that_were_not_cleaned_or_are_no_answers_are_refused() {
        for bytes in [
            "",
            "{}",
            "null",
            "[1]",
            r#"{"refused":{"kind":"x"}}"#,
            r#"{"refused":{"kind":"x","message":"y","more":1}}"#,
            r#"{"refused":{"kind":"\u001b","message":"y"}}"#,
            r#"{"refused":{"kind":"x","message":"y"}} trailing"#,
            r#"{"binary":{}}"#,
        ] {
            assert!(decode(bytes.as_bytes()).is_err(), "{bytes}");
        }
        let deep = "[".repeat(100_000);
        assert!(decode(deep.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(decode(&bytes).is_err());
        }
    }
}
