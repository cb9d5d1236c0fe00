//! A client that has nothing to do, watched while everything else is measured.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use castline::{Client, Options, State};

use super::Effort;
use crate::child::ServerProcess;
use crate::machine::field;
use crate::report::{Aim, Row, Section, Unit};
use crate::rounds::Summary;
use crate::servers::Kind;
use crate::wire;

const EXPLANATION: &str = "\
How often the client's thread woke up while the game did nothing but hold the connection, for a minute: the kernel's
count of its voluntary context switches. The heartbeat is one ping in 30 s of silence and its answer. For information.";

const PATIENCE: Duration = Duration::from_secs(20);
/// The name of the driver's thread, as the kernel knows it.
const THREAD: &str = "castline-io";

/// A client that is online, and its server.
pub(crate) struct Connected {
    pub(crate) client: Client,
    _server: ServerProcess,
    /// The id of the client's thread.
    thread: String,
}

/// Connects a client to a whole server and waits until it is online and has its flags.
pub(crate) fn connect(unlimited: bool, player: &str) -> anyhow::Result<Connected> {
    let server = ServerProcess::start(Kind::Server, unlimited)?;
    let before = threads()?;
    let url = format!("http://{}", server.address);
    let client = Client::connect(Options::new(url, "1.0.0").token(wire::token(player)?))?;
    let deadline = Instant::now() + PATIENCE;
    while client.state() != State::Online || client.flags().is_empty() {
        ensure!(Instant::now() < deadline, "the client is {} after {PATIENCE:?}", client.state());
        client.poll_event();
        std::thread::sleep(Duration::from_millis(1));
    }
    let thread = threads()?.difference(&before).next().cloned().context("the client has no thread")?;
    Ok(Connected { client, _server: server, thread })
}

fn threads() -> anyhow::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?;
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        if name.trim() == THREAD {
            found.insert(task.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(found)
}

/// Watches a client's thread from now on.
pub(crate) struct Watch {
    connected: Connected,
    since: Instant,
    switches: f64,
}

impl Watch {
    pub(crate) fn begin(connected: Connected) -> anyhow::Result<Watch> {
        // What the connecting left to do, such as an acknowledgement within a second, is done first.
        std::thread::sleep(Duration::from_millis(1_500));
        let switches = connected.switches()?;
        Ok(Watch { connected, since: Instant::now(), switches })
    }

    /// Waits until a minute is over, if there is the time for it.
    pub(crate) fn end(self, effort: Effort) -> anyhow::Result<Section> {
        let minute = Duration::from_secs(effort.pick(0, 60));
        std::thread::sleep(minute.saturating_sub(self.since.elapsed()));
        let (woken, seconds) =
            (self.connected.switches()? - self.switches, self.since.elapsed().as_secs_f64());
        ensure!(self.connected.client.state() == State::Online, "the idle client lost its connection");
        let nan = f64::NAN;
        let summary = Summary { ours: woken / seconds * 60.0, peer: nan, ratio: nan, low: nan, high: nan };
        let rows = vec![Row {
            what: "wake-ups of an idle client's thread, per minute".to_owned(),
            peer: "–".to_owned(),
            aim: Aim::None,
            unit: Unit::Count,
            summary,
            n: format!("{woken} in {seconds:.0} s"),
        }];
        Ok(Section { title: "Idle client".into(), explanation: EXPLANATION.into(), rows })
    }
}

impl Connected {
    fn switches(&self) -> anyhow::Result<f64> {
        let text = fs::read_to_string(format!("/proc/self/task/{}/status", self.thread))?;
        field(&text, "voluntary_ctxt_switches:").context("the kernel does not count a thread's switches")
    }
}
