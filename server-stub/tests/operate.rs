//! The operators' sub-commands of the binary, against the binary as a server: what they print, what they change, how they end.
#![allow(clippy::unwrap_used)]

use crate::support;

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use support::binary::Binary;
use tempfile::TempDir;

struct Shell {
    server: Binary,
    data: TempDir,
}

impl Shell {
    fn new() -> Shell {
        let data = TempDir::new().unwrap();
        Shell { server: Binary::start(data.path()), data }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_castline-server"));
        command.args(line.split(' ')).env_remove("CASTLINE_ADMIN_KEY").stdin(Stdio::null());
        command.env("CASTLINE_ADMIN_URL", format!("http://{}", self.server.operators));
        command
    }

    /// With the key from its file; returns the exit code, standard output and standard error.
    fn run(&self, line: &str, input: Option<Value>) -> (i32, String, String) {
        let mut command = self.command(line);
        command.arg("--key-file").arg(self.data.path().join("admin.key"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let text = input.map_or_else(String::new, |json| json.to_string());
        // A command that does not read its input may be gone already.
        let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
        self.told(child.wait_with_output().unwrap())
    }

    fn told(&self, output: Output) -> (i32, String, String) {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        let key = std::fs::read_to_string(self.data.path().join("admin.key")).unwrap();
        assert!(!out.contains(key.trim()) && !err.contains(key.trim()), "the key was told");
        (output.status.code().unwrap(), out, err)
    }

    fn done(&self, line: &str, input: Option<Value>) -> String {
        let (code, out, err) = self.run(line, input);
        assert_eq!((code, err.as_str()), (0, ""), "{line}: {out}");
        out
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.done(&format!("{line} --json"), None)).unwrap()
    }
}

fn price() -> Value {
    json!({"variants": {"control": "$4.99", "sale": "$1.99"}, "defaultVariant": "control"})
}

#[tokio::test]
async fn flags_are_set_listed_looked_back_on_and_rolled_back() {
    let shell = Shell::new();
    assert_eq!(shell.done("flags set price -", Some(price())), "price is set; the configuration is v2\n");
    assert_eq!(
        shell.done("flags set price --rollout 12.5 --as ann", None),
        "price is set; the configuration is v3\n"
    );
    let listed = shell.done("flags list", None);
    let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][..3], ["FLAG", "ON", "ROLLOUT"], "{listed}");
    assert_eq!(lines[1][..6], ["price", "on", "12.5", "%", "control", "control,sale"], "{listed}");
    assert!(lines[2].starts_with(&["configuration", "v3;"]) && listed.contains("of 2048 bytes"), "{listed}");
    // What is read can be set.
    let read: Value = serde_json::from_str(&shell.done("flags get price", None)).unwrap();
    assert_eq!((&read["rolloutBp"], &read["name"]), (&json!(1_250), &Value::Null));
    shell.done("flags set price - --enabled false", Some(read));
    assert_eq!(shell.json("flags list")["flags"][0]["enabled"], false);
    assert!(shell.done("flags rollback price v3", None).contains("is what it was in v3"));
    let history = shell.json("flags history price --limit 3 --before v5");
    let shown: Vec<Value> =
        history["changes"].as_array().unwrap().iter().map(|c| json!([c["version"], c["who"]])).collect();
    assert_eq!(shown, [json!(["v4", "admin"]), json!(["v3", "ann"]), json!(["v2", "admin"])]);
    assert!(shell.done("flags history price", None).contains("roll back flag"));
    shell.done("flags set рыба/../x -", Some(price()));
    assert_eq!(shell.json("flags list")["flags"][1]["name"], "рыба/../x", "a name is a name, not a path");
    shell.done("flags delete price", None);
    assert_eq!(shell.run("flags get price", None).0, 1);
}

#[tokio::test]
async fn campaigns_are_put_pushed_tried_out_and_counted() {
    let shell = Shell::new();
    let starter = json!({"title": "Starter pack", "expiresInSeconds": 3600, "placements": ["shop"], "budget": {"total": 10},
        "when": {"attribute": {"name": "level", "op": ">=", "value": 5}}});
    assert_eq!(shell.done("campaigns put starter -", Some(starter)), "starter is in force\n");
    let would = shell.done("campaigns dry-run starter --player p1 --placement shop --context level=7", None);
    assert!(would.ends_with("p1 would get it\n"), "{would}");
    let not = shell.done("offers dry-run starter --player p1 --placement shop --context level=4", None);
    assert!(not.contains("p1 would not get it: when: ") && not.contains(" NO "), "{not}");
    // Pushed to a player who is at a break: it comes at once.
    let (mut player, _) = shell.server.login("p2", "d1", None).await;
    let opened =
        player.request("offers", "ready_for_offer", json!({"placement": "shop", "leaseMs": 60000})).await;
    assert_ne!(opened["type"], "error", "{opened}");
    let gift = json!({"title": "Sorry for the outage", "expiresInSeconds": 60, "priority": 9});
    assert_eq!(
        shell.done("offers push sorry - --player p2 --player p3", Some(gift)),
        "sorry is in force, for p2, p3\n"
    );
    let offer = player.next().await;
    assert_eq!(
        (&offer["type"], &offer["payload"]["offerId"]),
        (&json!("new_offer"), &json!("sorry")),
        "{offer}"
    );
    let listed = shell.done("offers list", None);
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[1].starts_with("sorry ") && lines[2].contains("0 of 10"), "the better first: {listed}");
    let funnel = shell.json("campaigns funnel sorry");
    assert_eq!(funnel["funnel"]["unreceived"], 1, "{funnel}");
    assert!(shell.done("campaigns funnel sorry", None).starts_with("VARIANT  UNRECEIVED"));
    shell.done("campaigns disable starter", None);
    let read: Value = serde_json::from_str(&shell.done("campaigns get starter", None)).unwrap();
    assert_eq!(read["enabled"], false);
    shell.done("campaigns delete starter", None);
    assert_eq!(shell.run("campaigns get starter", None).0, 1);
}

#[tokio::test]
async fn experiments_and_bans() {
    let shell = Shell::new();
    shell.done("flags set price - --rollout 50", Some(price()));
    let cheaper = json!({"flag": "price", "metric": {"kind": "conversion", "event": "purchase"}});
    assert_eq!(shell.done("experiments put cheaper -", Some(cheaper.clone())), "cheaper runs from now on\n");
    assert_eq!(shell.done("experiments put cheaper -", Some(cheaper)), "cheaper was running already\n");
    let report = shell.done("experiments report cheaper", None);
    for said in ["cheaper on price, since ", "0 players", "VARIANT  PLAYERS", "control  0"] {
        assert!(report.contains(said), "{said}: {report}");
    }
    assert_eq!(shell.json("experiments report cheaper")["report"]["verdict"]["decision"], "inconclusive");
    let (code, _, refused) = shell.run("experiments promote cheaper", None);
    assert_eq!(code, 1);
    assert!(
        refused.starts_with("refused (400 INVALID_PAYLOAD): variant: ")
            && refused.ends_with("field: variant\n"),
        "{refused}"
    );
    assert!(
        shell
            .done("experiments promote cheaper --variant sale", None)
            .starts_with("everybody gets sale of price")
    );
    assert!(
        shell.done("experiments list", None).lines().nth(1).unwrap().starts_with("cheaper     price  20")
    );
    assert_eq!(shell.run("experiments drop cheaper", None).0, 1, "it has ended");

    assert_eq!(shell.done("bans add p9 --reason cheating", None), "p9 is banned for good\n");
    shell.done("bans add p8 --until 2099-01-31T12:00:00Z --reason rude", None);
    let listed = shell.done("bans list", None);
    assert!(
        listed.contains("2099-01-31 12:00:00 UTC")
            && listed.contains("for good")
            && listed.contains("cheating"),
        "{listed}"
    );
    assert_eq!(shell.json("bans list")["bans"].as_array().unwrap().len(), 2);
    assert_eq!(shell.done("bans lift p9", None), "p9 may play again\n");
    assert_eq!(shell.run("bans lift p9", None).0, 1);
}

#[tokio::test]
async fn keys_for_backends_are_made_used_and_revoked() {
    let shell = Shell::new();
    let key = shell.done("api-keys make shop --scope traits --scope revenue --as ann", None);
    assert!(key.starts_with("cstl_") && key.ends_with('\n'), "the key alone");
    let bearer = format!("Bearer {}", key.trim());
    let put = async || {
        let headers = [("authorization", bearer.as_str())];
        let body = r#"{"country":"DE"}"#;
        support::http(shell.server.operators, "PUT", "/server/v1/players/p1/traits", &headers, body)
            .await
            .status
    };
    assert_eq!(put().await, 200);
    let listed = shell.done("api-keys list", None);
    assert!(listed.contains("revenue") && listed.contains("ann") && !listed.contains(key.trim()), "{listed}");
    assert_eq!(shell.done("api-keys revoke shop", None), "shop opens nothing any more\n");
    assert_eq!(put().await, 401);
    assert_eq!(shell.run("api-keys make shop --scope flying", None).0, 1);
}

#[tokio::test]
async fn what_goes_wrong_is_said_and_has_an_exit_code() {
    let shell = Shell::new();
    let mut wrong = price();
    wrong["rolloutBp"] = json!(10_001);
    let (code, out, err) = shell.run("flags set price -", Some(wrong));
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(
        err,
        "refused (400 INVALID_PAYLOAD): rolloutBp: 10001; the limit is 10000\nfield: rolloutBp\n"
    );
    let (code, _, err) = shell.run("flags get none", None);
    assert_eq!((code, err.as_str()), (1, "refused (404 NOT_FOUND): there is no flag \"none\"\n"));
    for line in [
        "flags",
        "flags set price",
        "flags set price --rollout 100.5",
        "flags set price no-such-file.json",
        "flags set price - --enabled perhaps",
        "campaigns dry-run starter --player p1 --placement shop --context level",
        "bans add p1 --reason x --until tomorrow",
        "offers push sorry -",
        "flags list --admin https://127.0.0.1:1",
        "flags list --admin ftp://x",
        "flags list --admin-key 0123456789",
        "flags fly",
    ] {
        let (code, out, err) = shell.run(line, None);
        assert_eq!((code, out.as_str()), (2, ""), "{line}: {err}");
        assert!(!err.is_empty(), "{line}");
    }
    // Text that is no JSON is not sent.
    let (code, _, err) = shell.run("flags set price -", None);
    assert_eq!(code, 2, "{err}");
    // Without a key, with a wrong one, and with the right one from the environment.
    let (code, _, err) = shell.told(shell.command("flags list").output().unwrap());
    assert!(code == 2 && err.contains("CASTLINE_ADMIN_KEY"), "{code}: {err}");
    let with =
        |key: &str| shell.told(shell.command("flags list").env("CASTLINE_ADMIN_KEY", key).output().unwrap());
    let (code, _, err) = with("not the key, which has no spaces");
    assert_eq!(code, 2, "{err}");
    let (code, _, err) = with("0123456789012345678901234567890123456789");
    assert_eq!((code, err.starts_with("refused (401 INVALID_TOKEN)")), (1, true), "{err}");
    let key = std::fs::read_to_string(shell.data.path().join("admin.key")).unwrap();
    assert_eq!(with(&key).0, 0);
    // Nobody there, and somebody else there.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    // It never listens, and nobody else gets the port meanwhile.
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody_is_there = format!("flags list --admin http://{}", nobody.local_addr().unwrap());
    let (code, _, err) = shell.run(&nobody_is_there, None);
    assert!(code == 3 && err.starts_with("error: no answer: http://127.0.0.1:"), "{code}: {err}");
    let players = format!("flags list --admin http://{}/healthz?", shell.server.players);
    assert_eq!(shell.run(&players, None).0, 3, "an answer that is no server's of ours");
}
