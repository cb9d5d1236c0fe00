//! One page: the events of one batch, as the text that goes on the wire and on the disk.

use crate::error::Error;
use crate::protocol::json::{self, Members, Object, Value};
use crate::protocol::limits::{MAX_ANALYTICS_EVENT_BYTES, MAX_BATCH_BYTES, MAX_BATCH_EVENTS};
use crate::text::join;

/// A page is closed to events this much younger than its first, so that all of a page grows old together.
const MAX_SPAN_MS: i64 = 3_600_000;
/// What ends the text of a page.
const END: &str = "]}";

/// The event by which the queue tells the server what it dropped.
pub(super) const DROPPED: &str = "$dropped";

/// An event as JSON text.
///
/// # Errors
/// `props` is not JSON; the event is above 2,048 bytes.
pub(super) fn encode_event(id: String, name: &str, timestamp: i64, props: &str) -> Result<String, Error> {
    let mut event = Object::new();
    event.text("eventId", &id).text("name", name).number("timestamp", timestamp);
    if !props.trim_ascii().is_empty() {
        let message = "props must be a JSON object, at most 32 levels deep";
        let props = json::whole(props).filter(|props| props.starts_with('{'));
        event.raw("props", props.ok_or(Error::InvalidArgument(message))?);
    }
    let text = event.end();
    if text.len() > MAX_ANALYTICS_EVENT_BYTES { Err(Error::TooLarge) } else { Ok(text) }
}

/// Name and variant of each flag, by name.
pub(super) type Variants = [(String, String)];

/// A page's text before its first event.
fn beginning(flags: &Variants) -> String {
    let mut object = Object::new();
    for (flag, variant) in flags {
        object.text(flag, variant);
    }
    join(&["{\"flags\":", &object.end(), ",\"events\":["])
}

/// Up to 50 events that were made under the same flags.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) number: u32,
    /// The payload but for [`END`].
    text: String,
    flags: Vec<(String, String)>,
    pub(super) events: usize,
    /// When the first event was made, Unix ms.
    pub(super) first: i64,
    /// What its `$dropped` events tell of.
    pub(super) told: u64,
    told_events: u64,
    /// It was sent once: the same bytes go out when it is sent again.
    pub(super) sealed: bool,
    pub(super) urgent: bool,
    /// On its way to the server.
    pub(super) in_flight: bool,
    /// What is on the disk is not this.
    pub(super) dirty: bool,
    /// Something was handed out to be saved under its number.
    pub(super) saved: bool,
}

impl Page {
    pub(super) fn new(number: u32, flags: &Variants, timestamp: i64) -> Page {
        Page {
            number,
            text: beginning(flags),
            flags: flags.to_vec(),
            events: 0,
            first: timestamp,
            told: 0,
            told_events: 0,
            sealed: false,
            urgent: false,
            in_flight: false,
            dirty: true,
            saved: false,
        }
    }

    /// Reads what was saved. It takes no more events once it was sent; whether an earlier process had sent it is not known, but each
    /// event has its own id by which the server knows it again.
    pub(super) fn restore(number: u32, bytes: &[u8]) -> Option<Page> {
        if bytes.len() > MAX_BATCH_BYTES {
            return None;
        }
        let text = std::str::from_utf8(bytes).ok()?;
        let mut members = Members::of(text);
        let (flags, events) = (members.raw("flags"), members.raw("events"));
        members.end().ok()?;
        let mut variants = Vec::new();
        for (flag, variant) in json::sorted(flags.unwrap_or("{}"))? {
            variants.push((flag, String::of(variant)?));
        }
        let mut page = Page::new(number, &variants, i64::MAX);
        for (_, event) in &json::array(events?)? {
            page.restore_event(event)?;
        }
        if page.events == 0 || page.events > MAX_BATCH_EVENTS {
            return None;
        }
        (page.dirty, page.saved) = (false, true);
        Some(page)
    }

    fn restore_event(&mut self, event: &str) -> Option<()> {
        let mut members = Members::of(event);
        let (id, name, timestamp) =
            (members.need("eventId"), members.need::<String>("name"), members.need("timestamp"));
        let props = members.raw("props").filter(|props| *props != "null").unwrap_or("");
        members.end().ok()?;
        self.add(&encode_event(id, &name, timestamp, props).ok()?);
        self.note(&name, props);
        self.first = self.first.min(timestamp);
        self.urgent |= name == "$offer_result";
        Some(())
    }

    /// Whether an event of these bytes, made now under these flags, may be added.
    pub(super) fn takes(&self, event: &str, flags: &Variants, timestamp: i64) -> bool {
        !self.sealed
            && self.events < MAX_BATCH_EVENTS
            && self.len_with(event) <= MAX_BATCH_BYTES
            && timestamp.saturating_sub(self.first).saturating_abs() < MAX_SPAN_MS
            && *self.flags == *flags
    }

    /// The payload's length with one event more.
    pub(super) fn len_with(&self, event: &str) -> usize {
        self.len() + event.len() + usize::from(self.events > 0)
    }

    pub(super) fn add(&mut self, event: &str) {
        if self.events > 0 {
            self.text.push(',');
        }
        self.text.push_str(event);
        self.events += 1;
        self.dirty = true;
    }

    /// Keeps count of what `$dropped` events tell, to be told anew when the page itself is dropped.
    pub(super) fn note(&mut self, name: &str, props: &str) {
        if name == DROPPED {
            self.told_events += 1;
            let count = json::member(props.as_bytes(), "count").unwrap_or(0);
            self.told = self.told.saturating_add(count);
        }
    }

    /// The game's and the SDK's events in it, without the `$dropped` ones.
    pub(super) fn own_events(&self) -> u64 {
        self.events as u64 - self.told_events
    }

    /// Bytes of the payload.
    pub(super) fn len(&self) -> usize {
        self.text.len() + END.len()
    }

    /// Whether the next event may not fit.
    pub(super) fn is_full(&self) -> bool {
        self.events >= MAX_BATCH_EVENTS || self.len() + MAX_ANALYTICS_EVENT_BYTES >= MAX_BATCH_BYTES
    }

    pub(super) fn payload(&self) -> String {
        join(&[&self.text, END])
    }
}
