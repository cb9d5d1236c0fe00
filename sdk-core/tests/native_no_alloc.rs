//! What a game calls in every frame allocates nothing on its thread, while the driver is at work on its own.
#![cfg(feature = "native")]
#![allow(clippy::unwrap_used)] // Where a test fails is the test's business.

mod counting;
mod support;

use castline::{Client, Options, State};
use counting::allocations;
use support::game_server::*;
use support::*;

#[test]
fn a_frame_allocates_nothing() {
    assert!(allocations(|| drop(Box::new(1))) > 0, "the counter counts");

    let address =
        game_server(|mut session| while session.next().is_some() {}, |_| flags_answer("v1", "$0.99"));
    let client =
        Client::connect(Options::new(format!("http://{address}"), "1").token(token("anna"))).unwrap();
    wait_until_ready(&client);
    let frame = || {
        assert_eq!(client.poll_event(), None);
        client.tick(std::time::Duration::from_millis(1), drop);
        let flags = client.flags();
        assert_eq!(flags.string("starter_pack_price", "$2.99"), "$0.99");
        assert_eq!(flags.i64("absent", 7), 7);
        assert_eq!(flags.variant("starter_pack_price"), Some("treatment"));
        assert_eq!(client.state(), State::Online);
        assert!(client.server_time() > 0);
    };
    // A thread's first use of the shared pointer registers it, once.
    frame();
    assert_eq!(allocations(|| (0..1000).for_each(|_| frame())), 0);
}
