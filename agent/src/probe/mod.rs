//! Plans and attaches the eBPF programs of a target.
