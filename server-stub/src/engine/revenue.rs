//! What the game's backend says was paid: revenue of record, each transaction once. It becomes a trait that rules ask for
//! (`$spend.USD`, the sum in minor units), and an event of the server's own (`$revenue`) that campaigns are triggered by, histories count
//! and experiments add up. A client cannot send that event.

use std::collections::BTreeMap;

use castline::protocol::{Code, is_name};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::flags::{Refused, Wrong};
use super::{Engine, Failure, now_ms};
use crate::store::audit::Author;
use crate::store::events::{NewEvent, insert as insert_event};
use crate::store::revenue::{self as table, RevenueRow};

/// The name of the event.
pub(crate) const EVENT: &str = "$revenue";
/// What one transaction may be, in minor units, and what a player's sum may be.
const MAX_AMOUNT: i64 = 1_000_000_000_000;
const MAX_SUM: i64 = 1_000_000_000_000_000;
/// Currencies of one player.
const MAX_CURRENCIES: i64 = 8;
/// A transaction is told within this time.
const MAX_AGE_MS: i64 = 90 * 86_400_000;
/// A clock that is a little fast.
const MAX_AHEAD_MS: i64 = 60_000;
/// Transactions that an operator sees.
const LATEST: i64 = 50;

/// The body of `POST /server/v1/players/{player}/revenue`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Payment {
    /// The shop's own, never used for another.
    transaction_id: String,
    /// In minor units: 499 is $4.99. A refund is negative.
    amount_minor: i64,
    /// ISO 4217.
    currency: String,
    /// Unix ms; without: now.
    #[serde(default)]
    at: Option<i64>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Recorded {
    /// It was recorded before.
    duplicate: bool,
}

/// A sum in one currency.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sum {
    amount_minor: i64,
    transactions: i64,
}

/// A transaction as operators read it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PaymentView {
    transaction_id: String,
    amount_minor: i64,
    currency: String,
    at: i64,
    recorded_at: i64,
    who: String,
}

/// What a player has paid.
#[derive(Debug, Serialize)]
pub(crate) struct Spend {
    spend: BTreeMap<String, Sum>,
    latest: Vec<PaymentView>,
}

/// Three capital letters.
pub(crate) fn check_currency(field: &str, currency: &str) -> Result<(), Wrong> {
    if currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return Ok(());
    }
    Err(Wrong::new(field, "it must be three capital letters, ISO 4217"))
}

impl Payment {
    fn check(&self, now: i64) -> Result<(), Wrong> {
        if !is_name(&self.transaction_id) {
            let bytes = self.transaction_id.len();
            let detail = format!("{bytes} bytes; it must be 1 to 128 without control characters");
            return Err(Wrong::new("transactionId", detail));
        }
        if self.amount_minor == 0 || !(-MAX_AMOUNT..=MAX_AMOUNT).contains(&self.amount_minor) {
            let detail =
                format!("{}; it must not be 0, and at most {MAX_AMOUNT} either way", self.amount_minor);
            return Err(Wrong::new("amountMinor", detail));
        }
        check_currency("currency", &self.currency)?;
        match self.at {
            Some(at) if !(now - MAX_AGE_MS..=now + MAX_AHEAD_MS).contains(&at) => {
                Err(Wrong::new("at", format!("{at}; it must be Unix ms of the last 90 days")))
            }
            _ => Ok(()),
        }
    }

    /// Whether what is recorded is this one. Who did not say when says nothing about it.
    fn is(&self, player: &str, row: &RevenueRow) -> bool {
        (row.user_id.as_str(), row.amount, row.currency.as_str())
            == (player, self.amount_minor, self.currency.as_str())
            && self.at.is_none_or(|at| at == row.at)
    }
}

/// The event of a transaction. Its amount stands under the currency's name, so that whoever asks for it cannot forget which it is.
fn event(row: &RevenueRow) -> NewEvent {
    let mut props = serde_json::Map::new();
    props.insert(row.currency.clone(), row.amount.into());
    props.insert("transaction".to_owned(), row.transaction_id.clone().into());
    let hash = hex::encode(Sha256::digest(row.transaction_id.as_bytes()));
    NewEvent {
        event_id: format!("$revenue.{}", &hash[..32]),
        name: EVENT.to_owned(),
        happened_at: row.at.min(row.recorded_at),
        props: serde_json::Value::Object(props).to_string(),
        offer_result: None,
    }
}

impl Engine {
    /// Records what a player paid. The same again changes nothing.
    pub(crate) async fn record_revenue(
        &self,
        player: &str,
        payment: Payment,
        author: Author,
    ) -> Result<Recorded, Refused> {
        let now = now_ms();
        payment.check(now)?;
        let (plans, whose) = (self.plans.clone(), player.to_owned());
        let job = self.store.write(move |c| {
            Box::pin(async move {
                if let Some(row) = table::get(c, &payment.transaction_id).await? {
                    return Ok(if payment.is(&whose, &row) { Ok(None) } else { Err(other()) });
                }
                let (count, sum) = table::currencies(c, &whose, &payment.currency).await?;
                if sum.is_none() && count >= MAX_CURRENCIES {
                    let detail =
                        format!("the player has paid in {MAX_CURRENCIES} others, which is the limit");
                    return Ok(Err(Wrong::new("currency", detail).into()));
                }
                if (sum.unwrap_or(0) + payment.amount_minor).abs() > MAX_SUM {
                    let detail = format!("with it the player's sum would pass {MAX_SUM}");
                    return Ok(Err(Wrong::new("amountMinor", detail).into()));
                }
                let row = RevenueRow {
                    transaction_id: payment.transaction_id,
                    user_id: whose,
                    amount: payment.amount_minor,
                    currency: payment.currency,
                    at: payment.at.unwrap_or(now),
                    recorded_at: now,
                    who: author.who,
                };
                table::insert(c, &row).await?;
                let event = event(&row);
                insert_event(c, &row.user_id, &event, "{}", now).await?;
                plans.note(c, &row.user_id, &event, now).await?;
                Ok(Ok(Some(())))
            })
        });
        let recorded: Result<Option<()>, Refused> = job.await?;
        let new = recorded?.is_some();
        if new {
            self.known.forget(player);
            self.serve_player(player).await;
        }
        Ok(Recorded { duplicate: !new })
    }

    /// What a player has paid.
    pub(crate) async fn spend_of(&self, player: &str) -> Result<Spend, Refused> {
        let mut reader = self.store.reader().await?;
        let sums = table::spend(&mut reader, player).await?;
        let view = |row: RevenueRow| PaymentView {
            transaction_id: row.transaction_id,
            amount_minor: row.amount,
            currency: row.currency,
            at: row.at,
            recorded_at: row.recorded_at,
            who: row.who,
        };
        Ok(Spend {
            spend: sums
                .into_iter()
                .map(|(currency, amount_minor, transactions)| (currency, Sum { amount_minor, transactions }))
                .collect(),
            latest: table::latest(&mut reader, player, LATEST).await?.into_iter().map(view).collect(),
        })
    }
}

fn other() -> Refused {
    let why = "this transactionId was recorded with another player, amount, currency or time";
    Refused::Failure(Failure::new(Code::IdempotencyMismatch, why))
}
