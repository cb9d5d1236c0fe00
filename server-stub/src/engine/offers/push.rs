//! An offer that the game's backend gives to one player. It is its word against the campaign's rules: trigger, segments, caps, cooldown and
//! split are not asked. What holds is what must hold for everybody: the campaign is on and not over, its budget is not passed, one copy is
//! open at a time, and it is sent at a break that fits. Its life begins now.

use castline::protocol::{encode, is_key};
use serde::{Deserialize, Serialize};

use crate::engine::flags::{Refused, Wrong};
use crate::engine::{Engine, now_ms};
use crate::store::audit::{self, Author};
use crate::store::keys::{self, Key, Reply};
use crate::store::offers::NewCopy;
use crate::store::{campaigns, offers};

/// A backend's key is remembered a day, so that it may be asked again after a night's trouble.
const KEY_KEEP_MS: i64 = 86_400_000;

/// The body of `POST /server/v1/players/{player}/offers`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Push {
    /// The campaign whose offer it is.
    campaign: String,
    /// The same one again, within a day, gives no second copy.
    idempotency_key: String,
}

/// What the player gets.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pushed {
    offer_id: String,
    expires_at: i64,
}

impl Engine {
    /// Puts an offer into a player's queue, and sends it at once where a lease is open.
    pub(crate) async fn push_offer(
        &self,
        player: &str,
        push: Push,
        author: Author,
    ) -> Result<Pushed, Refused> {
        if !is_key(&push.idempotency_key) {
            let bytes = push.idempotency_key.len();
            let detail = format!("{bytes} bytes; it must be 1 to 64 without control characters");
            return Err(Wrong::new("idempotencyKey", detail).into());
        }
        let (plans, whose, now) = (self.plans.clone(), player.to_owned(), now_ms());
        // No player has a dollar in his name: a backend's keys are not among the players' own.
        let holder = format!("${}", author.who);
        let key = Key::new(&holder, &push.idempotency_key, "push", &encode(&(player, &push.campaign)));
        let key_age = now + KEY_KEEP_MS - self.settings.timers.key_keep as i64;
        let job = self.store.write(move |c| {
            Box::pin(async move {
                if let Some(reply) = keys::recorded(c, &key).await? {
                    return Ok(Ok(reply));
                }
                let plan = plans.seen_by(c).await?;
                let refused = |why: String| Ok(Err(Wrong::new("campaign", why)));
                let Some(campaign) = plan.campaign(&push.campaign) else {
                    return refused("there is no such campaign".to_owned());
                };
                let definition = &campaign.definition;
                if !definition.enabled || definition.ends_at.is_some_and(|end| end <= now) {
                    return refused("it is switched off, or over".to_owned());
                }
                let copies = offers::copies(c, &whose, now).await?;
                let copies: Vec<_> =
                    copies.into_iter().filter(|row| row.definition_id == campaign.id).collect();
                if copies.iter().any(|row| row.open > 0) {
                    return refused("the player has a copy of it that is still open".to_owned());
                }
                let day = campaign.calendar.day(now);
                let (total, today) = campaigns::spent(c, &campaign.id, &day).await?;
                let passed =
                    |limit: Option<u32>, spent: i64| limit.is_some_and(|limit| spent >= i64::from(limit));
                if passed(definition.budget.total, total) || passed(definition.budget.per_day, today) {
                    return refused("its budget is spent".to_owned());
                }
                let expires_at = now + definition.expires_in_seconds * 1000;
                let copy = NewCopy {
                    player: &whose,
                    definition_id: &campaign.id,
                    number: copies.iter().map(|row| row.number).max().unwrap_or(0) + 1,
                    session: None,
                    expires_at,
                    day: &day,
                    charged: true,
                    variant: "",
                    now,
                };
                let offer_id = offers::queue_new(c, &copy).await?;
                let pushed = Pushed { offer_id, expires_at };
                let payload = encode(&pushed);
                let reply = Reply { channel: String::new(), kind: "push".to_owned(), payload };
                keys::record(c, &key, &reply, key_age).await?;
                let after = format!(r#"{{"campaign":{},"offer":{}}}"#, encode(&campaign.id), reply.payload);
                let change = audit::Change {
                    action: "push offer",
                    subject: &whose,
                    before: None,
                    after: Some(&after),
                };
                audit::record(c, &author, change, now).await?;
                Ok(Ok(reply))
            })
        });
        let reply = job.await??;
        self.serve_player(player).await;
        serde_json::from_str(&reply.payload).map_err(|_| crate::store::StoreError::Closed.into())
    }
}
