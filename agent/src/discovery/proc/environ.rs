//! /proc/PID/environ: `NAME=VALUE` entries that end with a zero byte.

/// Entries in their order; the process may have written anything over them.
///
/// Entries without a name or `=` and those that are no UTF-8 are left out: nothing golens asks for is
/// among them.
#[must_use]
pub fn environment(content: &[u8]) -> Vec<(String, String)> {
    content
        .split(|byte| *byte == 0)
        .filter_map(|entry| {
            let (name, value) = std::str::from_utf8(entry).ok()?.split_once('=')?;
            (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_keep_their_equal_signs() {
        let entries = environment(b"A=1\0OTEL_RESOURCE_ATTRIBUTES=a=b,c=d\0EMPTY=\0");
        let entries: Vec<_> = entries
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(
            entries,
            [
                ("A", "1"),
                ("OTEL_RESOURCE_ATTRIBUTES", "a=b,c=d"),
                ("EMPTY", "")
            ]
        );
    }

    #[test]
    fn what_is_no_entry_is_left_out() {
        assert_eq!(environment(b"=x\0no sign\0\xff\xfe=1\0\0\0"), []);
    }

    proptest! {
        #[test]
        fn any_bytes_give_names(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for (name, _) in environment(&bytes) {
                prop_assert!(!name.is_empty() && !name.contains('='));
            }
        }
    }
}
