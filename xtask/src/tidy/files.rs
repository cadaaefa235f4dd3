//! Headers, sizes and paths of one machine.

use super::Source;

/// A file with more lines usually has two subjects.
const MOST_LINES: usize = 500;

/// Beginnings of paths that exist on somebody's machine only.
const MACHINE_PATHS: [&str; 4] = [
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
];

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources {
        if source.path.ends_with(".rs") {
            findings.extend(rust(source));
        }
        findings.extend(machine_paths(source));
    }
    findings
}

fn rust(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    if !source.text.starts_with("//!") {
        findings.push(format!("{}: does not begin with `//!`", source.path));
    }
    let lines = source.text.lines().count();
    if lines > MOST_LINES {
        findings.push(format!(
            "{}: {lines} lines, more than {MOST_LINES}",
            source.path
        ));
    }
    findings
}

fn machine_paths(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in source.text.lines().enumerate() {
        for path in MACHINE_PATHS {
            if starts_a_path(line, path) {
                findings.push(format!("{}:{}: contains {path}", source.path, number + 1));
            }
        }
    }
    findings
}

/// Whether `path` occurs where a path begins: not after a letter, a digit, a dot or another part.
fn starts_a_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        before.is_none_or(|letter| !letter.is_alphanumeric() && !"._-/".contains(letter))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_machine_are_told_from_urls_and_folders() {
        let root = MACHINE_PATHS[0];
        assert!(starts_a_path(&format!("cd {root}x"), root));
        assert!(starts_a_path(&format!("\"{root}x\""), root));
        assert!(!starts_a_path(&format!("https://a.b{root}x"), root));
        assert!(!starts_a_path(&format!("sysroot{root}"), root));
    }

    #[test]
    fn headers_and_sizes_are_checked() {
        let source = |text: String| Source {
            path: "a.rs".to_owned(),
            text,
        };
        assert!(rust(&source("//! Fine.\n".to_owned())).is_empty());
        assert_eq!(rust(&source("use x;\n".repeat(501))).len(), 2);
    }
}
