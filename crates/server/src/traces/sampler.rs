//! Which traces are recorded.

use ilium_store::TraceId;

/// As the samplers of the OpenTelemetry specification (`OTEL_TRACES_SAMPLER`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    /// Of traces that begin here, one in how many: from 0, none, to 1, all. Without `follows_caller` of all traces.
    pub ratio: f64,
    /// Whether the caller's word holds where the trace began elsewhere.
    pub follows_caller: bool,
}

impl Default for Sampler {
    /// The specification's `parentbased_always_on`.
    fn default() -> Sampler {
        Sampler { ratio: 1.0, follows_caller: true }
    }
}

impl Sampler {
    /// Whether no trace that begins here is recorded: then it needs no id.
    pub(super) fn never_begins(&self) -> bool {
        self.ratio <= 0.0
    }

    /// Whether a trace is recorded; `called` is what the caller says of it, if there is one. All that ask of the same trace
    /// with the same ratio come to the same: the id decides, by the bits that are random in every trace's
    /// (Trace Context Level 2, section 5.2.1: the last 56).
    pub(super) fn samples(&self, trace: TraceId, called: Option<bool>) -> bool {
        match called {
            Some(is_sampled) if self.follows_caller => is_sampled,
            _ => {
                let [.., b1, b2, b3, b4, b5, b6, b7] = trace.0;
                let random = u64::from_be_bytes([0, b1, b2, b3, b4, b5, b6, b7]);
                // What is at the threshold or above is recorded, as the specification has it; of 2^56.
                random >= ((1.0 - self.ratio) * (1_u64 << 56) as f64) as u64
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(low: u64) -> TraceId {
        let mut id = [7; 16];
        id[8..].copy_from_slice(&low.to_be_bytes());
        TraceId(id)
    }

    #[test]
    fn the_callers_word_holds_and_else_the_ratio_does() {
        let quarter = Sampler { ratio: 0.25, follows_caller: true };
        assert!(quarter.samples(trace(0), Some(true)) && !quarter.samples(trace(u64::MAX), Some(false)));
        assert!(quarter.samples(trace(0xc000 << 40), None) && !quarter.samples(trace(0xbfff << 40), None));
        let alone = Sampler { follows_caller: false, ..quarter };
        assert!(!alone.samples(trace(0), Some(true)) && alone.samples(trace(u64::MAX), Some(false)));
        let (all, none) = (Sampler::default(), Sampler { ratio: 0.0, follows_caller: true });
        assert!(all.samples(trace(0), None) && !none.samples(trace(u64::MAX), None));
        assert!(none.never_begins() && !all.never_begins());
    }
}
