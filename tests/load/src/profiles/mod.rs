//! What is played: each profile is a file, a round of it a function from a setup to figures. A profile fails when something
//! was lost or came twice; never for being slow.

pub mod burst;
mod ledger;
pub mod siege;
pub mod steady;
pub mod storm;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::crowd::Crowd;
use crate::net;
use crate::process::{ServerProcess, own_cpu};
use crate::report::{Figure, Round, Unit};
use crate::target::Target;

/// No single wait of a scenario is longer.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Players who come before the memory is first read: they fill caches and pools that belong to the process.
const WARM: usize = 100;

/// How a round is played.
#[derive(Debug, Clone)]
pub struct Setup {
    /// How many players.
    pub players: usize,
    /// How long the steady profile plays.
    pub play: Duration,
    /// In the steady profile: the mean time from one break of a player to the next.
    pub every: Duration,
    /// How long the server stays down after its `kill -9`.
    pub down: Duration,
    /// Another one, other moments.
    pub seed: u64,
    /// Where the server comes from.
    pub server: Server,
}

/// Where the server comes from.
#[derive(Debug, Clone)]
pub enum Server {
    /// This binary, started anew for each round with an empty database.
    Own(PathBuf),
    /// One that runs already. It cannot be killed, and its process and tables are not looked at.
    Foreign(Box<Target>),
}

/// A server and its crowd during a round.
pub(crate) struct Stage {
    pub(crate) crowd: Crowd,
    pub(crate) process: Option<ServerProcess>,
    pub(crate) target: Target,
}

impl Stage {
    /// A server, and a crowd of which nobody has come.
    pub(crate) fn set(setup: &Setup, settings: &[(&str, String)]) -> anyhow::Result<Stage> {
        let (process, target) = match &setup.server {
            Server::Own(binary) => {
                let process = ServerProcess::start(binary, settings)?;
                let target = process.target()?;
                (Some(process), target)
            }
            Server::Foreign(target) => (None, (**target).clone()),
        };
        // Players of earlier rounds had other names.
        let prefix = format!("load-{:08x}", rand::random::<u32>());
        let crowd = Crowd::new(target.clone(), &prefix, setup.players, setup.seed)?;
        Ok(Stage { crowd, process, target })
    }

    /// A request of the operators'.
    pub(crate) fn administer(&self, path: &str, body: &serde_json::Value) -> anyhow::Result<()> {
        let headers = [
            ("authorization", format!("Bearer {}", self.target.admin_key)),
            ("content-type", "application/json".to_owned()),
        ];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let asked = net::request(
            &self.target.operators,
            None,
            "PUT",
            path,
            &headers,
            body.to_string(),
            Duration::from_secs(10),
        );
        let reply = runtime.block_on(asked);
        let reply =
            reply.map_err(|failure| anyhow::anyhow!("{failure:?}")).with_context(|| path.to_owned())?;
        ensure!(reply.status == 200, "{path}: {} {}", reply.status, String::from_utf8_lossy(&reply.body));
        Ok(())
    }

    /// A campaign for everybody at one placement, as many copies a player as the server gives.
    pub(crate) fn campaign(
        &self,
        id: &str,
        placement: &str,
        extra: &serde_json::Value,
    ) -> anyhow::Result<()> {
        let mut body = serde_json::json!({
            "title": "Golden rod",
            "discount": 40,
            "imageUrl": "https://cdn.example.com/rod.png",
            "data": {"sku": "rod_17", "gold": 250},
            "expiresInSeconds": 3600,
            "placements": [placement],
        });
        if let (Some(body), Some(extra)) = (body.as_object_mut(), extra.as_object()) {
            body.extend(extra.clone());
        }
        self.administer(&format!("/admin/campaigns/{id}"), &body)
    }

    /// The flag that players read; another value in each generation.
    pub(crate) fn flag(&self, generation: u32) -> anyhow::Result<()> {
        let body = serde_json::json!({
            "variants": {"on": format!("$1.{generation:02}"), "off": "$4.99"},
            "defaultVariant": "off",
            "rolloutBp": 10_000,
        });
        self.administer("/admin/flags/load_price", &body)
    }

    /// Everybody is online and has his flags, and the server has come to rest.
    pub(crate) fn wait_settled(&self) -> anyhow::Result<()> {
        self.crowd.wait_online(PATIENCE)?;
        let all = self.crowd.len();
        self.crowd.wait("everybody to have flags", PATIENCE, |tally| {
            tally.has_flags.iter().filter(|has| **has).count() == all
        })?;
        match &self.process {
            Some(process) => process.wait_idle(),
            None => Ok(()),
        }
    }
}

/// CPU time of both sides over a stretch.
pub(crate) struct Watch {
    since: Instant,
    server: Duration,
    tool: Duration,
}

impl Watch {
    pub(crate) fn begin(stage: &Stage) -> anyhow::Result<Watch> {
        let server = stage.process.as_ref().map_or(Ok(Duration::ZERO), ServerProcess::cpu)?;
        Ok(Watch { since: Instant::now(), server, tool: own_cpu()? })
    }

    /// In per cent of one core.
    pub(crate) fn end(self, stage: &Stage, during: &str, figures: &mut Vec<Figure>) -> anyhow::Result<()> {
        let took = self.since.elapsed().as_secs_f64();
        let share = |used: Duration| used.as_secs_f64() / took * 100.0;
        if let Some(process) = &stage.process {
            figures.push(Figure::new(
                format!("CPU of the server {during}"),
                Unit::Percent,
                share(process.cpu()?.saturating_sub(self.server)),
            ));
        }
        figures.push(Figure::new(
            format!("CPU of the tool {during}"),
            Unit::Percent,
            share(own_cpu()?.saturating_sub(self.tool)),
        ));
        Ok(())
    }
}

/// Ends a round: what went wrong goes with it.
pub(crate) fn round(
    stage: Stage,
    figures: Vec<Figure>,
    errors: std::collections::BTreeMap<String, u64>,
) -> Round {
    let log = stage.process.as_ref().map(ServerProcess::log).unwrap_or_default();
    Round { figures, errors, server_log: log }
}

/// Plays a round, and where it fails says what the server's log said.
pub(crate) fn played(
    setup: &Setup,
    settings: &[(&str, String)],
    play: impl FnOnce(&mut Stage) -> anyhow::Result<(Vec<Figure>, std::collections::BTreeMap<String, u64>)>,
) -> anyhow::Result<Round> {
    ensure!((1..=50_000).contains(&setup.players), "players is {}; it must be 1 to 50,000", setup.players);
    let mut stage = Stage::set(setup, settings)?;
    match play(&mut stage) {
        Ok((figures, errors)) => Ok(round(stage, figures, errors)),
        Err(error) => {
            let log = stage.process.as_ref().map(ServerProcess::log).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(20).collect();
            if last.is_empty() {
                bail!(error);
            }
            bail!("{error:#}\nthe server's log, last line first:\n{}", last.join("\n"))
        }
    }
}
