//! One player as an operator looks at him: what is known, what he has, and what each flag says to him. It changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use super::bans::BanView;
use super::flags::{Asker, Evaluated, Known, Traits};
use super::segments::{DAY_MS, MAX_DAYS};
use super::{Engine, Failure, now_ms};
use crate::store::lookup::{self, CopyRow, SessionRow};
use crate::store::{bans, players};

/// Copies of offers in an answer, the latest first.
const MAX_OFFERS: usize = 100;

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlayerView {
    player: String,
    /// Unix ms; `null`: never, 0: before that was kept.
    first_seen: Option<i64>,
    traits: Traits,
    /// By traits and events. What a segment asks of a break's `context` is unknown here, as if it were absent.
    segments: Vec<String>,
    ban: Option<BanView>,
    sessions: Vec<SessionView>,
    offers: Vec<OfferView>,
    more_offers: bool,
    /// For which build the flags were evaluated: the asked one, or the last session's.
    build: String,
    flags_version: String,
    /// As the player gets them with a token and without attributes.
    flags: BTreeMap<String, FlagView>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionView {
    device: String,
    build: String,
    /// A socket holds it now.
    live: bool,
    created_at: i64,
    /// Since when no socket holds it.
    detached_at: Option<i64>,
    /// Durable messages that wait to be acknowledged.
    unacknowledged: i64,
}

impl SessionView {
    fn of(row: SessionRow) -> SessionView {
        let SessionRow { device, build, created_at, detached_at, unacknowledged } = row;
        SessionView { live: detached_at.is_none(), device, build, created_at, detached_at, unacknowledged }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OfferView {
    offer_id: String,
    campaign: String,
    /// `queued`, `sent`, `received`, `closed` or `lapsed`.
    state: String,
    /// `accepted`, `declined` or `expired`.
    outcome: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    variant: String,
    created_at: i64,
    sent_at: Option<i64>,
    shown_at: Option<i64>,
    expires_at: i64,
}

impl OfferView {
    fn of(row: CopyRow) -> OfferView {
        let CopyRow {
            offer_id,
            campaign,
            state,
            outcome,
            variant,
            created_at,
            sent_at,
            shown_at,
            expires_at,
        } = row;
        OfferView { offer_id, campaign, state, outcome, variant, created_at, sent_at, shown_at, expires_at }
    }
}

#[derive(Debug, Serialize)]
struct FlagView {
    variant: String,
    value: Box<RawValue>,
    reason: &'static str,
}

impl Engine {
    /// All that is known of a player. Whoever was never seen is answered too: flags have an answer for everybody.
    pub(crate) async fn look_up(&self, player: &str, build: Option<String>) -> Result<PlayerView, Failure> {
        let now = now_ms();
        let mut tx = self.store.reader().await?;
        let mut known = Known {
            traits: players::traits(&mut tx, player).await?.into_iter().collect(),
            ..Known::default()
        };
        let from = now.div_euclid(DAY_MS) - i64::from(MAX_DAYS);
        for (name, day, count) in players::event_days(&mut tx, player, from).await? {
            known.history.entry(name).or_default().push((day, count));
        }
        let sessions = lookup::sessions(&mut tx, player).await?;
        let mut offers = lookup::offers(&mut tx, player, MAX_OFFERS + 1).await?;
        let more_offers = offers.len() > MAX_OFFERS;
        offers.truncate(MAX_OFFERS);
        let build = build.or_else(|| sessions.first().map(|s| s.build.clone())).unwrap_or_default();
        let asker = Asker {
            player: player.to_owned(),
            build,
            attributes: BTreeMap::new(),
            known: Arc::new(known),
            proven: true,
            now,
        };
        let segments = self.segments_of(&mut tx, &asker).await?;
        let ban = bans::get(&mut tx, player).await?.and_then(|row| BanView::in_force(row, now));
        let configuration = self.configuration();
        let flags = configuration.evaluate_all(&asker).map(|Evaluated { name, variant, value, reason }| {
            (name.to_owned(), FlagView { variant: variant.to_owned(), value: value.to_owned(), reason })
        });
        Ok(PlayerView {
            player: player.to_owned(),
            first_seen: lookup::first_seen(&mut tx, player).await?,
            traits: asker.known.traits.clone(),
            segments,
            ban,
            sessions: sessions.into_iter().map(SessionView::of).collect(),
            offers: offers.into_iter().map(OfferView::of).collect(),
            more_offers,
            build: asker.build.clone(),
            flags_version: configuration.version_text(),
            flags: flags.collect(),
        })
    }
}
