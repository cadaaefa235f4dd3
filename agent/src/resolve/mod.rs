//! A target's binary becomes a BinaryInfo.
