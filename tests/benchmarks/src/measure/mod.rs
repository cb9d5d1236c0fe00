//! What is measured, a file per question. Each gives rows; how often and against what is decided there, how it is
//! shown elsewhere.

pub(crate) mod connects;
pub(crate) mod envelope;
pub(crate) mod events;
pub(crate) mod flags;
pub(crate) mod gateway;
pub(crate) mod idle;
pub(crate) mod memory;
pub(crate) mod round_trip;

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Half a minute instead of a few: for a look, and to see that everything still runs.
    pub(crate) quick: bool,
}

impl Effort {
    pub(crate) fn pick<T>(self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }
}
