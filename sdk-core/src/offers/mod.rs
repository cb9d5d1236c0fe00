//! Offers: the gate that lets one appear only in a break, and what the device remembers of them.

pub(crate) mod gate;
pub(crate) mod ledger;
