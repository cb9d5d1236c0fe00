//! What operators and backends have changed, looked back on. Who writes the lines is whoever makes the change, in its transaction.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{Engine, Failure};
use crate::store::audit::{self, Line, Wanted};

/// A line as operators read it.
#[derive(Debug, Serialize)]
pub(crate) struct AuditLine {
    number: i64,
    at: i64,
    who: String,
    address: String,
    action: String,
    subject: String,
    before: Option<Box<RawValue>>,
    after: Option<Box<RawValue>>,
}

impl AuditLine {
    fn of(line: Line) -> AuditLine {
        let raw = |text: Option<String>| text.and_then(|text| RawValue::from_string(text).ok());
        AuditLine {
            number: line.number,
            at: line.at,
            who: line.who,
            address: line.address,
            action: line.action,
            subject: line.subject,
            before: raw(line.before),
            after: raw(line.after),
        }
    }
}

impl Engine {
    /// Changes, the latest first, and whether there are more.
    pub(crate) async fn audit(
        &self,
        wanted: &Wanted,
        limit: usize,
    ) -> Result<(Vec<AuditLine>, bool), Failure> {
        let mut lines = audit::page(&mut self.store.reader().await?, wanted, limit + 1).await?;
        let more = lines.len() > limit;
        lines.truncate(limit);
        Ok((lines.into_iter().map(AuditLine::of).collect(), more))
    }
}
