//! What waits for one connection's task. Bounded in bytes; small while it is empty, for most connections are idle.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A queue into one task.
#[derive(Debug)]
pub struct Mailbox<T> {
    inner: Mutex<Inner<T>>,
    max_bytes: usize,
}

#[derive(Debug)]
struct Inner<T> {
    queue: VecDeque<(T, usize)>,
    bytes: usize,
    overflowed: bool,
    waker: Option<Waker>,
}

/// What came out of a mailbox.
#[derive(Debug, PartialEq, Eq)]
pub enum Mail<T> {
    /// The next item.
    Item(T),
    /// The reader is too slow: something was refused, and nothing further will be taken.
    Overflow,
}

impl<T> Mailbox<T> {
    /// An empty one, which takes up to `max_bytes`.
    pub fn new(max_bytes: usize) -> Mailbox<T> {
        let inner = Inner { queue: VecDeque::new(), bytes: 0, overflowed: false, waker: None };
        Mailbox { inner: Mutex::new(inner), max_bytes }
    }

    /// Adds an item that will take `bytes` on the wire, and wakes the task. `false`: this item made it overflow.
    pub fn post(&self, item: T, bytes: usize) -> bool {
        let (waker, overflowed) = {
            let mut inner = self.lock();
            if inner.overflowed {
                return true;
            }
            if inner.bytes + bytes > self.max_bytes && !inner.queue.is_empty() {
                inner.overflowed = true;
                inner.queue.clear();
            } else {
                inner.bytes += bytes;
                inner.queue.push_back((item, bytes));
            }
            (inner.waker.take(), inner.overflowed)
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        !overflowed
    }

    /// The next item, or a wake-up when there is one.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Mail<T>> {
        let mut inner = self.lock();
        if inner.overflowed {
            return Poll::Ready(Mail::Overflow);
        }
        if let Some((item, bytes)) = inner.queue.pop_front() {
            inner.bytes -= bytes;
            if inner.queue.is_empty() {
                inner.queue = VecDeque::new();
            }
            return Poll::Ready(Mail::Item(item));
        }
        match &inner.waker {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => inner.waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_mailbox_overflows_for_good() {
        let mailbox = Mailbox::new(10);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(mailbox.post("large but alone", 50));
        assert_eq!(mailbox.poll_next(&mut cx), Poll::Ready(Mail::Item("large but alone")));
        assert!(mailbox.post("a", 6) && mailbox.post("b", 4));
        assert!(!mailbox.post("c", 1), "told once");
        assert_eq!(mailbox.poll_next(&mut cx), Poll::Ready(Mail::Overflow));
        assert!(mailbox.post("d", 1));
        assert_eq!(mailbox.poll_next(&mut cx), Poll::Ready(Mail::Overflow));
    }

    #[test]
    fn items_come_in_order_and_then_nothing() {
        let mailbox = Mailbox::new(10);
        let mut cx = Context::from_waker(Waker::noop());
        mailbox.post(1, 1);
        mailbox.post(2, 1);
        assert_eq!(mailbox.poll_next(&mut cx), Poll::Ready(Mail::Item(1)));
        assert_eq!(mailbox.poll_next(&mut cx), Poll::Ready(Mail::Item(2)));
        assert!(mailbox.poll_next(&mut cx).is_pending());
    }
}
