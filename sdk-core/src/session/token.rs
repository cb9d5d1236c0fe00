//! The token: asked for once at a time, kept while it is good, asked for again with back-off (`PROTOCOL.md`, section 3).

use super::backoff;
use crate::io::{HttpId, TokenId};
use crate::protocol::is_player_id;
use crate::protocol::json::Members;

/// A token is used up to this long before its end.
const MARGIN_MS: u64 = 30_000;
/// The server accepts a token of at most this age, whatever `exp` says.
const MAX_AGE_MS: u64 = 300_000;

/// Whom the question went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The game's provider.
    Game(TokenId),
    /// `POST /auth/telegram`.
    Telegram(HttpId),
}

/// What the SDK knows of the token. `Debug` is left out on purpose: it holds a secret.
#[derive(Default)]
pub(crate) struct Tokens {
    current: Option<Token>,
    asked: Option<Asked>,
    failures: u32,
    /// Refusals by the server in a row.
    pub(crate) refusals: u32,
    tickets: u64,
}

struct Token {
    text: String,
    player: Option<String>,
    good_until: u64,
    /// It just came: good for one attempt even if its life is shorter than the margin.
    fresh: bool,
}

impl Tokens {
    /// Takes a token in hand.
    pub(crate) fn put(&mut self, text: String, t: u64) {
        // What is no JWT has no claims.
        let json = claims(&text).unwrap_or_else(|| "{}".to_owned());
        let mut claims = Members::of(&json);
        let (sub, user_id): (Option<String>, Option<String>) = (claims.maybe("sub"), claims.maybe("userId"));
        let (iat, exp): (Option<f64>, Option<f64>) = (claims.maybe("iat"), claims.maybe("exp"));
        let (mut player, mut life) = (None, MAX_AGE_MS);
        if claims.wrong().is_none() {
            player = sub.or(user_id).filter(|player| is_player_id(player));
            if let (Some(iat), Some(exp)) = (iat, exp) {
                // What is below nothing is nothing.
                life = life.min(((exp - iat) * 1000.0) as u64);
            }
        }
        let good_until = t.saturating_add(life.saturating_sub(MARGIN_MS));
        self.current = Some(Token { text, player, good_until, fresh: true });
        self.asked = None;
        self.failures = 0;
    }

    /// The provider had none. Returns how long to wait before it is asked again.
    pub(crate) fn none_to_be_had(&mut self, unit: f64) -> u64 {
        self.asked = None;
        let wait = backoff::delay(self.failures, unit);
        self.failures = self.failures.saturating_add(1);
        wait
    }

    /// The server refused the token: it is not used again.
    pub(crate) fn refused(&mut self) {
        self.current = None;
        self.refusals += 1;
    }

    /// An HTTP request was refused over the token. It is not used for anything new; an attempt that is under way with it goes on.
    pub(crate) fn outlived(&mut self) {
        if let Some(token) = &mut self.current {
            token.fresh = false;
            token.good_until = 0;
        }
    }

    /// A token that is good now.
    pub(crate) fn usable(&self, t: u64) -> Option<&str> {
        self.current.as_ref().filter(|token| token.fresh || t < token.good_until).map(|token| &*token.text)
    }

    /// The token in hand, good or not: the attempt that it was taken for is under way.
    pub(crate) fn in_hand(&self) -> Option<&str> {
        self.current.as_ref().map(|token| &*token.text)
    }

    /// The token was used for an attempt to connect; from now on its age counts.
    pub(crate) fn spent(&mut self) {
        if let Some(token) = &mut self.current {
            token.fresh = false;
        }
    }

    /// The player that the token in hand names. Not verified: the server does that.
    pub(crate) fn player(&self) -> Option<&str> {
        self.current.as_ref().and_then(|token| token.player.as_deref())
    }

    pub(crate) fn asked(&self) -> Option<Asked> {
        self.asked
    }

    pub(crate) fn next_ticket(&mut self) -> TokenId {
        self.tickets += 1;
        TokenId(self.tickets)
    }

    pub(crate) fn ask(&mut self, whom: Asked) {
        self.asked = Some(whom);
    }
}

/// The claims as JSON, without verifying them; `None` for what is no JWT.
fn claims(token: &str) -> Option<String> {
    let body = token.as_bytes().split(|byte| *byte == b'.').nth(1)?;
    String::from_utf8(base64url(body)?).ok()
}

/// Base64 in the alphabet of addresses, without padding. Nothing here is secret or verified, so it may be the few lines that it is: the
/// crate that reads it in constant time is ten times the code.
fn base64url(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut bits, mut count) = (0_u32, 0);
    for &byte in text {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64ct::{Base64UrlUnpadded, Encoding};

    #[test]
    fn base64_is_read_as_the_crate_reads_it() {
        let mut rng = crate::rng::Rng::new(5);
        for length in 0..200_usize {
            let bytes: Vec<u8> = (0..length).map(|_| rng.below(256) as u8).collect();
            assert_eq!(base64url(Base64UrlUnpadded::encode_string(&bytes).as_bytes()), Some(bytes));
        }
        assert_eq!(base64url(b"a+b"), None);
        assert_eq!(base64url(b"YQ=="), None);
    }

    fn jwt(claims: &str) -> String {
        format!("e30.{}.sig", Base64UrlUnpadded::encode_string(claims.as_bytes()))
    }

    #[test]
    fn a_token_is_reused_until_half_a_minute_before_its_end() {
        let mut tokens = Tokens::default();
        tokens.put(jwt(r#"{"sub":"ann","iat":1000,"exp":1120}"#), 5_000);
        assert_eq!(tokens.player(), Some("ann"));
        tokens.spent();
        assert!(tokens.usable(5_000 + 89_999).is_some());
        assert!(tokens.usable(5_000 + 90_000).is_none());
    }

    #[test]
    fn without_exp_the_servers_window_holds_and_userid_stands_in_for_sub() {
        let mut tokens = Tokens::default();
        tokens.put(jwt(r#"{"userId":"bo","iat":1000}"#), 0);
        tokens.spent();
        assert_eq!(tokens.player(), Some("bo"));
        assert!(tokens.usable(269_999).is_some());
        assert!(tokens.usable(270_000).is_none());
    }

    #[test]
    fn a_short_lived_or_opaque_token_is_good_for_one_attempt() {
        for text in [jwt(r#"{"sub":"ann","iat":10,"exp":20}"#), "opaque".to_owned()] {
            let mut tokens = Tokens::default();
            tokens.put(text, 0);
            assert!(tokens.usable(1_000_000).is_some());
            tokens.spent();
            assert!(tokens.usable(1_000_000).is_none());
        }
    }

    #[test]
    fn what_http_refused_is_used_for_nothing_new() {
        let mut tokens = Tokens::default();
        tokens.put(jwt(r#"{"sub":"ann","iat":1000,"exp":1300}"#), 0);
        tokens.outlived();
        assert!(tokens.usable(1).is_none());
        assert!(tokens.in_hand().is_some(), "an attempt under way has it still");
        assert_eq!(tokens.refusals, 0);
    }

    #[test]
    fn a_failing_provider_is_asked_ever_more_rarely() {
        let mut tokens = Tokens::default();
        let waits: Vec<u64> = (0..7).map(|_| tokens.none_to_be_had(0.5)).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 15000, 15000]);
    }
}
