//! What the client writes: valid by the protocol, small enough, in a form that a server reads.

use castline::protocol::limits::MAX_MESSAGE_BYTES;
use castline::protocol::{Channel, Envelope};

use super::Broken;

#[derive(Debug, Default)]
pub(super) struct WireCheck {
    /// The longest that the server said it reads.
    max: Option<usize>,
}

impl WireCheck {
    pub(super) fn received(&mut self, text: &str) {
        if let Ok(envelope) = Envelope::decode(text)
            && envelope.kind == "connected"
        {
            self.max = Some(MAX_MESSAGE_BYTES);
        }
    }

    pub(super) fn sent(&mut self, text: &str) -> Broken {
        let max = self.max.unwrap_or(MAX_MESSAGE_BYTES);
        if text.len() > max {
            return Err(format!("a message of {} bytes; the limit is {max}", text.len()));
        }
        let envelope = Envelope::decode(text).map_err(|e| format!("not a message: {e}: {text}"))?;
        if envelope.channel == Channel::Unknown {
            return Err(format!("an unknown channel: {text}"));
        }
        if envelope.seq.is_some() || envelope.re.is_some() {
            return Err(format!("seq and re are the server's: {text}"));
        }
        if envelope.key.is_some() && envelope.id.is_none() {
            return Err(format!("a key without an id: {text}"));
        }
        if envelope.timestamp == 0 {
            return Err(format!("no timestamp: {text}"));
        }
        Ok(())
    }
}
