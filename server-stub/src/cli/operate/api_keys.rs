//! `castline-server api-keys`: keys for the game's backends.

use clap::Subcommand;
use serde_json::json;

use super::remote::{Remote, segment};
use super::{Answer, Outcome, Table, To, entries, moment, shown};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ApiKeys {
    /// All keys by name, revoked ones too; never the keys themselves.
    List {
        #[command(flatten)]
        to: To,
    },
    /// Make a key. It is printed this once, to standard output.
    Make {
        name: String,
        /// What it may do: offers, traits, revenue or bans; may be given several times.
        #[arg(long = "scope", required = true)]
        scopes: Vec<String>,
        #[command(flatten)]
        to: To,
    },
    /// Revoke a key: from now on it opens nothing.
    Revoke {
        name: String,
        #[command(flatten)]
        to: To,
    },
}

impl ApiKeys {
    pub(super) fn obey(self) -> (To, Outcome) {
        match self {
            ApiKeys::List { to } => to.at(list),
            ApiKeys::Make { name, scopes, to } => to.at(|remote| {
                let body = json!({ "name": name, "scopes": scopes });
                let json = remote.change("POST", "/admin/api-keys", Some(&body))?;
                // The key alone, so that it can go straight into a file.
                let key = shown(&json["key"]);
                Ok(Answer::line(json, key))
            }),
            ApiKeys::Revoke { name, to } => to.at(|remote| {
                let json = remote.change("DELETE", &format!("/admin/api-keys/{}", segment(&name)), None)?;
                Ok(Answer::line(json, format!("{name} opens nothing any more")))
            }),
        }
    }
}

fn list(remote: &Remote) -> Outcome {
    let json = remote.get("/admin/api-keys")?;
    let mut table = Table::new(&["KEY", "SCOPES", "MADE", "BY", "LAST USED", "REVOKED"]);
    for key in entries(&json, "keys") {
        let scopes: Vec<String> = entries(key, "scopes").iter().map(shown).collect();
        table.row([
            shown(&key["name"]),
            scopes.join(","),
            moment(&key["createdAt"]),
            shown(&key["createdBy"]),
            moment(&key["lastUsedAt"]),
            moment(&key["revokedAt"]),
        ]);
    }
    Ok(Answer::table(json, &table))
}
