//! A series per name of a fixed list, found without a lock: any other name is `other`.

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, Registry};

use super::Register;

/// Counters by message type.
#[derive(Debug)]
pub(super) struct Named {
    names: &'static [&'static str],
    counters: Vec<IntCounter>,
    other: IntCounter,
}

impl Named {
    /// One counter a name, at zero. The names are sorted.
    pub(super) fn new(
        to: &Registry,
        name: &str,
        help: &str,
        names: &'static [&'static str],
    ) -> prometheus::Result<Named> {
        debug_assert!(names.is_sorted());
        let family = to.counters(name, help, &["type"])?;
        let counters = names.iter().map(|name| family.with_label_values(&[name])).collect();
        Ok(Named { names, counters, other: family.with_label_values(&["other"]) })
    }

    /// Of all names.
    pub(super) fn all(&self) -> u64 {
        self.counters.iter().map(IntCounter::get).sum::<u64>() + self.other.get()
    }

    pub(super) fn count(&self, name: &str) {
        match self.names.binary_search(&name) {
            Ok(place) => self.counters[place].inc(),
            Err(_) => self.other.inc(),
        }
    }
}

/// Histograms by message type.
#[derive(Debug)]
pub(super) struct NamedTimes {
    names: &'static [&'static str],
    times: Vec<Histogram>,
    other: Histogram,
}

impl NamedTimes {
    /// One histogram a name. The names are sorted.
    pub(super) fn new(
        to: &Registry,
        name: &str,
        help: &str,
        names: &'static [&'static str],
        buckets: &[f64],
    ) -> prometheus::Result<NamedTimes> {
        debug_assert!(names.is_sorted());
        let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        let family = to.add(HistogramVec::new(opts, &["type"])?)?;
        let times = names.iter().map(|name| family.with_label_values(&[name])).collect();
        Ok(NamedTimes { names, times, other: family.with_label_values(&["other"]) })
    }

    pub(super) fn observe(&self, name: &str, value: f64) {
        match self.names.binary_search(&name) {
            Ok(place) => self.times[place].observe(value),
            Err(_) => self.other.observe(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_makes_no_series() {
        let named = Named::new(&Registry::new(), "n", "h", &["a", "b"]).unwrap();
        for name in ["b", "b", "c", ""] {
            named.count(name);
        }
        let counts: Vec<_> = named.counters.iter().map(IntCounter::get).collect();
        assert_eq!((counts, named.other.get()), (vec![0, 2], 2));
        assert_eq!(named.all(), 4);
    }
}
