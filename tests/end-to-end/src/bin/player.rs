//! A game that the stories can kill: it does what its input says, a command a line, and prints what the client tells it.
//!
//! `player-under-test URL DATA_DIR PLAYER`. Commands: `track N`, `ready PLACEMENT`, `result OFFER OUTCOME`, `close`. Printed:
//! `offer ID`, `none`, `online`, `lost`, `flag VALUE` (of the flag `depth`, at each change), `refused ERROR`, `closed`.

use std::io::BufRead as _;
use std::sync::mpsc::{TryRecvError, channel};
use std::time::Duration;

use anyhow::{Context, bail};
use castline::{Event, Outcome, State};
use castline_end_to_end::PATIENCE;
use castline_end_to_end::game::{Game, options};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, data_dir, player] = &arguments[..] else { bail!("URL DATA_DIR PLAYER") };
    let mut game = Game::with(options(url).data_dir(data_dir), player);
    game.impatient = true;
    let (sender, commands) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    println!("flag {}", game.client.flags().i64("depth", 0));
    loop {
        game.frame();
        for event in game.events.drain(..) {
            match event {
                Event::OfferReady { offer } => println!("offer {}", offer.offer_id),
                Event::NoOffer { .. } => println!("none"),
                Event::StateChanged { state: State::Online, .. } => println!("online"),
                Event::FlagsChanged { .. } => println!("flag {}", game.client.flags().i64("depth", 0)),
                Event::SessionLost => println!("lost"),
                _ => {}
            }
        }
        match commands.try_recv() {
            Ok(line) => {
                if line == "close" {
                    game.client.close(PATIENCE)?;
                    println!("closed");
                    return Ok(());
                }
                if let Err(error) = obey(&game, &line)? {
                    println!("refused {error}");
                }
            }
            Err(TryRecvError::Empty) => std::thread::sleep(Duration::from_millis(3)),
            // The story is over.
            Err(TryRecvError::Disconnected) => return Ok(()),
        }
    }
}

fn obey(game: &Game, line: &str) -> anyhow::Result<Result<(), castline::Error>> {
    let words: Vec<&str> = line.split(' ').collect();
    Ok(match words[..] {
        ["track", number] => game.client.track("bite", &format!("{{\"n\":{number}}}")),
        ["ready", placement] => game.client.offers().ready(placement),
        ["result", offer, outcome] => {
            game.client.offers().result(offer, Outcome::parse(outcome).context("an outcome")?)
        }
        _ => bail!("no command: {line}"),
    })
}
