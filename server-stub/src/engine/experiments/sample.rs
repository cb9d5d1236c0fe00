//! What is known of one variant's players: how many, and the mean and spread of what each brought.

use serde::Serialize;

/// No value of a player is larger, either way: its square still adds up exactly enough over any number of players.
pub const MAX_VALUE: f64 = 1e15;

/// One variant's players. For a conversion a player's value is 0 or 1; for a mean it is any number.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    n: u64,
    nonzero: u64,
    mean: f64,
    squares: f64,
}

impl Sample {
    /// `converted` of `players`.
    ///
    /// # Errors
    /// More converted than there are players.
    pub fn conversion(players: u64, converted: u64) -> Result<Sample, String> {
        if converted > players {
            return Err(format!("converted is {converted}; there are {players} players"));
        }
        let (n, x) = (players as f64, converted as f64);
        let mean = if players == 0 { 0.0 } else { x / n };
        Ok(Sample { n: players, nonzero: converted, mean, squares: n * mean * (1.0 - mean) })
    }

    /// Players of whom only the summary is known; `variance` is the unbiased one.
    ///
    /// # Errors
    /// Numbers that no players could have.
    pub fn summary(players: u64, nonzero: u64, mean: f64, variance: f64) -> Result<Sample, String> {
        if nonzero > players {
            return Err(format!("nonzero is {nonzero}; there are {players} players"));
        }
        let within =
            (-MAX_VALUE..=MAX_VALUE).contains(&mean) && (0.0..=MAX_VALUE * MAX_VALUE).contains(&variance);
        if !within {
            return Err(format!(
                "mean is {mean} and variance {variance}; they must be at most {MAX_VALUE} and its square"
            ));
        }
        let squares = variance * players.saturating_sub(1) as f64;
        Ok(Sample { n: players, nonzero, mean: if players == 0 { 0.0 } else { mean }, squares })
    }

    /// The sample of these values.
    ///
    /// # Errors
    /// A value that [`Sample::add`] does not take.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Result<Sample, String> {
        let mut sample = Sample::default();
        for value in values {
            sample.add(value)?;
        }
        Ok(sample)
    }

    /// One more player. Welford's method: no catastrophic cancellation, however large the mean is beside the spread.
    ///
    /// # Errors
    /// A value that is not finite or beyond [`MAX_VALUE`]; the sample is unchanged.
    pub fn add(&mut self, value: f64) -> Result<(), String> {
        if !(-MAX_VALUE..=MAX_VALUE).contains(&value) {
            return Err(format!("value is {value}; it must be between -{MAX_VALUE} and {MAX_VALUE}"));
        }
        self.n += 1;
        self.nonzero += u64::from(value != 0.0);
        let before = value - self.mean;
        self.mean += before / self.n as f64;
        self.squares += before * (value - self.mean);
        Ok(())
    }

    /// Players.
    pub fn players(&self) -> u64 {
        self.n
    }

    /// Players whose value is not 0: the converted, the paying.
    pub fn nonzero(&self) -> u64 {
        self.nonzero
    }

    /// The mean value, or the share of the converted; 0 without players.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The unbiased sample variance; `None` below two players.
    pub fn variance(&self) -> Option<f64> {
        (self.n >= 2).then(|| self.squares.max(0.0) / (self.n - 1) as f64)
    }

    /// The number of players, for formulas.
    pub(super) fn n(&self) -> f64 {
        self.n as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_mean_does_not_drown_the_spread() {
        let sample = Sample::of([1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]).unwrap();
        assert_eq!((sample.mean(), sample.variance()), (1e9 + 10.0, Some(30.0)));
    }

    #[test]
    fn what_is_no_number_is_refused_and_changes_nothing() {
        let mut sample = Sample::of([1.0]).unwrap();
        for bad in [f64::NAN, f64::INFINITY, -1.1e15] {
            assert!(sample.add(bad).is_err());
        }
        assert_eq!(sample, Sample::of([1.0]).unwrap());
        assert!(Sample::conversion(3, 4).unwrap_err().contains('4'));
    }

    #[test]
    fn few_players_have_no_variance() {
        assert_eq!(Sample::default().variance(), None);
        assert_eq!(Sample::of([3.0]).unwrap().variance(), None);
        assert_eq!(Sample::of([0.1; 1_000]).unwrap().variance(), Some(0.0));
    }
}
