//! The names under which Go programs with the Prometheus client library show themselves.
//!
//! Off by default: a program that is scraped as well would be counted twice. The label `source="golens"`
//! tells the two apart. Names, types and help texts are those of client_golang, so that dashboards made
//! for it work unchanged; `expose` writes them behind the catalogue's own.

mod names;

use std::sync::Arc;

pub(super) use names::{HISTOGRAMS, Kind, NUMBERS};

use super::{go, histogram::Histogram};
use crate::{discovery::Usage, identity::Resource, runtime::RuntimeReading};

/// What the names show of one target.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    /// Labels without braces.
    pub(super) labels: String,
    pub(super) resource: Arc<Resource>,
    pub(super) reading: Arc<RuntimeReading>,
    pub(super) usage: Option<Usage>,
}

impl Shown {
    /// Pauses of the last 256 cycles: least, quarters and largest, in seconds; zeros without any.
    pub(super) fn pause_quantiles(&self) -> [(f64, f64); 5] {
        let mut pauses = self.reading.recent_gc_pauses_ns.to_vec();
        pauses.sort_unstable();
        let last = pauses.len().saturating_sub(1);
        [0, 1, 2, 3, 4].map(|quarter| {
            let at = (pauses.len() * quarter / 4).min(last);
            let pause_ns = pauses.get(at).copied().unwrap_or(0);
            (quarter as f64 / 4.0, pause_ns as f64 / 1e9)
        })
    }

    /// One of the histograms, when the release has it.
    pub(super) fn histogram(&self, of: crate::runtime::Distribution) -> Option<Histogram> {
        self.reading
            .times
            .get(&of)
            .map(|counts| go::of_times(counts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::testing;

    /// The quantiles of `debug.ReadGCStats`: entries n*i/4 of the sorted pauses, and the last one.
    #[test]
    fn quantiles_are_those_of_the_runtime() {
        let shown = |pauses: &[u64]| Shown {
            labels: String::new(),
            resource: testing::resource("shop"),
            reading: Arc::new(RuntimeReading {
                recent_gc_pauses_ns: pauses.into(),
                ..RuntimeReading::default()
            }),
            usage: None,
        };
        let values = |pauses: &[u64]| {
            shown(pauses)
                .pause_quantiles()
                .map(|(_, value)| value * 1e9)
        };
        assert_eq!(values(&[]), [0.0; 5]);
        assert_eq!(values(&[7]), [7.0; 5]);
        assert_eq!(values(&[5, 1, 4, 2, 3]), [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(values(&[3, 1]), [1.0, 1.0, 3.0, 3.0, 3.0]);
    }
}
