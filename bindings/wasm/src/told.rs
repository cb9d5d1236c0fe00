//! An event as it crosses: its number, up to six texts, up to four numbers. `npm/src/events.ts` is the other half.

use castline::Event;

use crate::crossing;
use crate::numbers::tell::EVENT;

pub(crate) fn tell(event: Event) {
    let mut t: [&str; 6] = [""; 6];
    let mut n = [0.0; 4];
    let kind = match &event {
        Event::StateChanged { state, previous, cause, code, retry_in } => {
            t[..3].copy_from_slice(&[state.as_str(), previous.as_str(), cause.as_str()]);
            n[..2].copy_from_slice(&[f64::from(*code), *retry_in as f64]);
            1
        }
        Event::TokenNeeded => 2,
        Event::SessionLost => 3,
        Event::Dropped { what, count } => {
            t[0] = what.as_str();
            n[0] = *count as f64;
            4
        }
        Event::OfferReady { offer } => {
            t = [
                &offer.offer_id,
                &offer.campaign_id,
                &offer.title,
                &offer.image_url,
                &offer.placement,
                &offer.data,
            ];
            n[..2].copy_from_slice(&[offer.discount, offer.expires_at as f64]);
            5
        }
        Event::NoOffer { placement } => {
            t[0] = placement;
            6
        }
        Event::OfferExpired { offer_id } => {
            t[0] = offer_id;
            7
        }
        Event::FlagsChanged { version } => {
            t[0] = version;
            8
        }
        Event::RequestCompleted { request, idempotency_key, kind, payload } => {
            t[..3].copy_from_slice(&[idempotency_key, kind, payload]);
            n[0] = request.0 as f64;
            9
        }
        Event::RequestFailed { request, idempotency_key, code, code_text, message, retry_after } => {
            // The server's word where this version does not know it.
            let word = if *code == castline::protocol::Code::Unknown { code_text } else { code.as_str() };
            t[..3].copy_from_slice(&[idempotency_key, word, message]);
            n[..2].copy_from_slice(&[request.0 as f64, *retry_after as f64]);
            10
        }
        Event::RoomChanged { game_id, change, user_id, player_count, code } => {
            t[..4].copy_from_slice(&[game_id, change.as_str(), user_id, code.map_or("", |c| c.as_str())]);
            n[0] = *player_count as f64;
            11
        }
        Event::RoomMessage { game_id, from, event, data } => {
            t[..4].copy_from_slice(&[game_id, from, event, data]);
            12
        }
        Event::RoomGap { game_id, missing } => {
            t[0] = game_id;
            n[0] = *missing as f64;
            13
        }
        Event::BetSettled {
            idempotency_key,
            outcome,
            payout,
            balance,
            roll,
            sides,
            server_seed,
            server_seed_hash,
            client_seed,
        } => {
            t[..5].copy_from_slice(&[
                idempotency_key,
                outcome.as_str(),
                server_seed,
                server_seed_hash,
                client_seed,
            ]);
            n = [*payout as f64, *balance as f64, *roll as f64, *sides as f64];
            14
        }
        Event::Message { channel, kind, payload } => {
            t[..3].copy_from_slice(&[channel.as_str(), kind, payload]);
            15
        }
        // A kind that this face does not know yet.
        _ => return,
    };
    crossing::tell(EVENT + kind, &t, &n);
}
