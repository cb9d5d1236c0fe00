//! How texts cross. Inwards the host asks for room, fills it and calls: each text is its length (4 bytes, little-endian; all ones: there
//! is none) and its bytes. Outwards it reads each from where it lies.

use std::cell::Cell;

use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(raw_module = "../src/crossing.ts")]
extern "C" {
    /// `what` is a number of [`tell`](crate::numbers::tell). It must not call back into the module, but for room.
    #[wasm_bindgen(js_name = tell)]
    fn out(what: u32, texts: *const Place, count: usize, w: f64, x: f64, y: f64, z: f64) -> u32;
    /// The nearest double of a JSON number.
    #[cfg(target_arch = "wasm32")]
    fn number(text: *const u8, length: usize) -> f64;
}

/// The core asks the host for what it would need tables for.
pub(crate) fn lend() {
    #[cfg(target_arch = "wasm32")]
    castline::protocol::read_doubles_by(|text| number(text.as_ptr(), text.len()));
}

thread_local! {
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Room for the texts of the next call: so many bytes from this address on.
#[wasm_bindgen]
pub fn room(bytes: usize) -> *mut u8 {
    let mut room = vec![0; bytes];
    let at = room.as_mut_ptr();
    ROOM.set(room);
    at
}

/// What the host has put there.
pub(crate) fn take_room() -> Vec<u8> {
    ROOM.take()
}

/// The texts of a call, one after the other.
pub(crate) struct Texts<'a>(pub(crate) &'a [u8]);

impl<'a> Texts<'a> {
    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        let (bytes, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// One that may be absent.
    pub(crate) fn maybe(&mut self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    /// One that is there.
    pub(crate) fn owned(&mut self) -> String {
        self.maybe().unwrap_or_default()
    }
}

/// Where a text lies.
#[repr(C)]
pub(crate) struct Place {
    at: *const u8,
    length: usize,
}

/// Tells the host. The numbers that are not given are 0.
pub(crate) fn tell(what: u32, texts: &[&str], numbers: &[f64]) {
    ask(what, texts, numbers);
}

/// The same where it answers.
pub(crate) fn ask(what: u32, texts: &[&str], numbers: &[f64]) -> bool {
    let places: Vec<Place> =
        texts.iter().map(|text| Place { at: text.as_ptr(), length: text.len() }).collect();
    let number = |at: usize| numbers.get(at).copied().unwrap_or_default();
    // The texts live until it returns, and it keeps no address.
    out(what, places.as_ptr(), places.len(), number(0), number(1), number(2), number(3)) != 0
}
