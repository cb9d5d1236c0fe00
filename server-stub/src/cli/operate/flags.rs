//! `castline-server flags`.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::remote::{Remote, Trouble, segment};
use super::{Answer, Outcome, Table, To, definition, entries, moment, shown};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Flags {
    /// All flags, and how near they are to the budget.
    List {
        #[command(flatten)]
        to: To,
    },
    /// One flag, as JSON that `set` takes.
    Get {
        name: String,
        #[command(flatten)]
        to: To,
    },
    /// Create or replace a flag, or change the rollout or the switch of one.
    #[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args(["file", "rollout", "enabled"]))]
    Set {
        name: String,
        /// A file with the definition as JSON; `-` is standard input. Without: the flag as it is.
        file: Option<PathBuf>,
        /// Who is enrolled, per cent: 0 to 100 in steps of 0.01.
        #[arg(long, value_name = "PER CENT")]
        rollout: Option<f64>,
        /// Whether it is on.
        #[arg(long, value_name = "true|false")]
        enabled: Option<bool>,
        #[command(flatten)]
        to: To,
    },
    /// Delete a flag; its history stays.
    Delete {
        name: String,
        #[command(flatten)]
        to: To,
    },
    /// Who changed it, when, and to what; the latest first.
    History {
        name: String,
        /// How many changes, 1 to 50.
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// Only changes before this version.
        #[arg(long, value_name = "VERSION")]
        before: Option<String>,
        #[command(flatten)]
        to: To,
    },
    /// Make it what it was in a version of the configuration.
    Rollback {
        name: String,
        /// Such as v17; `history` shows them.
        version: String,
        #[command(flatten)]
        to: To,
    },
}

impl Flags {
    pub(super) fn obey(self) -> (To, Outcome) {
        match self {
            Flags::List { to } => to.at(list),
            Flags::Get { name, to } => to.at(|remote| {
                let flag = written(remote.get(&path(&name))?);
                Ok(Answer::new(flag.clone(), format!("{flag:#}\n")))
            }),
            Flags::Set { name, file, rollout, enabled, to } => to.at(|remote| {
                let rollout = rollout.map(basis_points).transpose()?;
                let mut flag = match &file {
                    Some(file) => definition(file)?,
                    None => written(remote.get(&path(&name))?),
                };
                if let Some(basis_points) = rollout {
                    set(&mut flag, "rolloutBp", json!(basis_points))?;
                }
                if let Some(enabled) = enabled {
                    set(&mut flag, "enabled", json!(enabled))?;
                }
                changed(remote, "PUT", &path(&name), Some(&flag), &format!("{name} is set"))
            }),
            Flags::Delete { name, to } => {
                to.at(|remote| changed(remote, "DELETE", &path(&name), None, &format!("{name} is deleted")))
            }
            Flags::History { name, limit, before, to } => to.at(|remote| {
                let before =
                    before.map_or_else(String::new, |version| format!("&before={}", segment(&version)));
                history(remote, &format!("{}/history?limit={limit}{before}", path(&name)))
            }),
            Flags::Rollback { name, version, to } => to.at(|remote| {
                let body = json!({ "to": version });
                let said = format!("{name} is what it was in {version}");
                changed(remote, "POST", &format!("{}/rollback", path(&name)), Some(&body), &said)
            }),
        }
    }
}

fn path(name: &str) -> String {
    format!("/admin/flags/{}", segment(name))
}

/// A flag without what the server adds to it.
fn written(mut flag: Value) -> Value {
    if let Some(members) = flag.as_object_mut() {
        for added in ["name", "updatedAt", "bytes", "malformed"] {
            members.remove(added);
        }
    }
    flag
}

fn set(flag: &mut Value, member: &str, value: Value) -> Result<(), Trouble> {
    let no_object = || Trouble::Usage("the definition is no JSON object".to_owned());
    flag.as_object_mut().ok_or_else(no_object)?.insert(member.to_owned(), value);
    Ok(())
}

/// Per cent as hundredths of them.
fn basis_points(per_cent: f64) -> Result<u16, Trouble> {
    let hundredths = (per_cent * 100.0).round();
    let exact = (hundredths - per_cent * 100.0).abs() < 1e-6;
    if exact && (0.0..=10_000.0).contains(&hundredths) {
        return Ok(hundredths as u16);
    }
    Err(Trouble::Usage(format!("--rollout {per_cent}: it must be 0 to 100, in steps of 0.01")))
}

fn changed(remote: &Remote, method: &str, path: &str, body: Option<&Value>, said: &str) -> Outcome {
    let json = remote.change(method, path, body)?;
    let text = format!("{said}; the configuration is {}", shown(&json["version"]));
    Ok(Answer::line(json, text))
}

fn list(remote: &Remote) -> Outcome {
    let json = remote.get("/admin/flags")?;
    let mut table = Table::new(&["FLAG", "ON", "ROLLOUT", "DEFAULT", "VARIANTS", "BYTES", "CHANGED"]);
    for flag in entries(&json, "flags") {
        if let Some(why) = flag["malformed"].as_str() {
            table.row([shown(&flag["name"]), format!("malformed: {why}")]);
            continue;
        }
        let rollout = flag["rolloutBp"].as_f64().unwrap_or(0.0) / 100.0;
        let variants: Vec<&str> =
            flag["variants"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        table.row([
            shown(&flag["name"]),
            if flag["enabled"] == true { "on" } else { "off" }.to_owned(),
            format!("{rollout} %"),
            shown(&flag["defaultVariant"]),
            variants.join(","),
            shown(&flag["bytes"]),
            moment(&flag["updatedAt"]),
        ]);
    }
    let text = format!(
        "{table}configuration {}; at most {} of {} bytes for any player\n",
        shown(&json["version"]),
        shown(&json["worstCaseBytes"]),
        shown(&json["limitBytes"])
    );
    Ok(Answer::new(json, text))
}

fn history(remote: &Remote, path: &str) -> Outcome {
    let json = remote.get(path)?;
    let mut table = Table::new(&["VERSION", "AT", "WHO", "WHAT", "AFTER"]);
    for change in entries(&json, "changes") {
        table.row([
            shown(&change["version"]),
            moment(&change["at"]),
            shown(&change["who"]),
            shown(&change["action"]),
            shown(&change["after"]),
        ]);
    }
    Ok(Answer::table(json, &table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn per_cent_are_read_to_the_hundredth() {
        for (per_cent, hundredths) in [(0.0, 0), (12.5, 1_250), (0.01, 1), (33.33, 3_333), (100.0, 10_000)] {
            assert_eq!(basis_points(per_cent).unwrap(), hundredths);
        }
        for wrong in [-1.0, 100.01, 0.001, f64::NAN, f64::INFINITY] {
            assert!(basis_points(wrong).is_err(), "{wrong}");
        }
    }
}
