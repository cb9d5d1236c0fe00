//! A server's process, seen from outside: its address, its CPU time, its memory.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use crate::machine::field;
use crate::servers::Kind;

/// One worker thread for every server that is compared: what work stealing costs is not the question, and the
/// client needs the other core.
const THREADS: &str = "1";

#[derive(Debug)]
pub(crate) struct ServerProcess {
    child: Child,
    /// Closing it ends the server.
    input: Option<ChildStdin>,
    pub(crate) address: SocketAddr,
    _data: TempDir,
}

impl ServerProcess {
    pub(crate) fn start(kind: Kind, unlimited: bool) -> anyhow::Result<ServerProcess> {
        let data = TempDir::new().context("no temporary directory")?;
        let name = match kind {
            Kind::RawEcho => "raw-echo",
            Kind::SocketEcho => "socket-echo",
            Kind::Server => "server",
        };
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", name, "--threads", THREADS, "--data"]).arg(data.path());
        if unlimited {
            command.arg("--unlimited");
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("standard output is not a pipe")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let Ok(address) = line.trim().parse() else {
            let _ = child.kill();
            bail!("the server {name} did not start: {:?}", child.wait()?);
        };
        Ok(ServerProcess { child, input, address, _data: data })
    }

    /// CPU time of all its threads so far, nanoseconds. The kernel's own account, which is exact, not counted in
    /// ticks.
    pub(crate) fn cpu_ns(&self) -> anyhow::Result<u64> {
        let mut sum = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let path = task?.path().join("schedstat");
            // A thread may end between the two steps.
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let on_cpu = text.split(' ').next().and_then(|n| n.parse::<u64>().ok());
            sum += on_cpu.with_context(|| format!("{} is not as expected: {text:?}", path.display()))?;
        }
        Ok(sum)
    }

    /// Its proportional share of the memory in use, KiB. What the kernel keeps for its sockets is not in it.
    pub(crate) fn memory_kib(&self) -> anyhow::Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        field(&text, "Pss:").context("the kernel does not tell a process's memory")
    }

    /// Waits until it has nothing to do: less than 1 % of a core over a tenth of a second.
    pub(crate) fn wait_idle(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let before = self.cpu_ns()?;
            std::thread::sleep(Duration::from_millis(100));
            if self.cpu_ns()? - before < 1_000_000 {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("the server is busy though nobody asks anything of it");
            }
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.input = None;
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// As many open files as the machine allows; the servers inherit it. Returns the number.
pub(crate) fn raise_open_files() -> anyhow::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })?;
    Ok(most.unwrap_or(u64::MAX))
}
