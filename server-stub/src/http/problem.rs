//! Errors over HTTP: `application/problem+json` (RFC 9457) with a member `code`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use castline::protocol::{Code, encode};
use serde::Serialize;

use crate::engine::flags::{Refused, Wrong};
use crate::engine::{BadToken, Failure};

/// An error answer.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retry_after_ms: Option<u64>,
    field: Option<String>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Problem {
        Problem { status, code, detail: detail.into(), retry_after_ms: None, field: None }
    }

    /// 400 for one member, parameter or header, which it names.
    pub(crate) fn at(field: impl Into<String>, detail: impl Into<String>) -> Problem {
        let (field, detail) = (field.into(), detail.into());
        Problem { field: Some(field.clone()), ..Problem::invalid(format!("{field}: {detail}")) }
    }

    /// Names the member, parameter or header that it is about.
    pub(crate) fn on(self, field: impl Into<String>) -> Problem {
        Problem { field: Some(field.into()), ..self }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    #[cfg(test)]
    pub(crate) fn names_a_field(&self) -> bool {
        self.field.as_ref().is_some_and(|field| !field.is_empty())
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, Code::InvalidPayload.as_str(), detail)
    }

    pub(crate) fn rate_limited(what: &str, wait_ms: u64) -> Problem {
        Failure::rate_limited(what, wait_ms).into()
    }
}

impl From<BadToken> for Problem {
    fn from(bad: BadToken) -> Self {
        let detail = match bad {
            BadToken::Expired => "the token has expired",
            BadToken::Invalid => "the token is missing or not valid",
            BadToken::Banned => return banned(),
            BadToken::UnknownKey => "the token's kid names a key that is not in use, or not any more",
        };
        Problem::new(StatusCode::UNAUTHORIZED, bad.as_str(), detail)
    }
}

fn banned() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, BadToken::Banned.as_str(), "this player may not play")
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Fenced => {
                Problem::new(StatusCode::CONFLICT, Code::Internal.as_str(), "the session has moved on")
            }
            Failure::Banned => banned(),
            Failure::Error { code, message, retry_after_ms, field } => {
                let status = match Code::parse(code) {
                    Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
                    Code::Forbidden => StatusCode::FORBIDDEN,
                    Code::NotFound => StatusCode::NOT_FOUND,
                    Code::IdempotencyMismatch => StatusCode::CONFLICT,
                    Code::MessageTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                    Code::Internal if retry_after_ms.is_some() => StatusCode::SERVICE_UNAVAILABLE,
                    Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
                    _ => StatusCode::BAD_REQUEST,
                };
                let field = field.map(str::to_owned);
                Problem { retry_after_ms, field, ..Problem::new(status, code, message) }
            }
        }
    }
}

impl From<Wrong> for Problem {
    fn from(wrong: Wrong) -> Self {
        Problem::at(wrong.field, wrong.detail)
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Wrong(wrong) => wrong.into(),
            Refused::NotFound(what) => Problem::new(StatusCode::NOT_FOUND, Code::NotFound.as_str(), what),
            Refused::Failure(failure) => failure.into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body<'a> {
            title: &'a str,
            status: u16,
            code: &'a str,
            detail: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            field: Option<&'a str>,
        }
        let title = self.status.canonical_reason().unwrap_or("Error");
        let (status, field) = (self.status.as_u16(), self.field.as_deref());
        let body = encode(&Body { title, status, code: self.code, detail: &self.detail, field });
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(ms) = self.retry_after_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
