//! The reference server of Castline: offers at a break in play, flags, events, and durable messages that survive a lost
//! network, a new socket and a crash of this process. One binary, SQLite inside; also a library, for tests and examples.
//!
//! The layers, each in its folder: `http` and `gateway` hold sockets and know nothing of offers; `engine` holds the logic and
//! knows no socket; `bus` carries what the engine says unasked; `store` keeps it.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod bus;
pub mod cli;
pub mod config;
mod doctor;
mod engine;
pub mod gateway;
mod http;
mod metrics;
mod rate;
mod server;
mod settings;
mod store;

pub use engine::experiments;
pub use engine::flags::{FlagDefinition, Prerequisite, Rule, Schedule, Test};
pub use engine::segments::{Comparison, Condition, History, Op, Segment};
pub use engine::{Budget, Change, Day, Hours, OfferDefinition, Split, Trigger};
pub use server::{RunningServer, Server};
pub use settings::{Alerts, Limits, Log, LogFormat, Rate, Secret, Settings, Timers, TlsFiles};
