//! What an operator does with the real binary: backup, restore, the doctor, an orderly end.
#![allow(clippy::unwrap_used)]

use crate::support;

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use support::binary::Binary;
use support::{Client, PATIENCE, get};
use tempfile::TempDir;

fn castline(arguments: &[&str], data: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_castline-server"));
    command.args(arguments).arg("--data").arg(data).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

async fn store(client: &mut Client, id: &str) {
    let batch = json!({"events": [{"eventId": id, "name": "x", "timestamp": 1}]});
    let reply = client.request("analytics", "events", batch).await;
    assert_eq!(reply["payload"]["count"], 1, "{reply}");
}

fn flag() -> Value {
    json!({"variants": {"off": false, "on": true}, "defaultVariant": "off", "rolloutBp": 10_000})
}

#[tokio::test]
async fn a_backup_taken_while_the_server_writes_can_be_restored() {
    let data = TempDir::new().unwrap();
    let elsewhere = TempDir::new().unwrap();
    let backup = elsewhere.path().join("castline.backup");
    let flags = ["--limits-messages", "unlimited"];
    let server = Binary::start_by(&mut Command::new("env"), data.path(), &flags);
    server.admin(data.path(), "/admin/flags/turbo", flag()).await;
    let (mut client, _) = server.login("p1", "d1", None).await;
    store(&mut client, "before").await;

    // A player goes on sending meanwhile.
    let stop = Arc::new(AtomicBool::new(false));
    let sender = tokio::spawn({
        let stop = stop.clone();
        async move {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                store(&mut client, &format!("during-{count}")).await;
                count += 1;
            }
            (client, count)
        }
    });
    let (place, to) = (data.path().to_owned(), backup.clone());
    let taken = move || castline(&["backup", to.to_str().unwrap()], &place);
    let output = tokio::task::spawn_blocking(taken).await.unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    stop.store(true, Ordering::Relaxed);
    let (mut client, count) = sender.await.unwrap();
    assert!(count > 0);
    assert_eq!(std::fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    let left: Vec<_> = std::fs::read_dir(elsewhere.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["castline.backup"]);
    let again = castline(&["backup", backup.to_str().unwrap()], data.path());
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("a backup overwrites nothing"), "{}", stderr(&again));

    // What happens after the backup is not in it.
    store(&mut client, "after").await;
    server.admin(data.path(), "/admin/flags/late", flag()).await;
    let running = castline(&["restore", backup.to_str().unwrap()], data.path());
    assert!(stderr(&running).contains("in use by another server"), "{}", stderr(&running));
    server.kill_9();
    let restored = castline(&["restore", backup.to_str().unwrap()], data.path());
    assert!(restored.status.success(), "{}", stderr(&restored));

    let server = Binary::start(data.path());
    let flags = get(server.players, "/flags?player_id=p1&build=2", &[]).await.json();
    assert_eq!(flags["flags"]["turbo"]["value"], true, "{flags}");
    assert!(flags["flags"].get("late").is_none());
    assert_eq!(flags["version"], "v4", "players have seen v3, and take nothing below");
    let (mut client, _) = server.login("p1", "d1", None).await;
    let ask = |id: &str| json!({"events": [{"eventId": id, "name": "x", "timestamp": 1}]});
    assert_eq!(client.request("analytics", "events", ask("before")).await["payload"]["duplicates"], 1);
    assert_eq!(client.request("analytics", "events", ask("after")).await["payload"]["duplicates"], 0);
    server.kill_9();
    // The former database is kept, with its log.
    let names: Vec<_> = std::fs::read_dir(data.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("castline.db.before-restore-"))
        .collect();
    assert!(names.iter().any(|name| !name.ends_with("-wal") && !name.ends_with("-shm")), "{names:?}");
}

#[tokio::test]
async fn what_is_no_backup_is_not_restored() {
    let data = TempDir::new().unwrap();
    Binary::start(data.path()).kill_9();
    let before = std::fs::read(data.path().join("castline.db")).unwrap();
    let bad = data.path().join("bad");
    for content in ["", "no database", "SQLite format 3\0 and then rubbish"] {
        std::fs::write(&bad, content).unwrap();
        let output = castline(&["restore", bad.to_str().unwrap()], data.path());
        assert_eq!(output.status.code(), Some(1), "{content:?}: {}", stderr(&output));
    }
    assert_eq!(std::fs::read(data.path().join("castline.db")).unwrap(), before);
    // Nor is a damaged database backed up as if it were whole.
    let whole = data.path().join("whole");
    assert!(castline(&["backup", whole.to_str().unwrap()], data.path()).status.success());
    let mut damaged = std::fs::read(&whole).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 4096].fill(0xa5);
    let there = TempDir::new().unwrap();
    std::fs::write(there.path().join("castline.db"), damaged).unwrap();
    let to = there.path().join("copy");
    let output = castline(&["backup", to.to_str().unwrap()], there.path());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(!to.exists());
    let output = castline(&["doctor", "--dev", "--json"], there.path());
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let database = found.as_array().unwrap().iter().find(|f| f["check"] == "database").unwrap();
    assert_eq!(database["level"], "fail", "{found}");
}

fn doctor(
    arguments: &[&str],
    environment: &[(&str, &str)],
    data: &Path,
) -> (Option<i32>, Vec<(String, String, String)>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_castline-server"));
    command.args(["doctor", "--json"]).args(arguments).arg("--data").arg(data).env_clear();
    let output = command.envs(environment.iter().copied()).output().unwrap();
    let found: Vec<Value> =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", stderr(&output)));
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    for finding in &found {
        assert_eq!(finding["level"] == "ok", finding.get("remedy").is_none(), "{finding}");
    }
    let lines = found.iter().map(|f| (text(&f["check"]), text(&f["level"]), text(&f["detail"]))).collect();
    (output.status.code(), lines)
}

#[tokio::test]
async fn the_doctor_finds_what_is_wrong_and_says_what_to_do() {
    let data = TempDir::new().unwrap();
    std::fs::set_permissions(data.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let good = ("CASTLINE_JWT_SECRET", "f3a9c07e5d1b8264f3a9c07e5d1b8264");
    let free = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    // The worst of a check's lines.
    let level = |lines: &[(String, String, String)], check: &str| {
        let worst = ["fail", "warn", "ok"]
            .into_iter()
            .find(|level| lines.iter().any(|(c, l, _)| c == check && l == level));
        worst.expect(check).to_owned()
    };
    let (code, lines) = doctor(&free, &[good], data.path());
    assert_eq!(code, Some(0), "{lines:?}");
    for check in ["configuration", "data directory", "database", "port: players", "tls", "clock"] {
        assert_eq!(level(&lines, check), "ok", "{check}: {lines:?}");
    }
    assert_eq!(level(&lines, "secrets"), "warn", "no admin key: {lines:?}");

    // A wrong setting, weak secrets, a port in use.
    let (code, lines) = doctor(&["--timers-idle", "never"], &[good], data.path());
    assert_eq!((code, level(&lines, "configuration").as_str()), (Some(1), "fail"));
    let weak = [("CASTLINE_JWT_SECRET", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")];
    let (code, lines) = doctor(&free, &weak, data.path());
    assert_eq!((code, level(&lines, "secrets").as_str()), (Some(1), "fail"));
    assert!(!format!("{lines:?}").contains("aaaaaaaa"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, lines) =
        doctor(&["--listen", &address, "--admin-listen", "127.0.0.1:0"], &[good], data.path());
    assert_eq!((code, level(&lines, "port: players").as_str()), (Some(1), "fail"));

    // A secret that others can read, a certificate that is too old.
    let file = data.path().join("jwt");
    std::fs::write(&file, good.1).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (_, lines) = doctor(&["--jwt-secret-file", file.to_str().unwrap()], &[], data.path());
    assert_eq!(level(&lines, "secrets"), "fail", "{lines:?}");
    let (chain, key) = (data.path().join("chain.pem"), data.path().join("key.pem"));
    let issue = |until: (i32, u8)| {
        let pair = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(["game.example".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(until.0, until.1, 1);
        std::fs::write(&chain, parameters.self_signed(&pair).unwrap().pem()).unwrap();
        std::fs::write(&key, pair.serialize_pem()).unwrap();
    };
    let tls = ["--tls-certificates", chain.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    for (until, expected) in [((2021, 1), "fail"), ((2098, 1), "ok")] {
        issue(until);
        let (_, lines) = doctor(&tls, &[good], data.path());
        assert_eq!(level(&lines, "tls"), expected, "{lines:?}");
    }
    std::fs::write(&chain, "no certificate").unwrap();
    assert_eq!(level(&doctor(&tls, &[good], data.path()).1, "tls"), "fail");

    // Beside a running server it finds that server, not an enemy.
    let server = Binary::start(data.path());
    let (players, operators) = (server.players.to_string(), server.operators.to_string());
    let (code, lines) =
        doctor(&["--dev", "--listen", &players, "--admin-listen", &operators], &[], data.path());
    assert_eq!(code, Some(0), "{lines:?}");
    assert_eq!(
        (level(&lines, "port: players"), level(&lines, "database")),
        ("ok".to_owned(), "ok".to_owned())
    );
    server.kill_9();
}

#[tokio::test]
async fn systemd_hears_of_start_life_and_end_and_a_second_signal_ends_at_once() {
    let data = TempDir::new().unwrap();
    let path = data.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = || {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).expect("systemd heard nothing");
        String::from_utf8(bytes[..length].to_vec()).unwrap().trim().to_owned()
    };
    // Among the beats of the watchdog.
    let hear_of = |word: &str| assert!((0..200).any(|_| hear() == word), "systemd never heard {word}");
    let start = |notice: &str| {
        let mut command = Command::new("env");
        command.arg(format!("NOTIFY_SOCKET={}", path.display())).arg("WATCHDOG_USEC=200000");
        Binary::start_by(&mut command, data.path(), &["--timers-drain-notice", notice])
    };
    let end = |server: &Binary| {
        let status = Command::new("kill").args(["-TERM", &server.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    };
    let mut server = start("0s");
    assert_eq!(hear(), "READY=1");
    assert_eq!(hear(), "WATCHDOG=1");
    let (mut client, _) = server.login("p1", "d1", None).await;
    end(&server);
    assert_eq!(client.next().await["type"], "reconnect");
    assert_eq!(client.closed().await, 4010);
    hear_of("STOPPING=1");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));

    let mut server = start("1h");
    hear_of("READY=1");
    end(&server);
    hear_of("STOPPING=1");
    while get(server.players, "/readyz", &[]).await.status != 503 {}
    assert_eq!(hear(), "WATCHDOG=1", "a long drain is no hang");
    end(&server);
    assert_eq!(server.child.wait().unwrap().code(), Some(3));
}
