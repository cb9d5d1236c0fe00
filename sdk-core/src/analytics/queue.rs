//! All pages of one player.

use super::page::{DROPPED, Page, Variants, encode_event};
use crate::error::Error;
use crate::protocol::json::Object;
use crate::protocol::limits::{MAX_ANALYTICS_AGE_MS, MAX_ANALYTICS_BYTES, MAX_BATCH_BYTES};
use crate::text::join;

/// Each page is a file, whatever its size.
const MAX_PAGES: usize = 256;
/// No queue ever counts this far: what names a higher page is corrupt.
const MAX_NUMBER: u32 = u32::MAX / 2;

/// A page under way to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Names it to [`Queue::settled`] and [`Queue::failed`].
    pub(crate) page: u32,
    /// The payload of `analytics/events`, and the body of `POST /events`.
    pub(crate) payload: String,
}

/// One player's events that the server has not yet accepted.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// By number, oldest first.
    pages: Vec<Page>,
    next: u32,
    bytes: usize,
    /// Pages below this number are to go out.
    flush_below: u32,
    /// Saved pages that are to be deleted.
    deleted: Vec<u32>,
    /// Dropped events that the game and the server have not been told of.
    untold_game: u64,
    untold_server: u64,
}

impl Queue {
    pub(crate) fn new() -> Queue {
        Queue::default()
    }

    /// Adds an event, urgent if it should go at once. What was dropped before is told in a `$dropped` event of its own, whose id is derived from this one's.
    ///
    /// # Errors
    /// [`Error::TooLarge`]: above 2,048 bytes; [`Error::InvalidArgument`]: `props` is no JSON object. Nothing was added.
    pub(crate) fn push(
        &mut self,
        event_id: String,
        name: &str,
        timestamp: i64,
        props: &str,
        flags: &Variants,
        urgent: bool,
    ) -> Result<(), Error> {
        let report_id = (self.untold_server > 0).then(|| join(&[&event_id, "-d"]));
        let text = encode_event(event_id, name, timestamp, props)?;
        self.append(&text, name, props, timestamp, flags, urgent)?;
        if let Some(id) = report_id {
            let props = Object::new().number("count", self.untold_server as i64).end();
            let text = encode_event(id, DROPPED, timestamp, &props)?;
            // Before the page is bounded: what that drops is for the next report.
            self.untold_server = 0;
            self.append(&text, DROPPED, &props, timestamp, flags, false)?;
        }
        self.keep_bounds();
        Ok(())
    }

    fn append(
        &mut self,
        text: &str,
        name: &str,
        props: &str,
        timestamp: i64,
        flags: &Variants,
        urgent: bool,
    ) -> Result<(), Error> {
        if !self.pages.last().is_some_and(|page| page.takes(text, flags, timestamp)) {
            let page = Page::new(self.next, flags, timestamp);
            if page.len_with(text) > MAX_BATCH_BYTES {
                return Err(Error::TooLarge);
            }
            self.next += 1;
            self.bytes += page.len();
            self.pages.push(page);
        }
        let Some(page) = self.pages.last_mut() else { return Err(Error::Internal) };
        let before = page.len();
        page.add(text);
        page.note(name, props);
        page.urgent |= urgent;
        self.bytes += page.len() - before;
        Ok(())
    }

    /// Drops pages whose oldest event is older than 6 days by the wall clock, Unix ms.
    pub(crate) fn expire(&mut self, now_wall: i64) {
        let limit = now_wall.saturating_sub(MAX_ANALYTICS_AGE_MS as i64);
        while let Some(at) = self.droppable().filter(|at| self.pages[*at].first < limit) {
            self.drop_page(at);
        }
    }

    fn keep_bounds(&mut self) {
        while self.bytes > MAX_ANALYTICS_BYTES || self.pages.len() > MAX_PAGES {
            let Some(at) = self.droppable() else { return };
            self.drop_page(at);
        }
    }

    /// The oldest page that is not under way.
    fn droppable(&self) -> Option<usize> {
        self.pages.iter().position(|page| !page.in_flight)
    }

    fn drop_page(&mut self, at: usize) {
        let page = self.remove(at);
        self.untold_game = self.untold_game.saturating_add(page.own_events());
        self.untold_server = self.untold_server.saturating_add(page.own_events()).saturating_add(page.told);
    }

    fn remove(&mut self, at: usize) -> Page {
        let page = self.pages.remove(at);
        self.bytes -= page.len();
        if page.saved {
            self.deleted.push(page.number);
        }
        page
    }

    /// How many events were dropped since the last call: for `Event::Dropped`.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.untold_game)
    }

    /// Whether there is an event that should go at once.
    pub(crate) fn urgent(&self) -> bool {
        self.waiting().any(|page| page.urgent)
    }

    /// Whether a whole page is ready.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting().any(Page::is_full)
    }

    /// Whether there is nothing to send or under way.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    fn waiting(&self) -> impl Iterator<Item = &Page> {
        self.pages.iter().filter(|page| !page.in_flight)
    }

    /// What is queued now should go out.
    pub(crate) fn request_flush(&mut self) {
        self.flush_below = self.next;
    }

    /// Whether some of what was queued at the last [`Queue::request_flush`] is still here, be it under way.
    pub(crate) fn pending_flush(&self) -> bool {
        self.pages.first().is_some_and(|page| page.number < self.flush_below)
    }

    /// Whether some of what was to go out is not under way.
    pub(crate) fn has_to_send(&self) -> bool {
        self.waiting().any(|page| page.number < self.flush_below)
    }

    /// The oldest page that is not under way; from now on it is, and takes no more events.
    pub(crate) fn next_batch(&mut self) -> Option<Batch> {
        let page = self.pages.iter_mut().find(|page| !page.in_flight)?;
        page.sealed = true;
        page.in_flight = true;
        Some(Batch { page: page.number, payload: page.payload() })
    }

    /// The server has accepted the page, or will never take it.
    pub(crate) fn settled(&mut self, page: u32) {
        self.failed(page);
        if let Some(at) = self.pages.iter().position(|p| p.number == page) {
            self.remove(at);
        }
    }

    /// The server will never take the page: it is dropped, and its events counted.
    pub(crate) fn discard(&mut self, page: u32) -> u64 {
        let count = self.pages.iter().find(|p| p.number == page).map_or(0, Page::own_events);
        self.settled(page);
        count
    }

    /// The page did not arrive, for all we know: the same bytes go out again.
    pub(crate) fn failed(&mut self, page: u32) {
        if let Some(page) = self.pages.iter_mut().find(|p| p.number == page) {
            page.in_flight = false;
            self.keep_bounds();
        }
    }

    /// What has to be saved next: a page's number and its bytes, none to delete it.
    pub(crate) fn next_dirty(&mut self) -> Option<(u32, Vec<u8>)> {
        if !self.deleted.is_empty() {
            return Some((self.deleted.remove(0), Vec::new()));
        }
        let page = self.pages.iter_mut().find(|page| page.dirty)?;
        (page.dirty, page.saved) = (false, true);
        Some((page.number, page.payload().into_bytes()))
    }

    /// Whether [`Queue::next_dirty`] has something.
    pub(crate) fn has_dirty(&self) -> bool {
        !self.deleted.is_empty() || self.pages.iter().any(|page| page.dirty)
    }

    /// A page that could not be saved is to be saved again, with the next change.
    pub(crate) fn save_failed(&mut self, page: u32) {
        if let Some(page) = self.pages.iter_mut().find(|p| p.number == page) {
            page.dirty = true;
        } else if page < self.next && !self.deleted.contains(&page) {
            // It was the deletion that failed.
            self.deleted.push(page);
        }
    }

    /// The numbers that pages may have: from the first to before the end. To be kept beside them.
    pub(crate) fn range(&self) -> (u32, u32) {
        (self.pages.first().map_or(self.next, |page| page.number), self.next)
    }

    /// Takes up the numbers of an earlier process, before any of its pages; what was pushed meanwhile comes behind them. Returns the
    /// numbers to load: of a range that no queue can have made, the end.
    pub(crate) fn restore_range(&mut self, range: (u32, u32)) -> std::ops::Range<u32> {
        let (first, end) = range;
        if end > MAX_NUMBER {
            return 0..0;
        }
        let first = first.max(end.saturating_sub(2 * MAX_PAGES as u32)).min(end);
        self.renumber(end);
        first..end
    }

    fn renumber(&mut self, from: u32) {
        let flush_all = self.pending_flush();
        self.next = from;
        for page in &mut self.pages {
            page.number = self.next;
            page.in_flight = false;
            (page.dirty, page.saved) = (true, false);
            self.next += 1;
        }
        self.flush_below = if flush_all { self.next } else { 0 };
    }

    /// Takes a saved page back; one that is corrupt is counted as dropped, by the events that can still be told apart in it.
    pub(crate) fn restore_page(&mut self, page: u32, bytes: &[u8]) {
        if bytes.is_empty() || page > MAX_NUMBER || self.pages.iter().any(|p| p.number == page) {
            return;
        }
        self.next = self.next.max(page.saturating_add(1));
        let Some(restored) = Page::restore(page, bytes) else {
            let lost = bytes.windows(9).filter(|w| *w == b"\"eventId\"").count().max(1) as u64;
            self.untold_game += lost;
            self.untold_server += lost;
            self.deleted.push(page);
            return;
        };
        self.bytes += restored.len();
        let at = self.pages.partition_point(|p| p.number < page);
        self.pages.insert(at, restored);
        self.keep_bounds();
    }

    /// Empties the queue into another one; what was saved of it is deleted with the next [`Queue::next_dirty`].
    pub(crate) fn take_all(&mut self) -> Queue {
        let mut taken = std::mem::take(self);
        self.next = taken.next;
        std::mem::swap(&mut self.deleted, &mut taken.deleted);
        for page in &taken.pages {
            if page.saved {
                self.deleted.push(page.number);
            }
        }
        taken
    }

    /// Puts another queue's events behind this one's: what was made before any login goes to the first player.
    pub(crate) fn absorb(&mut self, mut other: Queue) {
        other.renumber(self.next);
        self.next = other.next;
        self.bytes += other.bytes;
        self.pages.append(&mut other.pages);
        self.untold_game = self.untold_game.saturating_add(other.untold_game);
        self.untold_server = self.untold_server.saturating_add(other.untold_server);
        self.flush_below = self.flush_below.max(other.flush_below);
        self.keep_bounds();
    }
}
