//! The shape of the machine and how busy it is: without them a number says little.

use std::fs;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What does not change during a run.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    cores: usize,
    memory_gib: f64,
    processor: String,
    kernel: String,
}

impl Machine {
    pub(crate) fn look() -> Machine {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let memory_kib = field(&read("/proc/meminfo"), "MemTotal:").unwrap_or(0.0);
        let processors = read("/proc/cpuinfo");
        let name = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Machine {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: memory_kib / (1 << 20) as f64,
            processor: name.map_or("unknown", |(_, name)| name.trim()).to_owned(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }

    pub(crate) fn shape(&self) -> String {
        format!(
            "{} cores ({}), {:.1} GiB, {} {} {}",
            self.cores,
            self.processor,
            self.memory_gib,
            std::env::consts::OS,
            self.kernel,
            std::env::consts::ARCH,
        )
    }

    pub(crate) fn compiler(&self) -> String {
        format!("{}, profile {}", env!("CASTLINE_RUSTC"), env!("CASTLINE_PROFILE"))
    }
}

/// When, and how busy the machine was.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    at: Instant,
    unix_s: u64,
    load: String,
}

impl Moment {
    pub(crate) fn now() -> Moment {
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Moment {
            at: Instant::now(),
            unix_s: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
            load: load.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown").to_owned(),
        }
    }

    pub(crate) fn since(&self, earlier: &Moment) -> f64 {
        self.at.duration_since(earlier.at).as_secs_f64()
    }

    pub(crate) fn load(&self) -> &str {
        &self.load
    }

    /// `2026-11-21`, UTC.
    pub(crate) fn date(&self) -> String {
        // Civil date from days since 1970; years begin in March, so that the leap day is the last.
        let days = (self.unix_s / 86_400) as i64 + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
        let year = era * 400 + year + i64::from(month <= 2);
        format!("{year}-{month:02}-{day:02}")
    }
}

/// The number after a name, as `/proc` writes it: `Pss:   1234 kB`.
pub(crate) fn field(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let on = |unix_s| Moment { at: Instant::now(), unix_s, load: String::new() }.date();
        assert_eq!(on(0), "1970-01-01");
        assert_eq!(on(951_782_400), "2000-02-29");
        assert_eq!(on(1_795_219_200), "2026-11-21");
    }

    #[test]
    fn fields_of_proc() {
        let text = "Rss:    2048 kB\nPss:     1234 kB\n";
        assert_eq!((field(text, "Pss:"), field(text, "Swap:")), (Some(1234.0), None));
    }
}
