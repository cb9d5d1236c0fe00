//! Channel `offers` and `POST /offers/claim` (`PROTOCOL.md`, section 7).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::protocol::limits::LEASE_MS;

/// C→S: a natural break in play; for `lease_ms` an offer may appear.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadyForOffer {
    /// Where the player is: `level_completed`, `shop_opened`, …
    pub placement: String,
    /// Flat JSON that the game adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Box<RawValue>>,
    /// How long the break lasts at most, 1,000 to 60,000 ms.
    #[serde(default = "lease_ms")]
    pub lease_ms: u64,
    /// How many offers at most, 1 to 5.
    #[serde(default = "one")]
    pub max: u32,
}

fn lease_ms() -> u64 {
    LEASE_MS
}
fn one() -> u32 {
    1
}

/// S→C, reply to `ready_for_offer`: how many offers follow now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Offers that follow this message.
    pub pending: u32,
}

/// C→S: the break is over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotReady {}

/// S→C, durable: an offer. Also an element of the claim's answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewOffer {
    /// Names this offer to this player; surfaces once.
    pub offer_id: String,
    /// The campaign that it comes from.
    #[serde(default)]
    pub campaign_id: String,
    /// The headline.
    #[serde(default)]
    pub title: String,
    /// Per cent.
    #[serde(default)]
    pub discount: f64,
    /// Seconds until the expiry, as of sending; for plain clients.
    #[serde(default)]
    pub expires_in: i64,
    /// Server time of the expiry, Unix ms; this decides.
    pub expires_at: i64,
    /// `https`, or empty.
    #[serde(default)]
    pub image_url: String,
    /// Whatever the campaign added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
}

/// Body of `POST /offers/claim`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claim {
    /// The install's id.
    pub device: String,
    /// As in `ready_for_offer`.
    pub placement: String,
    /// As in `ready_for_offer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Box<RawValue>>,
}

/// Answer of `POST /offers/claim`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClaimAnswer {
    /// At most one, at this version.
    pub offers: Vec<NewOffer>,
}
