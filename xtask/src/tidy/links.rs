//! Links of Markdown pages to files of the repository.

use std::path::Path;

use super::Source;

pub(super) fn check(sources: &[Source], root: &Path) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.path.ends_with(".md")) {
        let page = root.join(&source.path);
        let folder = page.parent().unwrap_or(root);
        for link in targets(&source.text) {
            if !folder.join(link).exists() {
                findings.push(format!("{}: no file behind the link {link}", source.path));
            }
        }
    }
    findings
}

/// Targets of `[text](target)` that are files, without their `#section`.
fn targets(text: &str) -> Vec<&str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ']).next())
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .filter_map(|target| target.split('#').next())
        .filter(|path| !path.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_are_targets() {
        let text = "[a](docs/a.md#part) [b](https://example.org) [c](#here) ![d](e.png \"title\")";
        assert_eq!(targets(text), ["docs/a.md", "e.png"]);
    }
}
