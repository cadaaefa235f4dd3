//! /proc/PID/cgroup: one line per hierarchy, `ID:CONTROLLERS:PATH`.

/// Paths on all hierarchies, without duplicates, in the order of the file.
#[must_use]
pub fn cgroup_paths(content: &[u8]) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for line in content.split(|byte| *byte == b'\n') {
        let Some(path) = line.splitn(3, |byte| *byte == b':').nth(2) else {
            continue;
        };
        let path = String::from_utf8_lossy(path);
        let path = path.strip_suffix(" (deleted)").unwrap_or(&path);
        if path.starts_with('/') && !paths.iter().any(|known| known == path) {
            paths.push(path.to_owned());
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_hierarchy_counts_once() {
        let content = b"9:name=systemd:/\n4:memory:/kubepods/podA/c:1\n2:cpu,cpuacct:/\n0::/\n";
        assert_eq!(cgroup_paths(content), ["/", "/kubepods/podA/c:1"]);
    }

    #[test]
    fn lines_of_another_form_are_passed_over() {
        assert_eq!(cgroup_paths(b""), [""; 0]);
        assert_eq!(cgroup_paths(b"0:\n::\nnonsense\n1:a:relative\n"), [""; 0]);
        assert_eq!(cgroup_paths(b"0::/gone (deleted)\n"), ["/gone"]);
    }

    proptest! {
        #[test]
        fn any_bytes_give_rooted_paths(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for path in cgroup_paths(&bytes) {
                prop_assert!(path.starts_with('/'));
            }
        }
    }
}
