//! An event of the Rust crate as C sees it: the same fields, each text with a NUL behind it, all of it owned by the client until the
//! next poll.

use std::ffi::c_char;

use sdk::{Event, Offer};

use crate::types::*;
use crate::words::{castline_code, castline_event_kind};

/// The event that is lent to the game, and the texts that it points into.
#[derive(Debug)]
pub(crate) struct Lent {
    event: castline_event,
    texts: Vec<String>,
}

// SAFETY: the pointers in `event` lead into `texts` or to a static; nothing here belongs to a thread.
unsafe impl Send for Lent {}

const EMPTY: castline_str = castline_str { ptr: c"".as_ptr(), len: 0 };

impl Lent {
    pub(crate) const fn new() -> Self {
        let body = castline_event_body { no_offer: castline_no_offer { placement: EMPTY } };
        Lent { event: castline_event { kind: 0, body }, texts: Vec::new() }
    }

    /// Lends an event in place of the one before. `None`: a kind that this header has no word for.
    pub(crate) fn put(&mut self, event: Event) -> Option<*const castline_event> {
        self.texts.clear();
        let (kind, body) = self.convert(event)?;
        self.event = castline_event { kind: kind as u32, body };
        Some(&raw const self.event)
    }

    /// A text that stays until the next event. Its bytes do not move when `texts` grows.
    fn keep(&mut self, mut text: String) -> castline_str {
        if text.is_empty() {
            return EMPTY;
        }
        let len = text.len();
        text.push('\0');
        let ptr = text.as_ptr().cast::<c_char>();
        self.texts.push(text);
        castline_str { ptr, len }
    }

    fn convert(&mut self, event: Event) -> Option<(castline_event_kind, castline_event_body)> {
        use castline_event_kind::*;
        let none = castline_event_body { no_offer: castline_no_offer { placement: EMPTY } };
        Some(match event {
            Event::StateChanged { state, previous, cause, code, retry_in } => {
                let (state, previous, cause) = (state as u32, previous as u32, cause as u32);
                let state_changed = castline_state_changed {
                    state,
                    previous,
                    cause,
                    code: code.into(),
                    retry_in_ms: retry_in,
                };
                (CASTLINE_EVENT_STATE_CHANGED, castline_event_body { state_changed })
            }
            Event::TokenNeeded => (CASTLINE_EVENT_TOKEN_NEEDED, none),
            Event::SessionLost => (CASTLINE_EVENT_SESSION_LOST, none),
            Event::Dropped { what, count } => {
                let dropped = castline_dropped { what: what as u32, count };
                (CASTLINE_EVENT_DROPPED, castline_event_body { dropped })
            }
            Event::OfferReady { offer } => {
                (CASTLINE_EVENT_OFFER_READY, castline_event_body { offer_ready: self.offer(offer) })
            }
            Event::NoOffer { placement } => {
                let no_offer = castline_no_offer { placement: self.keep(placement) };
                (CASTLINE_EVENT_NO_OFFER, castline_event_body { no_offer })
            }
            Event::OfferExpired { offer_id } => {
                let offer_expired = castline_offer_expired { offer_id: self.keep(offer_id) };
                (CASTLINE_EVENT_OFFER_EXPIRED, castline_event_body { offer_expired })
            }
            Event::FlagsChanged { version } => {
                let flags_changed = castline_flags_changed { version: self.keep(version) };
                (CASTLINE_EVENT_FLAGS_CHANGED, castline_event_body { flags_changed })
            }
            Event::RequestCompleted { request, idempotency_key, kind, payload } => {
                let request_completed = castline_request_completed {
                    request: request.0,
                    idempotency_key: self.keep(idempotency_key),
                    r#type: self.keep(kind),
                    payload: self.keep(payload),
                };
                (CASTLINE_EVENT_REQUEST_COMPLETED, castline_event_body { request_completed })
            }
            Event::RequestFailed { request, idempotency_key, code, code_text, message, retry_after } => {
                let request_failed = castline_request_failed {
                    request: request.0,
                    retry_after_ms: retry_after,
                    idempotency_key: self.keep(idempotency_key),
                    code_text: self.keep(code_text),
                    message: self.keep(message),
                    code: code as u32,
                };
                (CASTLINE_EVENT_REQUEST_FAILED, castline_event_body { request_failed })
            }
            Event::RoomChanged { game_id, change, user_id, player_count, code } => {
                let room_changed = castline_room_changed {
                    game_id: self.keep(game_id),
                    user_id: self.keep(user_id),
                    change: change as u32,
                    player_count,
                    code: code.map_or(castline_code::CASTLINE_CODE_UNKNOWN as u32, |code| code as u32),
                };
                (CASTLINE_EVENT_ROOM_CHANGED, castline_event_body { room_changed })
            }
            Event::RoomMessage { game_id, from, event, data } => {
                let room_message = castline_room_message {
                    game_id: self.keep(game_id),
                    from: self.keep(from),
                    event: self.keep(event),
                    data: self.keep(data),
                };
                (CASTLINE_EVENT_ROOM_MESSAGE, castline_event_body { room_message })
            }
            Event::RoomGap { game_id, missing } => {
                let room_gap = castline_room_gap { game_id: self.keep(game_id), missing };
                (CASTLINE_EVENT_ROOM_GAP, castline_event_body { room_gap })
            }
            settled @ Event::BetSettled { .. } => {
                (CASTLINE_EVENT_BET_SETTLED, castline_event_body { bet_settled: self.bet(settled)? })
            }
            Event::Message { channel, kind, payload } => {
                let message = castline_message {
                    r#type: self.keep(kind),
                    payload: self.keep(payload),
                    channel: channel as u32,
                };
                (CASTLINE_EVENT_MESSAGE, castline_event_body { message })
            }
            _ => return None,
        })
    }

    fn offer(&mut self, offer: Offer) -> castline_offer {
        castline_offer {
            offer_id: self.keep(offer.offer_id),
            campaign_id: self.keep(offer.campaign_id),
            title: self.keep(offer.title),
            image_url: self.keep(offer.image_url),
            placement: self.keep(offer.placement),
            data: self.keep(offer.data),
            discount: offer.discount,
            expires_at_ms: offer.expires_at,
        }
    }

    fn bet(&mut self, event: Event) -> Option<castline_bet_settled> {
        let Event::BetSettled {
            idempotency_key,
            outcome,
            payout,
            balance,
            roll,
            sides,
            server_seed,
            server_seed_hash,
            client_seed,
        } = event
        else {
            return None;
        };
        Some(castline_bet_settled {
            idempotency_key: self.keep(idempotency_key),
            server_seed: self.keep(server_seed),
            server_seed_hash: self.keep(server_seed_hash),
            client_seed: self.keep(client_seed),
            payout,
            balance,
            roll,
            sides,
            outcome: outcome as u32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use castline_event_kind::*;
    use sdk::protocol::{Channel, Code};
    use sdk::{BetOutcome, Cause, Dropped, RequestId, RoomChange, State};
    use std::ffi::CStr;

    fn lend(lent: &mut Lent, event: Event) -> castline_event {
        let pointer = lent.put(event).unwrap();
        // SAFETY: just lent.
        unsafe { *pointer }
    }

    /// Both readings of a text: by its length and by its NUL.
    fn read(text: castline_str) -> String {
        // SAFETY: the event that it came from is still lent.
        let (by_len, by_nul) = unsafe {
            (std::slice::from_raw_parts(text.ptr.cast::<u8>(), text.len), CStr::from_ptr(text.ptr).to_bytes())
        };
        assert_eq!(by_len, by_nul);
        String::from_utf8(by_len.to_vec()).unwrap()
    }

    #[test]
    fn every_field_arrives() {
        let mut lent = Lent::new();
        let s = |text: &str| text.to_owned();

        let event = lend(
            &mut lent,
            Event::StateChanged {
                state: State::Waiting,
                previous: State::Online,
                cause: Cause::Network,
                code: 1006,
                retry_in: 700,
            },
        );
        assert_eq!(event.kind, CASTLINE_EVENT_STATE_CHANGED as u32);
        // SAFETY: here and below, the member that the kind names.
        let body = unsafe { event.body.state_changed };
        assert_eq!(
            (body.state, body.previous, body.cause, body.code, body.retry_in_ms),
            (3, 2, 1, 1006, 700)
        );

        let event = lend(&mut lent, Event::Dropped { what: Dropped::Backlog, count: 9 });
        // SAFETY: as above.
        let body = unsafe { event.body.dropped };
        assert_eq!((event.kind, body.what, body.count), (4, 3, 9));

        let event = lend(
            &mut lent,
            Event::RequestCompleted {
                request: RequestId(8),
                idempotency_key: s("k"),
                kind: s("bet_acknowledged"),
                payload: s("{\"a\":1}"),
            },
        );
        // SAFETY: as above.
        let body = unsafe { event.body.request_completed };
        assert_eq!((event.kind, body.request), (9, 8));
        assert_eq!(
            [body.idempotency_key, body.r#type, body.payload].map(read),
            ["k", "bet_acknowledged", "{\"a\":1}"]
        );

        let event = lend(
            &mut lent,
            Event::RequestFailed {
                request: RequestId(3),
                idempotency_key: s(""),
                code: Code::NotSent,
                code_text: s("NOT_SENT"),
                message: s("too late — é"),
                retry_after: 5,
            },
        );
        // SAFETY: as above.
        let body = unsafe { event.body.request_failed };
        assert_eq!((event.kind, body.request, body.retry_after_ms, body.code), (10, 3, 5, 100));
        assert_eq!(
            [body.idempotency_key, body.code_text, body.message].map(read),
            ["", "NOT_SENT", "too late — é"]
        );

        let event = lend(
            &mut lent,
            Event::RoomChanged {
                game_id: s("g"),
                change: RoomChange::JoinFailed,
                user_id: s(""),
                player_count: 4,
                code: Some(Code::RoomFull),
            },
        );
        // SAFETY: as above.
        let body = unsafe { event.body.room_changed };
        assert_eq!((event.kind, body.change, body.player_count, body.code), (11, 2, 4, 10));
        assert_eq!([body.game_id, body.user_id].map(read), ["g", ""]);

        let message = Event::RoomMessage { game_id: s("g"), from: s("bob"), event: s("roll"), data: s("{}") };
        let event = lend(&mut lent, message);
        // SAFETY: as above.
        let body = unsafe { event.body.room_message };
        assert_eq!([body.game_id, body.from, body.event, body.data].map(read), ["g", "bob", "roll", "{}"]);

        let event = lend(&mut lent, Event::RoomGap { game_id: s("g"), missing: 12 });
        // SAFETY: as above.
        let body = unsafe { event.body.room_gap };
        assert_eq!((event.kind, read(body.game_id).as_str(), body.missing), (13, "g", 12));

        let event = lend(
            &mut lent,
            Event::BetSettled {
                idempotency_key: s("key"),
                outcome: BetOutcome::Void,
                payout: 1,
                balance: 2,
                roll: 3,
                sides: 4,
                server_seed: s("seed"),
                server_seed_hash: s("hash"),
                client_seed: s("mine"),
            },
        );
        // SAFETY: as above.
        let body = unsafe { event.body.bet_settled };
        assert_eq!((event.kind, body.outcome), (14, 3));
        assert_eq!((body.payout, body.balance, body.roll, body.sides), (1, 2, 3, 4));
        assert_eq!(
            [body.idempotency_key, body.server_seed, body.server_seed_hash, body.client_seed].map(read),
            ["key", "seed", "hash", "mine"]
        );

        let event = lend(
            &mut lent,
            Event::Message { channel: Channel::Social, kind: s("chat_message"), payload: s("{}") },
        );
        // SAFETY: as above.
        let body = unsafe { event.body.message };
        assert_eq!((event.kind, body.channel), (15, 3));
        assert_eq!([body.r#type, body.payload].map(read), ["chat_message", "{}"]);
    }

    #[test]
    fn a_text_with_a_nul_inside_keeps_its_length() {
        let mut lent = Lent::new();
        let event = lend(&mut lent, Event::NoOffer { placement: "a\0b".to_owned() });
        // SAFETY: the member that the kind names; the bytes are lent, one NUL behind them included.
        let (text, bytes) = unsafe {
            let text = event.body.no_offer.placement;
            (text, std::slice::from_raw_parts(text.ptr.cast::<u8>(), text.len + 1))
        };
        assert_eq!((text.len, bytes), (3, b"a\0b\0".as_slice()));
    }
}
