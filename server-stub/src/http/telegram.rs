//! `POST /auth/telegram`: a token for whom Telegram names. What was sent is in no answer and in no log.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use castline::protocol::Code;

use super::players::token_for;
use super::problem::Problem;
use super::{App, Peer};
use crate::engine::{BadInitData, BadToken};

/// `Authorization: tma <initData>` → `{token, expiresAt}`.
pub(super) async fn auth(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    app.engine
        .http_rates()
        .telegram
        .take(peer.address, Instant::now())
        .map_err(|wait| Problem::rate_limited("logins over Telegram from this address", wait))?;
    let init_data = init_data(&headers)?;
    let Some(player) = app.engine.telegram_player(init_data) else {
        let detail = "this server is not configured for Telegram";
        return Err(Problem::new(StatusCode::NOT_FOUND, Code::NotFound.as_str(), detail));
    };
    let player = player?;
    if app.engine.is_banned(&player) {
        return Err(BadToken::Banned.into());
    }
    token_for(&app, &player)
}

/// One header of the scheme `tma`; two could be read in two ways.
fn init_data(headers: &HeaderMap) -> Result<&str, Problem> {
    let form = || refused("authorization", BadToken::Invalid, "one header `tma <initData>` is needed");
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else { return Err(form()) };
    let (scheme, init_data) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(form)?;
    if scheme.eq_ignore_ascii_case("tma") { Ok(init_data.trim()) } else { Err(form()) }
}

fn refused(field: &str, bad: BadToken, why: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, bad.as_str(), format!("{field}: {why}")).on(field)
}

/// All of it is 401: a client has no other word of Telegram's to try.
impl From<BadInitData> for Problem {
    fn from(bad: BadInitData) -> Self {
        refused(bad.field, if bad.expired { BadToken::Expired } else { BadToken::Invalid }, bad.why)
    }
}
