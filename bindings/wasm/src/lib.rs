//! The core as a WebAssembly module: what the npm package `castline` calls and what it is called for.
//!
//! The hands of the driver (WebSocket, `fetch`, `setTimeout`, storage) are JavaScript, in `npm/src/driver.ts`: a closure that waits for
//! a browser's event costs a few bytes there and some hundred here. This crate keeps the driver's promises to the core: one input, every
//! output, what is loaded and saved answered before anything else. Neither side decides anything.
//!
//! Numbers cross as `f64`, which is what JavaScript has; every one of them is below 2⁵³. Texts that only one kind of event has cross as
//! empty ones in the others.

mod commands;
mod engine;
mod host;
mod told;

pub use engine::{Engine, start};
pub use host::Host;
