//! `castline-server bans`.

use clap::Subcommand;
use serde_json::json;

use super::remote::{Remote, Trouble, segment};
use super::{Answer, Outcome, Table, To, entries, moment, shown};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Bans {
    /// Who is banned, by id.
    List {
        /// How many, 1 to 200.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Only players after this one.
        #[arg(long, value_name = "ID")]
        after: Option<String>,
        #[command(flatten)]
        to: To,
    },
    /// Ban a player: live sockets end at once.
    Add {
        player: String,
        /// For operators; players never see it.
        #[arg(long)]
        reason: String,
        /// Until when, such as 2030-01-31T12:00:00Z; without it for good.
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
        #[command(flatten)]
        to: To,
    },
    /// Lift a ban.
    Lift {
        player: String,
        #[command(flatten)]
        to: To,
    },
}

impl Bans {
    pub(super) fn obey(self) -> (To, Outcome) {
        match self {
            Bans::List { limit, after, to } => to.at(|remote| {
                let after = after.map_or_else(String::new, |player| format!("&after={}", segment(&player)));
                list(remote, &format!("/admin/bans?limit={limit}{after}"))
            }),
            Bans::Add { player, reason, until, to } => to.at(|remote| {
                let until = until.as_deref().map(time).transpose()?;
                let body = json!({ "reason": reason, "until": until });
                let json = remote.change("PUT", &path(&player), Some(&body))?;
                let until = if until.is_some() {
                    format!("until {}", moment(&json!(until)))
                } else {
                    "for good".into()
                };
                Ok(Answer::line(json, format!("{player} is banned {until}")))
            }),
            Bans::Lift { player, to } => to.at(|remote| {
                let json = remote.change("DELETE", &path(&player), None)?;
                Ok(Answer::line(json, format!("{player} may play again")))
            }),
        }
    }
}

fn path(player: &str) -> String {
    format!("/admin/bans/{}", segment(player))
}

fn time(text: &str) -> Result<i64, Trouble> {
    let read: Result<jiff::Timestamp, _> = text.parse();
    read.map(jiff::Timestamp::as_millisecond)
        .map_err(|error| Trouble::Usage(format!("--until {text:?}: {error}")))
}

fn list(remote: &Remote, path: &str) -> Outcome {
    let json = remote.get(path)?;
    let mut table = Table::new(&["PLAYER", "SINCE", "UNTIL", "BY", "REASON"]);
    for ban in entries(&json, "bans") {
        let until = if ban["until"].is_null() { "for good".to_owned() } else { moment(&ban["until"]) };
        table.row([
            shown(&ban["player"]),
            moment(&ban["bannedAt"]),
            until,
            shown(&ban["who"]),
            shown(&ban["reason"]),
        ]);
    }
    let more = if json["more"] == true { "there are more: --after\n" } else { "" };
    let text = format!("{table}{more}");
    Ok(Answer::new(json, text))
}
