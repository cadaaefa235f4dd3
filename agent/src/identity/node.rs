//! What all processes of this machine share.

use std::{fs, io};

use crate::discovery::Procfs;

/// The machine golens runs on, read once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// `host.name`.
    pub host_name: String,
    /// Names this boot of this machine.
    pub boot_id: String,
}

impl Node {
    /// Reads host name and boot id.
    ///
    /// # Errors
    /// When /proc/sys/kernel cannot be read.
    pub fn read(procfs: &Procfs) -> io::Result<Self> {
        let line = |name: &str| {
            let text = fs::read_to_string(procfs.file(name))?;
            Ok::<_, io::Error>(text.trim().to_owned())
        };
        Ok(Self {
            host_name: line("sys/kernel/hostname")?,
            boot_id: line("sys/kernel/random/boot_id")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_name_and_a_boot() {
        let node = Node::read(&Procfs::default()).expect("readable");
        assert!(!node.host_name.is_empty());
        assert_eq!(node.boot_id.len(), 36);
    }
}
