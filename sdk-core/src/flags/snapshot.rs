//! One consistent set of flags, and the getters.
//!
//! A getter is wait-free and allocates nothing: every value was decoded when the answer came, a name is found by one hash and (almost
//! always) one comparison, and the first read of a flag sets a mark by which the core makes the `$exposure`. What is in the table is
//! decided in [`decode`](super::decode).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::event::Reason;

/// Where a snapshot comes from. It decides what [`Flags::reason`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// This session's answer: the reasons are the server's.
    Session,
    /// The last good answer on disk, while this run's fetch is open.
    Cached,
    /// The last good answer on disk, after this run's fetch failed.
    Stale,
}

/// A consistent snapshot of all flags. Cloning shares it; it never changes under a reader.
///
/// No getter fails, blocks or allocates. Each takes the value that holds where the flag is absent, malformed or of another type.
#[derive(Clone)]
pub struct Flags {
    table: Arc<Table>,
    source: Source,
}

/// What two snapshots of the same answer share, whatever their source: the values and the marks of what was read.
struct Table {
    version: String,
    /// Open addressing with linear probing; an index into `entries`, or [`EMPTY`]. A power of two, at most half full.
    slots: Vec<u16>,
    /// In byte order of the names.
    entries: Vec<Entry>,
    /// A value getter was called, whether or not it found its flag.
    any_read: AtomicBool,
    /// Some entry may be [`READ`].
    unreported: AtomicBool,
    applied: AtomicBool,
}

const EMPTY: u16 = u16::MAX;

/// One flag, decoded.
pub(super) struct Entry {
    hash: u64,
    name: String,
    /// `None`: malformed.
    body: Option<Body>,
    mark: AtomicU8,
}

/// A well-formed flag.
pub(super) struct Body {
    pub(super) variant: String,
    pub(super) reason: Reason,
    pub(super) value: Value,
    /// The value's JSON text, as it came.
    pub(super) raw: String,
}

/// A value in the type that its getter returns.
pub(super) enum Value {
    Bool(bool),
    /// As the nearest double, which is what every face's JSON reader makes of a number.
    Number(f64),
    String(String),
    /// `null`, an object or an array: for `json` alone.
    Other,
}

// The mark of an entry goes this way only.
const UNREAD: u8 = 0;
const READ: u8 = 1;
const REPORTED: u8 = 2;

/// The largest integer that a double holds without a neighbour that rounds to it.
const MAX_EXACT: f64 = crate::protocol::limits::MAX_SAFE_INTEGER as f64;

impl Entry {
    pub(super) fn new(name: &str, body: Option<Body>) -> Entry {
        Entry { hash: hash(name), name: name.into(), body, mark: AtomicU8::new(UNREAD) }
    }

    fn variant(&self) -> Option<&str> {
        self.body.as_ref().map(|body| &*body.variant)
    }

    /// Whether reads of it are told: a tester's override is left out of the statistics.
    fn counts(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.reason != Reason::Override)
    }
}

/// For the table alone, which no other machine sees. The names are the server's, so nobody builds collisions; a tenth of the code of a
/// hash that is good for more.
fn hash(name: &str) -> u64 {
    let mut hash = name.len() as u64;
    for chunk in name.as_bytes().chunks(8) {
        let word = chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The slot is taken from the low bits, and the high ones are the better mixed.
        hash ^= hash >> 32;
    }
    hash
}

impl Flags {
    /// No flags at all: every getter gives the default that the game compiled in. The version is empty.
    pub fn defaults() -> Flags {
        Flags::from_entries("", Vec::new(), Source::Session)
    }

    /// `entries` in byte order of the names, each name once, at most 65,534.
    pub(super) fn from_entries(version: &str, entries: Vec<Entry>, source: Source) -> Flags {
        let size = (entries.len() * 2).next_power_of_two();
        let mut slots = vec![EMPTY; size];
        for (index, entry) in (0..EMPTY).zip(&entries) {
            let mut at = entry.hash as usize & (size - 1);
            while slots[at] != EMPTY {
                at = (at + 1) & (size - 1);
            }
            slots[at] = index;
        }
        let table = Table {
            version: version.into(),
            slots,
            entries,
            any_read: AtomicBool::new(false),
            unreported: AtomicBool::new(false),
            applied: AtomicBool::new(false),
        };
        Flags { table: Arc::new(table), source }
    }

    /// A flag whose value is a JSON boolean.
    pub fn bool(&self, key: &str, default: bool) -> bool {
        self.read(key, |body| if let Value::Bool(b) = body.value { Some(b) } else { None }).unwrap_or(default)
    }

    /// A flag whose value is a number without fraction within ±(2⁵³ − 1); `1.0` and `1e3` are such.
    pub fn i64(&self, key: &str, default: i64) -> i64 {
        self.read(key, |body| match body.value {
            Value::Number(n) if n.fract() == 0.0 && n.abs() <= MAX_EXACT => Some(n as i64),
            _ => None,
        })
        .unwrap_or(default)
    }

    /// A flag whose value is a number.
    pub fn f64(&self, key: &str, default: f64) -> f64 {
        self.read(key, |body| if let Value::Number(n) = body.value { Some(n) } else { None })
            .unwrap_or(default)
    }

    /// A flag whose value is a JSON string.
    pub fn string<'a>(&'a self, key: &str, default: &'a str) -> &'a str {
        self.read(key, |body| if let Value::String(s) = &body.value { Some(&**s) } else { None })
            .unwrap_or(default)
    }

    /// Any flag's value as JSON text.
    pub fn json<'a>(&'a self, key: &str, default: &'a str) -> &'a str {
        self.read(key, |body| Some(&*body.raw)).unwrap_or(default)
    }

    /// The variant; `None` where the flag is absent or malformed. Does not count as a read.
    pub fn variant(&self, key: &str) -> Option<&str> {
        self.find(key)?.variant()
    }

    /// Why the flag has its value: `DEFAULT` too where the server knows no such flag, which then has no variant. Does not count as
    /// a read.
    pub fn reason(&self, key: &str) -> Reason {
        match (self.find(key).map(|entry| &entry.body), self.source) {
            (None, _) => Reason::Default,
            (Some(None), _) => Reason::Error,
            (Some(Some(body)), Source::Session) => body.reason,
            (Some(Some(_)), Source::Cached) => Reason::Cached,
            (Some(Some(_)), Source::Stale) => Reason::Stale,
        }
    }

    /// The configuration's version, such as `v17`; empty for the compiled defaults.
    pub fn version(&self) -> &str {
        &self.table.version
    }

    /// How many flags there are, malformed ones included.
    pub fn len(&self) -> usize {
        self.table.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.table.entries.is_empty()
    }

    /// The names, in byte order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.table.entries.iter().map(|entry| &*entry.name)
    }

    /// Where it comes from.
    pub fn source(&self) -> Source {
        self.source
    }

    /// The same values and marks under another source.
    pub fn with_source(&self, source: Source) -> Flags {
        Flags { table: Arc::clone(&self.table), source }
    }

    /// Whether version, names, variants and values are the same; reasons and marks may differ.
    pub fn same_as(&self, other: &Flags) -> bool {
        let same = |(a, b): (&Entry, &Entry)| {
            a.name == b.name
                && match (&a.body, &b.body) {
                    (Some(a), Some(b)) => a.variant == b.variant && a.raw == b.raw,
                    (a, b) => a.is_none() && b.is_none(),
                }
        };
        Arc::ptr_eq(&self.table, &other.table)
            || (self.version() == other.version()
                && self.len() == other.len()
                && self.table.entries.iter().zip(&other.table.entries).all(same))
    }

    /// Name and variant of every well-formed flag, by name: what an analytics batch is stamped with.
    pub fn variants(&self) -> Vec<(String, String)> {
        let mut variants = Vec::new();
        for entry in &self.table.entries {
            if let Some(variant) = entry.variant() {
                variants.push((entry.name.clone(), variant.to_owned()));
            }
        }
        variants
    }

    /// Whether any value getter was called, be it for a flag that is absent: the game has shown what it got.
    pub fn any_read(&self) -> bool {
        self.table.any_read.load(Ordering::Acquire)
    }

    /// Whether [`Flags::take_exposures`] may have something.
    pub fn has_exposures(&self) -> bool {
        self.table.unreported.load(Ordering::Acquire)
    }

    /// Name and variant of each flag that was read since the last call, each once in the life of its mark. A getter that gave the
    /// game its default (another type) is no exposure, nor is a tester's override.
    pub fn take_exposures(&self) -> Vec<(String, String)> {
        // The getter marks the entry before it raises `unreported`, so nothing is overlooked for longer than until the next call.
        if !self.table.unreported.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        let mut taken = Vec::new();
        for entry in &self.table.entries {
            if let Some(variant) = entry.variant()
                && entry.mark.compare_exchange(READ, REPORTED, Ordering::AcqRel, Ordering::Relaxed).is_ok()
            {
                taken.push((entry.name.clone(), variant.to_owned()));
            }
        }
        taken
    }

    /// Carries over the marks of flags whose variant is unchanged, so that none is exposed twice. A read that `previous` has not yet
    /// reported moves here; of a flag that changed or is gone it stays there to be taken.
    pub fn adopt_reads(&self, previous: &Flags) {
        if Arc::ptr_eq(&self.table, &previous.table) {
            return;
        }
        for entry in &self.table.entries {
            let Some(old) = previous.find(&entry.name).filter(|old| old.variant() == entry.variant()) else {
                continue;
            };
            match old.mark.compare_exchange(READ, REPORTED, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => self.mark(entry),
                Err(REPORTED) => entry.mark.store(REPORTED, Ordering::Release),
                Err(_) => {}
            }
        }
    }

    /// Whether the game's getters have ever returned these values.
    pub fn applied(&self) -> bool {
        self.table.applied.load(Ordering::Acquire)
    }

    /// Notes that the game's getters return these values from now on.
    pub fn mark_applied(&self) {
        self.table.applied.store(true, Ordering::Release);
    }

    fn find(&self, key: &str) -> Option<&Entry> {
        let table = &*self.table;
        let hash = hash(key);
        let mask = table.slots.len() - 1;
        let mut at = hash as usize & mask;
        // At most half of the slots are taken, so an empty one always ends the search.
        loop {
            let entry = table.entries.get(usize::from(*table.slots.get(at)?))?;
            if entry.hash == hash && *entry.name == *key {
                return Some(entry);
            }
            at = (at + 1) & mask;
        }
    }

    /// The value by `pick`, and the marks of a read.
    fn read<'a, T>(&'a self, key: &str, pick: impl FnOnce(&'a Body) -> Option<T>) -> Option<T> {
        // Loads come first, so that a read in every frame writes to no cache line.
        if !self.table.any_read.load(Ordering::Relaxed) {
            self.table.any_read.store(true, Ordering::Release);
        }
        let entry = self.find(key)?;
        let value = pick(entry.body.as_ref()?)?;
        if entry.mark.load(Ordering::Relaxed) == UNREAD {
            self.mark(entry);
        }
        Some(value)
    }

    fn mark(&self, entry: &Entry) {
        if !entry.counts() {
            entry.mark.store(REPORTED, Ordering::Relaxed);
        } else if entry.mark.compare_exchange(UNREAD, READ, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            self.table.unreported.store(true, Ordering::Release);
        }
    }
}

impl Default for Flags {
    fn default() -> Flags {
        Flags::defaults()
    }
}

// A snapshot may hold prices and 200 flags: a log gets its name only.
impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flags")
            .field("version", &self.version())
            .field("len", &self.len())
            .field("source", &self.source)
            .finish()
    }
}
