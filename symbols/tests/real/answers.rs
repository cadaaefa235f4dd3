//! Lists are bounded by what one answer may keep.

use symbols::{GoBinary, Limits, MemoryScratch, Reason, Unresolved};

use crate::servers::servers;

/// What was refused for the bytes of one answer.
fn is_refused<T: std::fmt::Debug>(answer: Result<Vec<T>, Unresolved>, limit: u64) {
    let reason = answer.unwrap_err().reason;
    let what = "bytes of answers";
    assert_eq!(reason, Reason::Limit { what, limit });
}

#[test]
fn lists_longer_than_one_answer_may_be_are_refused() {
    for built in [&servers().default, &servers().stripped] {
        let scratch = MemoryScratch::default();
        let small = Limits {
            answer_bytes: 15,
            ..Limits::default()
        };
        let bounded = GoBinary::parse_with(&built.data, small, &scratch).unwrap();
        let whole = GoBinary::parse(&built.data).unwrap();
        is_refused(bounded.functions_where(|_| true), 15);
        assert_eq!(bounded.functions_where(|_| false), Ok(Vec::new()));
        let caller = whole.function("runtime.newproc1").unwrap();
        assert!(!whole.returns(&caller).unwrap().is_empty());
        is_refused(bounded.returns(&caller), 15);
        let callee = whole.function("runtime.gfget").unwrap();
        is_refused(bounded.after_calls(&caller, &callee, 1), 15);
        let inlined = "runtime.acquirem";
        assert!(!whole.inlined_into(inlined).unwrap().is_empty());
        is_refused(bounded.inlined_into(inlined), 15);
    }
}
