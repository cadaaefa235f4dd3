//! Functions through which bytes reach a file later than they were logged.
//!
//! A write below one of these may hold another goroutine's record, so it takes no trace id.

/// Methods and functions of the standard library and of common loggers that pass stored bytes on.
const BUFFERING_PREFIXES: [&str; 12] = [
    "bufio.(*Writer).",
    "bufio.ReadWriter.",
    "bufio.(*ReadWriter).",
    "bufio.(*Reader).WriteTo",
    "bytes.(*Buffer).WriteTo",
    "bytes.(*Reader).WriteTo",
    "strings.(*Reader).WriteTo",
    "io.Copy",
    "io.copyBuffer",
    "net.(*Buffers).WriteTo",
    "os.genericReadFrom",
    "go.uber.org/zap/zapcore.(*BufferedWriteSyncer).",
];

/// Words in a function's own name by which programs call such code of their own.
const BUFFERING_WORDS: [&str; 3] = ["flush", "drain", "buffered"];

/// Whether a function hands on bytes that were stored before.
#[must_use]
pub(super) fn is_buffering(function: &str) -> bool {
    if BUFFERING_PREFIXES.iter().any(|prefix| function.starts_with(prefix)) {
        return true;
    }
    // Behind the last slash, so that a package path is no evidence.
    let own = function.rsplit('/').next().unwrap_or(function).to_ascii_lowercase();
    BUFFERING_WORDS.iter().any(|word| own.contains(word))
}

/// Sorted, disjoint ranges of code addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressRanges(Vec<(u64, u64)>);

impl AddressRanges {
    /// Ranges from (start, end) pairs in any order.
    #[must_use]
    pub fn new(mut ranges: Vec<(u64, u64)>) -> Self {
        ranges.sort_unstable();
        Self(ranges)
    }

    /// The same ranges in a process that is loaded `bias` bytes higher.
    #[must_use]
    pub fn moved(&self, bias: u64) -> Self {
        let moved = |(start, end): &(u64, u64)| (start.wrapping_add(bias), end.wrapping_add(bias));
        Self(self.0.iter().map(moved).collect())
    }

    /// Whether a return address lies in one of them.
    ///
    /// A call can be the last instruction of its function, so the byte before the address counts.
    #[must_use]
    pub fn contains(&self, return_address: u64) -> bool {
        let address = return_address.wrapping_sub(1);
        let next = self.0.partition_point(|(start, _)| *start <= address);
        next.checked_sub(1).and_then(|last| self.0.get(last)).is_some_and(|(_, end)| address < *end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_and_loggers_are_told_apart() {
        for name in [
            "bufio.(*Writer).Flush",
            "bytes.(*Buffer).WriteTo",
            "io.Copy",
            "main.(*queue).flushLoop.func1",
            "example.com/log.(*BufferedSink).Write",
        ] {
            assert!(is_buffering(name), "{name}");
        }
        for name in [
            "log/slog.(*commonHandler).handle",
            "log.(*Logger).output",
            "fmt.Fprintln",
            "example.com/flush/log.(*Logger).Write",
            "go.uber.org/zap/zapcore.(*ioCore).Write",
        ] {
            assert!(!is_buffering(name), "{name}");
        }
    }

    #[test]
    fn a_return_address_belongs_to_the_call_before_it() {
        let ranges = AddressRanges::new(vec![(300, 400), (100, 200)]);
        assert!(ranges.contains(101) && ranges.contains(200) && ranges.contains(399));
        assert!(!ranges.contains(100) && !ranges.contains(201) && !ranges.contains(401));
        assert!(ranges.moved(1000).contains(1101));
        assert!(!ranges.contains(0));
    }
}
