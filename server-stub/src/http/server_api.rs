//! `/server/v1/*`: what the game's backend says, on the operators' address, behind an API key. The admin key opens nothing here.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{post, put};
use castline::protocol::Code;

use super::admin::bans::player;
use super::admin::flags::traits_of;
use super::admin::{answer, done};
use super::form::{Body, Name, json};
use super::problem::Problem;
use super::routes::Routes;
use super::{App, Peer, bearer_token};
use crate::engine::{ApiKey, NewBan, Payment, Push, Scope};
use crate::store::audit::Author;

pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/server/v1/players/{player}/offers", post(push))
        .route("/server/v1/players/{player}/traits", put(traits))
        .route("/server/v1/players/{player}/revenue", post(revenue))
        .route("/server/v1/players/{player}/ban", put(ban).delete(unban))
}

/// Lets the request pass with a good key. Ten wrong ones a minute lock the address, for backends alone.
pub(super) async fn check_key(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if !app.wrong_api_keys.would_give(&peer.address, Instant::now()) {
        return Err(Problem::rate_limited("wrong API keys from this address", 6_000));
    }
    let given = bearer_token(request.headers());
    let Some(key) = given.and_then(|given| app.engine.api_key(given)) else {
        if given.is_some() {
            let _ = app.wrong_api_keys.take(peer.address, Instant::now());
        }
        let detail = "the API key is missing, wrong or revoked";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "INVALID_TOKEN", detail));
    };
    let author = Author { who: format!("api-key:{}", key.name), address: peer.address.to_string() };
    request.extensions_mut().insert(Holder { key, author });
    Ok(next.run(request).await)
}

/// Whose key it is.
#[derive(Clone)]
struct Holder {
    key: Arc<ApiKey>,
    author: Author,
}

impl Holder {
    /// The author, if the key is good for this.
    fn with(self, scope: Scope) -> Result<Author, Problem> {
        if self.key.may(scope) {
            return Ok(self.author);
        }
        let detail =
            format!("the API key {:?} lacks the scope {}", self.key.name, castline::protocol::encode(&scope));
        Err(Problem::new(StatusCode::FORBIDDEN, Code::Forbidden.as_str(), detail))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Holder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Holder, Problem> {
        parts.extensions.get::<Holder>().cloned().ok_or_else(|| {
            tracing::error!("a request came by a way that asks for no key");
            Problem::new(
                StatusCode::UNAUTHORIZED,
                "INVALID_TOKEN",
                "the API key is missing, wrong or revoked",
            )
        })
    }
}

async fn push(
    State(app): State<Arc<App>>,
    holder: Holder,
    headers: HeaderMap,
    path: Name,
    body: Body,
) -> Result<Response, Problem> {
    let (author, player) = (holder.with(Scope::Offers)?, player(path)?);
    let push: Push = json(&headers, body)?;
    Ok(answer(&app.engine.push_offer(&player, push, author).await?))
}

async fn traits(
    State(app): State<Arc<App>>,
    holder: Holder,
    headers: HeaderMap,
    path: Name,
    body: Body,
) -> Result<Response, Problem> {
    let (author, player) = (holder.with(Scope::Traits)?, player(path)?);
    app.engine.put_traits(&player, traits_of(json(&headers, body)?)?, author).await?;
    Ok(done())
}

async fn revenue(
    State(app): State<Arc<App>>,
    holder: Holder,
    headers: HeaderMap,
    path: Name,
    body: Body,
) -> Result<Response, Problem> {
    let (author, player) = (holder.with(Scope::Revenue)?, player(path)?);
    let payment: Payment = json(&headers, body)?;
    Ok(answer(&app.engine.record_revenue(&player, payment, author).await?))
}

async fn ban(
    State(app): State<Arc<App>>,
    holder: Holder,
    headers: HeaderMap,
    path: Name,
    body: Body,
) -> Result<Response, Problem> {
    let (author, player) = (holder.with(Scope::Bans)?, player(path)?);
    let ban: NewBan = json(&headers, body)?;
    app.engine.ban(&player, ban, author).await?;
    Ok(done())
}

async fn unban(State(app): State<Arc<App>>, holder: Holder, path: Name) -> Result<Response, Problem> {
    let author = holder.with(Scope::Bans)?;
    app.engine.unban(&player(path)?, author).await?;
    Ok(done())
}
