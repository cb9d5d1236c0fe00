//! What must not hurt those who play: a flood of sockets that never authenticate, players who send and never read, and a
//! server that has no place left.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use castline::protocol::messages::{Authenticate, Message as _, Ping};
use castline::protocol::{Envelope, encode};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::Message;

use super::steady::lateness;
use super::{PATIENCE, Setup, Stage, ledger, played};
use crate::net;
use crate::player::Order;
use crate::report::{Figure, Round, Unit};
use crate::target::Target;

/// For whoever doubts a figure.
pub const EXPLANATION: &str = "\
Three sieges. First half as many sockets as there are players are opened and never authenticate, from addresses of their own, 16 from each, and each that
the server closes is opened again after a second; in the midst of that all players come at the same moment. Then, the flood being over, a tenth as many
clients log in, send twenty messages a second and never read an answer, while the players play as in `steady`. At last a server with places for three
quarters of the players (`limits.connections`, the one setting that is changed): who finds none tries again by his back-off, and when half of the
players have gone home everybody else is in.";

const EVENT: &str = "load_catch";
/// When a stranger whose socket was closed opens the next one. In no time at all would measure who has more CPU.
const AGAIN: Duration = Duration::from_secs(1);
/// A refused player's back-off may have grown to its ceiling of half a minute.
const LONG: Duration = Duration::from_secs(90);

/// One round.
///
/// # Errors
/// Somebody was locked out, dropped out, or missed something; more came in than there are places.
pub fn play(setup: &Setup) -> anyhow::Result<Round> {
    let first = played(setup, &[], |stage| {
        let mut figures = Vec::new();
        let players = setup.players;
        stage.flag(0)?;
        stage.campaign("siege", "siege", &serde_json::json!({"perPlayer": 1_000}))?;
        flood(stage, players, &mut figures)?;
        deaf(stage, setup, &mut figures)?;
        let errors = std::mem::take(&mut stage.crowd.tally().errors);
        Ok((figures, errors))
    })?;
    if matches!(setup.server, super::Server::Foreign(_)) {
        return Ok(first);
    }
    let places = (setup.players * 3 / 4).max(1);
    let limit = [("CASTLINE_LIMITS_CONNECTIONS", places.to_string())];
    let second = played(setup, &limit, |stage| {
        let mut figures = Vec::new();
        no_place(stage, setup.players, places, &mut figures)?;
        let errors = std::mem::take(&mut stage.crowd.tally().errors);
        Ok((figures, errors))
    })?;
    // The server says of each refused connection that it was; those lines are expected, and thousands.
    let said = second.server_log.lines().filter(|line| !line.contains("above the limit was refused"));
    let server_log = first.server_log.lines().chain(said).collect::<Vec<_>>().join("\n");
    let mut errors = first.errors;
    for (what, count) in second.errors {
        *errors.entry(format!("no place: {what}")).or_default() += count;
    }
    Ok(Round { figures: first.figures.into_iter().chain(second.figures).collect(), errors, server_log })
}

fn flood(stage: &mut Stage, players: usize, figures: &mut Vec<Figure>) -> anyhow::Result<()> {
    let runtime = strangers_runtime()?;
    let opened = Arc::new(AtomicU64::new(0));
    for number in 0..(players / 2).max(1) {
        let (target, opened) = (stage.target.clone(), opened.clone());
        runtime.spawn(async move {
            loop {
                let url = socket_url(&target);
                if let Ok(mut socket) = net::open(&target.players, source(&target, number), &url).await {
                    opened.fetch_add(1, Ordering::Relaxed);
                    while let Some(Ok(_)) = socket.next().await {}
                }
                tokio::time::sleep(AGAIN).await;
            }
        });
    }
    let deadline = Instant::now() + PATIENCE;
    while opened.load(Ordering::Relaxed) < (players / 4) as u64 {
        ensure!(Instant::now() < deadline, "the flood does not come: {opened:?} sockets");
        std::thread::sleep(Duration::from_millis(5));
    }
    stage.crowd.tally().begin(Instant::now());
    stage.crowd.come(players);
    stage.crowd.wait_online(LONG).context("a flood of strangers locks players out")?;
    let arrivals = stage.crowd.tally().arrivals();
    figures.extend(Figure::percentiles("in a flood of strangers: online after", &arrivals, [None; 3]));
    let opened = opened.load(Ordering::Relaxed) as f64;
    figures.push(Figure::new("strangers' sockets meanwhile", Unit::Count, opened));
    drop(runtime);
    stage.wait_settled()
}

fn deaf(stage: &mut Stage, setup: &Setup, figures: &mut Vec<Figure>) -> anyhow::Result<()> {
    let (players, runtime) = (setup.players, strangers_runtime()?);
    let (wanted, there) = ((players / 10).max(1), Arc::new(AtomicU64::new(0)));
    for number in 0..wanted {
        let (target, there) = (stage.target.clone(), there.clone());
        let name = format!("{}-deaf-{number}", stage.crowd.prefix);
        runtime.spawn(async move { log_in_and_shout(&target, number, &name, &there).await });
    }
    let deadline = Instant::now() + PATIENCE;
    while there.load(Ordering::Relaxed) < wanted as u64 {
        ensure!(Instant::now() < deadline, "of {wanted} deaf players {there:?} came");
        std::thread::sleep(Duration::from_millis(5));
    }
    stage.crowd.tally().begin(Instant::now());
    stage.crowd.tell_all(&Order::Decide(true));
    stage.crowd.tell_all(&Order::Play { placement: "siege".into(), every: setup.every });
    std::thread::sleep(setup.play / 2);
    stage.crowd.tell_all(&Order::Rest);
    stage.crowd.wait("the last breaks to be answered", PATIENCE, |tally| tally.open_breaks() == 0)?;
    {
        let tally = stage.crowd.tally();
        let what = "beside players who never read: ready_for_offer to receipt";
        figures.extend(Figure::percentiles(what, &tally.offers, [Some(20.0), Some(50.0), None]));
        figures.push(lateness(&tally.lateness));
        let online = tally.count_online();
        ensure!(online == players, "{} of {players} players dropped out", players - online);
    }
    drop(runtime);
    if let Some(process) = &stage.process {
        ledger::compare_beside(&stage.crowd, &process.database(), EVENT, wanted)?;
    }
    Ok(())
}

fn no_place(
    stage: &mut Stage,
    players: usize,
    places: usize,
    figures: &mut Vec<Figure>,
) -> anyhow::Result<()> {
    stage.crowd.tally().begin(Instant::now());
    stage.crowd.come(players);
    // A request for flags takes a place too, for a moment.
    stage.crowd.wait("the places to be taken", LONG, |tally| tally.count_online() >= places * 9 / 10)?;
    std::thread::sleep(Duration::from_secs(2));
    let (online, leaving) = {
        let tally = stage.crowd.tally();
        let online: Vec<usize> =
            (0..players).filter(|player| tally.online_since[*player].is_some()).collect();
        (online.len(), online.into_iter().take(players / 2).collect::<Vec<_>>())
    };
    ensure!(online <= places, "{online} players are online, and there are {places} places");
    figures.push(Figure::new("players that found a place", Unit::Count, online as f64));
    let (staying, gone) = (players - leaving.len(), Instant::now());
    for player in leaving {
        stage.crowd.tell(player, Order::GoHome);
    }
    let all_in = |tally: &crate::tally::Tally| tally.count_online() == staying;
    stage.crowd.wait("everybody else to get in", LONG, all_in)?;
    let took = gone.elapsed().as_secs_f64() * 1e3;
    figures.push(Figure::new("places are free: everybody is in after", Unit::Milliseconds, took));
    Ok(())
}

/// A thread of its own, so that the players' thread is not what suffers.
fn strangers_runtime() -> anyhow::Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}

fn socket_url(target: &Target) -> String {
    format!("ws{}/ws", &target.players.url["http".len()..])
}

/// Beyond the players' own addresses: 127.2.x.y.
fn source(target: &Target, number: usize) -> Option<IpAddr> {
    target.source(number + 16 * 62_500)
}

/// Becomes a player, says so, and from then on talks without listening.
async fn log_in_and_shout(target: &Target, number: usize, name: &str, there: &AtomicU64) {
    let mut socket = loop {
        match log_in(target, number, name).await {
            Some(socket) => break socket,
            None => tokio::time::sleep(AGAIN).await,
        }
    };
    there.fetch_add(1, Ordering::Relaxed);
    for id in 1_u64.. {
        let mut ping = Envelope::new(Ping::CHANNEL, Ping::KIND, encode(&Ping {}), 0);
        ping.id = Some(format!("d{id}").into());
        if socket.send(Message::text(ping.encode())).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// `None`: the server had no place for him just then.
async fn log_in(target: &Target, number: usize, name: &str) -> Option<net::Socket> {
    let opened = net::open(&target.players, source(target, number), &socket_url(target)).await;
    let (mut socket, token) = (opened.ok()?, target.token(name)?);
    let authenticate = Authenticate {
        token: token.into(),
        device: "deaf".into(),
        build: "1.0.0".into(),
        sdk: None,
        resume: None,
    };
    let envelope = Envelope::new(Authenticate::CHANNEL, Authenticate::KIND, encode(&authenticate), 0);
    socket.send(Message::text(envelope.encode())).await.ok()?;
    while let Some(Ok(message)) = socket.next().await {
        if message.to_text().is_ok_and(|text| text.contains(r#""type":"authenticated""#)) {
            return Some(socket);
        }
    }
    None
}
