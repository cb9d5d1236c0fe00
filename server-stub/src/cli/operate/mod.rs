//! What operators ask of a running server from a shell: flags, campaigns, experiments, bans, API keys. Each sub-command is a request or two to the
//! operators' address; what it means the server decides. Here are the arguments that all share, what is printed, and the exit codes:
//! 0 done, 1 refused by the server, 2 not understood here, 3 no server reached.

mod api_keys;
mod bans;
mod campaigns;
mod experiments;
mod flags;
mod remote;
mod table;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{print, say};
use remote::{Remote, Trouble};
use table::Table;

/// Bytes of a file with a definition: more than the server takes.
const MAX_FILE: u64 = 1024 * 1024;

/// The sub-commands that speak to a running server.
#[derive(Debug, Subcommand)]
pub(super) enum Operate {
    /// Flags: read, change, look back, roll back.
    #[command(subcommand)]
    Flags(flags::Flags),
    /// Campaigns and their offers: read, change, push, try out, count.
    #[command(subcommand, visible_alias = "offers")]
    Campaigns(campaigns::Campaigns),
    /// Experiments: declare, report, promote, drop.
    #[command(subcommand)]
    Experiments(experiments::Experiments),
    /// Bans: list, add, lift.
    #[command(subcommand)]
    Bans(bans::Bans),
    /// Keys for the game's backends: list, make, revoke.
    #[command(subcommand)]
    ApiKeys(api_keys::ApiKeys),
}

/// Which server, by whose key.
#[derive(Debug, Args)]
pub(super) struct To {
    /// The operators' address of the running server.
    #[arg(long, value_name = "URL", env = "CASTLINE_ADMIN_URL", default_value = "http://127.0.0.1:8081")]
    admin: String,
    /// A file with the admin key; without it the variable CASTLINE_ADMIN_KEY has the key.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Who signs a change in the history.
    #[arg(long = "as", value_name = "NAME")]
    actor: Option<String>,
    /// The server's answer as JSON, instead of text for people.
    #[arg(long)]
    json: bool,
}

/// What a sub-command comes to.
type Outcome = Result<Answer, Trouble>;

/// An answer: as the server gave it, and for people.
struct Answer {
    json: Value,
    text: String,
}

impl Answer {
    fn new(json: Value, text: impl Into<String>) -> Answer {
        Answer { json, text: text.into() }
    }

    /// A line.
    fn line(json: Value, text: impl std::fmt::Display) -> Answer {
        Answer::new(json, format!("{text}\n"))
    }

    fn table(json: Value, table: &Table) -> Answer {
        Answer::new(json, table.to_string())
    }
}

impl Operate {
    pub(super) fn obey(self) -> ExitCode {
        let (to, outcome) = match self {
            Operate::Flags(flags) => flags.obey(),
            Operate::Campaigns(campaigns) => campaigns.obey(),
            Operate::Experiments(experiments) => experiments.obey(),
            Operate::Bans(bans) => bans.obey(),
            Operate::ApiKeys(keys) => keys.obey(),
        };
        match outcome {
            Ok(answer) if to.json => print(&format!("{:#}\n", answer.json)),
            Ok(answer) => print(&answer.text),
            Err(trouble) => {
                say(&trouble);
                return trouble.code().into();
            }
        }
        ExitCode::SUCCESS
    }
}

impl To {
    /// Does something at the server that is meant.
    fn at(self, what: impl FnOnce(&Remote) -> Outcome) -> (To, Outcome) {
        let outcome = Remote::new(&self).and_then(|remote| what(&remote));
        (self, outcome)
    }
}

/// A definition from a file, or from standard input where the file is `-`. The server looks into it; here it must be JSON.
fn definition(file: &Path) -> Result<Value, Trouble> {
    let named = |why: &dyn std::fmt::Display| Trouble::Usage(format!("{}: {why}", file.display()));
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(MAX_FILE).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(MAX_FILE).read_to_string(&mut text))
    };
    read.map_err(|error| named(&error))?;
    serde_json::from_str(&text).map_err(|error| named(&error))
}

/// What a member says, as people write it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A moment, Unix ms, as people write it.
fn moment(value: &Value) -> String {
    let moment = value.as_i64().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    moment.map_or_else(|| "-".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// A list's entries.
fn entries<'a>(json: &'a Value, member: &str) -> &'a [Value] {
    json[member].as_array().map_or(&[], Vec::as_slice)
}
