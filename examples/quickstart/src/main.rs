//! A short fishing session: the reference server and a game in one process, real sockets between them, and a network that fails in
//! the middle. Every step is checked while it happens; every number on the screen was measured in this run.
//!
//! Here is the story. `stage` sets up the server, `game` is the game's loop, `cable` the network, `screen` the terminal.

mod cable;
mod game;
mod screen;
mod stage;

use anyhow::{Context, Result, bail, ensure};
use cable::Cable;
use castline::{Break, Client, Lifecycle, Options, Outcome};
use game::{Game, Seen};
use screen::{Screen, span};
use stage::Books;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

/// Long for anything on this machine; the story never waits that long when all is well.
const SOON: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let result = arguments().and_then(|data| match data {
        Some(directory) => play(&directory),
        None => play(tempfile::tempdir().context("no temporary directory")?.path()),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nFAILED: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `--data DIR` keeps what server and client leave on disk; without it everything goes.
fn arguments() -> Result<Option<PathBuf>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [] => Ok(None),
        [flag, directory] if flag == "--data" => Ok(Some(directory.into())),
        _ => bail!("usage: quickstart [--data DIRECTORY]"),
    }
}

fn play(directory: &Path) -> Result<()> {
    let screen = Screen::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let server_data = directory.join("server");
    // Another player each time, for whom the campaign has not yet run.
    let player = format!("angler-{:x}", SystemTime::UNIX_EPOCH.elapsed()?.as_millis());

    screen.title("Castline: a short fishing session");
    let started = Instant::now();
    let server = stage::start_server(&server_data)?;
    let up = format!("started, with {} flags and {} offers", stage::FLAGS.len(), stage::OFFERS.len());
    screen.took("server", up, started.elapsed());
    let cable = runtime.block_on(Cable::lay(server.addr()))?;

    let mut game = connect(&screen, &cable, &directory.join("game"), server.http_url(), &player)?;
    game.play(Duration::from_millis(1500), 4)?;
    ensure!(game.seen.offers.is_empty(), "an offer came in the middle of play");
    screen.line("play", format!("{} fish caught, and no offer interrupted", game.seen.fish));
    first_break(&screen, &mut game)?;
    game.play(Duration::from_millis(1000), 2)?;
    lost_network(&screen, &mut game, &cable)?;
    game.play(Duration::from_millis(1000), 2)?;
    last_break(&screen, &mut game)?;

    let started = Instant::now();
    game.client.close(SOON).context("closing the client")?;
    screen.took("client", "closed", started.elapsed());
    server.drain_blocking();
    let books = runtime.block_on(stage::read_books(&server_data, &player))?;
    summary(&screen, &game.seen, &books, &cable)
}

fn connect<'a>(
    screen: &'a Screen,
    cable: &Cable,
    directory: &Path,
    backend: String,
    player: &str,
) -> Result<Game<'a>> {
    let options = Options::new(format!("http://{}", cable.address()), "2.0.0").data_dir(directory);
    let started = Instant::now();
    let client = Client::connect(options).context("the client did not start")?;
    let returned = started.elapsed();
    let compiled_in = client.flags().string(stage::FLAG, "$4.99").to_owned();
    screen.took("client", format!("connect returned; {} reads {compiled_in} at once", stage::FLAG), returned);

    let player = player.to_owned();
    let mut game = Game::new(client, screen, move || stage::token(&backend, &player));
    game.until("going online", SOON, |seen| seen.online == 1)?;
    screen.took("client", "online: token, socket, handshake", started.elapsed());
    game.until("the flags' arrival", SOON, |seen| seen.flags_changed > 0)?;
    let flags = game.client.flags();
    let (price, why) = (flags.string(stage::FLAG, "$4.99"), flags.reason(stage::FLAG));
    ensure!(price == stage::PRICE, "{} reads {price} ({why}), not {}", stage::FLAG, stage::PRICE);
    screen.took("flags", format!("{} now reads {price} ({why})", stage::FLAG), started.elapsed());
    Ok(game)
}

/// A level is completed: the right moment. The offer that waited for it comes.
fn first_break(screen: &Screen, game: &mut Game<'_>) -> Result<()> {
    game.client.track("level_completed", r#"{"level":1}"#)?;
    game.client.offers().ready("level_completed")?;
    let took = game.until("the first offer", SOON, |seen| seen.offers.len() == 1)?;
    take(screen, game, 0, took)
}

/// The server's answer to a break is swallowed on its way, then the network is gone. The server believes that its offer was sent; the
/// game never saw it.
fn lost_network(screen: &Screen, game: &mut Game<'_>, cable: &Cable) -> Result<()> {
    cable.swallow_what_the_server_sends();
    // Longer than the network is gone, on a slow machine too.
    game.client.offers().ready(Break::new("rare_fish").lease(Duration::from_secs(60)))?;
    game.until("the server's answer", SOON, |_| cable.swallowed() > 0)?;
    game.play(Duration::from_millis(200), 0)?;
    cable.cut();
    let (bytes, frames, fish) = (cable.swallowed(), game.seen.frames, game.seen.fish);
    screen.line("network", format!("cut, and {bytes} bytes of the server's answer are lost on the way"));
    let cut = Instant::now();
    game.until("noticing the cut", SOON, |seen| seen.offline > 0)?;
    game.play(Duration::from_millis(2000), 3)?;
    let price = game.client.flags().string(stage::FLAG, "$4.99").to_owned();
    ensure!(price == stage::PRICE, "without a network {} reads {price}", stage::FLAG);
    ensure!(game.seen.offers.len() == 1, "an offer came through a cut cable");
    let (frames, fish, gone) = (game.seen.frames - frames, game.seen.fish - fish, span(cut.elapsed()));
    screen.line(
        "play",
        format!("{frames} frames and {fish} fish in {gone} without a network; flags still read"),
    );

    cable.mend();
    let mended = Instant::now();
    screen.line("network", "back; the phone tells the client so");
    game.client.lifecycle(Lifecycle::NetworkChanged);
    game.until("coming back online", SOON, |seen| seen.online == 2)?;
    ensure!(game.seen.sessions_lost == 0, "the session was not resumed");
    screen.took("client", "online again, the session resumed", mended.elapsed());
    game.until("the second offer", SOON, |seen| seen.offers.len() == 2)?;
    take(screen, game, 1, mended.elapsed())
}

/// A break for which nothing is left: the second offer came once, and comes no more.
fn last_break(screen: &Screen, game: &mut Game<'_>) -> Result<()> {
    game.client.offers().ready("rare_fish")?;
    let took =
        game.until("the answer of a break without offer", SOON, |seen| seen.breaks_without_offer == 1)?;
    ensure!(game.seen.offers.len() == 2, "an offer came twice");
    screen.took("offer", "none is left: the second one came once", took);
    Ok(())
}

/// Shows an offer to the player, who looks at it and accepts.
fn take(screen: &Screen, game: &mut Game<'_>, n: usize, took: Duration) -> Result<()> {
    let offer = game.seen.offers.get(n).context("no such offer")?.clone();
    let (placement, title, discount) = stage::OFFERS[n];
    ensure!(
        (offer.placement.as_str(), offer.title.as_str(), offer.discount) == (placement, title, discount),
        "another offer than the campaign's: {offer:?}"
    );
    screen.took("offer", format!("\"{title}\", {discount} % off, at {placement}"), took);
    game.client.offers().result(&offer.offer_id, Outcome::Shown)?;
    game.play(Duration::from_millis(500), 0)?;
    game.client.offers().result(&offer.offer_id, Outcome::Accepted)?;
    Ok(())
}

/// What came in is compared with what the server wrote down.
fn summary(screen: &Screen, seen: &Seen, books: &Books, cable: &Cable) -> Result<()> {
    screen.title("What came of it");
    let shown = seen.offers.len();
    screen.sum("", "in the game", "at the server");
    screen.sum("fish caught", seen.fish, books.fish);
    screen.sum("offers shown", shown, books.offers_shown);
    screen.sum("offers accepted", shown, books.offers_accepted);
    screen.sum("sessions lost, events dropped", seen.sessions_lost + seen.dropped, "");
    screen.sum("connections that the cut refused", cable.refused(), "");
    screen.sum("frames played", seen.frames, "");
    screen.sum("the longest that one spent in Castline", span(seen.slowest), "");

    let expected = Books { fish: i64::try_from(seen.fish)?, offers_shown: 2, offers_accepted: 2 };
    ensure!(*books == expected, "the server's books say {books:?}, not {expected:?}");
    ensure!(seen.sessions_lost == 0, "the session was lost {} times", seen.sessions_lost);
    ensure!(seen.dropped == 0, "{} events were dropped", seen.dropped);
    screen.good(&format!("Nothing lost, nothing twice, in {}.", span(screen.elapsed())));
    Ok(())
}
