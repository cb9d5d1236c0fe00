//! The core as a WebAssembly module: what the npm package `castline` calls and what it is called for.
//!
//! The hands of the driver (WebSocket, `fetch`, `setTimeout`, storage) are JavaScript, in `npm/src/driver.ts`: a closure that waits for
//! a browser's event costs a few bytes there and some hundred here. This crate keeps the driver's promises to the core: one input, every
//! output, what is loaded and saved answered before anything else. Neither side decides anything.
//!
//! There is one door in (`call`), one out (`tell`) and a place for the texts of a call (`room`), all of them of plain numbers: a function
//! with texts of its own is a kilobyte of conversions, in the module and in its JavaScript. One more (`number`) reads the core's fractions:
//! JavaScript has them built in. Which number means what is said in
//! `numbers.rs`, for both sides. Numbers cross as `f64`, which is what JavaScript has; every one of them is below 2⁵³. Texts
//! that only one kind of event has cross as empty ones in the others.

#[cfg(any(target_arch = "wasm32", test))]
mod allocator;
mod commands;
mod crossing;
mod engine;
mod numbers;
mod told;

pub use crossing::room;
pub use engine::enter;
