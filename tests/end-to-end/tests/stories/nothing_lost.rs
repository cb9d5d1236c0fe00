//! Nothing lost, nothing twice: a player plays on while the network is cut again and again at random moments.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use castline::protocol::{Channel, Code};
use castline::{Event, Outcome, Request};
use castline_end_to_end::database::Database;
use castline_end_to_end::game::{Game, options};
use castline_end_to_end::proxy::{Cut, Faults, Gone, Proxy, Way};
use castline_end_to_end::server::offer;
use castline_end_to_end::{Dice, eventually};

use crate::{server_with, tempdir};

const OFFERS: usize = 25;
const CUTS: u32 = 12;

#[test]
fn offers_events_and_answers_through_many_cuts() {
    play_through_cuts(1, true);
}

#[test]
fn the_same_without_a_disk() {
    play_through_cuts(2, false);
}

fn play_through_cuts(seed: u64, persistent: bool) {
    // What a cut left unreceived is due again soon, not in two minutes.
    let (server, data) = server_with(|settings| {
        settings.timers.requeue = 1_000;
        settings.timers.sweep = 100;
    });
    for n in 0..OFFERS {
        server.put_offer(&format!("offer-{n}"), offer(&format!("Offer {n}"))).unwrap();
    }
    let proxy = Proxy::start(server.addr());
    let home = tempdir();
    let mut with = options(&proxy.url());
    if persistent {
        with = with.data_dir(home.path());
    }
    let mut game = Game::with(with, "ann");
    game.impatient = true;
    game.online();

    let over = AtomicBool::new(false);
    let (mut tracked, mut requests) = (0, Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            sabotage(&proxy, seed);
            over.store(true, Ordering::Release);
        });
        // Play goes on until the sabotage is over and everything has been seen.
        let mut surfaced = 0;
        while !(over.load(Ordering::Acquire) && surfaced == OFFERS) {
            for _ in 0..3 {
                game.client.track("bite", &format!("{{\"n\":{tracked}}}")).unwrap();
                tracked += 1;
            }
            let request = Request::new(Channel::Game, "no_such_thing", "{}")
                .idempotency_key(format!("key-{}", requests.len()))
                .timeout(Duration::from_secs(120));
            // 64 may be open at once; an impatient player waits then.
            if let Ok(id) = game.client.request(request) {
                requests.push(id);
            }
            if let Some(offer) = game.break_at("level_completed") {
                surfaced += 1;
                let outcome = if surfaced % 2 == 0 { Outcome::Accepted } else { Outcome::Declined };
                game.client.offers().result(&offer.offer_id, Outcome::Shown).unwrap();
                game.client.offers().result(&offer.offer_id, outcome).unwrap();
            }
        }
    });
    proxy.heal();

    // Every offer once, and closed on the server by what the player did.
    let mut offers = game.offers();
    offers.sort();
    let mut expected: Vec<_> = (0..OFFERS).map(|n| format!("offer-{n}")).collect();
    expected.sort();
    assert_eq!(offers, expected, "each offer surfaces once");
    let database = Database::of(data.path());
    game.until("the last events to arrive", |game| {
        if database.numbers("ann", "bite").len() < tracked {
            // A break is when events are sent.
            game.break_at("level_completed");
            return None;
        }
        Some(())
    });
    for id in &expected {
        database.wait_for_offer("ann", id, "closed");
    }
    // Every event once.
    let mut seen = database.numbers("ann", "bite");
    seen.sort_unstable();
    assert_eq!(seen, (0..tracked as u64).collect::<Vec<_>>());
    let mut outcomes = BTreeMap::<String, usize>::new();
    eventually("two outcomes an offer", || {
        outcomes.clear();
        for event in database.events("ann").into_iter().filter(|e| e.name == "$offer_result") {
            // A claim over HTTP reports that it arrived, too.
            if !event.props.contains("\"received\"") {
                *outcomes.entry(event.props).or_default() += 1;
            }
        }
        (outcomes.len() == 2 * OFFERS).then_some(())
    });
    assert!(outcomes.values().all(|count| *count == 1), "{outcomes:?}");

    // Every request has one answer, and the server's at that: through all cuts none was given up.
    game.until("the last answer", |game| {
        (game.count(|e| matches!(e, Event::RequestFailed { .. })) == requests.len()).then_some(())
    });
    let mut answers = BTreeMap::new();
    for event in &game.events {
        if let Event::RequestFailed { request, code, .. } = event {
            assert_eq!(*code, Code::UnknownMessageType);
            *answers.entry(*request).or_insert(0) += 1;
        }
    }
    assert!(answers.values().all(|count| *count == 1), "{answers:?}");
    assert!(requests.iter().all(|id| answers.contains_key(id)));
    assert_eq!(game.count(|e| matches!(e, Event::Dropped { .. })), 0);
    game.end();
}

/// Cuts, stalls and spoils the network, once for each kind and then by the dice.
fn sabotage(proxy: &Proxy, seed: u64) {
    let mut dice = Dice::new(seed);
    for round in 0..CUTS {
        let mark = proxy.bytes(Way::Up);
        // So many bytes later, wherever in a message that is.
        let distance = dice.roll(2_500);
        eventually("traffic", || (proxy.bytes(Way::Up) >= mark + distance).then_some(()));
        let kind = if round < 6 { u64::from(round) } else { dice.roll(6) };
        match kind {
            0 => proxy.cut(Cut::Reset),
            1 => proxy.cut(Cut::End),
            // The server hears nothing more, and then the connection is gone.
            2 => stall_and_cut(proxy, Faults { stall_up: true, ..Faults::default() }, &mut dice),
            // The server hears everything, its answers get lost.
            3 => stall_and_cut(proxy, Faults { stall_down: true, ..Faults::default() }, &mut dice),
            4 => proxy.inject(Way::Down, b"\xff\xfe this is no frame"),
            _ => {
                proxy.half_open(Gone::Server);
                nap(&mut dice);
                proxy.cut(Cut::Reset);
            }
        }
    }
}

fn stall_and_cut(proxy: &Proxy, faults: Faults, dice: &mut Dice) {
    proxy.set(faults);
    nap(dice);
    proxy.cut(Cut::Reset);
    proxy.heal();
}

/// How long a fault lasts: a matter of the story, not a wait for anything.
fn nap(dice: &mut Dice) {
    std::thread::sleep(Duration::from_millis(100 + dice.roll(600)));
}
