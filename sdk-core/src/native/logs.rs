//! Log lines for a host that cannot have the `log` crate's: a bounded queue for each client, which the host empties on its own thread.
//!
//! The driver writes to the `log` crate alone. A face that wants lines by client gives [`Options::log_queue`](super::Options) a queue
//! and installs the [`Logger`]; each thread that works for a client is attached to that client's queue, and the logger puts what
//! the thread writes there. In a Rust game none of this is in use.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::io::LogLevel;

/// How many lines wait for the host at most.
pub const MAX_LINES: usize = 64;

/// A client's log lines, oldest first. Of more than 64 that wait the oldest are dropped and counted, and the count comes as
/// [`Event::Dropped`](crate::Event::Dropped).
#[derive(Debug)]
pub struct LogQueue {
    level: LogLevel,
    lines: Mutex<VecDeque<(LogLevel, String)>>,
    /// So that an empty queue is one load.
    waiting: AtomicUsize,
    dropped: AtomicU64,
}

impl LogQueue {
    /// A queue for lines up to `level`.
    pub fn new(level: LogLevel) -> Arc<LogQueue> {
        let (lines, waiting, dropped) = (Mutex::default(), AtomicUsize::new(0), AtomicU64::new(0));
        Arc::new(LogQueue { level, lines, waiting, dropped })
    }

    /// Whether lines of this level are kept.
    pub fn wants(&self, level: LogLevel) -> bool {
        level <= self.level
    }

    /// Adds a line, if its level is wanted.
    pub fn push(&self, level: LogLevel, line: String) {
        if !self.wants(level) {
            return;
        }
        let mut lines = self.lines();
        if lines.len() >= MAX_LINES {
            lines.pop_front();
            self.dropped.fetch_add(1, Ordering::AcqRel);
        }
        lines.push_back((level, line));
        self.waiting.store(lines.len(), Ordering::Release);
    }

    /// The oldest line. With none it takes no lock and allocates nothing.
    pub fn pop(&self) -> Option<(LogLevel, String)> {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut lines = self.lines();
        let line = lines.pop_front();
        self.waiting.store(lines.len(), Ordering::Release);
        line
    }

    /// How many were dropped since the last call.
    pub(crate) fn take_dropped(&self) -> u64 {
        if self.dropped.load(Ordering::Acquire) == 0 { 0 } else { self.dropped.swap(0, Ordering::AcqRel) }
    }

    fn lines(&self) -> MutexGuard<'_, VecDeque<(LogLevel, String)>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    static QUEUE: RefCell<Option<Arc<LogQueue>>> = const { RefCell::new(None) };
}

/// Until it is dropped, what this thread logs belongs to a queue.
pub(crate) struct Attached(Option<Arc<LogQueue>>);

/// Attaches this thread to a queue, or to none.
pub(crate) fn attach(queue: Option<Arc<LogQueue>>) -> Attached {
    Attached(QUEUE.try_with(|mine| mine.replace(queue)).unwrap_or(None))
}

/// The queue of this thread, for a thread that it starts.
pub(crate) fn attached() -> Option<Arc<LogQueue>> {
    QUEUE.try_with(|mine| mine.borrow().clone()).unwrap_or(None)
}

impl Drop for Attached {
    fn drop(&mut self) {
        let before = self.0.take();
        let _ = QUEUE.try_with(|mine| mine.replace(before));
    }
}

/// The `log` crate's receiver that serves the queues. It keeps nothing itself.
#[derive(Debug)]
pub struct Logger;

impl Logger {
    /// Makes it the process's receiver, unless there is one already. Again and again is harmless.
    pub fn install() {
        if log::set_logger(&Logger).is_ok() {
            log::set_max_level(log::LevelFilter::Debug);
        }
    }
}

impl log::Log for Logger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        // The lines of the libraries below are not for a game's log.
        let level = level(metadata.level());
        metadata.target().starts_with("castline")
            && level.is_some_and(|level| attached().is_some_and(|queue| queue.wants(level)))
    }

    fn log(&self, record: &log::Record<'_>) {
        if let (true, Some(level), Some(queue)) =
            (self.enabled(record.metadata()), level(record.level()), attached())
        {
            queue.push(level, record.args().to_string());
        }
    }

    fn flush(&self) {}
}

fn level(level: log::Level) -> Option<LogLevel> {
    match level {
        log::Level::Error => Some(LogLevel::Error),
        log::Level::Warn => Some(LogLevel::Warn),
        log::Level::Info => Some(LogLevel::Info),
        log::Level::Debug => Some(LogLevel::Debug),
        log::Level::Trace => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Log;

    fn write(level: log::Level, target: &str, text: &str) {
        Logger.log(&log::Record::builder().level(level).target(target).args(format_args!("{text}")).build());
    }

    #[test]
    fn lines_go_to_the_queue_of_the_thread_that_writes_them() {
        let (mine, other) = (LogQueue::new(LogLevel::Info), LogQueue::new(LogLevel::Debug));
        write(log::Level::Error, "castline", "nobody asked");
        let attached_to_mine = attach(Some(Arc::clone(&mine)));
        {
            let _inner = attach(Some(Arc::clone(&other)));
            write(log::Level::Debug, "castline::native::http", "for the other");
        }
        write(log::Level::Warn, "castline", "for me");
        write(log::Level::Debug, "castline", "too fine");
        write(log::Level::Error, "rustls::client", "of a library");
        drop(attached_to_mine);
        write(log::Level::Error, "castline", "nobody asks any more");
        assert_eq!(mine.pop(), Some((LogLevel::Warn, "for me".to_owned())));
        assert_eq!(mine.pop(), None);
        assert_eq!(other.pop(), Some((LogLevel::Debug, "for the other".to_owned())));
        assert_eq!(other.pop(), None);
    }

    #[test]
    fn the_oldest_lines_are_dropped_and_counted() {
        let queue = LogQueue::new(LogLevel::Warn);
        (0..MAX_LINES + 3).for_each(|n| queue.push(LogLevel::Warn, n.to_string()));
        assert_eq!(queue.pop(), Some((LogLevel::Warn, "3".to_owned())));
        assert_eq!((queue.take_dropped(), queue.take_dropped()), (3, 0));
        assert_eq!(std::iter::from_fn(|| queue.pop()).count(), MAX_LINES - 1);
    }
}
