//! The command line: `cargo xtask load`. Which profiles, how many players and rounds, against which server; where the results go.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::machine::{Machine, Moment};
use crate::process::is_real_time;
use crate::profiles::{Server, Setup, burst, siege, steady, storm};
use crate::report::{Part, Report, put_section};
use crate::target::{Place, Target};
use crate::watched;
use anyhow::{Context, bail, ensure};
use clap::{Parser, ValueEnum};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask load", about = "Simulated players against a real server process")]
struct Cli {
    /// What is played; all of it if nothing is named
    profiles: Vec<Profile>,
    /// How many players: 1 to 15,000
    #[arg(long, default_value_t = 3_200)]
    players: usize,
    /// How often each profile is played, each time with a server of its own: 1 to 20
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long the steady profile plays, seconds: 1 to 3,600
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// In the steady profile: the mean time from one break of a player to the next, milliseconds, at least 1,000
    #[arg(long, default_value_t = 10_000)]
    every: u64,
    /// How long the server stays down after its kill -9, milliseconds, at most 60,000; 0: it is restarted at once
    #[arg(long, default_value_t = 0)]
    down: u64,
    /// Another one, other moments
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
    /// Keep the results in tests/benchmarks/RESULTS.md
    #[arg(long, conflicts_with = "url")]
    write: bool,
    /// The server's binary (`cargo xtask load` builds it and says where it is)
    #[arg(long, required_unless_present = "url")]
    server: Option<PathBuf>,
    /// The players' address of a server that runs already, http:// (private addresses alone) or https://
    #[arg(long, requires_all = ["admin_url", "jwt_secret_file", "admin_key_file"], conflicts_with = "server")]
    url: Option<String>,
    /// That server's operators' address
    #[arg(long)]
    admin_url: Option<String>,
    /// A file with the players' JWT secret of that server
    #[arg(long)]
    jwt_secret_file: Option<PathBuf>,
    /// A file with the operators' key of that server
    #[arg(long)]
    admin_key_file: Option<PathBuf>,
    /// Certificates (PEM) to trust beside the public ones
    #[arg(long)]
    ca_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Profile {
    /// All connect at once; the server is killed with -9 and comes back
    Storm,
    /// Breaks and events at random moments
    Steady,
    /// Everybody comes to a break within a second
    Burst,
    /// A flood of strangers, players who never read, and no place left
    Siege,
}

impl Profile {
    fn play(self, setup: &Setup) -> anyhow::Result<crate::report::Round> {
        match self {
            Profile::Storm => storm::play(setup),
            Profile::Steady => steady::play(setup),
            Profile::Burst => burst::play(setup),
            Profile::Siege => siege::play(setup),
        }
    }

    fn explanation(self) -> &'static str {
        match self {
            Profile::Storm => storm::EXPLANATION,
            Profile::Steady => steady::EXPLANATION,
            Profile::Burst => burst::EXPLANATION,
            Profile::Siege => siege::EXPLANATION,
        }
    }
}

/// The whole program.
pub(crate) fn run() -> anyhow::Result<()> {
    let cli = Cli::parse();
    check(&cli)?;
    let machine = Machine::look();
    if cfg!(debug_assertions) {
        eprintln!(
            "This is a debug build: its numbers say nothing. `cargo xtask load` builds as it is shipped."
        );
    }
    let setup = Setup {
        players: cli.players,
        play: Duration::from_secs(cli.seconds),
        every: Duration::from_millis(cli.every),
        down: Duration::from_millis(cli.down),
        seed: cli.seed,
        server: server(&cli)?,
    };
    let profiles = if cli.profiles.is_empty() { Profile::value_variants() } else { &cli.profiles };
    let (start, mut parts) = (Moment::now(), Vec::new());
    let show = |line: &str| if cli.json { eprintln!("{line}") } else { println!("{line}") };
    show(&format!("{}\nload average {}", machine.shape(), start.load()));
    for profile in profiles {
        let name = profile.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
        let mut part = Part { name, explanation: profile.explanation(), rounds: Vec::new() };
        for round in 0..cli.rounds {
            let setup = Setup { seed: setup.seed.wrapping_add(round as u64), ..setup.clone() };
            let number = round + 1;
            let played = profile.play(&setup);
            part.rounds.push(played.with_context(|| format!("{}, round {number}", part.name))?);
            let alone = Part { rounds: part.rounds[round..].to_vec(), ..part.clone() };
            show(&format!("\n{}, {} players, round {number} of {}", part.name, cli.players, cli.rounds));
            show(&alone.table());
            for line in part.rounds[round].server_log.lines().take(10) {
                show(&format!("  the server's log: {line}"));
            }
        }
        parts.push(part);
    }
    let changed = match &cli.url {
        None => "The server's settings: its defaults, but for its keys, its addresses and `RUST_LOG=warn`. Players come from loopback addresses of their own, 16 from each.".to_owned(),
        Some(url) => format!("The server: {url}, with settings of its own"),
    };
    let changed = if is_real_time() {
        format!(
            "{changed}\n- Tool and server were scheduled before all else (`chrt -f 1`): other work had the machine, as the load average says; the disk was shared with it"
        )
    } else {
        changed
    };
    let report = Report { command: command_line(), machine, moments: (start, Moment::now()), changed, parts };
    if cli.json {
        println!("{:#}", report.json());
    } else {
        println!("{}", report.section());
    }
    if cli.write {
        let root = std::env::var_os("CARGO_MANIFEST_DIR").context("--write needs to be run by cargo")?;
        let path = Path::new(&root).join("../benchmarks/RESULTS.md");
        let page = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(&path, put_section(&page, &report.section()))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn check(cli: &Cli) -> anyhow::Result<()> {
    let within = |name: &str, value: u64, from: u64, to: u64| {
        ensure!((from..=to).contains(&value), "--{name} is {value}; it must be {from} to {to}");
        Ok(())
    };
    within("players", cli.players as u64, 1, 15_000)?;
    within("rounds", cli.rounds as u64, 1, 20)?;
    within("seconds", cli.seconds, 1, 3_600)?;
    within("every", cli.every, 1_000, 3_600_000)?;
    within("down", cli.down, 0, 60_000)?;
    // Each player's socket, and now and then a request beside it.
    let (files, needed) = (watched::raise_open_files()?, cli.players as u64 * 5 / 4 + 200);
    ensure!(files >= needed, "{} players need {needed} open files; the limit is {files}", cli.players);
    Ok(())
}

fn server(cli: &Cli) -> anyhow::Result<Server> {
    if let Some(binary) = &cli.server {
        return Ok(Server::Own(binary.clone()));
    }
    let read = |file: &Option<PathBuf>| {
        let file = file.as_ref().context("a file with a key is missing")?;
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok::<_, anyhow::Error>(text.trim().to_owned())
    };
    let (Some(url), Some(admin)) = (&cli.url, &cli.admin_url) else { bail!("--url needs --admin-url") };
    let place = |url: &str| Place::of(url, cli.ca_file.as_deref());
    let (secret, key) = (read(&cli.jwt_secret_file)?, read(&cli.admin_key_file)?);
    Ok(Server::Foreign(Box::new(Target::new(place(url)?, place(admin)?, &secret, &key))))
}

/// As one types it: the binary's place is xtask's affair.
fn command_line() -> String {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--server") {
        arguments.drain(at..(at + 2).min(arguments.len()));
    }
    ["cargo xtask load".to_owned()].into_iter().chain(arguments).collect::<Vec<_>>().join(" ")
}
