//! `GET /admin/pool`, the sockets as they are, and `GET /admin/pool/history?from=&to=&step=`, as they were.
//!
//! The first answers
//!
//! ```text
//! { "at": 1795236586991, "startedAt": 1795230000000, "draining": false,
//!   "connections": 812, "players": 810, "strangers": 2, "placesPerWorker": 1000,
//!   "workers": [{ "worker": 0, "connections": 812, "strangers": 2, "startedAt": 1795230000000 }],
//!   "window": { "ms": 300000, "devices": 815, "reconnected": 3, "reconnectRate": 0.0037, "opened": 40, "ended": 35,
//!               "averageTtlMs": 812000, "closes": { "1000": 30, "4009": 5 },
//!               "latencyMs": { "count": 900, "p50": 0.4, "p95": 1.9, "p99": 7.5 } },
//!   "alert": { "state": "quiet", "since": null, "above": 0.05, "below": 0.025, "minDevices": 50 } }
//! ```
//!
//! with `null` for `averageTtlMs` and `latencyMs` where there was nothing to average, `"firing"` and Unix ms in `alert` while it rings; the second
//!
//! ```text
//! { "from": 1795230000000, "to": 1795233600000, "step": 20000,
//!   "points": [{ "at": 1795230000000, "connections": { "average": 800.5, "max": 812 }, "perWorker": { "0": 800.5 }, "players": 799,
//!                "strangers": 1.5, "opened": 4, "ended": 3, "averageTtlMs": 800000, "closes": { "1000": 3 }, "sent": 90, "received": 88,
//!                "reconnectRate": { "average": 0.003, "max": 0.004 },
//!                "latencyMs": { "count": 60, "p50": 0.4, "p95": 1.9, "p99": 7.5, "worstP99": 9.1 }, "firing": false }] }
//! ```
//!
//! A step without a line (the server did not run) has no point. Close code 0 is any that the protocol does not know.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use castline::protocol::encode;
use serde::Serialize;

use super::super::App;
use super::super::form::{Parameters, parameters};
use super::super::problem::Problem;
use super::super::routes::Routes;
use crate::engine::now_ms;
use crate::store::pool::Span;

/// Points in an answer at most.
const POINTS: i64 = 1_000;
/// Points in an answer, unless asked for another step.
const USUAL: i64 = 300;
const HOUR: i64 = 3_600_000;
/// Moments and lengths: numbers that JavaScript holds.
const MOST: i64 = (1 << 53) - 1;

pub(in crate::http) fn routes() -> Routes {
    Routes::new().route("/admin/pool", get(live)).route("/admin/pool/history", get(history))
}

async fn live(State(app): State<Arc<App>>) -> Response {
    answer(encode(&app.gateway.pool_view()))
}

async fn history(State(app): State<Arc<App>>, query: Parameters) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct Page<T> {
        from: i64,
        to: i64,
        step: i64,
        points: Vec<T>,
    }
    let span =
        span(parameters(query, &["from", "to", "step"])?, now_ms(), app.settings.timers.pool_period as i64)?;
    let points = app.engine.pool_history(span).await?;
    Ok(answer(encode(&Page { from: span.from, to: span.to, step: span.step, points })))
}

fn answer(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body).into_response()
}

/// What is asked for: by default the last hour, in steps of whole periods.
fn span(pairs: BTreeMap<String, String>, now: i64, period: i64) -> Result<Span, Problem> {
    let (mut from, mut to, mut step) = (None, None, None);
    for (key, value) in pairs {
        let (place, least) = match key.as_str() {
            "from" => (&mut from, 0),
            "to" => (&mut to, 1),
            _ => (&mut step, 1),
        };
        let number = value.parse().ok().filter(|n| (least..=MOST).contains(n)).ok_or_else(|| {
            Problem::at(&key, format!("it must be a whole number of milliseconds from {least} to {MOST}"))
        })?;
        *place = Some(number);
    }
    let to = to.unwrap_or(now + 1);
    let from = from.unwrap_or((to - HOUR).max(0));
    if from >= to {
        return Err(Problem::at("from", format!("{from} is not before `to`, {to}")));
    }
    let length = to - from;
    let step = step.unwrap_or_else(|| (length + USUAL * period - 1) / (USUAL * period) * period);
    let points = (length + step - 1) / step;
    if points > POINTS {
        let detail = format!("{step} ms make {points} points of {length} ms; at most {POINTS} are given");
        return Err(Problem::at("step", detail));
    }
    Ok(Span { from, to, step })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(pairs: &[(&str, &str)]) -> Result<Span, String> {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        span(pairs, 10 * HOUR, 10_000).map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn an_hour_is_the_default_and_steps_are_whole_periods() {
        assert_eq!(ask(&[]), Ok(Span { from: 9 * HOUR + 1, to: 10 * HOUR + 1, step: 20_000 }));
        assert_eq!(ask(&[("from", "0"), ("to", "1000")]), Ok(Span { from: 0, to: 1_000, step: 10_000 }));
        let month = (30 * 24 * HOUR).to_string();
        assert_eq!(ask(&[("from", "0"), ("to", &month)]).unwrap().step, 8_640_000);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (pairs, wrong) in [
            (vec![("from", "x")], "from: it must be a whole number"),
            (vec![("from", "-1")], "from: it must be a whole number"),
            (vec![("to", "9007199254740992")], "to: it must be a whole number"),
            (vec![("step", "0")], "step: it must be a whole number of milliseconds from 1"),
            (vec![("from", "7"), ("to", "7")], "from: 7 is not before `to`, 7"),
            (vec![("from", "0"), ("to", "10001"), ("step", "10")], "step: 10 ms make 1001 points"),
        ] {
            let told = ask(&pairs).unwrap_err();
            assert!(told.starts_with(wrong), "{told}");
        }
        assert!(ask(&[("from", "0"), ("to", "10000"), ("step", "10")]).is_ok());
    }
}
