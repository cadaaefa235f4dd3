//! Tags that are not for everybody, such as that of a developer's own instance.

use std::sync::Arc;

use crate::{Caller, Entry, certificate::covers, model::Name};

/// A tag that is not for everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagRule {
    /// The tag; with a `*` at its end, all that begin so.
    pub tag: String,
    /// Callers that may use it; with a `*` at the end, all that begin so. Whoever asks by DNS is `dns`.
    pub callers: Vec<String>,
}

/// Which caller may use which tag. For tags without a rule, everybody may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagRules(pub Vec<TagRule>);

impl TagRules {
    /// Whether the caller of that name may use `tag`.
    pub fn allow(&self, caller: &str, tag: &str) -> bool {
        let of_tag = |rule: &&TagRule| covers(&rule.tag, tag);
        let mut rules = self.0.iter().filter(of_tag);
        rules.all(|rule| rule.callers.iter().any(|name| covers(name, caller)))
    }
}

/// What one caller may see: instances none of whose tags is for others alone.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    rules: Arc<TagRules>,
    caller: Name,
}

impl Sight {
    /// Whether there is no rule, so that everybody sees the same.
    pub(crate) fn is_open(&self) -> bool {
        self.rules.0.is_empty()
    }

    /// Whether the caller may use all of `tags`.
    pub(crate) fn allows<T: AsRef<str>>(&self, tags: &[T]) -> bool {
        let may_use = |tag: &T| self.rules.allow(&self.caller, tag.as_ref());
        self.is_open() || tags.iter().all(may_use)
    }

    /// Whether the caller sees the instance.
    pub(crate) fn sees(&self, entry: &Entry) -> bool {
        self.allows(&entry.instance.tags)
    }

    /// Whether the caller sees them all, so that what everybody sees will do.
    pub(crate) fn sees_all(&self, entries: &[Entry]) -> bool {
        self.is_open() || entries.iter().all(|entry| self.sees(entry))
    }
}

/// Whoever asks by DNS, whom nobody can tell apart.
pub(crate) const BY_DNS: &str = "dns";

impl crate::Registry {
    /// Says from now on which tags are not for everybody. Front ends follow with their next answer.
    pub fn set_tag_rules(&self, rules: TagRules) {
        self.choosing().rules.store(Arc::new(rules));
    }

    /// What the caller may see.
    pub(crate) fn sight(&self, caller: &Caller) -> Sight {
        self.sight_of(&caller.name)
    }

    /// What a caller of that name may see.
    pub(crate) fn sight_of(&self, caller: &Name) -> Sight {
        Sight {
            rules: self.choosing().rules.load_full(),
            caller: Name::clone(caller),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_with_a_rule_is_for_those_it_names() {
        let rule = |tag: &str, callers: &[&str]| TagRule {
            tag: tag.to_owned(),
            callers: callers.iter().map(|name| (*name).to_owned()).collect(),
        };
        let rules = TagRules(vec![
            rule("debug-*", &["uid 7 *", "pod gateway"]),
            rule("debug-john", &["pod gateway"]),
        ]);
        let allowed = |caller: &str, tag: &str| rules.allow(caller, tag);
        assert!(allowed("anybody", "canary"));
        assert!(allowed("pod gateway", "debug-john"));
        assert!(allowed("uid 7 pid 1", "debug-jane"));
        assert!(!allowed("uid 7 pid 1", "debug-john"));
        assert!(!allowed("anybody", "debug-jane"));
    }
}
