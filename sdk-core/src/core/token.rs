//! The token's way in: from the game, from Telegram's word, and what a refusal means.

use crate::event::{Cause, State};
use crate::io::{LogLevel, Method, Output, TokenId};
use crate::protocol::{CloseCode, json};
use crate::session::link::Halt;
use crate::session::timers::Timer;
use crate::session::token::Asked;
use crate::text::join;

use super::{Core, Purpose};

/// The bound on `POST /auth/telegram`.
const TELEGRAM_TIMEOUT_MS: u32 = 10_000;

impl Core {
    /// Asks for a token, once at a time. A failing provider is asked again when `Timer::Token` is over.
    pub(super) fn want_token(&mut self) {
        if self.tokens.asked().is_some() || self.timers.get(Timer::Token).is_some() {
            return;
        }
        if let Some(init_data) = self.config.telegram_init_data.clone() {
            let headers = vec![("authorization", join(&["tma ", &init_data]))];
            let url = join(&[self.config.base_url(), "/auth/telegram"]);
            let http =
                self.http(Purpose::Telegram, Method::Post, url, headers, String::new(), TELEGRAM_TIMEOUT_MS);
            self.tokens.ask(Asked::Telegram(http));
        } else {
            let ticket = self.tokens.next_ticket();
            self.tokens.ask(Asked::Game(ticket));
            self.out.push(Output::FetchToken { ticket });
        }
    }

    pub(super) fn on_token(&mut self, ticket: TokenId, token: Option<&str>) {
        if self.tokens.asked() != Some(Asked::Game(ticket)) {
            return;
        }
        match token {
            Some(token) if crate::command::check_token(token).is_ok() => self.put_token(token.to_owned()),
            Some(_) => {
                let what = "the provider's token is not 1 to 3,072 visible ASCII characters";
                self.log(LogLevel::Error, what, "");
                self.no_token();
            }
            None => self.no_token(),
        }
    }

    /// `set_token`: answers an open question, or replaces the token for the next connection.
    pub(super) fn set_token(&mut self, token: Option<&String>) {
        match token {
            Some(token) => self.put_token(token.clone()),
            None if self.tokens.asked().is_some() => self.no_token(),
            None => {}
        }
    }

    fn put_token(&mut self, token: String) {
        self.tokens.put(token, self.clock.t());
        self.timers.stop(Timer::Token);
        if self.link.halt.is_some_and(|halt| halt.cause == Cause::Auth) {
            self.link.halt = None;
            self.tokens.refusals = 0;
        }
        self.adopt_first_player();
    }

    fn no_token(&mut self) {
        let unit = self.rng.unit();
        let wait = self.tokens.none_to_be_had(unit);
        self.timers.set(Timer::Token, Some(self.clock.t() + wait));
    }

    pub(super) fn on_telegram(&mut self, status: u16, body: &[u8]) {
        if status == 200
            && let Some(token) = json::member::<String>(body, "token")
            && crate::command::check_token(&token).is_ok()
        {
            return self.put_token(token);
        }
        self.no_token();
        // Telegram's word is refused or too old; only a new start of the Mini App brings another.
        if status == 401 || status == 403 {
            self.fail_auth();
        }
    }

    /// `auth_failed`; close 4001 follows, but on this connection nothing else is to be had.
    pub(super) fn on_auth_failed(&mut self, reason: &str) {
        self.log(LogLevel::Warn, "the server refused the token: ", reason);
        if let Some(socket) = self.link.socket() {
            self.out.push(Output::CloseSocket { socket, code: CloseCode::NORMAL });
            self.on_socket_closed(socket, CloseCode::AUTH_FAILED, None);
        }
    }

    /// The server refused the token: one fresh one, one more try.
    pub(super) fn on_token_refused(&mut self) {
        self.tokens.refused();
        if self.tokens.refusals >= 2 {
            self.fail_auth();
        } else {
            self.reconnect_after(0);
        }
    }

    fn fail_auth(&mut self) {
        self.link.halt = Some(Halt::new(State::Failed, Cause::Auth, CloseCode::AUTH_FAILED));
        self.end_break();
    }
}
