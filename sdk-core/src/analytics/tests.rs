//! The queue under its bounds, over restarts, and between two players.

use super::queue::{Batch, Queue};
use crate::error::Error;
use crate::protocol::limits::{
    MAX_ANALYTICS_AGE_MS, MAX_ANALYTICS_BYTES, MAX_ANALYTICS_EVENT_BYTES, MAX_BATCH_BYTES, MAX_BATCH_EVENTS,
};
use crate::protocol::messages::Events;

const T: i64 = 1_763_660_000_000;

fn flags(variant: &str) -> Vec<(String, String)> {
    Vec::from([("price".to_owned(), variant.to_owned())])
}

fn push(queue: &mut Queue, id: &str) {
    queue.push(id.to_owned(), "spin", T, "{}", &flags("a"), false).unwrap();
}

/// An event of exactly this many bytes.
fn push_sized(queue: &mut Queue, id: u64, bytes: usize) -> Result<(), Error> {
    let frame = format!(r#"{{"eventId":"{id:06}","name":"n","timestamp":{T},"props":{{"x":""}}}}"#).len();
    let props = format!(r#"{{"x":"{}"}}"#, "y".repeat(bytes - frame));
    queue.push(format!("{id:06}"), "n", T, &props, &flags("a"), false)
}

fn ids(payload: &str) -> Vec<String> {
    let read: Events<'_> = serde_json::from_str(payload).unwrap();
    read.events.iter().map(|event| event.event_id.to_string()).collect()
}

/// Sends and settles everything; the batches.
fn drain(queue: &mut Queue) -> Vec<Batch> {
    let mut batches = Vec::new();
    while let Some(batch) = queue.next_batch() {
        queue.settled(batch.page);
        batches.push(batch);
    }
    assert!(queue.is_empty());
    batches
}

/// The same disk under another process.
fn dirty(queue: &mut Queue) -> Vec<(u32, Vec<u8>)> {
    std::iter::from_fn(|| queue.next_dirty()).collect()
}

fn restart(queue: &mut Queue) -> Queue {
    let saved = dirty(queue);
    let mut next = Queue::new();
    let numbers = next.restore_range(queue.range());
    for (page, bytes) in saved {
        assert!(bytes.is_empty() || numbers.contains(&page));
        next.restore_page(page, &bytes);
    }
    next
}

#[test]
fn a_batch_is_what_the_protocol_says() {
    let mut queue = Queue::new();
    queue.push("e1".to_owned(), "level \"1\"", T, r#"{"a": [1]}"#, &flags("a"), false).unwrap();
    queue.push("e2".to_owned(), "spin", T + 1, "", &flags("a"), false).unwrap();
    assert_eq!(
        queue.next_batch().unwrap().payload,
        format!(
            r#"{{"flags":{{"price":"a"}},"events":[{{"eventId":"e1","name":"level \"1\"","timestamp":{T},"props":{{"a": [1]}}}},{{"eventId":"e2","name":"spin","timestamp":{}}}]}}"#,
            T + 1
        )
    );
}

#[test]
fn a_batch_under_way_takes_no_more_events_and_comes_back_unchanged() {
    let mut queue = Queue::new();
    push(&mut queue, "a");
    let first = queue.next_batch().unwrap();
    push(&mut queue, "b");
    let second = queue.next_batch().unwrap();
    assert_eq!(ids(&second.payload), ["b"]);
    assert_eq!(queue.next_batch(), None);
    queue.failed(first.page);
    assert_eq!(queue.next_batch().as_ref(), Some(&first), "the same bytes");
    queue.settled(first.page);
    // Late or unknown answers change nothing.
    queue.settled(first.page);
    queue.failed(999);
    assert_eq!(queue.next_batch(), None);
    // An answer that comes after the socket was given up still counts.
    queue.failed(second.page);
    queue.settled(second.page);
    assert!(queue.is_empty());
}

#[test]
fn fifty_events_are_a_page() {
    let mut queue = Queue::new();
    for n in 0..MAX_BATCH_EVENTS - 1 {
        push(&mut queue, &n.to_string());
    }
    assert!(!queue.is_full());
    push(&mut queue, "49");
    assert!(queue.is_full());
    push(&mut queue, "50");
    let sizes: Vec<_> = drain(&mut queue).iter().map(|batch| ids(&batch.payload).len()).collect();
    assert_eq!(sizes, [50, 1]);
}

#[test]
fn a_page_holds_12_kib_to_the_byte() {
    let frame = r#"{"flags":{"price":"a"},"events":[]}"#.len();
    // Six events and five commas fill what the frame leaves.
    let left = MAX_BATCH_BYTES - frame - 5;
    for (over, pages) in [(0, 1), (1, 2)] {
        let mut queue = Queue::new();
        for n in 0..5 {
            push_sized(&mut queue, n, 2_045).unwrap();
        }
        push_sized(&mut queue, 5, left - 10_225 + over).unwrap();
        let batches = drain(&mut queue);
        assert_eq!(batches.len(), pages);
        assert_eq!(batches[0].payload.len() == MAX_BATCH_BYTES, over == 0);
    }
}

#[test]
fn an_event_holds_2_kib_to_the_byte() {
    let mut queue = Queue::new();
    push_sized(&mut queue, 1, MAX_ANALYTICS_EVENT_BYTES).unwrap();
    assert_eq!(push_sized(&mut queue, 2, MAX_ANALYTICS_EVENT_BYTES + 1), Err(Error::TooLarge));
    for props in ["[]", "1", "{", "{}x", "nul"] {
        let result = queue.push("e".to_owned(), "n", T, props, &flags("a"), false);
        assert!(matches!(result, Err(Error::InvalidArgument(_))), "{props}");
    }
    let huge = Vec::from([("f".to_owned(), "v".repeat(MAX_BATCH_BYTES))]);
    assert_eq!(queue.push("e".to_owned(), "n", T, "{}", &huge, false), Err(Error::TooLarge));
    assert_eq!(drain(&mut queue).len(), 1, "what was refused left nothing behind");
}

#[test]
fn a_change_of_flags_or_an_hour_begins_a_page() {
    let mut queue = Queue::new();
    for (variant, timestamp) in
        [("a", T), ("a", T + 3_599_999), ("b", T), ("a", T), ("a", T + 3_600_000), ("a", T - 1)]
    {
        queue.push("e".to_owned(), "n", timestamp, "{}", &flags(variant), false).unwrap();
    }
    let sizes: Vec<_> = drain(&mut queue).iter().map(|batch| ids(&batch.payload).len()).collect();
    assert_eq!(sizes, [2, 1, 1, 1, 1]);
}

#[test]
fn beyond_512_kib_the_oldest_go_and_both_ends_are_told() {
    let mut queue = Queue::new();
    let (mut pushed, mut told) = (0_u64, 0);
    let mut newest = 0;
    while told == 0 {
        push_sized(&mut queue, pushed, 2_000).unwrap();
        newest = pushed;
        pushed += 1;
        told = queue.take_dropped();
    }
    assert_eq!(told, 6, "one page of six");
    assert_eq!(queue.take_dropped(), 0);
    push_sized(&mut queue, pushed, 100).unwrap();
    let batches = drain(&mut queue);
    let bytes: usize = batches.iter().map(|batch| batch.payload.len()).sum();
    assert!(bytes <= MAX_ANALYTICS_BYTES && bytes > MAX_ANALYTICS_BYTES - 2 * MAX_BATCH_BYTES, "{bytes}");
    let all: Vec<String> = batches.iter().flat_map(|batch| ids(&batch.payload)).collect();
    let mut expected: Vec<String> = (6..=newest + 1).map(|n| format!("{n:06}")).collect();
    expected.push(format!("{:06}-d", newest + 1));
    assert_eq!(all, expected);
    assert!(batches.last().unwrap().payload.contains(r#""name":"$dropped""#));
    assert!(batches.last().unwrap().payload.contains(r#""props":{"count":6}"#));
}

#[test]
fn a_page_under_way_is_not_dropped() {
    let mut queue = Queue::new();
    push(&mut queue, "first");
    let batch = queue.next_batch().unwrap();
    for n in 0..400 {
        push_sized(&mut queue, n, 2_000).unwrap();
    }
    assert!(queue.take_dropped() > 0);
    queue.expire(T + 2 * MAX_ANALYTICS_AGE_MS as i64);
    queue.failed(batch.page);
    assert_eq!(queue.next_batch(), Some(batch));
}

#[test]
fn after_six_days_a_page_goes() {
    let mut queue = Queue::new();
    let age = MAX_ANALYTICS_AGE_MS as i64;
    for (id, timestamp) in [("a", T), ("b", T + 1), ("c", T + 7_200_000)] {
        queue.push(id.to_owned(), "n", timestamp, "{}", &flags("a"), false).unwrap();
    }
    queue.expire(T + age);
    assert_eq!(queue.take_dropped(), 0);
    queue.expire(T + age + 1);
    assert_eq!(queue.take_dropped(), 2);
    // A clock that says nothing sensible drops nothing, or all, and overflows nowhere.
    queue.expire(i64::MIN);
    assert_eq!(queue.take_dropped(), 0);
    queue.expire(i64::MAX);
    assert_eq!(queue.take_dropped(), 1);
    assert!(queue.is_empty());
}

#[test]
fn a_report_that_is_dropped_itself_is_told_anew() {
    let mut queue = Queue::new();
    push(&mut queue, "a");
    push(&mut queue, "b");
    queue.expire(i64::MAX);
    push(&mut queue, "c");
    queue = restart(&mut queue);
    queue.expire(i64::MAX);
    // The report is no event of the game's: it isn't counted.
    assert_eq!(queue.take_dropped(), 1);
    push(&mut queue, "d");
    let payload = queue.next_batch().unwrap().payload;
    assert_eq!(ids(&payload), ["d", "d-d"]);
    assert!(payload.contains(r#"{"count":3}"#), "{payload}");
}

#[test]
fn an_urgent_event_asks_to_be_sent() {
    let mut queue = Queue::new();
    push(&mut queue, "a");
    assert!(!queue.urgent());
    let props = r#"{"offerId":"o1","outcome":"shown"}"#;
    queue.push("b".to_owned(), "$offer_result", T, props, &flags("b"), true).unwrap();
    assert!(queue.urgent());
    let first = queue.next_batch().unwrap();
    assert!(queue.urgent(), "it is on the second page");
    queue.settled(first.page);
    let second = queue.next_batch().unwrap();
    assert!(!queue.urgent());
    queue.failed(second.page);
    assert!(queue.urgent());
    let mut queue = restart(&mut queue);
    assert!(queue.urgent());
    drain(&mut queue);
    assert!(!queue.urgent());
}

#[test]
fn a_flush_is_over_when_what_was_queued_is_gone() {
    let mut queue = Queue::new();
    queue.request_flush();
    assert!(!queue.pending_flush(), "there was nothing");
    push(&mut queue, "a");
    assert!(!queue.pending_flush());
    queue.request_flush();
    let batch = queue.next_batch().unwrap();
    push(&mut queue, "b");
    assert!(queue.pending_flush());
    queue.failed(batch.page);
    assert!(queue.pending_flush());
    queue.settled(batch.page);
    assert!(!queue.pending_flush(), "the rest came later");
    assert!(!queue.is_empty());
}

#[test]
fn only_what_changed_is_saved() {
    let mut queue = Queue::new();
    assert!(!queue.has_dirty());
    for n in 0..60 {
        push(&mut queue, &n.to_string());
    }
    let saved = dirty(&mut queue);
    assert_eq!(saved.iter().map(|(page, _)| *page).collect::<Vec<_>>(), [0, 1]);
    assert!(!queue.has_dirty() && dirty(&mut queue).is_empty());
    push(&mut queue, "60");
    assert_eq!(dirty(&mut queue).iter().map(|(page, _)| *page).collect::<Vec<_>>(), [1]);
    queue.save_failed(1);
    assert_eq!(dirty(&mut queue).len(), 1);
    let batch = queue.next_batch().unwrap();
    queue.settled(batch.page);
    assert_eq!(dirty(&mut queue), [(0, Vec::new())], "deleted");
    assert_eq!(queue.range(), (1, 2));
    // What was never saved needs no deleting.
    let mut queue = Queue::new();
    push(&mut queue, "a");
    drain(&mut queue);
    assert!(!queue.has_dirty());
}

#[test]
fn a_restart_loses_nothing() {
    let mut queue = Queue::new();
    for n in 0..120 {
        push(&mut queue, &n.to_string());
    }
    let sent = queue.next_batch().unwrap();
    let mut next = restart(&mut queue);
    assert_eq!(next.range(), (0, 3));
    assert_eq!(next.next_batch(), Some(sent.clone()), "the bytes that may have arrived");
    next.failed(sent.page);
    push(&mut next, "120");
    let all: Vec<String> = drain(&mut next).iter().flat_map(|batch| ids(&batch.payload)).collect();
    assert_eq!(all, (0..=120).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(next.range(), (3, 3));
}

#[test]
fn pages_come_back_in_any_order_and_behind_them_what_was_pushed() {
    let mut queue = Queue::new();
    for n in 0..120 {
        push(&mut queue, &n.to_string());
    }
    let saved = dirty(&mut queue);
    let mut next = Queue::new();
    push(&mut next, "early");
    next.request_flush();
    assert_eq!(next.restore_range(queue.range()), 0..3);
    for (page, bytes) in saved.iter().rev() {
        next.restore_page(*page, bytes);
        next.restore_page(*page, bytes);
    }
    assert_eq!(dirty(&mut next).iter().map(|(page, _)| *page).collect::<Vec<_>>(), [3]);
    let all: Vec<String> = drain(&mut next).iter().flat_map(|batch| ids(&batch.payload)).collect();
    assert_eq!((all.len(), &*all[0], &*all[120]), (121, "0", "early"));
}

#[test]
fn a_corrupt_page_is_counted_and_deleted() {
    let mut queue = Queue::new();
    for n in 0..3 {
        push(&mut queue, &n.to_string());
    }
    let (_, good) = dirty(&mut queue).remove(0);
    let cut = &good[..good.len() - 1];
    let many = format!(
        r#"{{"flags":{{}},"events":[{}]}}"#,
        vec![r#"{"eventId":"e","name":"n","timestamp":1}"#; 51].join(",")
    );
    let cases: &[(&[u8], u64)] = &[
        (cut, 3),
        (b"\0\0\0\0", 1),
        (b"{}", 1),
        (br#"{"flags":{},"events":[]}"#, 1),
        (many.as_bytes(), 51),
        (&[b' '; MAX_BATCH_BYTES + 1], 1),
        (b"", 0),
    ];
    for (bytes, lost) in cases {
        let mut next = Queue::new();
        next.restore_range((7, 8));
        next.restore_page(7, bytes);
        assert_eq!(next.take_dropped(), *lost);
        let deleted: Vec<(u32, Vec<u8>)> = if *lost > 0 { vec![(7, Vec::new())] } else { Vec::new() };
        assert_eq!(dirty(&mut next), deleted);
        push(&mut next, "new");
        assert_eq!(next.range(), (8, 9));
        assert_eq!(next.next_batch().unwrap().payload.contains("$dropped"), *lost > 0);
    }
}

#[test]
fn a_range_that_is_nonsense_is_bounded() {
    let mut queue = Queue::new();
    assert_eq!(queue.restore_range((0, u32::MAX)), 0..0);
    assert_eq!(queue.restore_range((9, 3)), 3..3);
    assert_eq!(queue.restore_range((0, 1_000_000)), 999_488..1_000_000);
    queue.restore_page(u32::MAX, br#"{"flags":{},"events":[{"eventId":"e","name":"n","timestamp":1}]}"#);
    push(&mut queue, "a");
    assert_eq!(queue.range(), (1_000_000, 1_000_001));
}

#[test]
fn small_pages_are_bounded_too() {
    let mut queue = Queue::new();
    for n in 0..300 {
        queue.push(n.to_string(), "n", T, "{}", &flags(&n.to_string()), false).unwrap();
    }
    assert_eq!(dirty(&mut queue).len(), 256);
    assert_eq!(queue.take_dropped(), 44);
}

#[test]
fn a_guests_events_go_to_the_first_player() {
    let mut guest = Queue::new();
    for n in 0..60 {
        push(&mut guest, &format!("g{n}"));
    }
    assert_eq!(dirty(&mut guest).len(), 2);
    let mut player = Queue::new();
    player.restore_range((10, 10));
    push(&mut player, "p");
    player.absorb(guest.take_all());
    assert_eq!(dirty(&mut guest), [(0, Vec::new()), (1, Vec::new())], "they lie under the player now");
    assert!(guest.is_empty());
    assert_eq!(player.range(), (10, 13));
    assert_eq!(dirty(&mut player).len(), 3);
    push(&mut guest, "later");
    assert_eq!(guest.range(), (2, 3));
    let all: Vec<String> = drain(&mut player).iter().flat_map(|batch| ids(&batch.payload)).collect();
    assert_eq!((all.len(), &*all[0], &*all[60]), (61, "p", "g59"));
}
