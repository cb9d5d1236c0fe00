//! From the engine to whoever holds the sockets: who is told, not how.
//!
//! The in-process bus hands a note to its listeners on the spot. What must not be lost is in the store before it is
//! published, so a note that reaches nobody costs nothing but time; a bus between machines needs no stronger promise.

use std::sync::{Arc, RwLock, Weak};
use std::time::Instant;

use crate::store::sessions::Durable;

/// Something the engine tells the gateways.
#[derive(Debug, Clone)]
pub(crate) enum Note {
    /// A stored message for one session.
    Durable {
        /// Whose.
        player: Arc<str>,
        /// On which device.
        device: Arc<str>,
        /// The epoch that may write it; a socket of an older one may not.
        epoch: i64,
        /// The message.
        message: Arc<Durable>,
    },
    /// Sockets of this device with an older epoch are done with: close 4003.
    Fence {
        /// Whose.
        player: Arc<str>,
        /// On which device.
        device: Arc<str>,
        /// The epoch that holds the session now.
        epoch: i64,
    },
    /// The player may not play any more: close 4503, on every device.
    Banned {
        /// Who.
        player: Arc<str>,
    },
    /// For every authenticated connection; not durable.
    Everyone {
        /// `flags_changed` or `system_announcement`, on channel `system`.
        kind: &'static str,
        /// JSON text.
        payload: Arc<str>,
    },
}

/// Takes notes; must not block.
pub(crate) trait Listener: Send + Sync {
    /// Called on the publisher's thread; `published` is when the engine spoke.
    fn hear(&self, note: &Note, published: Instant);
}

/// The in-process bus.
#[derive(Default)]
pub(crate) struct Bus {
    /// Whoever holds the sockets holds the engine, and that holds the bus: so it must not hold them in turn.
    listeners: RwLock<Vec<Weak<dyn Listener>>>,
}

impl Bus {
    /// Adds a listener for as long as it lives, and forgets those that no longer do.
    pub(crate) fn listen(&self, listener: Weak<dyn Listener>) {
        let mut listeners = self.listeners.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(listener);
    }

    /// Tells all listeners.
    pub(crate) fn publish(&self, note: &Note) {
        let now = Instant::now();
        let listeners = self.listeners.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        for listener in listeners.iter().filter_map(Weak::upgrade) {
            listener.hear(note, now);
        }
    }
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[derive(Default)]
    struct Ear(AtomicU32);

    impl Listener for Ear {
        fn hear(&self, _: &Note, _: Instant) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn who_listens_hears_and_who_has_ended_takes_no_place() {
        let (bus, stays) = (Bus::default(), Arc::new(Ear::default()));
        let as_listener = |ear: &Arc<Ear>| -> Weak<dyn Listener> {
            let weak: Weak<Ear> = Arc::downgrade(ear);
            weak
        };
        bus.listen(as_listener(&stays));
        for _ in 0..10 {
            bus.listen(as_listener(&Arc::default()));
            bus.publish(&Note::Banned { player: "p1".into() });
        }
        assert_eq!(stays.0.load(Ordering::Relaxed), 10);
        // The last one that ended is forgotten when the next one comes.
        assert_eq!(bus.listeners.read().unwrap().len(), 2);
    }
}
