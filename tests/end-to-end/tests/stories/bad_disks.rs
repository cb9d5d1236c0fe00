//! A disk that is full, in the way, damaged or taken: the client works without it, and keeps what was good.

use std::path::Path;

use castline::{Client, Error, Event, Outcome, Reason, State};
use castline_end_to_end::database::Database;
use castline_end_to_end::game::{Game, options};
use castline_end_to_end::player::PlayerProcess;
use castline_end_to_end::proxy::{Proxy, Way};
use castline_end_to_end::server::offer;
use castline_end_to_end::{PATIENCE, eventually};
use castline_server::{FlagDefinition, RunningServer};
use tempfile::TempDir;

use crate::{server, server_with, tempdir};

const PLAYER: &str = env!("CARGO_BIN_EXE_player-under-test");

fn stocked_server() -> (RunningServer, TempDir) {
    let (server, data) = server();
    server.put_flag("depth", FlagDefinition::new("on", &[("on", "7")]).unwrap()).unwrap();
    (server, data)
}

/// A run that leaves a good cache: flags, a seen offer, an event that never left.
fn play_once(server: &RunningServer, home: &Path) {
    let mut game = Game::with(options(&server.http_url()).data_dir(home), "ann");
    game.online();
    game.until("flags", |game| (game.client.flags().i64("depth", 0) == 7).then_some(()));
    game.end();
}

#[test]
fn a_full_disk() {
    let (server, data) = stocked_server();
    let database = Database::of(data.path());
    let home = tempdir();
    play_once(&server, home.path());

    server.put_offer("first", offer("First")).unwrap();
    let start = PlayerProcess::start_without_space;
    let mut player = start(PLAYER, &server.http_url(), home.path(), "ann").unwrap();
    player.wait_for("flag 7");
    player.wait_for("online");
    // What cannot be kept is not held back: it works as without a disk.
    player.tell("track 1");
    assert_eq!(player.break_at("level_completed").as_deref(), Some("first"));
    player.tell("result first accepted");
    database.wait_for_offer("ann", "first", "closed");
    player.close().unwrap();
    assert_eq!(database.numbers("ann", "bite"), [1]);

    // What was there before is whole.
    let player = PlayerProcess::start(PLAYER, &server.http_url(), home.path(), "ann").unwrap();
    player.wait("the first line", |line| {
        assert_eq!(line, "flag 7", "from the cache, before any network");
        Some(())
    });
    player.wait_for("online");
    player.close().unwrap();

    // Full from the very first day.
    let empty = tempdir();
    let mut player = start(PLAYER, &server.http_url(), empty.path(), "bob").unwrap();
    player.wait_for("online");
    assert_eq!(player.break_at("level_completed").as_deref(), Some("first"));
    player.close().unwrap();
    database.wait_for_offer("bob", "first", "received");
}

#[test]
fn an_offer_that_could_not_be_kept_is_not_acknowledged() {
    let (server, data) = server_with(|settings| {
        settings.timers.heartbeat = 1_000;
        (settings.timers.requeue, settings.timers.sweep) = (300, 50);
    });
    let database = Database::of(data.path());
    let proxy = Proxy::start(server.addr());
    let home = tempdir();
    let start = PlayerProcess::start_without_space;
    let mut player = start(PLAYER, &proxy.url(), home.path(), "ann").unwrap();
    player.wait_for("online");
    assert_eq!(player.break_at("level_completed"), None);
    // Too late for the break: it can only be held in memory, which a death would take away.
    server.put_offer("late", offer("Late")).unwrap();
    database.wait_for_offer("ann", "late", "sent");
    // Pings, on which an acknowledgement would ride.
    for _ in 0..3 {
        let sent = proxy.bytes(Way::Up);
        eventually("a ping", || (proxy.bytes(Way::Up) > sent).then_some(()));
    }
    assert_eq!(database.offer("ann", "late").0, "sent");
    player.kill().unwrap();
    database.wait_for_offer("ann", "late", "queued");
    let mut player = PlayerProcess::start(PLAYER, &proxy.url(), home.path(), "ann").unwrap();
    player.wait_for("online");
    assert_eq!(player.break_at("level_completed").as_deref(), Some("late"));
    player.close().unwrap();
}

#[test]
fn a_disk_that_takes_nothing_for_a_while() {
    let (server, data) = stocked_server();
    let home = tempdir();
    play_once(&server, home.path());
    server.put_flag("depth", FlagDefinition::new("on", &[("on", "8")]).unwrap()).unwrap();
    // Permissions do not stop an administrator; a directory where a file should be written stops anybody.
    let in_the_way = ["boot.tmp", "player-ann.tmp"].map(|name| home.path().join("castline").join(name));
    in_the_way.iter().for_each(|path| std::fs::create_dir(path).unwrap());
    let mut game = Game::with(options(&server.http_url()).data_dir(home.path()), "ann");
    game.until("fresh flags", |game| (game.client.flags().i64("depth", 0) == 8).then_some(()));
    game.online();
    server.put_offer("first", offer("First")).unwrap();
    let first = game.offer_at("level_completed");
    game.client.offers().result(&first.offer_id, Outcome::Accepted).unwrap();
    Database::of(data.path()).wait_for_offer("ann", "first", "closed");
    in_the_way.iter().for_each(|path| std::fs::remove_dir(path).unwrap());
    game.client.track("bite", r#"{"n":1}"#).unwrap();
    game.end();

    let game = Game::with(options(&server.http_url()).data_dir(home.path()), "ann");
    let flags = game.client.flags();
    assert_eq!((flags.i64("depth", 0), flags.reason("depth")), (8, Reason::Cached), "what was due was saved");
}

#[test]
fn a_damaged_cache_is_set_aside() {
    let (server, _data) = stocked_server();
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("emptied", |file| std::fs::write(file, b"").unwrap()),
        ("cut off", |file| {
            let bytes = std::fs::read(file).unwrap();
            std::fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("flipped", |file| {
            let mut bytes = std::fs::read(file).unwrap();
            let last = bytes.len() - 3;
            bytes[last] ^= 0x10;
            std::fs::write(file, bytes).unwrap();
        }),
        ("overwritten", |file| std::fs::write(file, [0xa5; 5_000]).unwrap()),
        ("swapped for a directory", |file| {
            std::fs::remove_file(file).unwrap();
            std::fs::create_dir(file).unwrap();
        }),
    ];
    for (name, damage) in damages {
        let home = tempdir();
        play_once(&server, home.path());
        let cache = home.path().join("castline");
        let files = std::fs::read_dir(&cache).unwrap().map(|file| file.unwrap().path());
        let files: Vec<_> = files.filter(|file| !file.ends_with("lock")).collect();
        assert!(files.len() >= 2, "{name}: {files:?}");
        files.iter().for_each(|file| damage(file));

        let mut game = Game::with(options(&server.http_url()).data_dir(home.path()), "ann");
        assert_eq!(game.client.flags().i64("depth", 3), 3, "{name}: the compiled default");
        game.until("fresh flags", |game| (game.client.flags().i64("depth", 3) == 7).then_some(()));
        game.online();
        assert_eq!(game.break_at("level_completed"), None, "{name}");
        game.end();
        if !cache.join("boot").is_dir() {
            assert!(cache.join("boot.corrupt").exists(), "{name}: kept for whoever asks why");
            let game = Game::with(options(&server.http_url()).data_dir(home.path()), "ann");
            assert_eq!(game.client.flags().i64("depth", 3), 7, "{name}: and saved anew");
        }
    }
}

#[test]
fn one_client_a_directory() {
    let (server, _data) = stocked_server();
    let home = tempdir();
    let open = || Client::connect(options(&server.http_url()).data_dir(home.path()));
    let mut game = Game::with(options(&server.http_url()).data_dir(home.path()), "ann");
    assert_eq!(open().unwrap_err(), Error::InUse);
    game.wait_for(State::Online);
    let events = game.end();
    assert!(matches!(events.last(), Some(Event::StateChanged { state: State::Closed, .. })));
    open().unwrap().close(PATIENCE).unwrap();

    // Another process has it, until it dies.
    let player = PlayerProcess::start(PLAYER, &server.http_url(), home.path(), "ann").unwrap();
    player.wait_for("online");
    assert_eq!(open().unwrap_err(), Error::InUse);
    player.kill().unwrap();
    open().unwrap().close(PATIENCE).unwrap();

    // A place where no directory can be is a bad option, told at the call.
    let file = home.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let bad = Client::connect(options(&server.http_url()).data_dir(&file)).unwrap_err();
    assert!(matches!(bad, Error::InvalidArgument(_)), "{bad:?}");
}
