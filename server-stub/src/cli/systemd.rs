//! What systemd hears, where it is the one who started us (`Type=notify`): that the server is ready, lives, ends. It decides what is told
//! and when a beat of the watchdog is left out; who beats, and when, is the caller's.
//!
//! A word waits for room in systemd's socket, and a manager that is busy makes none. So it waits on a thread of its own: the
//! one that tells must hear the signals meanwhile, and end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use sd_notify::NotifyState;

/// The way to systemd, or to nobody.
pub(super) struct Systemd {
    words: Option<Sender<NotifyState<'static>>>,
    waiting: Arc<AtomicUsize>,
}

impl Systemd {
    /// Starts the thread, where somebody is to be told. It ends with the process.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn find() -> std::io::Result<Systemd> {
        let waiting = Arc::new(AtomicUsize::new(0));
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Ok(Systemd { words: None, waiting });
        }
        let (words, told) = channel::<NotifyState<'static>>();
        let left = waiting.clone();
        std::thread::Builder::new().name("castline-systemd".into()).spawn(move || {
            for word in told {
                if let Err(error) = sd_notify::notify(&[word]) {
                    tracing::debug!(%error, "systemd was not told");
                }
                left.fetch_sub(1, Ordering::Relaxed);
            }
        })?;
        Ok(Systemd { words: Some(words), waiting })
    }

    /// Tells it; never waits.
    pub(super) fn tell(&self, word: NotifyState<'static>) {
        let Some(words) = &self.words else { return };
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // Fails only where the thread has ended, which it does with the process.
        let _ = words.send(word);
    }

    /// A beat of the watchdog, unless one still waits: who has not heard the last one needs no other.
    pub(super) fn beat(&self) {
        if self.waiting.load(Ordering::Relaxed) == 0 {
            self.tell(NotifyState::Watchdog);
        }
    }
}
