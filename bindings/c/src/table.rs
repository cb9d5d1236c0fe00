//! The table of clients: which handle is which client, and when a freed one may go.
//!
//! A handle is a token: slot number and generation, always odd, so that it is never NULL and never the address of anything. It is
//! compared and never dereferenced; a freed one does not match its slot's generation any more.
//!
//! Each slot has one atomic word, the gate: generation, phase, and how many calls are inside. A call enters with one `fetch_add` and
//! leaves with one `fetch_sub`, so that a lookup is wait-free, allocates nothing and takes no lock. (A reader-writer lock would let a
//! getter wait for `free`; hazard pointers or epochs need a registration of each thread, which allocates.) `free` shuts the gate;
//! whoever is the last to leave after that, be it `free` itself or a call that was under way on another thread, drops the client.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many clients there can be.
pub(crate) const SLOTS: usize = 64;

const INDEX_BITS: u32 = SLOTS.trailing_zeros();
/// What is left of a pointer beside slot number and the odd bit; and of the gate beside count and phase.
const GENERATION_BITS: u32 =
    if usize::BITS - INDEX_BITS - 1 < 46 { usize::BITS - INDEX_BITS - 1 } else { 46 };
const GENERATION_MASK: u64 = (1 << GENERATION_BITS) - 1;

// The gate, from below: calls inside, phase, generation. There are fewer threads in a process than the count can hold.
const COUNT_MASK: u64 = 0xFFFF;
const PHASE_SHIFT: u32 = 16;
const GENERATION_SHIFT: u32 = 18;

const PHASE_MASK: u64 = 3 << PHASE_SHIFT;
const VACANT: u64 = 0;
/// Taken by a `connect` that has not yet put its client in, or by the last one out that takes it away.
const BUSY: u64 = 1 << PHASE_SHIFT;
const LIVE: u64 = 2 << PHASE_SHIFT;
/// Freed, with calls still inside: `LIVE` with one more bit.
const DYING: u64 = 3 << PHASE_SHIFT;
const DYING_BIT: u64 = DYING & !LIVE;

/// Aligned to a cache line, so that calls on one client do not slow down those on another.
#[repr(align(64))]
struct Slot<T> {
    gate: AtomicU64,
    value: UnsafeCell<Option<T>>,
}

/// Up to [`SLOTS`] values by token.
pub(crate) struct Table<T> {
    slots: [Slot<T>; SLOTS],
}

// SAFETY: `value` is written only by who holds the slot in phase `BUSY`, of which there is one at a time (it is entered by
// compare-and-swap), and read only between `enter` and `leave` in phase `LIVE` or `DYING`, which exclude `BUSY`. Values are shared
// between threads and dropped on any of them, hence `Send + Sync`.
unsafe impl<T: Send + Sync> Sync for Table<T> {}

/// A call that is inside: the value stays until this is dropped.
pub(crate) struct Inside<'a, T> {
    slot: &'a Slot<T>,
    value: &'a T,
}

/// A slot taken for a value that is still being made.
pub(crate) struct Reserved<'a, T> {
    slot: &'a Slot<T>,
    index: usize,
}

impl<T> Table<T> {
    pub(crate) const fn new() -> Self {
        Table {
            slots: [const { Slot { gate: AtomicU64::new(VACANT), value: UnsafeCell::new(None) } }; SLOTS],
        }
    }

    /// Takes a vacant slot; `None`: there is none.
    pub(crate) fn reserve(&self) -> Option<Reserved<'_, T>> {
        self.slots.iter().enumerate().find_map(|(index, slot)| {
            // A lookup that fails leaves a count for an instant, so the count must stay as it is.
            let take = |gate: u64| (gate & PHASE_MASK == VACANT).then(|| next_generation(gate) | BUSY);
            slot.gate.fetch_update(Ordering::AcqRel, Ordering::Relaxed, take).ok()?;
            Some(Reserved { slot, index })
        })
    }

    /// The value of a token, if it lives.
    pub(crate) fn enter(&self, token: usize) -> Option<Inside<'_, T>> {
        let slot = self.slots.get(token >> 1 & (SLOTS - 1)).filter(|_| token & 1 == 1)?;
        let gate = slot.gate.fetch_add(1, Ordering::Acquire);
        let generation = (token >> (INDEX_BITS + 1)) as u64;
        if gate & PHASE_MASK == LIVE && generation_of(gate) == generation {
            // SAFETY: the gate was `LIVE` when this call was counted, and nobody writes to `value` before the count is 0 again.
            if let Some(value) = unsafe { (*slot.value.get()).as_ref() } {
                return Some(Inside { slot, value });
            }
        }
        slot.leave();
        None
    }
}

impl<T> Slot<T> {
    /// One call less; the last one out of a freed slot clears it.
    fn leave(&self) {
        let gate = self.gate.fetch_sub(1, Ordering::AcqRel) - 1;
        // Fails where somebody has come in meanwhile: then he will be the last one.
        if gate & (PHASE_MASK | COUNT_MASK) == DYING
            && self
                .gate
                .compare_exchange(gate, set_phase(gate, BUSY), Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        {
            // SAFETY: the compare-and-swap from `DYING` without a call inside to `BUSY` succeeds once for a generation, and no call
            // enters in phase `BUSY`, so this is the only reference.
            let value = unsafe { (*self.value.get()).take() };
            self.change_phase(VACANT);
            drop(value);
        }
    }

    /// Leaves phase `BUSY`. Lookups that fail may be counted at the same moment.
    fn change_phase(&self, to: u64) {
        self.gate.fetch_add(to.wrapping_sub(BUSY), Ordering::AcqRel);
    }
}

impl<T> Reserved<'_, T> {
    /// Puts the value in and returns its token.
    pub(crate) fn fill(self, value: T) -> usize {
        // SAFETY: this slot is in phase `BUSY` by this reservation, so nobody else touches the value.
        unsafe { *self.slot.value.get() = Some(value) };
        let generation = generation_of(self.slot.gate.load(Ordering::Relaxed));
        self.slot.change_phase(LIVE);
        let token = (generation as usize) << (INDEX_BITS + 1) | self.index << 1 | 1;
        std::mem::forget(self);
        token
    }
}

impl<T> Drop for Reserved<'_, T> {
    /// Nothing came of it.
    fn drop(&mut self) {
        self.slot.change_phase(VACANT);
    }
}

impl<T> Inside<'_, T> {
    /// Shuts the gate; false: somebody else has. The value goes when the last call is out.
    pub(crate) fn shut(&self) -> bool {
        self.slot.gate.fetch_or(DYING_BIT, Ordering::AcqRel) & PHASE_MASK == LIVE
    }

    /// Whether the handle was freed while this call was inside.
    pub(crate) fn is_shut(&self) -> bool {
        self.slot.gate.load(Ordering::Acquire) & PHASE_MASK != LIVE
    }
}

impl<T> std::ops::Deref for Inside<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.value
    }
}

impl<T> Drop for Inside<'_, T> {
    fn drop(&mut self) {
        self.slot.leave();
    }
}

fn generation_of(gate: u64) -> u64 {
    gate >> GENERATION_SHIFT & GENERATION_MASK
}

/// The same count in the next generation, in phase 0. On 64 bits generations never come again; on 32 bits after 33 million clients.
fn next_generation(gate: u64) -> u64 {
    (generation_of(gate).wrapping_add(1) & GENERATION_MASK) << GENERATION_SHIFT | gate & COUNT_MASK
}

fn set_phase(gate: u64, phase: u64) -> u64 {
    gate & !PHASE_MASK | phase
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    struct Counted(Arc<AtomicUsize>, usize);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_freed_token_never_matches_again() {
        let table = Table::new();
        let drops = Arc::new(AtomicUsize::new(0));
        let mut freed = Vec::new();
        for n in 0..1_000 {
            let token = table.reserve().unwrap().fill(Counted(Arc::clone(&drops), n));
            assert_eq!(token & 1, 1, "never NULL, never an address");
            let inside = table.enter(token).unwrap();
            assert_eq!(inside.1, n);
            assert!(inside.shut());
            assert!(!inside.shut(), "freed once");
            assert!(table.enter(token).is_none(), "no new call after free");
            assert_eq!(drops.load(Ordering::SeqCst), n, "the call that is inside still has it");
            drop(inside);
            assert_eq!(drops.load(Ordering::SeqCst), n + 1);
            freed.push(token);
            assert!(freed.iter().all(|token| table.enter(*token).is_none()));
        }
    }

    #[test]
    fn what_is_no_token_finds_nothing() {
        let table: Table<u8> = Table::new();
        let token = table.reserve().unwrap().fill(7);
        for wrong in [0, 1, 2, token ^ 1, token ^ 2, token ^ (1 << 8), usize::MAX, usize::MAX - 1] {
            assert!(table.enter(wrong).is_none(), "{wrong:#x}");
        }
        assert_eq!(table.enter(token).map(|inside| *inside), Some(7));
    }

    #[test]
    fn the_table_has_its_bound_and_a_reservation_can_be_given_up() {
        let table: Table<usize> = Table::new();
        let tokens: Vec<usize> = (0..SLOTS).map(|n| table.reserve().unwrap().fill(n)).collect();
        assert!(table.reserve().is_none());
        assert!(table.enter(tokens[5]).unwrap().shut());
        drop(table.reserve().unwrap());
        assert!(table.enter(tokens[5]).is_none());
        let again = table.reserve().unwrap().fill(100);
        assert_ne!(again, tokens[5]);
        assert_eq!(table.enter(again).map(|inside| *inside), Some(100));
        assert!(table.reserve().is_none());
    }

    #[test]
    fn calls_and_free_at_the_same_time_drop_each_value_once() {
        let table: Table<Counted> = Table::new();
        let (drops, token) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
        let (clients, found) = (2_000, AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while token.load(Ordering::Acquire) != usize::MAX {
                        let Some(inside) = table.enter(token.load(Ordering::Acquire)) else { continue };
                        assert!(inside.1 < clients, "the value is whole");
                        found.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            for n in 0..clients {
                let mine = table.reserve().unwrap().fill(Counted(Arc::clone(&drops), n));
                token.store(mine, Ordering::Release);
                let before = found.load(Ordering::Relaxed);
                let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
                while n % 100 == 0 && found.load(Ordering::Relaxed) == before {
                    assert!(std::time::Instant::now() < deadline, "no other thread found the value");
                    std::thread::yield_now();
                }
                assert!(table.enter(mine).unwrap().shut());
            }
            token.store(usize::MAX, Ordering::Release);
        });
        assert_eq!(drops.load(Ordering::SeqCst), clients);
    }
}
