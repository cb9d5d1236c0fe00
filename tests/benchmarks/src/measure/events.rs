//! Events: an empty poll in every frame, and a full one.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use castline::protocol::Channel;
use castline::{Client, Event, FlagUpdates, Flags, Inbox};

use super::Effort;
use crate::report::{Aim, Row, Section, Unit};
use crate::rounds::{self, Sides};

const EXPLANATION: &str = "\
An empty `poll_event` of a connected client; the peer is an uncontended `Mutex<VecDeque<Event>>`, locked, asked and
unlocked. Then 64 events of 300 bytes through the inbox: pushed as the driver does, popped as the game's poll does, with
the rules of the inbox (joining, bounds, running numbers) at work; per event. The peers move the same events through a
bare queue without any rule.";

const EVENTS: usize = 64;

pub(crate) fn run(effort: Effort, client: &Client) -> anyhow::Result<Section> {
    let (count, batch) = (effort.pick(21, 151), Duration::from_millis(1));
    let row = |what: &str, peer: &str, aim, sides: Sides| {
        let (what, peer, n) =
            (what.to_owned(), peer.to_owned(), format!("{count} rounds of {batch:?} a side"));
        Row { what, peer, aim, unit: Unit::Nanoseconds, summary: sides.summary(), n }
    };
    while client.poll_event().is_some() {}
    let locked: Mutex<VecDeque<Event>> = Mutex::default();
    let empty = rounds::nanoseconds(
        count,
        batch,
        || _ = black_box(client.poll_event()),
        || _ = black_box(locked.lock().map(|mut queue| queue.pop_front())),
    )?;
    let mut rows = vec![row("empty poll_event", "Mutex<VecDeque>", Aim::AtMost(200.0), empty)];

    let payload = format!(r#"{{"text":"{}"}}"#, "x".repeat(280));
    let event = |n: usize| Event::Message {
        channel: Channel::Game,
        kind: format!("kind_{n}"),
        payload: payload.clone(),
    };
    // Each side moves its own events round and round, so that nothing is allocated but what a queue allocates itself.
    let mut ours: Vec<Event> = (0..EVENTS).map(event).collect();
    let mut theirs = ours.clone();
    let mut inbox = Inbox::new(FlagUpdates::Immediate, Flags::defaults());
    let mut through_inbox = || {
        ours.drain(..).for_each(|event| inbox.push(event, false));
        while let Some(handed) = inbox.pop() {
            ours.push(handed.event);
        }
    };
    let mut queue = VecDeque::new();
    let through_queue = || {
        theirs.drain(..).for_each(|event| queue.push_back(event));
        while let Some(event) = queue.pop_front() {
            theirs.push(event);
        }
    };
    let sides = rounds::nanoseconds(count, batch, &mut through_inbox, through_queue)?;
    rows.push(row("64 events, per event", "VecDeque", Aim::None, per_event(sides)));
    let (sender, receiver) = channel();
    let through_channel = || {
        for event in theirs.drain(..) {
            let _ = sender.send(event);
        }
        while let Ok(event) = receiver.try_recv() {
            theirs.push(event);
        }
    };
    let sides = rounds::nanoseconds(count, batch, &mut through_inbox, through_channel)?;
    rows.push(row("64 events, per event", "std mpsc", Aim::None, per_event(sides)));
    anyhow::ensure!(ours.len() == EVENTS && theirs.len() == EVENTS, "events were lost on the way");
    Ok(Section { title: "Events".into(), explanation: EXPLANATION.into(), rows })
}

fn per_event(mut sides: Sides) -> Sides {
    sides.ours.iter_mut().chain(&mut sides.peer).for_each(|ns| *ns /= EVENTS as f64);
    sides
}
