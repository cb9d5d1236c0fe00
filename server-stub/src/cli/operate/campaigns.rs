//! `castline-server campaigns`, which is `castline-server offers` too.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::remote::{Remote, Trouble, segment};
use super::{Answer, Outcome, Table, To, definition, entries, shown};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Campaigns {
    /// All campaigns with their numbers, the better first.
    List {
        #[command(flatten)]
        to: To,
    },
    /// One campaign's definition, as JSON that `put` takes.
    Get {
        id: String,
        #[command(flatten)]
        to: To,
    },
    /// Create or replace a campaign.
    Put {
        id: String,
        /// A file with the definition as JSON; `-` is standard input.
        file: PathBuf,
        #[command(flatten)]
        to: To,
    },
    /// Give an offer to certain players: a campaign for them alone, sent at once where they are at a break, else at the next one.
    Push {
        id: String,
        /// A file with the definition as JSON; `-` is standard input.
        file: PathBuf,
        /// A player; may be given several times.
        #[arg(long = "player", value_name = "ID", required = true)]
        players: Vec<String>,
        #[command(flatten)]
        to: To,
    },
    /// Switch a campaign off; what players have stays theirs.
    Disable {
        id: String,
        #[command(flatten)]
        to: To,
    },
    /// Delete a campaign; what players have stays theirs.
    Delete {
        id: String,
        #[command(flatten)]
        to: To,
    },
    /// Would this player get this offer, and why not? Changes nothing.
    DryRun {
        id: String,
        #[arg(long, value_name = "ID")]
        player: String,
        /// Where in the game the break is.
        #[arg(long)]
        placement: String,
        /// What the game says at the break: `level=12`; may be given several times. What reads as a number, true or false is one.
        #[arg(long, value_name = "NAME=VALUE")]
        context: Vec<String>,
        #[command(flatten)]
        to: To,
    },
    /// How many copies came how far.
    Funnel {
        id: String,
        #[command(flatten)]
        to: To,
    },
}

impl Campaigns {
    pub(super) fn obey(self) -> (To, Outcome) {
        match self {
            Campaigns::List { to } => to.at(list),
            Campaigns::Get { id, to } => to.at(|remote| {
                let definition = remote.get(&path(&id))?["definition"].take();
                Ok(Answer::new(definition.clone(), format!("{definition:#}\n")))
            }),
            Campaigns::Put { id, file, to } => to.at(|remote| {
                let json = remote.change("PUT", &path(&id), Some(&definition(&file)?))?;
                Ok(Answer::line(json, format!("{id} is in force")))
            }),
            Campaigns::Push { id, file, players, to } => to.at(|remote| {
                let mut campaign = definition(&file)?;
                let members = campaign
                    .as_object_mut()
                    .ok_or_else(|| Trouble::Usage("the definition is no JSON object".to_owned()))?;
                members.insert("players".to_owned(), json!(players));
                let json = remote.change("PUT", &path(&id), Some(&campaign))?;
                Ok(Answer::line(json, format!("{id} is in force, for {}", players.join(", "))))
            }),
            Campaigns::Disable { id, to } => to.at(|remote| {
                let json = remote.change("POST", &format!("{}/disable", path(&id)), None)?;
                Ok(Answer::line(json, format!("{id} is switched off")))
            }),
            Campaigns::Delete { id, to } => to.at(|remote| {
                let json = remote.change("DELETE", &path(&id), None)?;
                Ok(Answer::line(json, format!("{id} is deleted")))
            }),
            Campaigns::DryRun { id, player, placement, context, to } => to.at(|remote| {
                let context = context.iter().map(|pair| attribute(pair)).collect::<Result<Map<_, _>, _>>()?;
                let ask = json!({ "player": player, "placement": placement, "context": context });
                dry_run(remote, &id, &ask)
            }),
            Campaigns::Funnel { id, to } => to.at(|remote| funnel(remote, &id)),
        }
    }
}

fn path(id: &str) -> String {
    format!("/admin/campaigns/{}", segment(id))
}

fn attribute(pair: &str) -> Result<(String, Value), Trouble> {
    let (name, value) = pair
        .split_once('=')
        .ok_or_else(|| Trouble::Usage(format!("--context {pair:?}: NAME=VALUE is needed")))?;
    let scalar =
        serde_json::from_str(value).ok().filter(|value: &Value| value.is_number() || value.is_boolean());
    Ok((name.to_owned(), scalar.unwrap_or_else(|| json!(value))))
}

fn list(remote: &Remote) -> Outcome {
    let json = remote.get("/admin/campaigns")?;
    let mut table = Table::new(&[
        "CAMPAIGN",
        "ON",
        "PRIORITY",
        "DELIVERED",
        "SHOWN",
        "ACCEPTED",
        "SPENT",
        "TODAY",
        "TITLE",
    ]);
    for campaign in entries(&json, "campaigns") {
        let (definition, funnel, spent) = (&campaign["definition"], &campaign["funnel"], &campaign["spent"]);
        table.row([
            shown(&campaign["id"]),
            if definition["enabled"] == true { "on" } else { "off" }.to_owned(),
            shown(&definition["priority"]),
            shown(&funnel["delivered"]),
            shown(&funnel["shown"]),
            shown(&funnel["accepted"]),
            of(&spent["total"], &definition["budget"]["total"]),
            of(&spent["today"], &definition["budget"]["perDay"]),
            shown(&definition["title"]),
        ]);
    }
    Ok(Answer::table(json, &table))
}

fn of(used: &Value, limit: &Value) -> String {
    if limit.is_null() { shown(used) } else { format!("{used} of {limit}") }
}

fn dry_run(remote: &Remote, id: &str, ask: &Value) -> Outcome {
    let json = remote.change("POST", &format!("{}/dry-run", path(id)), Some(ask))?;
    let mut table = Table::new(&["RULE", "SAYS", "WHY"]);
    for check in entries(&json, "checks") {
        let says = if check["ok"] == true { "yes" } else { "NO" };
        table.row([shown(&check["rule"]), says.to_owned(), shown(&check["detail"])]);
    }
    let player = shown(&ask["player"]);
    let verdict = match (json["would"] == true, &json["because"]) {
        (true, _) => format!("{player} would get it"),
        (false, Value::Null) => format!("{player} would not get it"),
        (false, why) => {
            format!("{player} would not get it: {}: {}", shown(&why["rule"]), shown(&why["detail"]))
        }
    };
    let before: Vec<String> = entries(&json, "before").iter().map(shown).collect();
    let before =
        if before.is_empty() { String::new() } else { format!("; before it: {}", before.join(", ")) };
    let text = format!("{table}{verdict}{before}\n");
    Ok(Answer::new(json, text))
}

fn funnel(remote: &Remote, id: &str) -> Outcome {
    let json = remote.get(&path(id))?;
    let steps = ["unreceived", "delivered", "shown", "accepted", "declined", "expired"];
    let mut head = vec!["VARIANT"];
    let upper: Vec<String> = steps.iter().map(|step| step.to_uppercase()).collect();
    head.extend(upper.iter().map(String::as_str));
    let mut table = Table::new(&head);
    let mut row = |name: &str, funnel: &Value| {
        table.row(std::iter::once(name.to_owned()).chain(steps.iter().map(|step| shown(&funnel[*step]))));
    };
    row("all", &json["funnel"]);
    for (variant, funnel) in json["variants"].as_object().into_iter().flatten() {
        row(variant, funnel);
    }
    let part = json!({ "funnel": json["funnel"], "variants": json["variants"] });
    Ok(Answer::table(part, &table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_as_a_number_is_one() {
        for (pair, value) in [
            ("a=12", json!(12)),
            ("a=true", json!(true)),
            ("a=gold", json!("gold")),
            ("a=b=c", json!("b=c")),
            ("a=", json!("")),
            ("a=[1]", json!("[1]")),
        ] {
            assert_eq!(attribute(pair).unwrap(), ("a".to_owned(), value));
        }
        assert_eq!(attribute("level").unwrap_err().code(), 2);
    }
}
