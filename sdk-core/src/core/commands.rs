//! The game's calls. Their arguments were checked by [`Command::check`] at the call.

use crate::command::{Command, Secret};
use crate::event::{Cause, State};
use crate::io::Output;
use crate::protocol::{CloseCode, Code};
use crate::rooms::bets::Placed;
use crate::session::link::{Halt, Phase};
use crate::session::requests::Owner;
use crate::session::timers::Timers;

use super::Core;

impl Core {
    pub(super) fn on_command(&mut self, command: &Command) {
        match command {
            Command::Ready { placement, context, lease_ms } => {
                self.ready(placement, context.clone(), *lease_ms)
            }
            Command::NotReady { withdrawn } => self.not_ready(withdrawn),
            Command::OfferResult { offer_id, outcome } => self.offer_result(offer_id, *outcome),
            Command::Request { request, channel, kind, payload, timeout_ms, key } => {
                let (owner, deadline) = (Owner::Game(*request), self.clock.t() + timeout_ms);
                self.requests.add(owner, *channel, kind, payload.clone(), deadline, key.clone());
            }
            Command::Send { channel, kind, payload } => self.send(*channel, kind, payload),
            Command::Track { name, props } => self.track(name, props),
            Command::SetToken(token) => self.set_token(token.as_ref().map(|Secret(text)| text)),
            Command::SetAttributes(json) => self.flag_fetch.on_attributes(self.clock.t(), json),
            Command::Reconnect => self.reconnect_now(),
            Command::Close => self.close(),
            Command::Join { game_id } => self.join(game_id),
            Command::Leave { game_id } => self.leave(game_id),
            Command::RoomSend { game_id, event, data } => self.room_send(game_id, event, data),
            Command::PlaceBet { request, game_id, amount, selection, client_seed, key } => {
                let placed = Placed {
                    client_seed: client_seed.clone().unwrap_or_else(|| self.rng.id()),
                    key: key.clone().unwrap_or_else(|| self.rng.id()),
                    game_id: game_id.clone(),
                    amount: *amount,
                    selection: selection.clone(),
                    renewals: 0,
                };
                self.place_bet(*request, placed);
            }
        }
    }

    /// `close`: every open answer is given, what must not be lost is sent or saved, and nothing comes after.
    fn close(&mut self) {
        self.end_break();
        self.flush_now();
        if self.link.is_online() {
            self.send_batches();
            self.write_requests();
            self.send_ack();
        }
        self.fail_all(Code::Closed, "the client was closed");
        if let Some(socket) = self.link.socket() {
            self.out.push(Output::CloseSocket { socket, code: CloseCode::NORMAL });
        }
        self.link.phase = Phase::Idle;
        self.link.halt = Some(Halt::new(State::Closed, Cause::Closed, 0));
        self.timers = Timers::default();
        self.save_all();
        self.tell_state();
    }
}
