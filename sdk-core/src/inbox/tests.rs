//! What a game sees that polls late, or never.

use super::Inbox;
use crate::event::{Cause, Dropped, Event, FlagUpdates, Reason, RequestId, RoomChange, State};
use crate::flags::{Flags, Source};
use crate::protocol::Channel;
use crate::protocol::limits::MAX_QUEUED_EVENTS;

fn inbox(updates: FlagUpdates) -> Inbox {
    Inbox::new(updates, Flags::defaults())
}

fn flags(version: &str, source: Source) -> Flags {
    let body = format!(
        r#"{{"version":"{version}","flags":{{"price":{{"variant":"{version}","value":"{version}","reason":"SPLIT"}}}}}}"#
    );
    Flags::decode(body.as_bytes(), source).unwrap()
}

fn moved(previous: State, state: State) -> Event {
    Event::StateChanged { state, previous, cause: Cause::Network, code: 1006, retry_in: 250 }
}

fn message(n: u64) -> Event {
    Event::Message { channel: Channel::Social, kind: "chat".to_owned(), payload: n.to_string() }
}

fn room_message(n: u64) -> Event {
    Event::RoomMessage { game_id: "g".into(), from: "p".into(), event: n.to_string(), data: "{}".into() }
}

fn room(game_id: &str, change: RoomChange) -> Event {
    Event::RoomChanged {
        game_id: game_id.into(),
        change,
        user_id: String::new(),
        player_count: 1,
        code: None,
    }
}

fn answer(n: u64) -> Event {
    Event::RequestCompleted {
        request: RequestId(n),
        idempotency_key: String::new(),
        kind: "ok".into(),
        payload: "{}".into(),
    }
}

fn changed(version: &str) -> Event {
    Event::FlagsChanged { version: version.to_owned() }
}

fn all(inbox: &mut Inbox) -> Vec<Event> {
    std::iter::from_fn(|| inbox.pop()).map(|handed| handed.event).collect()
}

#[test]
fn events_come_in_order_and_are_counted_as_taken() {
    let mut inbox = inbox(FlagUpdates::Immediate);
    assert!(inbox.is_empty() && inbox.pop().is_none());
    for n in 1..=3 {
        inbox.push(message(n), n == 2);
    }
    assert_eq!((inbox.len(), inbox.taken()), (3, 0));
    for n in 1..=3 {
        let handed = inbox.pop().unwrap();
        assert_eq!((handed.event, handed.durable), (message(n), n == 2));
        assert!(handed.flags.is_none());
        assert_eq!(inbox.taken(), n);
    }
    assert!(inbox.is_empty());
}

#[test]
fn states_are_told_as_one_move() {
    let mut inbox = inbox(FlagUpdates::Immediate);
    inbox.push(moved(State::Connecting, State::Online), false);
    inbox.push(message(1), false);
    inbox.push(moved(State::Online, State::Waiting), false);
    assert_eq!(inbox.taken(), 1, "the first is joined to the third");
    assert_eq!(all(&mut inbox), [message(1), moved(State::Connecting, State::Waiting)]);
    assert_eq!(inbox.taken(), 3);
    // There and back is no move.
    inbox.push(moved(State::Online, State::Waiting), false);
    inbox.push(moved(State::Waiting, State::Connecting), false);
    inbox.push(moved(State::Connecting, State::Online), false);
    assert_eq!((inbox.len(), inbox.taken()), (0, 6));
    inbox.push(moved(State::Online, State::Closed), false);
    assert_eq!(all(&mut inbox), [moved(State::Online, State::Closed)]);
}

#[test]
fn a_try_that_failed_at_once_tells_of_the_next_wait() {
    let mut inbox = inbox(FlagUpdates::Immediate);
    inbox.push(moved(State::Waiting, State::Connecting), false);
    inbox.push(moved(State::Connecting, State::Waiting), false);
    assert_eq!(all(&mut inbox), [moved(State::Waiting, State::Waiting)]);
}

#[test]
fn what_says_the_same_twice_is_told_once() {
    let mut inbox = inbox(FlagUpdates::Immediate);
    for _ in 0..3 {
        inbox.push(Event::SessionLost, false);
        inbox.push(Event::TokenNeeded, false);
        inbox.push(Event::Dropped { what: Dropped::Analytics, count: 2 }, false);
        inbox.push(Event::Dropped { what: Dropped::Backlog, count: 1 }, false);
    }
    assert_eq!(
        all(&mut inbox),
        [
            Event::SessionLost,
            Event::TokenNeeded,
            Event::Dropped { what: Dropped::Analytics, count: 6 },
            Event::Dropped { what: Dropped::Backlog, count: 3 },
        ]
    );
    assert_eq!(inbox.taken(), 12);
    inbox.push(Event::SessionLost, false);
    assert_eq!(inbox.len(), 1, "a new loss is told anew");
}

#[test]
fn what_the_driver_makes_is_not_counted() {
    let mut inbox = inbox(FlagUpdates::Immediate);
    inbox.push_own(Event::TokenNeeded);
    inbox.push(message(1), true);
    inbox.push_own(Event::TokenNeeded);
    inbox.push_own(Event::Dropped { what: Dropped::Logs, count: 4 });
    assert_eq!((inbox.len(), inbox.taken()), (3, 0));
    assert_eq!(inbox.pop().unwrap().event, Event::TokenNeeded);
    assert_eq!(inbox.taken(), 0);
    assert_eq!(inbox.pop().unwrap().event, message(1));
    assert_eq!(inbox.taken(), 1);
    assert_eq!(all(&mut inbox), [Event::Dropped { what: Dropped::Logs, count: 4 }]);
    assert_eq!(inbox.taken(), 1);
}

#[test]
fn beyond_256_the_oldest_messages_go_first() {
    let mut inbox = inbox(FlagUpdates::Immediate);
    inbox.push(answer(1), false);
    inbox.push(room("g", RoomChange::PlayerJoined), false);
    inbox.push(message(0), true);
    for n in 0..MAX_QUEUED_EVENTS as u64 {
        inbox.push(if n % 2 == 0 { message(n) } else { room_message(n) }, false);
    }
    assert_eq!(inbox.len(), MAX_QUEUED_EVENTS + 1, "and the report");
    // 1 to 3 are kept, 4 to 6 are gone: nothing can be called taken before 1 is.
    assert_eq!(inbox.taken(), 0);
    let events = all(&mut inbox);
    assert_eq!(events[0], Event::Dropped { what: Dropped::Events, count: 3 });
    assert_eq!(events[1..4], [answer(1), room("g", RoomChange::PlayerJoined), message(0)]);
    assert_eq!(events[4], room_message(3));
    assert_eq!(events.len(), MAX_QUEUED_EVENTS + 1);
    assert_eq!(inbox.taken(), MAX_QUEUED_EVENTS as u64 + 3);
}

#[test]
fn dropped_events_count_as_taken() {
    let mut inbox = inbox(FlagUpdates::Immediate);
    for n in 0..MAX_QUEUED_EVENTS as u64 {
        inbox.push(message(n), false);
    }
    assert_eq!(inbox.taken(), 0);
    for n in 1..=10 {
        inbox.push(message(1_000 + n), false);
        assert_eq!(inbox.taken(), n);
    }
    assert_eq!(inbox.pop().unwrap().event, Event::Dropped { what: Dropped::Events, count: 10 });
    assert_eq!(inbox.taken(), 10, "the report is none of the core's events");
    assert_eq!(inbox.pop().unwrap().event, message(10));
    assert_eq!(inbox.taken(), 11);
}

#[test]
fn then_the_comings_and_goings_of_others() {
    let mut inbox = inbox(FlagUpdates::Immediate);
    for n in 0..100 {
        inbox.push(answer(n), false);
        inbox.push(room("g", RoomChange::PlayerJoined), false);
        inbox.push(room("g", RoomChange::PlayerLeft), false);
    }
    let events = all(&mut inbox);
    assert_eq!(events[0], Event::Dropped { what: Dropped::Events, count: 44 });
    assert_eq!(events.iter().filter(|e| matches!(e, Event::RequestCompleted { .. })).count(), 100);
    assert_eq!(events.len(), MAX_QUEUED_EVENTS + 1);
    assert_eq!(inbox.taken(), 300);
}

#[test]
fn answers_and_durable_events_are_never_dropped() {
    let mut inbox = inbox(FlagUpdates::Immediate);
    let mut expected = Vec::new();
    for n in 0..200 {
        let events = [
            answer(n),
            Event::NoOffer { placement: n.to_string() },
            Event::OfferExpired { offer_id: n.to_string() },
        ];
        for event in events {
            expected.push(event.clone());
            inbox.push(event, false);
        }
        expected.push(message(n));
        inbox.push(message(n), true);
    }
    assert_eq!(all(&mut inbox), expected);
}

#[test]
fn rooms_that_flap_stay_bounded() {
    let mut inbox = inbox(FlagUpdates::Immediate);
    for n in 0..MAX_QUEUED_EVENTS as u64 {
        inbox.push(answer(n), false);
    }
    for _ in 0..1_000 {
        for game in ["a", "b"] {
            inbox.push(room(game, RoomChange::Left), false);
            inbox.push(room(game, RoomChange::Joined), false);
            inbox.push(Event::RoomGap { game_id: game.into(), missing: 2 }, false);
        }
    }
    assert_eq!(inbox.len(), MAX_QUEUED_EVENTS + 4);
    let events = all(&mut inbox);
    assert_eq!(
        events[MAX_QUEUED_EVENTS..],
        [
            room("a", RoomChange::Joined),
            Event::RoomGap { game_id: "a".into(), missing: 2_000 },
            room("b", RoomChange::Joined),
            Event::RoomGap { game_id: "b".into(), missing: 2_000 },
        ]
    );
    assert_eq!(inbox.taken(), MAX_QUEUED_EVENTS as u64 + 6_000);
}

#[test]
fn immediate_flags_are_published_with_their_event() {
    let mut inbox = inbox(FlagUpdates::Immediate);
    inbox.push(message(1), false);
    let new = flags("v1", Source::Session);
    assert!(inbox.offer_flags(new.clone()).is_none());
    inbox.push(message(2), false);
    assert!(!new.applied());
    assert_eq!(inbox.current_flags().version(), "");
    assert_eq!(inbox.pop().unwrap().event, message(1));
    let handed = inbox.pop().unwrap();
    assert_eq!(handed.event, changed("v1"));
    assert!(handed.flags.unwrap().same_as(&new));
    assert!(new.applied());
    assert_eq!(inbox.current_flags().version(), "v1");
    assert_eq!(inbox.taken(), 1);
    assert_eq!(all(&mut inbox), [message(2)]);
}

#[test]
fn several_changes_are_told_as_the_last() {
    let mut inbox = inbox(FlagUpdates::Immediate);
    for version in ["v1", "v2", "v3"] {
        assert!(inbox.offer_flags(flags(version, Source::Session)).is_none());
    }
    assert_eq!(inbox.len(), 1);
    let handed = inbox.pop().unwrap();
    assert_eq!((handed.event, handed.flags.unwrap().version()), (changed("v3"), "v3"));
    // There and back before the game looked: nothing to tell.
    assert!(inbox.offer_flags(flags("v4", Source::Session)).is_none());
    assert!(inbox.offer_flags(flags("v3", Source::Session)).is_some());
    assert!(inbox.is_empty());
}

#[test]
fn fresher_reasons_are_adopted_in_silence() {
    for updates in [FlagUpdates::Immediate, FlagUpdates::AtBreak] {
        let cached = flags("v1", Source::Cached);
        let mut inbox = Inbox::new(updates, cached.clone());
        assert_eq!(cached.string("price", ""), "v1");
        let publish = inbox.offer_flags(flags("v1", Source::Session)).unwrap();
        assert_eq!(publish.reason("price"), Reason::Split);
        assert!(inbox.is_empty() && publish.applied());
        // The read of the cached value was the read of this one.
        assert_eq!(publish.take_exposures().len(), 1);
        assert!(cached.take_exposures().is_empty());
    }
}

#[test]
fn at_break_waits_for_the_break() {
    let mut inbox = Inbox::new(FlagUpdates::AtBreak, flags("v1", Source::Cached));
    assert_eq!(inbox.current_flags().string("price", ""), "v1");
    assert!(inbox.offer_flags(flags("v2", Source::Session)).is_none());
    assert!(inbox.offer_flags(flags("v3", Source::Session)).is_none());
    assert!(inbox.is_empty());
    assert_eq!(inbox.current_flags().string("price", ""), "v1");
    let publish = inbox.apply_flags().unwrap();
    assert_eq!((publish.version(), inbox.current_flags().version()), ("v3", "v3"));
    let handed = inbox.pop().unwrap();
    assert_eq!(handed.event, changed("v3"));
    assert!(handed.flags.is_none(), "published already");
    assert!(inbox.apply_flags().is_none());
    // What went back before the break is no change.
    assert!(inbox.offer_flags(flags("v4", Source::Session)).is_none());
    assert!(inbox.offer_flags(flags("v3", Source::Session)).is_some());
    assert!(inbox.apply_flags().is_none());
}

#[test]
fn at_break_a_runs_first_answer_comes_at_once_while_nothing_was_read() {
    let mut inbox = Inbox::new(FlagUpdates::AtBreak, flags("v1", Source::Cached));
    assert!(inbox.offer_flags(flags("v2", Source::Session)).is_none());
    let handed = inbox.pop().unwrap();
    assert_eq!((handed.event, handed.flags.unwrap().version()), (changed("v2"), "v2"));
    // The second waits, read or not.
    assert!(inbox.offer_flags(flags("v3", Source::Session)).is_none());
    assert!(inbox.is_empty());
    assert!(inbox.apply_flags().is_some());
}

#[test]
fn at_break_a_read_before_the_event_was_handed_over_holds_the_answer_back() {
    let mut inbox = Inbox::new(FlagUpdates::AtBreak, Flags::defaults());
    assert!(inbox.offer_flags(flags("v2", Source::Session)).is_none());
    // Of an absent flag: the game shows its own price now.
    assert_eq!(inbox.current_flags().string("price", "$2.99"), "$2.99");
    assert!(inbox.pop().is_none());
    assert_eq!(inbox.current_flags().version(), "");
    assert_eq!(inbox.apply_flags().unwrap().version(), "v2");
    assert_eq!(all(&mut inbox), [changed("v2")]);
}

#[test]
fn the_disks_flags_are_there_before_the_first_read() {
    let mut inbox = inbox(FlagUpdates::AtBreak);
    assert!(inbox.offer_flags(flags("v1", Source::Cached)).is_none());
    assert_eq!(inbox.pop().unwrap().flags.unwrap().version(), "v1");
    assert!(inbox.offer_flags(flags("v1", Source::Stale)).is_some(), "only the reason changes");
    assert!(inbox.offer_flags(flags("v2", Source::Session)).is_none());
    assert_eq!(inbox.pop().unwrap().flags.unwrap().version(), "v2");
}

#[test]
fn a_safe_point_overtakes_the_queue() {
    let mut inbox = inbox(FlagUpdates::Immediate);
    inbox.push(message(1), false);
    assert!(inbox.offer_flags(flags("v1", Source::Session)).is_none());
    assert_eq!(inbox.apply_flags().unwrap().version(), "v1");
    assert_eq!(inbox.current_flags().version(), "v1");
    let last: Vec<_> = std::iter::from_fn(|| inbox.pop()).collect();
    assert_eq!(last.len(), 2);
    assert_eq!(last[1].event, changed("v1"));
    assert!(last[1].flags.is_none());
}

#[test]
fn flags_changed_is_never_dropped() {
    let mut inbox = inbox(FlagUpdates::Immediate);
    assert!(inbox.offer_flags(flags("v1", Source::Session)).is_none());
    for n in 0..1_000 {
        inbox.push(message(n), false);
    }
    assert_eq!(inbox.len(), MAX_QUEUED_EVENTS + 1);
    let events = all(&mut inbox);
    assert_eq!(events[..2], [Event::Dropped { what: Dropped::Events, count: 745 }, changed("v1")]);
}
