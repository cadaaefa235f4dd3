//! Equal results in a row that it takes to change a status.

use crate::model::{Status, Thresholds};

/// Counts results. The first result of all counts as the last of a row: a check that has never run has
/// nothing to defend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Damping {
    thresholds: Thresholds,
    successes: u32,
    failures: u32,
}

impl Damping {
    pub(crate) fn new(thresholds: Thresholds) -> Self {
        Self {
            thresholds,
            successes: thresholds.passing,
            failures: thresholds.critical,
        }
    }

    /// Takes a result. Returns the status that it leads to; `None` while it says too little.
    pub(crate) fn take(&mut self, status: Status) -> Option<Status> {
        match status {
            Status::Passing | Status::Warning => {
                self.failures = 0;
                self.successes = self.successes.saturating_add(1);
                (self.successes >= self.thresholds.passing).then_some(status)
            }
            Status::Critical => {
                self.successes = 0;
                self.failures = self.failures.saturating_add(1);
                if self.failures >= self.thresholds.critical {
                    return Some(Status::Critical);
                }
                (self.failures >= self.thresholds.warning).then_some(Status::Warning)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Status::{Critical, Passing, Warning};

    fn results(thresholds: Thresholds, results: &[Status]) -> Vec<Option<Status>> {
        let mut damping = Damping::new(thresholds);
        results.iter().map(|status| damping.take(*status)).collect()
    }

    #[test]
    fn without_thresholds_every_result_counts() {
        let said = [Critical, Passing, Warning, Critical];
        assert_eq!(
            results(Thresholds::default(), &said),
            said.map(Some).to_vec()
        );
    }

    #[test]
    fn a_row_is_needed_once_the_first_result_is_there() {
        let thresholds = Thresholds {
            passing: 2,
            warning: 2,
            critical: 3,
        };
        let said = [
            Passing, Critical, Critical, Critical, Passing, Critical, Passing, Passing,
        ];
        let leads_to = [
            Some(Passing),
            None,
            Some(Warning),
            Some(Critical),
            None,
            None,
            None,
            Some(Passing),
        ];
        assert_eq!(results(thresholds, &said), leads_to);
    }
}
