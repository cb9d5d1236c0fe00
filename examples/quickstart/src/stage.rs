//! What the story needs around it: the reference server in this process, what an operator would have put into it, and at the end
//! its books, read from the database file that it leaves behind.

use anyhow::{Context, Result};
use castline_server::{FlagDefinition, OfferDefinition, RunningServer, Server, Settings};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use std::path::Path;

pub(crate) const FLAG: &str = "starter_pack_price";
pub(crate) const PRICE: &str = "$1.99";
pub(crate) const FLAGS: [(&str, &str, &str); 3] = [
    // Name, the value for those outside the rollout, the value for those in it.
    (FLAG, r#""$2.99""#, r#""$1.99""#),
    ("rare_fish_bonus", "1", "3"),
    ("night_mode", "false", "true"),
];
/// Break → the offer that a campaign has for it.
pub(crate) const OFFERS: [(&str, &str, f64); 2] =
    [("level_completed", "Starter pack", 60.0), ("rare_fish", "Golden rod", 25.0)];

/// Starts the server on free loopback ports, with the flags rolled out to everybody and one offer for each break.
pub(crate) fn start_server(data: &Path) -> Result<RunningServer> {
    let server = Server::start(Settings::dev(data)).context("the server did not start")?;
    for (name, control, treatment) in FLAGS {
        let mut flag = FlagDefinition::new("control", &[("control", control), ("treatment", treatment)])
            .map_err(anyhow::Error::msg)?;
        flag.rollout_bp = 10_000;
        server.put_flag(name, flag).with_context(|| format!("the server refused the flag {name}"))?;
    }
    for (placement, title, discount) in OFFERS {
        let mut offer = OfferDefinition::new(title, discount, 3_600);
        offer.campaign_id = "autumn".to_owned();
        offer.placements = Some(vec![placement.to_owned()]);
        server
            .put_offer(placement, offer)
            .with_context(|| format!("the server refused the offer {title}"))?;
    }
    Ok(server)
}

/// What the game's own backend would do: a token for a player who has logged in. The development server stands in for it.
pub(crate) fn token(server: &str, player: &str) -> Result<String> {
    let ask = serde_json::json!({ "playerId": player }).to_string();
    let request = ureq::post(format!("{server}/auth/token")).header("content-type", "application/json");
    let answer = request.send(ask)?.body_mut().read_to_string()?;
    let answer: serde_json::Value = serde_json::from_str(&answer)?;
    answer["token"].as_str().map(str::to_owned).context("the answer holds no token")
}

/// What the server has written down of one player.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Books {
    pub(crate) fish: i64,
    pub(crate) offers_shown: i64,
    pub(crate) offers_accepted: i64,
}

/// Reads the books of a server that has ended.
pub(crate) async fn read_books(data: &Path, player: &str) -> Result<Books> {
    let file = data.join("castline.db");
    let mut database = SqliteConnectOptions::new()
        .filename(&file)
        .connect()
        .await
        .with_context(|| format!("the server's database {} cannot be opened", file.display()))?;
    let mut count = async |query: &'static str| -> Result<i64> {
        let (count,) = sqlx::query_as(query).bind(player).fetch_one(&mut database).await?;
        Ok(count)
    };
    Ok(Books {
        fish: count("SELECT COUNT(*) FROM analytics_events WHERE user_id = ? AND name = 'fish_caught'").await?,
        offers_shown: count(
            "SELECT COUNT(*) FROM analytics_events WHERE user_id = ? AND name = '$offer_result'
             AND json_extract(props, '$.outcome') = 'shown'",
        )
        .await?,
        offers_accepted: count(
            "SELECT COUNT(*) FROM player_offers WHERE user_id = ? AND state = 'closed' AND outcome = 'accepted'",
        )
        .await?,
    })
}
