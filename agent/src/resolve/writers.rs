//! Who stands between a log call and the file: formatters, which write a record as they make it, and
//! buffers, which write it later.
//!
//! A write below a buffer may hold another goroutine's record, so it takes no trace id.

use serde::{Deserialize, Serialize};
use symbols::{Function, GoBinary, Reason, Segment, Unresolved};

/// Standard library and common loggers that pass stored bytes on.
const BUFFERS: [&str; 11] = [
    "bufio.(*Writer).",
    "bufio.ReadWriter.",
    "bufio.(*ReadWriter).",
    "bufio.(*Reader).WriteTo",
    "bytes.(*Reader).WriteTo",
    "strings.(*Reader).WriteTo",
    "io.Copy",
    "io.copyBuffer",
    "net.(*Buffers).WriteTo",
    "os.genericReadFrom",
    "go.uber.org/zap/zapcore.(*BufferedWriteSyncer).",
];

/// Functions that write the record they have just formatted.
const FORMATTERS: [&str; 11] = [
    "fmt.Fprint",
    "log.(*Logger).output",
    "log.(*Logger).Output",
    "log/slog.(*commonHandler).",
    "encoding/json.(*Encoder).Encode",
    "go.uber.org/zap/zapcore.(*ioCore).",
    "github.com/rs/zerolog.(*Event).",
    "github.com/sirupsen/logrus.(*Entry).",
    "github.com/go-kit/log.",
    "github.com/hashicorp/go-hclog.(*intLogger).",
    "k8s.io/klog/",
];

/// What stands between formatter and file and writes on what it gets, at once.
const ADAPTERS: [&str; 17] = [
    "io.(*multiWriter).",
    "io.WriteString",
    "os.(*File).WriteString",
    // Written to at once by a formatter, or by nobody known.
    "bytes.(*Buffer).WriteTo",
    "go.uber.org/zap/zapcore.(*lockedWriteSyncer).",
    "go.uber.org/zap/zapcore.multiWriteSyncer.",
    "go.uber.org/zap/zapcore.(*multiWriteSyncer).",
    "go.uber.org/zap/zapcore.writerWrapper.",
    "go.uber.org/zap/zapcore.(*writerWrapper).",
    "go.uber.org/zap.nopCloserSink.",
    "go.uber.org/zap.(*nopCloserSink).",
    "github.com/rs/zerolog.LevelWriterAdapter.",
    "github.com/rs/zerolog.(*LevelWriterAdapter).",
    "github.com/rs/zerolog.(*syncWriter).",
    "github.com/rs/zerolog.multiLevelWriter.",
    "github.com/rs/zerolog.ConsoleWriter.",
    "github.com/rs/zerolog.(*ConsoleWriter).",
];

/// Of these, what stores bytes unless the next caller outwards is known.
const RELAY: &str = "bytes.(*Buffer).WriteTo";

/// Words in a function's own name by which programs call buffers of their own.
const BUFFER_WORDS: [&str; 3] = ["flush", "drain", "buffered"];

/// Ranges of code that are kept of one binary at most; the largest real programs have some hundred.
pub(super) const MAX_RANGES: usize = 8 << 10;

/// Callers in which such a word counts: a buffer of the program's own is near the write, and a
/// request handler that is called `flushCache` is not.
const NEAR: usize = 2;

/// Code of one binary that matters to who wrote a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writers {
    buffers: AddressRanges,
    own_buffers: AddressRanges,
    formatters: AddressRanges,
    adapters: AddressRanges,
    relays: AddressRanges,
}

impl Writers {
    /// Finds them among a binary's functions.
    ///
    /// # Errors
    /// When the functions cannot be listed, or are more than any program has.
    pub(super) fn of(binary: &GoBinary<'_>) -> Result<Self, Unresolved> {
        let ranges = |matches: fn(&str) -> bool| {
            let functions = binary.functions_where(matches)?;
            let code = functions
                .iter()
                .filter_map(|found| code_of(found, binary.segments()));
            Ok(AddressRanges::new(code.collect()))
        };
        let writers = Self {
            buffers: ranges(is_buffer)?,
            own_buffers: ranges(is_own_buffer)?,
            formatters: ranges(is_formatter)?,
            adapters: ranges(is_adapter)?,
            relays: ranges(|function| function == RELAY)?,
        };
        writers.bounded()
    }

    /// Takes all code for a buffer, so that no line gets a trace id that may be another's.
    pub(super) fn unknown(binary: &GoBinary<'_>) -> Self {
        let code = binary.segments().iter().filter(|part| part.executable);
        let whole =
            code.filter_map(|part| Some((part.vaddr, part.vaddr.checked_add(part.mem_size)?)));
        Self {
            buffers: AddressRanges::new(whole.collect()),
            ..Self::default()
        }
    }

    fn bounded(self) -> Result<Self, Unresolved> {
        if self.ranges().count() <= MAX_RANGES {
            return Ok(self);
        }
        Err(Unresolved {
            what: "who writes log lines".to_owned(),
            reason: Reason::Limit {
                what: "functions that write",
                limit: MAX_RANGES as u64,
            },
        })
    }

    /// Every range of addresses, from its first byte to the one behind its last.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (u64, u64)> {
        [
            &self.buffers,
            &self.own_buffers,
            &self.formatters,
            &self.adapters,
            &self.relays,
        ]
        .into_iter()
        .flat_map(|ranges| ranges.0.iter().copied())
    }

    /// Whether each list is sorted and free of overlaps, as the search in it needs.
    pub(super) fn are_sorted(&self) -> bool {
        [
            &self.buffers,
            &self.own_buffers,
            &self.formatters,
            &self.adapters,
            &self.relays,
        ]
        .into_iter()
        .all(|ranges| ranges.0.is_sorted_by(|a, b| a.1 <= b.0))
    }

    /// The same code in a process that is loaded `bias` bytes higher.
    #[must_use]
    pub fn moved(&self, bias: u64) -> Self {
        Self {
            buffers: self.buffers.moved(bias),
            own_buffers: self.own_buffers.moved(bias),
            formatters: self.formatters.moved(bias),
            adapters: self.adapters.moved(bias),
            relays: self.relays.moved(bias),
        }
    }

    /// Whether a write with these callers, innermost first, may hold bytes that were stored before.
    ///
    /// A formatter's record is its goroutine's own when only known adapters stand before the file: any
    /// other writer may have kept the record and passed an older one on. A program that writes by
    /// itself, with no formatter near, is believed unless something looks like a buffer.
    #[must_use]
    pub fn stored(&self, callers: &[u64]) -> bool {
        let mut stranger = false;
        let mut relay = false;
        for (depth, &caller) in callers.iter().enumerate() {
            if self.buffers.contains(caller) || depth < NEAR && self.own_buffers.contains(caller) {
                return true;
            }
            if self.formatters.contains(caller) {
                return stranger;
            }
            let known = self.adapters.contains(caller);
            if relay && !known {
                return true;
            }
            relay = self.relays.contains(caller);
            stranger |= !known;
        }
        relay
    }
}

/// From the first byte of a function to the one behind its last, if the file has code there.
fn code_of(function: &Function, segments: &[Segment]) -> Option<(u64, u64)> {
    let end = function.address.checked_add(function.size)?;
    let holds = |part: &Segment| {
        let part_end = part.vaddr.saturating_add(part.mem_size);
        part.executable && part.vaddr <= function.address && end <= part_end
    };
    let is_code = function.size > 0 && segments.iter().any(holds);
    is_code.then_some((function.address, end))
}

fn is_buffer(function: &str) -> bool {
    BUFFERS.iter().any(|prefix| function.starts_with(prefix))
}

fn is_formatter(function: &str) -> bool {
    !is_buffer(function) && FORMATTERS.iter().any(|prefix| function.starts_with(prefix))
}

fn is_adapter(function: &str) -> bool {
    ADAPTERS.iter().any(|prefix| function.starts_with(prefix))
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct AddressRanges(Vec<(u64, u64)>);

impl AddressRanges {
    fn new(mut ranges: Vec<(u64, u64)>) -> Self {
        ranges.sort_unstable();
        // Two names of one body are one range.
        ranges.dedup_by(|next, last| {
            let overlaps = next.0 < last.1;
            if overlaps {
                last.1 = last.1.max(next.1);
            }
            overlaps
        });
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
    fn buffers_formatters_and_adapters_are_told_apart() {
        for name in [
            "bufio.(*Writer).Flush",
            "bytes.(*Reader).WriteTo",
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
        for name in [
            "go.uber.org/zap/zapcore.(*lockedWriteSyncer).Write",
            "github.com/rs/zerolog.(*syncWriter).Write",
        ] {
            assert!(is_adapter(name) && !is_formatter(name), "{name}");
        }
        assert!(!is_own_buffer("example.com/flush/log.(*Logger).Write"));
        assert!(is_buffer(
            "go.uber.org/zap/zapcore.(*BufferedWriteSyncer).Write"
        ));
        // The front end of a logger is no evidence: its handler may be anybody's.
        assert!(!is_formatter("log/slog.(*Logger).log"));
    }

    #[test]
    fn a_function_outside_the_code_is_none() {
        let segment = Segment {
            vaddr: 0x1000,
            mem_size: 0x100,
            file_offset: 0,
            file_size: 0x100,
            executable: true,
            writable: false,
        };
        let data = Segment {
            vaddr: 0x2000,
            executable: false,
            ..segment
        };
        let of = |address, size| {
            let function = Function {
                name: "io.Copy".to_owned(),
                address,
                size,
                provenance: symbols::Provenance::Symtab,
            };
            code_of(&function, &[segment, data])
        };
        assert_eq!(of(0x1000, 0x100), Some((0x1000, 0x1100)));
        assert_eq!(of(0x1001, 0x100), None);
        assert_eq!(of(0xfff, 1), None);
        assert_eq!(of(0x2000, 1), None);
        assert_eq!(of(0x1000, u64::MAX), None);
        assert_eq!(of(0x1000, 0), None);
    }

    #[test]
    fn more_writers_than_any_program_has_are_unknown() {
        let many = |count: u64| Writers {
            formatters: AddressRanges::new((0..count).map(|at| (2 * at, 2 * at + 1)).collect()),
            ..Writers::default()
        };
        assert!(many(MAX_RANGES as u64).bounded().is_ok());
        let unknown = many(MAX_RANGES as u64 + 1).bounded().expect_err("too many");
        assert_eq!(unknown.error_type(), "limit");
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
    fn the_way_from_the_file_outwards_decides() {
        let range = |start| AddressRanges::new(vec![(start, start + 100)]);
        let writers = Writers {
            buffers: range(100),
            own_buffers: range(200),
            formatters: range(300),
            adapters: AddressRanges::new(vec![(400, 500), (500, 600)]),
            relays: range(500),
        };
        let (buffer, own_buffer, formatter, adapter, relay, other) = (150, 250, 350, 450, 550, 650);
        assert!(writers.stored(&[buffer, formatter]));
        assert!(writers.stored(&[other, own_buffer]));
        assert!(writers.stored(&[other, other, buffer]));
        assert!(writers.stored(&[adapter, buffer, formatter]));
        // A stranger may have kept the record it was given.
        assert!(writers.stored(&[other, formatter]));
        assert!(writers.stored(&[relay, other, formatter]));
        assert!(writers.stored(&[relay]));
        assert!(!writers.stored(&[formatter, other, own_buffer, buffer]));
        assert!(!writers.stored(&[adapter, formatter]));
        assert!(!writers.stored(&[relay, adapter, formatter]));
        // Nobody has formatted it: the program writes its own lines.
        assert!(!writers.stored(&[other, other, own_buffer]));
        assert!(!writers.stored(&[0, 0, 0, 0]));
    }
}
