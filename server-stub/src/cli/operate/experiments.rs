//! `castline-server experiments`.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::remote::{Remote, segment};
use super::{Answer, Outcome, Table, To, definition, entries, moment, shown};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Experiments {
    /// All experiments: those that run, then those that ended last.
    List {
        #[command(flatten)]
        to: To,
    },
    /// Declare an experiment, which starts it.
    Put {
        name: String,
        /// A file with the declaration as JSON; `-` is standard input.
        file: PathBuf,
        #[command(flatten)]
        to: To,
    },
    /// What the numbers say, as of now or of its end.
    Report {
        name: String,
        #[command(flatten)]
        to: To,
    },
    /// End it: everybody gets the verdict's variant.
    Promote {
        name: String,
        /// This variant, whatever the verdict.
        #[arg(long)]
        variant: Option<String>,
        #[command(flatten)]
        to: To,
    },
    /// End it: everybody gets the default.
    Drop {
        name: String,
        #[command(flatten)]
        to: To,
    },
}

impl Experiments {
    pub(super) fn obey(self) -> (To, Outcome) {
        match self {
            Experiments::List { to } => to.at(list),
            Experiments::Put { name, file, to } => to.at(|remote| {
                let json = remote.change("PUT", &path(&name), Some(&definition(&file)?))?;
                let word = if json["started"] == true { "runs from now on" } else { "was running already" };
                Ok(Answer::line(json, format!("{name} {word}")))
            }),
            Experiments::Report { name, to } => to.at(|remote| report(remote, &name)),
            Experiments::Promote { name, variant, to } => to.at(|remote| {
                let body = variant.map(|variant| json!({ "variant": variant }));
                ended(remote, &format!("{}/promote", path(&name)), body.as_ref())
            }),
            Experiments::Drop { name, to } => {
                to.at(|remote| ended(remote, &format!("{}/drop", path(&name)), None))
            }
        }
    }
}

fn path(name: &str) -> String {
    format!("/admin/experiments/{}", segment(name))
}

fn ended(remote: &Remote, path: &str, body: Option<&Value>) -> Outcome {
    let json = remote.change("POST", path, body)?;
    let text = format!(
        "everybody gets {} of {}; the configuration is {}",
        shown(&json["variant"]),
        shown(&json["flag"]),
        shown(&json["version"])
    );
    Ok(Answer::line(json, text))
}

fn list(remote: &Remote) -> Outcome {
    let json = remote.get("/admin/experiments")?;
    let mut table = Table::new(&["EXPERIMENT", "FLAG", "STARTED", "ENDED", "PROMOTED", "PLAYERS", "VERDICT"]);
    for one in entries(&json, "experiments") {
        table.row([
            shown(&one["name"]),
            shown(&one["definition"]["flag"]),
            moment(&one["startedAt"]),
            moment(&one["endedAt"]),
            shown(&one["promoted"]),
            shown(&one["latest"]["players"]),
            shown(&one["latest"]["decision"]),
        ]);
    }
    Ok(Answer::table(json, &table))
}

fn report(remote: &Remote, name: &str) -> Outcome {
    let json = remote.get(&format!("{}/report", path(name)))?;
    let report = &json["report"];
    let mut text = format!(
        "{name} on {}, since {}, as of {}\n",
        shown(&json["definition"]["flag"]),
        moment(&json["startedAt"]),
        moment(&report["asOf"])
    );
    let fair = if report["sampleRatio"]["fair"] == true { "fair" } else { "NOT FAIR" };
    text.push_str(&format!("{} players; the split is {fair}\n\n", shown(&report["players"])));
    text.push_str(&arms(report, &shown(&report["control"])));
    text.push_str(&format!("\n{}\n", shown(&report["verdict"]["words"])));
    for segment in entries(report, "segments") {
        let head =
            format!("\nsegment {}, {} players\n", shown(&segment["segment"]), shown(&segment["players"]));
        text.push_str(&head);
        text.push_str(&arms(segment, &shown(&report["control"])));
    }
    Ok(Answer::new(json, text))
}

/// The variants of one group, the control first.
fn arms(group: &Value, control: &str) -> String {
    let mut table =
        Table::new(&["VARIANT", "PLAYERS", "VALUE", "RELATIVE", "95 % AT ALL LOOKS", "P", "FINDING"]);
    let nothing = || "-".to_owned();
    table.row([
        control.to_owned(),
        shown(&group["controlPlayers"]),
        number(&group["controlValue"]),
        nothing(),
        nothing(),
        nothing(),
        "control".to_owned(),
    ]);
    for arm in entries(group, "arms") {
        let interval = &arm["sequence"]["interval"];
        let relative =
            arm["relative"].as_f64().map_or_else(nothing, |share| format!("{:+.1} %", share * 100.0));
        let range = match interval {
            Value::Null => nothing(),
            interval => format!("{} … {}", number(&interval["low"]), number(&interval["high"])),
        };
        table.row([
            shown(&arm["variant"]),
            shown(&arm["players"]),
            number(&arm["value"]),
            relative,
            range,
            number(&arm["adjustedPValue"]),
            shown(&arm["finding"]),
        ]);
    }
    table.to_string()
}

fn number(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |number| format!("{number:.4}"))
}
