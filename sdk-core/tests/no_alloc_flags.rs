//! What runs in every frame allocates nothing: flag getters, and an empty poll.

mod counting;

use castline::flags::Source;
use castline::{FlagUpdates, Flags, Inbox, Reason};
use counting::allocations;

fn flags(n: usize) -> Flags {
    let values = ["true", "7", "1.5", "\"text\"", "{\"a\":[1,2,3]}", "null"];
    let flag = |i: usize| {
        format!(r#""flag_{i}":{{"variant":"v","value":{},"reason":"SPLIT"}}"#, values[i % values.len()])
    };
    let all: Vec<String> = (0..n).map(flag).chain(["\"bad\":1".to_owned()]).collect();
    let body = format!(r#"{{"version":"v1","flags":{{{}}}}}"#, all.join(","));
    Flags::decode_within(1 << 20, body.as_bytes(), Source::Session).expect("a good answer")
}

#[test]
fn the_counter_counts() {
    assert!(allocations(|| drop(std::hint::black_box(vec![1_u8; 100]))) >= 2);
}

#[test]
fn getters_allocate_nothing() {
    for snapshot in [Flags::defaults(), flags(0), flags(1), flags(200)] {
        let keys: Vec<String> = (0..220)
            .map(|i| format!("flag_{i}"))
            .chain(["bad".into(), String::new(), "x".repeat(10_000)])
            .collect();
        let mut found = 0;
        let read = |found: &mut usize| {
            for key in &keys {
                *found += usize::from(snapshot.bool(key, false));
                *found += usize::from(snapshot.i64(key, 0) == 7);
                *found += usize::from(snapshot.f64(key, 0.0) == 1.5);
                *found += usize::from(snapshot.string(key, "") == "text");
                *found += usize::from(snapshot.json(key, "").starts_with('{'));
                *found += usize::from(snapshot.variant(key).is_some());
                *found += usize::from(snapshot.reason(key) == Reason::Split);
            }
        };
        // The first round sets the marks of reading, the second finds them set.
        assert_eq!(allocations(|| read(&mut found)), 0);
        assert_eq!(allocations(|| read(&mut found)), 0);
        assert!(found >= snapshot.len().saturating_sub(1), "{found} of {}", snapshot.len());
        let clone = || {
            let shared = snapshot.clone();
            let _ = (shared.version().len(), shared.has_exposures(), shared.any_read(), shared.applied());
        };
        assert_eq!(allocations(clone), 0);
    }
}

#[test]
fn an_empty_poll_allocates_nothing() {
    let mut fresh = Inbox::new(FlagUpdates::AtBreak, Flags::defaults());
    let mut used = Inbox::new(FlagUpdates::Immediate, Flags::defaults());
    assert!(used.offer_flags(flags(3)).is_none());
    assert!(used.pop().is_some());
    for inbox in [&mut fresh, &mut used] {
        let poll = || {
            for _ in 0..100 {
                assert!(inbox.is_empty() && inbox.pop().is_none());
                assert!(inbox.apply_flags().is_none());
                assert_eq!(inbox.taken(), 0);
            }
        };
        assert_eq!(allocations(poll), 0);
    }
}
