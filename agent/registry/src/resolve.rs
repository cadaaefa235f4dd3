//! Choosing instances for a caller: by tag, else by namespace. Namespaces never mix.

use state::tokens::Right;

use crate::{Caller, Entry, Registry, RegistryError, Revision, certificate::covers, model::Health};

/// Why these instances were chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matched {
    /// They are well and have the tags that were asked for.
    Tag,
    /// They are well. No tags were asked for, or nobody who is well has them.
    Namespace,
    /// Nobody is well, so these are all there are: better a sick instance than none.
    Panic,
}

/// Instances that were chosen.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Revision of the last change of the service.
    pub index: Revision,
    /// Why these.
    pub matched: Matched,
    /// Ordered by node and id.
    pub entries: Vec<Entry>,
}

/// A tag that is not for everybody, such as that of a developer's own instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagRule {
    /// The tag; with a `*` at its end, all that begin so.
    pub tag: String,
    /// Callers that may use it; with a `*` at the end, all that begin so.
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

impl Registry {
    /// Chooses instances of a service: those that have all of `tags` and are well, else all of the
    /// namespace that are well, else all that are not in maintenance. Instances with a tag that is not for
    /// this caller are nobody's fallback.
    ///
    /// # Errors
    /// `Denied`, `State`.
    pub fn resolve(
        &self,
        namespace: &str,
        service: &str,
        tags: &[String],
        rules: &TagRules,
        caller: &Caller,
    ) -> Result<Resolved, RegistryError> {
        caller.require(Right::Read, namespace)?;
        let view = self.service(namespace, service)?;
        let may_use = |tag: &String| rules.allow(&caller.name, tag);
        let is_open = |entry: &&Entry| entry.instance.tags.iter().all(may_use);
        let open: Vec<&Entry> = view.entries.iter().filter(is_open).collect();
        let is_well = |entry: &&Entry| entry.health() <= Health::Warning;
        let (matched, chosen) = choose(&open, tags, is_well);
        Ok(Resolved {
            index: view.index,
            matched,
            entries: chosen.into_iter().cloned().collect(),
        })
    }
}

fn choose<'a>(
    open: &[&'a Entry],
    tags: &[String],
    is_well: impl Fn(&&Entry) -> bool,
) -> (Matched, Vec<&'a Entry>) {
    let well: Vec<&Entry> = open
        .iter()
        .copied()
        .filter(|entry| is_well(entry))
        .collect();
    if !tags.is_empty() {
        let has_tags = |entry: &&Entry| entry.instance.has_tags(tags);
        let tagged: Vec<&Entry> = well.iter().copied().filter(has_tags).collect();
        if !tagged.is_empty() {
            return (Matched::Tag, tagged);
        }
    }
    if !well.is_empty() || open.is_empty() {
        return (Matched::Namespace, well);
    }
    let in_service = |entry: &&Entry| entry.health() != Health::Maintenance;
    (
        Matched::Panic,
        open.iter().copied().filter(in_service).collect(),
    )
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
