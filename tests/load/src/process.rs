//! The server's process: started, killed, started again on the same data; its CPU time and memory as the kernel counts them.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::target::{Place, Target};
use crate::watched;

/// The keys of a server that listens on loopback and lives for minutes.
const JWT_SECRET: &str = "of a load test's server on loopback, nothing else";
const ADMIN_KEY: &str = "of the operators of a load test's server";
/// Below the ports that the system hands out, so that nobody takes ours while the server is down.
const PORTS: std::ops::Range<u16> = 21_000..30_000;

/// A server of our own. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    binary: PathBuf,
    child: Child,
    players: SocketAddr,
    operators: SocketAddr,
    data: TempDir,
    settings: Vec<(String, String)>,
}

impl ServerProcess {
    /// Starts `binary` with an empty database. `settings` are environment variables on top of the defaults.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn start(binary: &Path, settings: &[(&str, String)]) -> anyhow::Result<ServerProcess> {
        let data = tempfile::Builder::new().prefix("castline-load").tempdir()?;
        let (players, operators) = (free_port()?, free_port()?);
        let settings: Vec<(String, String)> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let child = launch(binary, data.path(), players, operators, &settings)?;
        Ok(ServerProcess { binary: binary.to_owned(), child, players, operators, data, settings })
    }

    /// `kill -9`: it writes nothing more.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again, on the same addresses and the same data, and returns when it accepts connections.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn restart(&mut self) -> anyhow::Result<()> {
        self.child = launch(&self.binary, self.data.path(), self.players, self.operators, &self.settings)?;
        Ok(())
    }

    /// How to reach it.
    ///
    /// # Errors
    /// None that could be named: the addresses are numbers.
    pub(crate) fn target(&self) -> anyhow::Result<Target> {
        let place = |address: SocketAddr| Place::of(&format!("http://{address}"), None);
        Ok(Target::new(place(self.players)?, place(self.operators)?, JWT_SECRET, ADMIN_KEY))
    }

    /// Its database.
    pub(crate) fn database(&self) -> PathBuf {
        self.data.path().join("castline.db")
    }

    /// What it has written to its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.data.path().join("log")).unwrap_or_default()
    }

    /// CPU time so far.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        cpu(&self.child.id().to_string())
    }

    /// Memory in use, KiB.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn memory_kib(&self) -> anyhow::Result<f64> {
        watched::memory_kib(&self.child)
    }

    /// Waits until it has nothing to do.
    ///
    /// # Errors
    /// It is still busy after half a minute.
    pub(crate) fn wait_idle(&self) -> anyhow::Result<()> {
        watched::wait_idle(&self.child)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn launch(
    binary: &Path,
    data: &Path,
    players: SocketAddr,
    operators: SocketAddr,
    settings: &[(String, String)],
) -> anyhow::Result<Child> {
    let log = data.join("log");
    let mut child = Command::new(binary)
        .args(["--listen", &players.to_string(), "--admin-listen", &operators.to_string(), "--data"])
        .arg(data)
        // Nothing of the environment that the tool was started in is a setting of this server.
        .env_clear()
        .env("CASTLINE_JWT_SECRET", JWT_SECRET)
        .env("CASTLINE_ADMIN_KEY", ADMIN_KEY)
        .env("RUST_LOG", "warn")
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::options().create(true).append(true).open(&log)?)
        .spawn()
        .with_context(|| format!("{} could not be started", binary.display()))?;
    let output = child.stdout.take().context("standard output is not a pipe")?;
    let mut lines = BufReader::new(output).lines();
    // It names the operators' address last, and accepts connections by then.
    if lines.by_ref().map_while(Result::ok).any(|line| line.starts_with("operators")) {
        return Ok(child);
    }
    let _ = child.kill();
    let status = child.wait()?;
    bail!("{} did not start ({status}): {}", binary.display(), fs::read_to_string(&log).unwrap_or_default())
}

fn free_port() -> anyhow::Result<SocketAddr> {
    for _ in 0..100 {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, rand::random_range(PORTS)));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no free port between {} and {}", PORTS.start, PORTS.end)
}

/// CPU time of this process so far.
///
/// # Errors
/// The kernel does not tell.
pub(crate) fn own_cpu() -> anyhow::Result<Duration> {
    cpu("self")
}

/// Of all its threads, those that have ended too; in the kernel's ticks.
fn cpu(process: &str) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, in parentheses, may hold anything; what follows it are plain fields, the first of them the third.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks = |number: usize| fields.get(number - 3).and_then(|field| field.parse::<u64>().ok());
    let (user, system) = ticks(14).zip(ticks(15)).context("the kernel tells CPU time in an unknown form")?;
    Ok(Duration::from_secs_f64((user + system) as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// Whether this process, and with it the server that it starts, is scheduled before all ordinary ones (`chrt -f 1`): so that a
/// busy machine can be measured on.
pub(crate) fn is_real_time() -> bool {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    // Field 41, the policy: 1 is SCHED_FIFO, 2 SCHED_RR.
    fields.get(41 - 3).is_some_and(|policy| matches!(*policy, "1" | "2"))
}
