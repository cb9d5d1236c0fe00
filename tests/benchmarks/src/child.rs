//! A server's process: started, ended, and its address. What the kernel says of it is read by `watched`.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::servers::Kind;
use crate::watched;

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

    /// CPU time of all its threads so far, nanoseconds.
    pub(crate) fn cpu_ns(&self) -> anyhow::Result<u64> {
        watched::cpu_ns(&self.child)
    }

    /// Memory in use, KiB.
    pub(crate) fn memory_kib(&self) -> anyhow::Result<f64> {
        watched::memory_kib(&self.child)
    }

    /// Waits until it has nothing to do.
    pub(crate) fn wait_idle(&self) -> anyhow::Result<()> {
        watched::wait_idle(&self.child)
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
