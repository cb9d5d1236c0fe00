//! `offers.json`: scripts for the gate, driven through the whole core. What the model server does by itself is in the vectors' README.

mod model;

use castline_conformance::load;
use model::{Clocks, Player};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    steps: Vec<Step>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extra {
    wall_at_zero: u64,
    player: String,
    token: String,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at: u64,
    expect: Vec<Told>,
    sent: Option<Vec<String>>,
    http: Option<Vec<String>>,
    #[serde(rename = "do")]
    action: String,
    #[serde(default)]
    placement: String,
    #[serde(default, rename = "leaseMs")]
    lease_ms: u64,
    #[serde(default, rename = "offerId")]
    offer_id: String,
    #[serde(default)]
    outcome: String,
    #[serde(default)]
    pending: u32,
    #[serde(default)]
    to: String,
    #[serde(default)]
    code: serde_json::Value,
    #[serde(default)]
    seq: u64,
    #[serde(default, rename = "expiresAt")]
    expires_at: i64,
    #[serde(default, rename = "expiresIn")]
    expires_in: i64,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    offers: Vec<serde_json::Value>,
    #[serde(default)]
    resumed: bool,
}

/// An event that the gate answers for.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
enum Told {
    OfferReady { offer_id: String, placement: String },
    NoOffer { placement: String },
    OfferExpired { offer_id: String },
}

fn act(player: &mut Player, step: &Step) {
    match &*step.action {
        "connect" => player.connect(step.resumed),
        "disconnect" => player
            .disconnect(step.code.as_u64().and_then(|code| u16::try_from(code).ok()).expect("a close code")),
        "ready" => player.ready(&step.placement, step.lease_ms),
        "notReady" => player.not_ready(),
        "result" => player.result(&step.offer_id, &step.outcome),
        "lease" => player.reply_to_ready(
            step.to == "first",
            "offers",
            "lease",
            &serde_json::json!({ "pending": step.pending }),
        ),
        "refuse" => player.reply_to_ready(
            false,
            "system",
            "error",
            &serde_json::json!({ "code": step.code, "message": "refused" }),
        ),
        "offer" => {
            let offer = serde_json::json!({
                "offerId": step.offer_id,
                "expiresAt": step.expires_at,
                "expiresIn": step.expires_in,
            });
            player.receive("offers", "new_offer", &offer, Some(step.seq), None);
        }
        "claimReply" => {
            let body = serde_json::json!({ "offers": step.offers });
            player.reply_to_claim(step.status, &body.to_string());
        }
        "wait" => {}
        "restart" => player.restart(),
        "close" => player.close(),
        other => panic!("no step {other}"),
    }
}

#[test]
fn scripts() {
    let vectors = load::<Case, Extra>("offers.json");
    let Extra { wall_at_zero, player: name, token } = vectors.extra;
    let mut failures = Vec::new();
    for case in vectors.cases {
        let mut player = Player::new(Clocks { wall_at_zero }, &name, &token);
        for (number, step) in case.steps.iter().enumerate() {
            player.advance_to(step.at);
            act(&mut player, step);
            let got = player.take();
            let same = got.told == step.expect
                && step.sent.as_ref().is_none_or(|sent| got.sent == *sent)
                && step.http.as_ref().is_none_or(|http| got.claims == *http);
            if !same {
                failures.push(format!("{}, step {number}: {step:?}\n  got {got:?}", case.name));
                break;
            }
        }
    }
    assert!(failures.is_empty(), "{} scripts differ:\n{}", failures.len(), failures.join("\n"));
}
