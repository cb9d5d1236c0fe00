//! A game in a process of its own, for what only the death of a process shows. The process is `src/bin/player.rs`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use anyhow::Context;

use crate::PATIENCE;

/// A running game. Dropping it kills it.
#[derive(Debug)]
pub struct PlayerProcess {
    child: Child,
    commands: ChildStdin,
    told: Receiver<String>,
}

impl PlayerProcess {
    /// Starts `binary` for a player with this data directory.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(binary: &str, url: &str, data_dir: &Path, player: &str) -> anyhow::Result<PlayerProcess> {
        PlayerProcess::spawn(Command::new(binary), url, data_dir, player)
    }

    /// The same in a process that cannot write a byte to any file, as if the disk were full.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_without_space(
        binary: &str,
        url: &str,
        data_dir: &Path,
        player: &str,
    ) -> anyhow::Result<PlayerProcess> {
        let mut shell = Command::new("sh");
        // Without the trap the first write would be the end of the process.
        shell.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"", binary]);
        PlayerProcess::spawn(shell, url, data_dir, player)
    }

    fn spawn(
        mut command: Command,
        url: &str,
        data_dir: &Path,
        player: &str,
    ) -> anyhow::Result<PlayerProcess> {
        let command = command.arg(url).arg(data_dir).arg(player);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let commands = child.stdin.take().context("its input")?;
        let output = child.stdout.take().context("its output")?;
        let (sender, told) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(PlayerProcess { child, commands, told })
    }

    /// Gives a command.
    ///
    /// # Panics
    /// The process has ended.
    pub fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("the game is alive");
    }

    /// The next line for which `find` finds something. Others are passed over.
    ///
    /// # Panics
    /// None comes in time.
    pub fn wait<T>(&self, what: &str, mut find: impl FnMut(&str) -> Option<T>) -> T {
        let mut passed = Vec::new();
        loop {
            match self.told.recv_timeout(PATIENCE) {
                Ok(line) => match find(&line) {
                    Some(found) => return found,
                    None => passed.push(line),
                },
                Err(error) => panic!("waited in vain: {what}: {error}; came: {passed:?}"),
            }
        }
    }

    /// Waits for this line.
    pub fn wait_for(&self, line: &str) {
        self.wait(line, |told| (told == line).then_some(()));
    }

    /// A break: the offer that surfaced, if any.
    pub fn break_at(&mut self, placement: &str) -> Option<String> {
        self.tell(&format!("ready {placement}"));
        self.wait("the answer to a break", |line| match line.split_once(' ') {
            Some(("offer", id)) => Some(Some(id.to_owned())),
            None if line == "none" => Some(None),
            _ => None,
        })
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// The system's.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Ends in order.
    ///
    /// # Errors
    /// It ended with an error.
    pub fn close(mut self) -> anyhow::Result<()> {
        self.tell("close");
        self.wait_for("closed");
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "the game ended with {status}");
        Ok(())
    }
}

impl Drop for PlayerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
