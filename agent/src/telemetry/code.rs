//! Places in the source as attribute values, the same for every metric that has them.

/// Values of `code.function.name`, `code.file.path` and `code.line.number`. Where the binary has no names the
/// function is the address as linked, and the others are absent.
#[must_use]
pub fn code_values(line: Option<(&str, &str, u32)>, address: u64) -> [String; 3] {
    line.map_or_else(
        || [format!("{address:#x}"), String::new(), String::new()],
        |(function, file, line)| [function.to_owned(), file.to_owned(), line.to_string()],
    )
}
