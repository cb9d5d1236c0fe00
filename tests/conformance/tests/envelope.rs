//! `envelope.json`: texts as they come from a socket.

use castline::protocol::{Envelope, EnvelopeError};
use castline_conformance::{Nothing, load};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    text: String,
    error: Option<String>,
    expected: Option<Expected>,
}

#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    channel: String,
    #[serde(rename = "type")]
    kind: String,
    payload: String,
    timestamp: i64,
    id: Option<String>,
    re: Option<String>,
    key: Option<String>,
    seq: Option<u64>,
    ack: Option<u64>,
}

fn fields(envelope: &Envelope<'_>) -> Expected {
    let owned = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(str::to_owned);
    Expected {
        channel: envelope.channel.as_str().to_owned(),
        kind: envelope.kind.to_string(),
        payload: envelope.payload.to_string(),
        timestamp: envelope.timestamp,
        id: owned(&envelope.id),
        re: owned(&envelope.re),
        key: owned(&envelope.key),
        seq: envelope.seq,
        ack: envelope.ack,
    }
}

#[test]
fn texts_and_messages() {
    for case in load::<Case, Nothing>("envelope.json").cases {
        let Case { name, text, error, expected } = case;
        let decoded = match Envelope::decode(&text) {
            Ok(envelope) => Ok(envelope),
            Err(EnvelopeError::TooLarge { .. }) => Err("tooLarge"),
            Err(EnvelopeError::TooDeep) => Err("tooDeep"),
            Err(EnvelopeError::Invalid(_)) => Err("invalid"),
            Err(other) => panic!("{name}: {other}"),
        };
        match (decoded, expected) {
            (Ok(envelope), Some(expected)) => {
                assert_eq!(fields(&envelope), expected, "{name}");
                // What was read can be written, and is read as the same again.
                let again = envelope.encode();
                if expected.channel != "unknown" && again.len() <= 16_384 {
                    assert_eq!(fields(&Envelope::decode(&again).unwrap()), expected, "{name}: {again}");
                }
            }
            (Err(class), None) => assert_eq!(Some(class), error.as_deref(), "{name}"),
            (Ok(envelope), None) => panic!("{name}: read as {envelope:?}, expected {error:?}"),
            (Err(class), Some(_)) => panic!("{name}: {class}"),
        }
    }
}
