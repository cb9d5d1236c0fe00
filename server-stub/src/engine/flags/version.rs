//! Builds as versions: read leniently, for games do not all count as semantic versioning says; ranges are the operator's and read strictly.

use std::cmp::Ordering;

use semver::{BuildMetadata, Comparator, Prerelease, Version, VersionReq};

/// A range as an operator writes it: `>=2.0, <3`, `^2.1`, `~2.1.3`.
#[derive(Debug, Clone)]
pub(crate) struct VersionRange {
    text: String,
    requirement: VersionReq,
}

impl VersionRange {
    /// Reads a range. Its versions may leave out the minor and the patch number.
    pub(crate) fn parse(text: &str) -> Result<VersionRange, String> {
        match VersionReq::parse(text) {
            Ok(requirement) => Ok(VersionRange { text: text.to_owned(), requirement }),
            Err(error) => Err(format!("{text:?} is no version range such as \">=2.0, <3\": {error}")),
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether a build lies in the range; one that is no version lies in none.
    ///
    /// A pre-release counts as its release (`2.1.0-beta` is in `>=2.1`, for those who test 2.1 are to see what 2.1 shows) unless
    /// the range itself names a pre-release: then the order of semantic versioning holds.
    pub(crate) fn fits(&self, build: &str) -> bool {
        let Some(mut version) = parse(build) else { return false };
        if !self.names_prerelease() {
            version.pre = Prerelease::EMPTY;
        }
        self.requirement.matches(&version)
    }

    pub(crate) fn names_prerelease(&self) -> bool {
        self.requirement.comparators.iter().any(|c| !c.pre.is_empty())
    }

    /// Where membership can change: between two neighbours of all ranges' edges, each range holds all versions or none.
    pub(crate) fn edges(&self) -> impl Iterator<Item = String> {
        self.requirement.comparators.iter().flat_map(|Comparator { major, minor, patch, .. }| {
            let (minor, patch) = (minor.unwrap_or(0), patch.unwrap_or(0));
            [
                (*major, minor, patch),
                (*major, minor, patch.saturating_add(1)),
                (*major, minor.saturating_add(1), 0),
                (major.saturating_add(1), 0, 0),
            ]
            .map(|(a, b, c)| format!("{a}.{b}.{c}"))
        })
    }
}

/// A client's build as a version. Lenient, because a build that is not understood falls out of every range and nobody would notice:
/// a `v` before it, missing numbers (`2.0` is 2.0.0), leading zeros and a fourth number (a store's build counter, not compared) are taken.
pub(crate) fn parse(build: &str) -> Option<Version> {
    let text = build.trim();
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let (rest, metadata) = text.split_once('+').unwrap_or((text, ""));
    let (numbers, pre) = rest.split_once('-').unwrap_or((rest, ""));
    let mut parts = [0_u64; 4];
    for (count, part) in numbers.split('.').enumerate() {
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *parts.get_mut(count)? = part.parse().ok()?;
    }
    let [major, minor, patch, _] = parts;
    let _ = BuildMetadata::new(metadata).ok()?;
    Some(Version { major, minor, patch, pre: Prerelease::new(pre).ok()?, build: BuildMetadata::EMPTY })
}

/// The order of two builds; `None` where one is no version.
pub(crate) fn compare(a: &str, b: &str) -> Option<Ordering> {
    Some(parse(a)?.cmp_precedence(&parse(b)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(range: &str, build: &str) -> bool {
        VersionRange::parse(range).unwrap().fits(build)
    }

    #[test]
    fn builds_are_read_leniently() {
        for (text, version) in [
            ("2", "2.0.0"),
            ("2.0", "2.0.0"),
            ("v2.1", "2.1.0"),
            (" 2.1.3 ", "2.1.3"),
            ("1.04", "1.4.0"),
            ("1.2.3.456", "1.2.3"),
            ("2.0-beta.1+sha", "2.0.0-beta.1"),
        ] {
            assert_eq!(parse(text).map(|v| v.to_string()).as_deref(), Some(version), "{text}");
        }
        for bad in ["", "v", "two", "2..0", "2.0.", "1.2.3.4.5", "-1", "99999999999999999999", "2,0", "2\0"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn ranges_hold_what_they_say() {
        assert!(fits(">=2.0, <3", "2.0") && fits(">=2.0, <3", "2.9.9") && !fits(">=2.0, <3", "3.0.0"));
        assert!(fits("^2.1", "2.5") && !fits("^2.1", "2.0.9"));
        assert!(fits("~2.1.3", "2.1.9") && !fits("~2.1.3", "2.2"));
        assert!(!fits(">=0", "dev-build"), "what is no version is in no range");
        assert!(VersionRange::parse("from 2 on").unwrap_err().contains("from 2 on"));
    }

    #[test]
    fn a_tester_of_the_next_release_sees_what_it_shows() {
        assert!(fits(">=2.1", "2.1.0-beta"));
        assert!(!fits(">2.1.0-rc", "2.1.0-beta"));
        assert!(fits(">=2.1.0-alpha", "2.1.0-beta"));
    }

    #[test]
    fn between_edges_nothing_changes() {
        let ranges: Vec<VersionRange> =
            [">=2.0, <3", "^0.0.3", "^0.2", "~1.2", "=1.2.3", ">1", "<=1.2", "<0.3.1", "1.*"]
                .iter()
                .map(|text| VersionRange::parse(text).unwrap())
                .collect();
        let mut edges: Vec<Version> =
            ranges.iter().flat_map(VersionRange::edges).filter_map(|e| parse(&e)).collect();
        edges.push(Version::new(0, 0, 0));
        edges.sort();
        for (major, minor, patch) in
            (0..5).flat_map(|a| (0..5).flat_map(move |b| (0..6).map(move |c| (a, b, c))))
        {
            let version = Version::new(major, minor, patch);
            let edge = edges.iter().rfind(|edge| **edge <= version).unwrap();
            for range in &ranges {
                assert_eq!(
                    range.fits(&version.to_string()),
                    range.fits(&edge.to_string()),
                    "{version} {}",
                    range.text()
                );
            }
        }
    }
}
