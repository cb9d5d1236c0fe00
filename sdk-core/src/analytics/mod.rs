//! The analytics queue: bounded, in batches, kept on disk, sent when the radio is awake anyway.
//!
//! `page` holds one batch, [`Queue`] all of them: which batch goes out, what is dropped, what has to be saved. When to send is the
//! core's to decide (a break, a due ping, a full queue, the background); here are only the questions that it asks.

mod page;
mod queue;
#[cfg(test)]
mod tests;

pub(crate) use queue::Queue;
