//! Flags: the snapshot that the game reads, bucketing, the fetch, exposures.

pub mod bucketing;

/// A consistent snapshot of all flags. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Flags {}
