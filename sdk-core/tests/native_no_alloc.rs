//! What a game calls in every frame allocates nothing on its thread, while the driver is at work on its own.
#![cfg(feature = "native")]
#![allow(clippy::unwrap_used)] // Where a test fails is the test's business.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use castline::{Client, Options, State};
use support::game_server::*;
use support::*;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    // The thread may be ending: then nobody asks any more.
    let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + 1));
}

// SAFETY: every method passes its arguments to `System` unchanged and returns what that returns; the counter is a thread-local
// cell without a destructor, so that counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's contract is `System`'s.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is `System`'s.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations_of(f: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    f();
    ALLOCATIONS.get() - before
}

#[test]
fn a_frame_allocates_nothing() {
    assert!(allocations_of(|| drop(Box::new(1))) > 0, "the counter counts");

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
    assert_eq!(allocations_of(|| (0..1000).for_each(|_| frame())), 0);
}
