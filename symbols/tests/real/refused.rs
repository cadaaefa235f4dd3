//! Programs that cannot be read, and the reasons given.

use symbols::{Error, GoBinary};

use crate::common::{Built, build};

fn refusal(data: &[u8]) -> Error {
    GoBinary::parse(data).map(|_| ()).unwrap_err()
}

fn tiny(name: &str) -> Built {
    build("tiny", &format!("refused-{name}"), &["-ldflags=-s -w"], &[])
}

/// Finds the only place of some bytes.
fn place(data: &[u8], wanted: &[u8]) -> usize {
    let mut places = (0..data.len()).filter(|&at| data[at..].starts_with(wanted));
    let place = places.next().unwrap();
    assert_eq!(places.next(), None, "{wanted:x?} stands in two places");
    place
}

const BUILD_INFO: &[u8] = b"\xff Go buildinf:\x08\x02";

#[test]
fn packed_programs_name_their_packer() {
    // What UPX leaves of a program: headers, its own record behind them, and compressed bytes.
    let mut data = tiny("packed").data;
    data.truncate(0x1000);
    let headers = usize::from(u16::from_le_bytes([data[56], data[57]]));
    let record = 64 + 56 * headers;
    data[record + 4..record + 8].copy_from_slice(b"UPX!");
    // Neither sections nor the bytes of segments are left where the headers say.
    data[0x28..0x30].fill(0);
    data[0x3c..0x40].fill(0);
    assert_eq!(refusal(&data), Error::Packed { packer: "upx" });
    data[record + 4..record + 8].fill(0);
    assert!(matches!(
        refusal(&data),
        Error::Truncated { size: 0x1000, .. }
    ));
}

#[test]
fn a_program_that_was_cut_short_is_no_stranger() {
    let whole = tiny("cut").data;
    let half = &whole[..whole.len() / 4];
    let Error::Truncated { size, end } = refusal(half) else {
        panic!("{}", refusal(half));
    };
    assert_eq!(size, half.len() as u64);
    assert!(end > size && end <= whole.len() as u64);
}

#[test]
fn obfuscated_programs_show_a_sign() {
    let tiny = tiny("obfuscated");
    let table = place(&tiny.data, &[0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8]);
    let mut foreign = tiny.data.clone();
    foreign[table..table + 4].copy_from_slice(&0x6333_c187_u32.to_le_bytes());
    let sign = "its function table begins with 0x6333c187".to_owned();
    assert_eq!(refusal(&foreign), Error::Obfuscated { sign });

    let version = place(&tiny.data, BUILD_INFO) + 32;
    let mut unknown = tiny.data;
    unknown[version..version + 8].copy_from_slice(b"\x07unknown");
    let sign = "its go version reads \"unknown\"".to_owned();
    assert_eq!(refusal(&unknown), Error::Obfuscated { sign });
}

#[test]
fn without_build_information_the_release_comes_from_the_runtime_or_not_at_all() {
    let whole = build("tiny", "no-build-information", &[], &[]);
    let without = |built: &Built| {
        let mut data = built.data.clone();
        let at = place(&data, BUILD_INFO);
        data[at..at + BUILD_INFO.len()].fill(0);
        data
    };
    let data = without(&whole);
    let binary = GoBinary::parse(&data).unwrap();
    let intact = GoBinary::parse(&whole.data).unwrap();
    assert_eq!(binary.go_version(), intact.go_version());
    assert_eq!(binary.build_info().settings, []);
    assert_eq!(binary.build(), intact.build());
    assert_eq!(refusal(&without(&tiny("no-release"))), Error::NoRelease);
}
