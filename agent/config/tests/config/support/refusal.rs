//! What a refusal looks like from every side.

use std::path::Path;

use config::{Happened, Problem, Stage};

use super::{Node, id};

/// Asserts that the next event is a refusal at `stage`, the first one of this document; that it is counted and
/// in the audit log; and that the running generation is untouched. Returns the mistakes.
pub(crate) async fn refused(node: &mut Node, stage: Stage) -> Vec<Problem> {
    let next = node.next().await;
    let Happened::Rejected {
        stage: at,
        problems,
        running,
    } = next
    else {
        panic!("is no refusal: {next:?}");
    };
    assert_eq!(
        (at, running),
        (stage, Some(node.generation())),
        "{problems:?}"
    );
    node.untouched();
    let status = node.watcher.status();
    let status = status.get(&id()).expect("has a status");
    assert!(!status.last_change_ok);
    let stages = Stage::ALL.iter().zip(status.refused);
    let counted: Vec<_> = stages.filter(|(_, count)| *count > 0).collect();
    assert_eq!(counted, [(&stage, 1)]);
    let entries = state::audit::latest(&node.store.read().expect("reads"), 1).expect("reads");
    assert_eq!(entries[0].action, "config.refuse");
    let outcome = format!("{}: {} mistakes", stage.as_str(), problems.len());
    assert_eq!(entries[0].outcome, outcome);
    problems
}

/// The mistakes as people see them, with `app.yaml` for the path of the file.
pub(crate) fn shown(problems: &[Problem], file: &Path) -> Vec<String> {
    let file = file.display().to_string();
    let shown = problems
        .iter()
        .map(|it| it.to_string().replace(&file, "app.yaml"));
    shown.collect()
}
