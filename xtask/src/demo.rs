//! `cargo xtask demo mini-app`: the Telegram Mini App with everything that it needs, on this machine. It builds the npm package, starts the
//! reference server, tells it of the demo's flags and campaigns as an operator would, and starts the page's development server.
//! `--test` plays the built page in Chromium and WebKit in place of that. What is shown and tested is in the example's folder.

use crate::npm;
use crate::process::{self, CommandLine};
use anyhow::{Context, Result, bail, ensure};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const EXAMPLE: &str = "examples/telegram-mini-app";
/// Of no bot in the world: with it the page's mock of Telegram signs for its player. Server and page are on loopback alone.
const BOT_TOKEN: &str = "1:for-the-demo-on-this-machine-alone";
/// How long a program may take to end when it was asked to.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How often it is looked whether somebody has ended.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum What {
    /// The fishing game of examples/telegram-mini-app
    MiniApp,
}

#[derive(clap::Args)]
pub(crate) struct Arguments {
    what: What,
    /// Where the page is served; another port is taken when this one is not free
    #[arg(long, default_value_t = 5173)]
    port: u16,
    /// Where players reach the server; likewise
    #[arg(long, default_value_t = 8080)]
    server_port: u16,
    /// Where operators reach it; likewise
    #[arg(long, default_value_t = 8081)]
    admin_port: u16,
    /// Forget the players of earlier demos
    #[arg(long)]
    fresh: bool,
    /// Check the types, build the page, and play it in Chromium and WebKit
    #[arg(long)]
    test: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let What::MiniApp = arguments.what;
    let made = npm::build()?
        && npm::install(EXAMPLE)?
        && CommandLine::cargo("build --package castline-server").run()?;
    if !made || arguments.test {
        let script =
            |name| CommandLine::new("npm").args(["--prefix", EXAMPLE, "run", "--silent", name]).run();
        return Ok(made && script("check")? && script("test")?);
    }
    let data = process::target().join("demo/mini-app");
    if arguments.fresh && data.exists() {
        fs::remove_dir_all(&data).with_context(|| format!("cannot remove {}", data.display()))?;
    }
    fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))?;
    play(arguments, &data)
}

fn play(arguments: &Arguments, data: &Path) -> Result<bool> {
    let asked_to_end = Arc::new(AtomicBool::new(false));
    // Before there is anything to end: a Ctrl-C at any time ends what was started.
    for signal in [SIGINT, SIGTERM] {
        flag::register(signal, Arc::clone(&asked_to_end)).context("cannot listen for Ctrl-C")?;
    }

    let mut stage = Stage::default();
    let server = stage.server(arguments, data)?;
    for kind in ["flags", "campaigns"] {
        tell(kind, &server)?;
    }
    let page = stage.page(arguments, &server)?;
    println!("\n  the game      {page}       as a guest: {page}?guest");
    println!("  the console   {}/", server.operators);
    println!("  its key       {}\n\n  Ctrl-C ends the demo.\n", server.key.display());
    while !asked_to_end.load(Ordering::Relaxed) {
        if let Some(name) = stage.ended()? {
            eprintln!("{name} has ended, and the demo with it");
            return Ok(false);
        }
        std::thread::sleep(LOOK);
    }
    Ok(true)
}

/// Where the server is.
struct Addresses {
    players: String,
    operators: String,
    key: PathBuf,
}

/// The programs that run. Whatever happens, they end with it.
#[derive(Default)]
struct Stage {
    children: Vec<(&'static str, Child)>,
}

impl Stage {
    fn server(&mut self, arguments: &Arguments, data: &Path) -> Result<Addresses> {
        let players = free("the players' address", arguments.server_port)?;
        let operators = free("the operators' address", arguments.admin_port)?;
        let program = process::target().join("debug/castline-server");
        let server = CommandLine::new(program)
            .args(["--dev", "--listen", &format!("127.0.0.1:{players}")])
            .args(["--admin-listen", &format!("127.0.0.1:{operators}"), "--data"])
            .arg(data)
            .env("CASTLINE_LOG_LEVEL", "warn")
            .env("CASTLINE_TELEGRAM_BOT_TOKEN", BOT_TOKEN);
        let said = self.start("the server", &server)?;
        // It says where it is, and the key's file last, when it is ready.
        wait_for(said, "admin key in ").context("the server did not start; what it said is above")?;
        Ok(Addresses {
            players: format!("http://127.0.0.1:{players}"),
            operators: format!("http://127.0.0.1:{operators}"),
            key: data.join("admin.key"),
        })
    }

    fn page(&mut self, arguments: &Arguments, server: &Addresses) -> Result<String> {
        let port = free("the page's address", arguments.port)?;
        let example = process::root().join(EXAMPLE);
        let vite = CommandLine::new("node")
            .arg(example.join("node_modules/vite/bin/vite.js"))
            .arg(&example)
            .args([
                "--host",
                "127.0.0.1",
                "--strictPort",
                "--clearScreen",
                "false",
                "--port",
                &port.to_string(),
            ])
            .env("VITE_CASTLINE_URL", &server.players)
            .env("DEMO_BOT_TOKEN", BOT_TOKEN);
        let said = self.start("the page's server", &vite)?;
        wait_for(said, "ready in").context("the page's server did not start; what it said is above")?;
        Ok(format!("http://127.0.0.1:{port}/"))
    }

    /// Starts one in a process group of its own: a terminal's Ctrl-C is ours alone to answer. Gives what it says.
    fn start(&mut self, name: &'static str, line: &CommandLine) -> Result<BufReader<ChildStdout>> {
        let mut command = line.command();
        command.stdout(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().with_context(|| format!("could not start `{line}`"))?;
        let said = child.stdout.take().context("standard output is not a pipe")?;
        self.children.push((name, child));
        Ok(BufReader::new(said))
    }

    /// Who has ended by himself.
    fn ended(&mut self) -> Result<Option<&'static str>> {
        for (name, child) in &mut self.children {
            if child.try_wait()?.is_some() {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for (_, child) in &mut self.children {
            ask_to_end(child);
        }
        let deadline = Instant::now() + LAST_WORDS;
        for (name, child) in &mut self.children {
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(20));
            }
            if matches!(child.try_wait(), Ok(None)) {
                eprintln!("{name} does not end when asked to; it is killed");
                let _ = child.kill();
            }
            let _ = child.wait();
        }
    }
}

/// Reads what a program says until it says that it is ready; the rest goes to the terminal, for one that nobody reads would get stuck.
fn wait_for(mut said: BufReader<ChildStdout>, ready: &str) -> Result<()> {
    let mut line = String::new();
    while said.read_line(&mut line)? != 0 {
        if line.contains(ready) {
            std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::stdout()));
            return Ok(());
        }
        line.clear();
    }
    bail!("it ended without a word of \"{ready}\"")
}

/// SIGTERM, so that the server can drain; where there is none, it is killed later.
fn ask_to_end(child: &Child) {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process};
        // One that has ended meanwhile needs no word.
        let _ = kill_process(Pid::from_child(child), Signal::TERM);
    }
    #[cfg(not(unix))]
    let _ = child;
}

/// Every definition of the demo's folder, by the server's own command line.
fn tell(kind: &str, server: &Addresses) -> Result<()> {
    let folder = process::root().join(EXAMPLE).join("demo").join(kind);
    let files = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = files.map(|file| Ok(file?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    for file in files {
        let name = file.file_stem().context("a file without a name")?.to_os_string();
        let verb = if kind == "flags" { "set" } else { "put" };
        let told = CommandLine::new(process::target().join("debug/castline-server"))
            .args([kind, verb])
            .arg(name)
            .arg(&file)
            .args(["--as", "demo", "--admin", &server.operators, "--key-file"])
            .arg(&server.key)
            .run_quietly()?;
        ensure!(told, "the server does not take {}", file.display());
    }
    Ok(())
}

/// The port that was asked for, or a free one where that is taken.
fn free(what: &str, wanted: u16) -> Result<u16> {
    if TcpListener::bind((Ipv4Addr::LOCALHOST, wanted)).is_ok() {
        return Ok(wanted);
    }
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?.local_addr()?.port();
    println!("{what}: port {wanted} is taken, so it is {other}");
    Ok(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_not_asked_for_again() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(free("the test", port).unwrap(), port);
    }

    #[cfg(unix)]
    #[test]
    fn what_runs_ends_with_the_stage() {
        let mut stage = Stage::default();
        let mut said =
            stage.start("sh", &CommandLine::new("sh").args(["-c", "echo here; exec sleep 600"])).unwrap();
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert_eq!((line.trim(), stage.ended().unwrap()), ("here", None));
        drop(stage);
        // The pipe's other end is closed: nobody is left who could write.
        assert_eq!(said.read_line(&mut line).unwrap(), 0);
    }
}
