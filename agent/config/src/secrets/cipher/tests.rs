//! The cipher against published vectors, and against whoever alters or moves a value.

use std::collections::HashSet;

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| {
        hex.get(at..at + 2)
            .and_then(|it| u8::from_str_radix(it, 16).ok())
    };
    (0..hex.len())
        .step_by(2)
        .map(|at| digit(at).unwrap())
        .collect()
}

fn key(bytes: &[u8]) -> Locked {
    let mut key = Locked::zeroed(KEY).unwrap();
    key.expose_mut().copy_from_slice(bytes);
    key
}

fn sealed(layout: Layout, bytes: Vec<u8>) -> Sealed {
    let kid = "k1".parse().unwrap();
    Sealed { layout, kid, bytes }
}

/// Key, nonce, plaintext, additional data, ciphertext, tag: test cases 13 to 16 of the GCM specification
/// that NIST adopted.
const VECTORS: [[&str; 6]; 4] = [
    [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "000000000000000000000000",
        "",
        "",
        "",
        "530f8afbc74536b9a963b4f1c4cb738b",
    ],
    [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "000000000000000000000000",
        "00000000000000000000000000000000",
        "",
        "cea7403d4d606b6e074ec5d3baf39d18",
        "d0d1c8a799996bf0265b98b5d48ab919",
    ],
    [
        "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        "cafebabefacedbaddecaf888",
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
        "",
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
        "b094dac5d93471bdec1a502270e3cc6c",
    ],
    [
        "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        "cafebabefacedbaddecaf888",
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        "76fc6ece0f4e1768cddf8853bb2d551b",
    ],
];

#[test]
fn published_vectors_are_sealed_and_opened() {
    for vector in VECTORS {
        let [k, nonce, plain, aad, text, tag] = vector.map(bytes);
        let key = key(&k);
        let made = seal_with(&key, nonce.clone().try_into().unwrap(), &plain, &aad).unwrap();
        assert_eq!(made, [nonce, text, tag].concat());
        assert_eq!(*open(&key, &made, &aad).unwrap(), plain);
    }
}

#[test]
fn the_layout_of_the_seed_is_read() {
    // Tag, nonce, ciphertext, and nothing else authenticated: the second and third vector.
    for vector in &VECTORS[1..3] {
        let [k, nonce, plain, _, text, tag] = vector.map(bytes);
        let value = sealed(Layout::Seed, [tag, nonce, text].concat());
        let opened = open_sealed(&key(&k), &value, "any", "place").unwrap();
        assert_eq!(*opened, plain);
    }
}

#[test]
fn every_altered_bit_is_found() {
    let key = key(&[7; KEY]);
    let aad = b"prod|db.password|k1";
    let made = seal(&key, b"hunter2", aad).unwrap();
    let seed = [&made[made.len() - TAG..], &made[..made.len() - TAG]].concat();
    for bit in 0..made.len() * 8 {
        let flipped = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        };
        assert!(open(&key, &flipped(&made), aad).is_none(), "bit {bit}");
        assert!(open_seed(&key, &flipped(&seed)).is_none(), "bit {bit}");
    }
    for length in 0..made.len() {
        assert!(open(&key, &made[..length], aad).is_none(), "{length} bytes");
        assert!(open_seed(&key, &seed[..length]).is_none(), "{length} bytes");
    }
}

#[test]
fn a_value_opens_nowhere_but_at_its_place() {
    let mine = key(&[7; KEY]);
    let kid: Kid = "k1".parse().unwrap();
    let aad = binding("prod", "db.password", &kid).unwrap();
    let value = sealed(Layout::V1, seal(&mine, b"hunter2", aad.as_bytes()).unwrap());
    let open = |value: &Sealed, namespace, path| open_sealed(&mine, value, namespace, path);
    assert_eq!(**open(&value, "prod", "db.password").unwrap(), *b"hunter2");
    for (namespace, path) in [("dev", "db.password"), ("prod", "db.user"), ("prod", "")] {
        let refused = open(&value, namespace, path);
        assert!(matches!(refused, Err(SecretError::Forged { .. })));
    }
    let other_name = Sealed {
        kid: "k2".parse().unwrap(),
        ..value.clone()
    };
    assert!(open(&other_name, "prod", "db.password").is_err());
    assert!(open_sealed(&key(&[8; KEY]), &value, "prod", "db.password").is_err());
    // Or `a|b` and `c` would be the place of `a` and `b|c`.
    assert!(matches!(
        open(&value, "prod|db", "password"),
        Err(SecretError::Namespace(_))
    ));
}

#[test]
fn no_nonce_is_used_twice() {
    let mut seen = HashSet::with_capacity(1_000_000);
    for _ in 0..1_000_000 {
        assert!(seen.insert(fresh_nonce().unwrap()));
    }
    // And it is the one that is used.
    let key = key(&[7; KEY]);
    let made = [seal(&key, b"", b"").unwrap(), seal(&key, b"", b"").unwrap()];
    assert_ne!(made[0][..NONCE_LEN], made[1][..NONCE_LEN]);
}
