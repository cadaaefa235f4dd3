//! Who stands between a log call and the file: formatters, which write a record as they make it, and
//! buffers, which write it later.
//!
//! A write below a buffer may hold another goroutine's record, so it takes no trace id.

use symbols::GoBinary;

/// Standard library and common loggers that pass stored bytes on.
const BUFFERS: [&str; 12] = [
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

/// Standard library and common loggers that write the record they have just formatted. Not among
/// them is what only locks or multiplies a writer: a buffer may stand before it.
const FORMATTERS: [&str; 13] = [
    "fmt.Fprint",
    "log.(*Logger).",
    "log/slog.",
    "encoding/json.(*Encoder).Encode",
    "go.uber.org/zap.(*Logger).",
    "go.uber.org/zap/zapcore.(*ioCore).",
    "go.uber.org/zap/zapcore.(*CheckedEntry).",
    "github.com/rs/zerolog.(*Event).",
    "github.com/rs/zerolog.(*Logger).",
    "github.com/sirupsen/logrus.",
    "github.com/go-kit/log.",
    "github.com/hashicorp/go-hclog.(*intLogger).",
    "k8s.io/klog/",
];

/// Words in a function's own name by which programs call buffers of their own.
const BUFFER_WORDS: [&str; 3] = ["flush", "drain", "buffered"];

/// Callers in which such a word counts: a buffer of the program's own is near the write, and a
/// request handler that is called `flushCache` is not.
const NEAR: usize = 2;

/// Code of one binary that matters to who wrote a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writers {
    buffers: AddressRanges,
    own_buffers: AddressRanges,
    formatters: AddressRanges,
}

impl Writers {
    /// Finds them among a binary's functions.
    pub(super) fn of(binary: &GoBinary<'_>) -> Self {
        let ranges = |matches: fn(&str) -> bool| {
            let functions = binary.functions_where(matches);
            let range = |found: &symbols::Function| (found.address, found.address + found.size);
            AddressRanges::new(functions.iter().map(range).collect())
        };
        Self {
            buffers: ranges(is_buffer),
            own_buffers: ranges(is_own_buffer),
            formatters: ranges(is_formatter),
        }
    }

    /// The same code in a process that is loaded `bias` bytes higher.
    #[must_use]
    pub fn moved(&self, bias: u64) -> Self {
        Self {
            buffers: self.buffers.moved(bias),
            own_buffers: self.own_buffers.moved(bias),
            formatters: self.formatters.moved(bias),
        }
    }

    /// Whether a write with these callers, innermost first, may hold bytes that were stored before.
    #[must_use]
    pub fn stored(&self, callers: &[u64]) -> bool {
        for (depth, &caller) in callers.iter().enumerate() {
            if self.buffers.contains(caller) || depth < NEAR && self.own_buffers.contains(caller) {
                return true;
            }
            if self.formatters.contains(caller) {
                return false;
            }
        }
        false
    }
}

fn is_buffer(function: &str) -> bool {
    BUFFERS.iter().any(|prefix| function.starts_with(prefix))
}

fn is_formatter(function: &str) -> bool {
    !is_buffer(function) && FORMATTERS.iter().any(|prefix| function.starts_with(prefix))
}

fn is_own_buffer(function: &str) -> bool {
    // Behind the last slash, so that a package path is no evidence.
    let own = function
        .rsplit('/')
        .next()
        .unwrap_or(function)
        .to_ascii_lowercase();
    BUFFER_WORDS.iter().any(|word| own.contains(word))
}

/// Sorted, disjoint ranges of code addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct AddressRanges(Vec<(u64, u64)>);

impl AddressRanges {
    fn new(mut ranges: Vec<(u64, u64)>) -> Self {
        ranges.sort_unstable();
        Self(ranges)
    }

    fn moved(&self, bias: u64) -> Self {
        let moved = |(start, end): &(u64, u64)| (start.wrapping_add(bias), end.wrapping_add(bias));
        Self(self.0.iter().map(moved).collect())
    }

    /// Whether a return address lies in one of them. A call can be the last instruction of its
    /// function, so the byte before the address counts.
    fn contains(&self, return_address: u64) -> bool {
        let address = return_address.wrapping_sub(1);
        let next = self.0.partition_point(|(start, _)| *start <= address);
        next.checked_sub(1)
            .and_then(|last| self.0.get(last))
            .is_some_and(|(_, end)| address < *end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_and_formatters_are_told_apart() {
        for name in [
            "bufio.(*Writer).Flush",
            "bytes.(*Buffer).WriteTo",
            "io.Copy",
        ] {
            assert!(is_buffer(name) && !is_formatter(name), "{name}");
        }
        for name in [
            "main.(*queue).flushLoop.func1",
            "example.com/log.(*BufferedSink).Write",
        ] {
            assert!(is_own_buffer(name), "{name}");
        }
        for name in [
            "log/slog.(*commonHandler).handle",
            "log.(*Logger).output",
            "fmt.Fprintln",
        ] {
            assert!(
                is_formatter(name) && !is_buffer(name) && !is_own_buffer(name),
                "{name}"
            );
        }
        assert!(!is_own_buffer("example.com/flush/log.(*Logger).Write"));
        assert!(is_buffer(
            "go.uber.org/zap/zapcore.(*BufferedWriteSyncer).Write"
        ));
        assert!(!is_formatter(
            "go.uber.org/zap/zapcore.(*BufferedWriteSyncer).Write"
        ));
    }

    #[test]
    fn a_return_address_belongs_to_the_call_before_it() {
        let ranges = AddressRanges::new(vec![(300, 400), (100, 200)]);
        assert!(ranges.contains(101) && ranges.contains(200) && ranges.contains(399));
        assert!(!ranges.contains(100) && !ranges.contains(201) && !ranges.contains(401));
        assert!(ranges.moved(1000).contains(1101));
        assert!(!ranges.contains(0));
    }

    #[test]
    fn the_innermost_evidence_decides() {
        let writers = Writers {
            buffers: AddressRanges::new(vec![(100, 200)]),
            own_buffers: AddressRanges::new(vec![(200, 300)]),
            formatters: AddressRanges::new(vec![(300, 400)]),
        };
        let (buffer, own_buffer, formatter, other) = (150, 250, 350, 450);
        assert!(writers.stored(&[buffer, formatter]));
        assert!(writers.stored(&[other, own_buffer]));
        assert!(writers.stored(&[other, other, buffer]));
        assert!(!writers.stored(&[formatter, other, own_buffer, buffer]));
        assert!(!writers.stored(&[other, other, own_buffer]));
        assert!(!writers.stored(&[0, 0, 0, 0]));
    }
}
