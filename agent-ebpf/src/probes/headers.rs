//! Finds `traceparent` in a request's headers and parses it.
//!
//! `http.Header` and gRPC's `metadata.MD` are both `map[string][]string`, and a map variable is a
//! pointer. Both map designs of Go are read in place; at most [`GROUPS`] groups or buckets of eight are
//! searched.
//!
//! # Source go-runtime facts E.3: classic map 1.17..=1.23, swiss map 1.24..=1.27

use agent_ebpf::{
    counter::Counter,
    offsets::{MAP_CLASSIC, MAP_SWISS, Offsets},
    target::{IDS_REMOTE_PARENT, SpanIds},
};

use super::{maps::count, read, spans};

/// Groups (swiss) or buckets with their overflow (classic) searched: about 110 headers at the least.
const GROUPS: u64 = 32;
/// Slots of a group or bucket.
const SLOTS: u64 = 8;

/// Length of the header's name.
const NAME_BYTES: usize = 11;
/// The name as net/http's maps have it.
pub(super) const HTTP_NAME: [u8; NAME_BYTES] = *b"Traceparent";
/// The name as gRPC's maps have it.
pub(super) const GRPC_NAME: [u8; NAME_BYTES] = *b"traceparent";

/// Identity for a request with these headers: continues the caller's trace, else starts one.
///
/// `map` is where the headers are, or why they cannot be read.
#[inline(always)]
pub(super) fn identity(
    offsets: &Offsets,
    map: Result<u64, Absent>,
    name: [u8; NAME_BYTES],
) -> SpanIds {
    match map.and_then(|map| find(offsets, map, name)).and_then(parse) {
        Ok(ids) => ids,
        Err(Absent::NoHeader) => spans::new_trace(),
        Err(Absent::Counted(counter)) => {
            count(counter);
            spans::new_trace()
        }
    }
}

/// Why a request continues no trace.
pub(super) enum Absent {
    NoHeader,
    Counted(Counter),
}

impl From<Counter> for Absent {
    fn from(counter: Counter) -> Self {
        Self::Counted(counter)
    }
}

/// Address of the value slice of the header `name`.
#[inline(always)]
fn find(offsets: &Offsets, map: u64, name: [u8; NAME_BYTES]) -> Result<u64, Absent> {
    if map == 0 {
        return Err(Absent::NoHeader);
    }
    match offsets.map_kind {
        MAP_SWISS => find_swiss(map, name),
        MAP_CLASSIC => find_classic(map, name),
        _ => Err(Absent::Counted(Counter::NoOffset)),
    }
}

/// Swiss map: `used +0, seed +8, dirPtr +16, dirLen +24`. A small map has no directory, `dirPtr` is its
/// only group; else it points to table pointers, and a table has `groups +16, lengthMask +24`.
#[inline(always)]
fn find_swiss(map: u64, name: [u8; NAME_BYTES]) -> Result<u64, Absent> {
    /// Control word, then eight slots of key (16) and value (24).
    const GROUP_BYTES: u64 = 8 + SLOTS * SLOT_BYTES;
    const SLOT_BYTES: u64 = 40;

    let [directory, length] = read::value::<[u64; 2]>(map + 16)?;
    let (groups, mask) = if length == 0 {
        (directory, 0)
    } else {
        let table = read::value::<u64>(directory)?;
        let [groups, mask] = read::value::<[u64; 2]>(table + 16)?;
        (groups, mask)
    };
    for index in 0..GROUPS {
        if index > mask {
            return Err(Absent::NoHeader);
        }
        let group = groups + index * GROUP_BYTES;
        let control = read::value::<[u8; 8]>(group)?;
        for slot in 0..SLOTS {
            // The top bit of a control byte is clear when its slot is in use.
            if control[slot as usize] & 0x80 == 0 {
                let key = group + 8 + slot * SLOT_BYTES;
                if has_name(key, name)? {
                    return Ok(key + 16);
                }
            }
        }
    }
    Err(too_many(mask, length))
}

/// Classic map: `B u8 +9, buckets +16, oldbuckets +24`. While the map grows, entries wait in the old
/// buckets, of which there are half as many (or as many, when it only sheds overflow).
#[inline(always)]
fn find_classic(map: u64, name: [u8; NAME_BYTES]) -> Result<u64, Absent> {
    let bits = u64::from(read::value::<u8>(map + 9)?) & 15;
    let [buckets, old_buckets] = read::value::<[u64; 2]>(map + 16)?;
    match find_in_buckets(buckets, 1 << bits, name) {
        Err(Absent::NoHeader) if old_buckets != 0 => {
            find_in_buckets(old_buckets, 1 << (bits - u64::from(bits > 0)), name)
        }
        found => found,
    }
}

/// A bucket has eight hash bytes, keys from +8, values from +136, the overflow bucket at +328.
#[inline(never)]
fn find_in_buckets(buckets: u64, number: u64, name: [u8; NAME_BYTES]) -> Result<u64, Absent> {
    const BUCKET_BYTES: u64 = 336;
    /// Hash bytes below this mark slots that are empty or have moved.
    const MIN_TOP_HASH: u8 = 5;

    let mut searched = 0;
    let mut bucket = buckets;
    for _ in 0..GROUPS {
        let hashes = read::value::<[u8; 8]>(bucket)?;
        for slot in 0..SLOTS {
            if hashes[slot as usize] >= MIN_TOP_HASH && has_name(bucket + 8 + slot * 16, name)? {
                return Ok(bucket + 136 + slot * 24);
            }
        }
        bucket = read::value::<u64>(bucket + 328)?;
        if bucket == 0 {
            searched += 1;
            if searched == number {
                return Err(Absent::NoHeader);
            }
            bucket = buckets + searched * BUCKET_BYTES;
        }
    }
    Err(Absent::Counted(Counter::HeadersTooMany))
}

/// A map that was not searched whole.
#[inline(always)]
fn too_many(mask: u64, directory_length: u64) -> Absent {
    if mask >= GROUPS || directory_length > 1 {
        Absent::Counted(Counter::HeadersTooMany)
    } else {
        Absent::NoHeader
    }
}

/// Whether the Go string at `key` is `name`.
#[inline(always)]
fn has_name(key: u64, name: [u8; NAME_BYTES]) -> Result<bool, Counter> {
    let [pointer, length] = read::value::<[u64; 2]>(key)?;
    if length != NAME_BYTES as u64 {
        return Ok(false);
    }
    Ok(read::value::<[u8; NAME_BYTES]>(pointer)? == name)
}

/// Length of a version 00 `traceparent`.
const TRACEPARENT_BYTES: usize = 55;

/// Reads `00-<trace id>-<parent id>-<flags>` from the first of the header's values.
#[inline(always)]
fn parse(values: u64) -> Result<SpanIds, Absent> {
    let [first, number] = read::value::<[u64; 2]>(values)?;
    if number == 0 {
        return Err(Absent::NoHeader);
    }
    let [text, length] = read::value::<[u64; 2]>(first)?;
    if length < TRACEPARENT_BYTES as u64 {
        return Err(Absent::Counted(Counter::TraceparentInvalid));
    }
    let text_bytes = read::value::<[u8; TRACEPARENT_BYTES]>(text)?;
    // A later version may append fields, behind a dash.
    let continues = length > TRACEPARENT_BYTES as u64
        && read::value::<u8>(text + TRACEPARENT_BYTES as u64)? == b'-';
    decode(&text_bytes, length, continues).ok_or(Absent::Counted(Counter::TraceparentInvalid))
}

/// Decodes the fixed part; version ff is forbidden.
#[inline(always)]
fn decode(text: &[u8; TRACEPARENT_BYTES], length: u64, continues: bool) -> Option<SpanIds> {
    let dashes = text[2] == b'-' && text[35] == b'-' && text[52] == b'-';
    let version = pair(text[0], text[1])?;
    let exact = length == TRACEPARENT_BYTES as u64;
    if !dashes || version == 0xff || !(exact || version != 0 && continues) {
        return None;
    }
    let mut ids = SpanIds {
        trace_id: [0; 16],
        span_id: spans::random(),
        parent_span_id: [0; 8],
        flags: IDS_REMOTE_PARENT,
        _pad: 0,
    };
    let mut any = 0;
    for index in 0..16 {
        let byte = pair(text[3 + 2 * index], text[4 + 2 * index])?;
        ids.trace_id[index] = byte;
        any |= byte;
    }
    let mut any_parent = 0;
    for index in 0..8 {
        let byte = pair(text[36 + 2 * index], text[37 + 2 * index])?;
        ids.parent_span_id[index] = byte;
        any_parent |= byte;
    }
    ids.flags |= u32::from(pair(text[53], text[54])?);
    (any != 0 && any_parent != 0).then_some(ids)
}

/// Two lower-case hex digits; W3C trace context allows no others.
#[inline(always)]
fn pair(high: u8, low: u8) -> Option<u8> {
    Some(digit(high)? << 4 | digit(low)?)
}

#[inline(always)]
fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}
