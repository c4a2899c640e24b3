//! Medians and other quantiles of measured values.

/// Measured values, in ascending order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples(Vec<f64>);

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }
}

impl Samples {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sample at this fraction of the range, `0.99` for p99: the nearest one, without interpolation.
    pub fn quantile(&self, fraction: f64) -> Option<f64> {
        let last = self.0.len().checked_sub(1)?;
        Some(self.0[(last as f64 * fraction.clamp(0.0, 1.0)).round() as usize])
    }

    /// The middle sample; of an even number the upper of the two.
    pub fn median(&self) -> Option<f64> {
        self.quantile(0.5)
    }

    pub fn max(&self) -> Option<f64> {
        self.0.last().copied()
    }
}

/// The median of these values.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    values.into_iter().collect::<Samples>().median()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples() {
        let samples: Samples = (0..=100).rev().map(f64::from).collect();
        assert_eq!([0.0, 0.5, 0.99, 1.0].map(|at| samples.quantile(at)), [0.0, 50.0, 99.0, 100.0].map(Some));
        assert_eq!(samples.max(), Some(100.0));
    }

    #[test]
    fn the_median_of_an_even_number_is_the_upper_one() {
        assert_eq!(median([4.0, 1.0, 3.0, 2.0]), Some(3.0));
        assert_eq!(median([2.0, 1.0]), Some(2.0));
        assert_eq!(median([]), None);
    }
}
