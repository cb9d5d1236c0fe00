//! A strict reader of Prometheus' text format 0.0.4: whatever it does not expect fails the test.

use std::collections::{BTreeMap, BTreeSet};

use castline_server::RunningServer;

/// Samples by name with labels, as they stand in the text: `ws_closes_total{by="client",code="1000"}`.
pub type Samples = BTreeMap<String, f64>;
type Labels<'a> = Vec<(&'a str, &'a str)>;

/// The samples of a server, with the admin key.
pub async fn scrape(server: &RunningServer) -> Samples {
    let key = std::fs::read_to_string(server.admin_key_file().unwrap()).unwrap();
    let bearer = format!("Bearer {}", key.trim());
    let answer = super::get(server.admin_addr(), "/metrics", &[("authorization", &bearer)]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4"));
    read(&answer.body)
}

/// Scrapes until the sample has the value.
pub async fn until(server: &RunningServer, sample: &str, wanted: impl Fn(f64) -> bool) -> Samples {
    let deadline = tokio::time::Instant::now() + super::PATIENCE;
    loop {
        let samples = scrape(server).await;
        if samples.get(sample).is_some_and(|value| wanted(*value)) {
            return samples;
        }
        assert!(tokio::time::Instant::now() < deadline, "{sample} is {:?}", samples.get(sample));
    }
}

/// Scrapes until all the samples have their values. Samples are counted one after another, and a scrape may come
/// between two of them.
pub async fn until_all(server: &RunningServer, wanted: &[(&str, f64)]) -> Samples {
    let deadline = tokio::time::Instant::now() + super::PATIENCE;
    loop {
        let samples = scrape(server).await;
        let Some((name, value)) = wanted.iter().find(|(name, value)| samples.get(*name) != Some(value))
        else {
            return samples;
        };
        let now = samples.get(*name);
        assert!(tokio::time::Instant::now() < deadline, "{name} is {now:?} and should be {value}");
    }
}

/// Reads a whole text.
pub fn read(text: &str) -> Samples {
    assert!(text.ends_with('\n'), "the last line is not ended");
    let (mut kinds, mut helped) = (BTreeMap::new(), BTreeSet::new());
    let mut samples = Samples::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help without text");
            assert!(is_name(name) && !help.is_empty() && helped.insert(name), "{line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type without a word");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(helped.contains(name) && kinds.insert(name, kind).is_none(), "{line}");
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a sample without a value");
            let name = series.split('{').next().unwrap();
            let family = family(name, &kinds).unwrap_or_else(|| panic!("of no family: {line}"));
            assert_eq!(name.ends_with("_total"), kinds[family] == "counter", "{line}");
            labels(&series[name.len()..]);
            let value: f64 = value.parse().unwrap_or_else(|e| panic!("{e}: {line}"));
            assert!(value.is_finite(), "{line}");
            assert!(samples.insert(series.to_owned(), value).is_none(), "twice: {line}");
        }
    }
    for (name, _) in kinds.iter().filter(|(_, kind)| **kind == "histogram") {
        histogram(name, &samples);
    }
    samples
}

fn family<'a>(name: &'a str, kinds: &BTreeMap<&'a str, &str>) -> Option<&'a str> {
    if kinds.get(name).is_some_and(|kind| *kind != "histogram") {
        return Some(name);
    }
    ["_bucket", "_sum", "_count"]
        .iter()
        .filter_map(|end| name.strip_suffix(end))
        .find(|name| kinds.get(name) == Some(&"histogram"))
}

fn is_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !text.is_empty()
}

/// `{a="b",c="d"}`; no value of ours has anything to escape.
fn labels(text: &str) -> Labels<'_> {
    if text.is_empty() {
        return Vec::new();
    }
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).expect(text);
    let pairs: Vec<_> = inner
        .split("\",")
        .map(|pair| {
            let (name, value) = pair.split_once("=\"").expect(text);
            assert!(is_name(name), "{text}");
            (name, value.trim_end_matches('"'))
        })
        .collect();
    assert_eq!(pairs.iter().map(|pair| pair.0).collect::<BTreeSet<_>>().len(), pairs.len(), "{text}");
    pairs
}

/// The buckets grow, and the last one has them all.
fn histogram(name: &str, samples: &Samples) {
    let mut series: BTreeMap<Labels<'_>, Vec<(f64, f64)>> = BTreeMap::new();
    let prefix = format!("{name}_bucket{{");
    for (sample, count) in
        samples.range(prefix.clone()..).take_while(|(sample, _)| sample.starts_with(&prefix))
    {
        let mut labels = labels(&sample[prefix.len() - 1..]);
        let place = labels.iter().position(|label| label.0 == "le").expect("a bucket without a bound");
        let bound = labels.remove(place).1.parse().expect("a bound that is no number");
        series.entry(labels).or_default().push((bound, *count));
    }
    for (labels, mut buckets) in series {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{name} {labels:?} {buckets:?}");
        let (bound, all) = *buckets.last().unwrap();
        assert_eq!(bound, f64::INFINITY, "{name} {labels:?}");
        let text: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let text = if text.is_empty() { String::new() } else { format!("{{{}}}", text.join(",")) };
        assert_eq!(samples[&format!("{name}_count{text}")], all, "{name} {labels:?}");
        assert!(samples.contains_key(&format!("{name}_sum{text}")));
    }
}
