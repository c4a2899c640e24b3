//! How long the phases of a job's requests normally take: what an execution is compared with.

use std::time::Duration;

use super::attempt::PhaseTimings;

/// Of how many executions, unless the client says.
pub const DEFAULT_BASELINE_RUNS: i64 = 50;
pub const MAX_BASELINE_RUNS: i64 = 250;

/// The 50th and the 95th percentile of one phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percentiles {
    pub p50: Duration,
    pub p95: Duration,
}

/// `None` for a phase that no attempt had: connections that are reused need no lookup, for example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    /// Of how many executions.
    pub runs: usize,
    pub dns: Option<Percentiles>,
    pub connect: Option<Percentiles>,
    pub tls: Option<Percentiles>,
    pub first_byte: Option<Percentiles>,
    pub body: Option<Percentiles>,
    pub total: Option<Percentiles>,
}

impl Baseline {
    pub fn of(attempts: &[PhaseTimings]) -> Self {
        let phase = |duration: fn(&PhaseTimings) -> Option<Duration>| {
            Percentiles::of(attempts.iter().filter_map(duration).collect())
        };
        Self {
            runs: attempts.len(),
            dns: phase(|timing| timing.dns),
            connect: phase(|timing| timing.connect),
            tls: phase(|timing| timing.tls),
            first_byte: phase(|timing| timing.first_byte),
            body: phase(|timing| timing.body),
            total: phase(|timing| Some(timing.total)),
        }
    }
}

impl Percentiles {
    /// By nearest rank: each is one of the durations.
    fn of(mut durations: Vec<Duration>) -> Option<Self> {
        durations.sort_unstable();
        let rank = |percent: usize| {
            let rank = (durations.len() * percent).div_ceil(100);
            durations.get(rank.saturating_sub(1)).copied()
        };
        Some(Self { p50: rank(50)?, p95: rank(95)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(total: u64, dns: Option<u64>) -> PhaseTimings {
        let (total, dns) = (Duration::from_micros(total), dns.map(Duration::from_micros));
        PhaseTimings { total, dns, ..PhaseTimings::default() }
    }

    fn percentiles(p50: u64, p95: u64) -> Option<Percentiles> {
        Some(Percentiles { p50: Duration::from_micros(p50), p95: Duration::from_micros(p95) })
    }

    #[test]
    fn percentiles_are_durations_that_occurred() {
        let attempts: Vec<_> =
            (1..=100).rev().map(|total| timing(total, (total > 98).then_some(total))).collect();
        let baseline = Baseline::of(&attempts);
        assert_eq!((baseline.runs, baseline.total), (100, percentiles(50, 95)));
        assert_eq!(
            (baseline.dns, baseline.tls),
            (percentiles(99, 100), None),
            "of the attempts that had the phase"
        );
        assert_eq!(Baseline::of(&attempts[..1]).total, percentiles(100, 100));
        assert_eq!(Baseline::of(&attempts[..21]).total, percentiles(90, 99));
        assert_eq!(Baseline::of(&[]), Baseline::default());
    }
}
