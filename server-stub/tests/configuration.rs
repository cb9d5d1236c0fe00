//! The settings: where they come from, what beats what, and what is said when one is wrong.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use castline_server::config::{Sources, load, sample};
use castline_server::{LogFormat, Rate, Settings};
use tempfile::TempDir;

const SECRET: &str = "a secret of no less than thirty-two bytes";

struct Case {
    directory: TempDir,
    sources: Sources,
}

impl Case {
    fn new(file: &str) -> Case {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("castline-server.toml");
        std::fs::write(&path, file).unwrap();
        Case { directory, sources: Sources { file: Some(path), ..Sources::default() } }
    }

    fn variable(mut self, name: &str, value: &str) -> Case {
        self.sources.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    fn flag(mut self, name: &str, value: &str) -> Case {
        self.sources.flags.entry(name.to_owned()).or_default().push(value.to_owned());
        self
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Every problem, the temporary directory left out.
    fn problems(&self) -> Vec<String> {
        let place = format!("{}/", self.directory.path().display());
        let problems = match load(&self.sources) {
            Ok(effective) => effective.check().unwrap_err().problems,
            Err(error) => error.problems,
        };
        problems.iter().map(|problem| problem.replace(&place, "")).collect()
    }
}

fn binary(arguments: &[&str], environment: &[(&str, &str)], place: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_castline-server"));
    command.args(arguments).env_clear().envs(environment.iter().copied()).current_dir(place);
    command.output().unwrap()
}

#[test]
fn a_flag_beats_a_variable_which_beats_the_file_which_beats_the_default() {
    let case = Case::new("threads = 2\n[timers]\nidle = \"2m\"\nsweep = 700\nrequeue = \"1m\"\n")
        .variable("CASTLINE_TIMERS_IDLE", "3m")
        .variable("CASTLINE_TIMERS_SWEEP", "800")
        .variable("CASTLINE_THREADS", "")
        .flag("timers-idle", "4m");
    let effective = load(&case.sources).unwrap();
    let timers = &effective.settings.timers;
    assert_eq!((timers.idle, timers.sweep, timers.requeue), (240_000, 800, 60_000));
    assert_eq!(timers.heartbeat, Settings::default().timers.heartbeat);
    assert_eq!(effective.settings.threads, 2, "an empty variable is none");
    let origin = |key| effective.origin(key).to_string();
    assert_eq!(origin("timers.idle"), "--timers-idle");
    assert_eq!(origin("timers.sweep"), "CASTLINE_TIMERS_SWEEP");
    assert!(origin("timers.requeue").ends_with("castline-server.toml:5"), "{}", origin("timers.requeue"));
    assert_eq!(origin("timers.heartbeat"), "default");
}

#[test]
fn every_kind_of_value_comes_from_every_place() {
    let file = r#"
        listen = "[::1]:9000"
        data = "/var/lib/castline"
        dev = true
        cors_origins = ["https://a.example", "http://localhost:5173"]
        tls = { certificates = "chain.pem", key = "key.pem" }
        log.format = "json"
        limits.messages = "5/s burst 9"
        limits.connections = 0x1000
    "#;
    let settings = load(&Case::new(file).sources).unwrap().settings;
    let from_environment = Case::new("")
        .variable("CASTLINE_LISTEN", "[::1]:9000")
        .variable("CASTLINE_DATA", "/var/lib/castline")
        .variable("CASTLINE_DEV", "true")
        .variable("CASTLINE_CORS_ORIGINS", "https://a.example,http://localhost:5173")
        .variable("CASTLINE_TLS_CERTIFICATES", "chain.pem")
        .variable("CASTLINE_TLS_KEY", "key.pem")
        .variable("CASTLINE_LOG_FORMAT", "json")
        .variable("CASTLINE_LIMITS_MESSAGES", "5/s burst 9")
        .variable("CASTLINE_LIMITS_CONNECTIONS", "4096");
    let from_flags = Case::new("")
        .flag("listen", "[::1]:9000")
        .flag("data", "/var/lib/castline")
        .flag("dev", "true")
        .flag("cors-origins", "https://a.example")
        .flag("cors-origins", "http://localhost:5173")
        .flag("tls-certificates", "chain.pem")
        .flag("tls-key", "key.pem")
        .flag("log-format", "json")
        .flag("limits-messages", "5/s burst 9")
        .flag("limits-connections", "4096");
    for other in [from_environment, from_flags] {
        assert_eq!(format!("{settings:?}"), format!("{:?}", load(&other.sources).unwrap().settings));
    }
    assert_eq!(settings.limits.messages, Rate::per_second(5.0, 9.0));
    assert_eq!((settings.limits.connections, settings.log.format), (4_096, LogFormat::Json));
    assert_eq!(settings.tls.unwrap().key, PathBuf::from("key.pem"));
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
    let file = "threds = 2\nheartbeat = 1\n[timers]\nidel = 5\n[limits.messages]\nper_second = 1\n[tmers]\n[log]\n[xyzzy]\nplugh = 1\n";
    assert_eq!(
        Case::new(file).problems(),
        [
            "limits.messages: a table is not a rate such as \"10/min\", \"30/s burst 60\" or \"unlimited\", more than 0 and with a burst of at least 1 (from castline-server.toml:5)",
            "castline-server.toml:1: there is no setting threds; the nearest is threads",
            "castline-server.toml:2: there is no setting heartbeat; the nearest is timers.heartbeat",
            "castline-server.toml:4: there is no setting timers.idel; the nearest is timers.idle",
            "castline-server.toml:7: there is no setting tmers; the nearest is timers",
            "castline-server.toml:10: there is no setting xyzzy.plugh",
        ]
    );
}

#[test]
fn a_wrong_value_is_named_with_its_limit_and_where_it_was_set() {
    let case = Case::new("listen = 8080\n[timers]\nidle = \"soon\"\nsweep = 2\n[limits]\nconnections = -1\n")
        .variable("CASTLINE_LIMITS_EVENTS", "0/s")
        .variable("CASTLINE_LOG_LEVEL", "castline=loud")
        .flag("threads", "5000")
        .flag("cors-origins", "https://game.example/");
    assert_eq!(
        case.problems(),
        [
            "listen: 8080 is not an address with a port, such as 127.0.0.1:8080 or [::1]:8080 (from castline-server.toml:1)",
            "cors_origins: \"https://game.example/\" is not an origin such as https://game.example: lower case, with a port where it is unusual, no path (from --cors-origins)",
            "threads: 5000 is not a whole number between 0 and 1024 (from --threads)",
            "log.level: \"castline=loud\" is not a level (error, warn, info, debug, trace) or levels by module, such as info,castline_server=debug (from CASTLINE_LOG_LEVEL)",
            "timers.idle: \"soon\" is not a time between 10ms and 366d: milliseconds, or \"30s\" (from castline-server.toml:3)",
            "timers.sweep: \"2ms\" is not a time between 10ms and 1h: milliseconds, or \"30s\" (from castline-server.toml:4)",
            "limits.events: \"0/min\" is not a rate such as \"10/min\", \"30/s burst 60\" or \"unlimited\", more than 0 and with a burst of at least 1 (from CASTLINE_LIMITS_EVENTS)",
            "limits.connections: -1 is not a whole number between 1 and 10000000 (from castline-server.toml:6)",
        ]
    );
}

#[test]
fn settings_that_contradict_each_other_are_named_both() {
    let file = "dev = true\nlisten = \"0.0.0.0:80\"\n[tls]\nkey = \"key.pem\"\n[timers]\nheartbeat = \"1m\"\n[limits]\nmessage_bytes = 2000\n";
    assert_eq!(
        Case::new(file).problems(),
        [
            "listen: dev makes tokens for anybody, so the server listens on loopback only; 0.0.0.0:80 is not",
            "tls.certificates: not set; TLS needs the certificates and their key",
            "timers.dead_after: 45000 ms is not more than timers.heartbeat, 60000 ms: every connection would be dropped",
            "limits.first_message_bytes: 4096 is more than limits.message_bytes, 2000",
        ]
    );
    let none = Case::new("");
    assert!(none.problems()[0].starts_with("jwt_secret: there is none: set CASTLINE_JWT_SECRET"));
}

#[test]
fn a_secret_comes_from_a_file_or_a_variable_and_is_shown_nowhere() {
    let case = Case::new("");
    let path = case.write("jwt", &format!("{SECRET}\n"));
    let case = Case {
        sources: Sources {
            flags: BTreeMap::from([("jwt-secret-file".to_owned(), vec![path.display().to_string()])]),
            ..case.sources
        },
        ..case
    };
    let effective = load(&case.variable("CASTLINE_ADMIN_KEY", SECRET).sources).unwrap();
    let secret = effective.settings.jwt_secret.as_ref().unwrap();
    assert_eq!(secret.expose(), SECRET, "without the newline");
    for shown in [effective.to_string(), format!("{effective:?}")] {
        assert!(!shown.contains("thirty-two"), "{shown}");
    }
    let shown = effective.to_string();
    assert!(shown.contains("# jwt_secret = \"********** (41 bytes)\"  # --jwt-secret-file"), "{shown}");
    assert!(shown.contains("# admin_key = \"********** (41 bytes)\"  # CASTLINE_ADMIN_KEY"), "{shown}");
}

#[test]
fn a_secret_in_the_wrong_place_is_refused_and_not_repeated() {
    let case = Case::new("jwt_secret = \"hunter2hunter2\"\nadmin_key_file = \"/nowhere/at/all\"\n")
        .variable("CASTLINE_JWT_SECRET", "hunter2")
        .variable("CASTLINE_JWT_SECRET_FILE", "/dev/null");
    let problems = case.problems();
    assert_eq!(
        problems,
        [
            "jwt_secret: a secret does not belong into the configuration: name a file that holds it with jwt_secret_file, or set CASTLINE_JWT_SECRET (from castline-server.toml:1)",
            "jwt_secret: both CASTLINE_JWT_SECRET and CASTLINE_JWT_SECRET_FILE are set; one is enough",
            "jwt_secret: it has 0 bytes; it must have at least 32 (from CASTLINE_JWT_SECRET_FILE)",
            "jwt_secret: it has 7 bytes; it must have at least 32 (from CASTLINE_JWT_SECRET)",
            "admin_key: cannot read /nowhere/at/all: No such file or directory (os error 2) (from castline-server.toml:2)",
        ]
    );
    // A parser's message would show the line.
    let problems = Case::new("\njwt_secret = \"hunter2\n").problems();
    assert!(problems[0].starts_with("castline-server.toml:2: not TOML"), "{problems:?}");
    assert!(!problems[0].contains("hunter2"), "{problems:?}");
}

#[test]
fn what_no_setting_reads_is_mentioned() {
    let case = Case::new("")
        .variable("CASTLINE_TIMER_IDLE", "3m")
        .variable("CASTLINE_SERVICE_PORT_8080_TCP_PROTO", "tcp");
    assert_eq!(
        load(&case.sources).unwrap().warnings,
        [
            "the variable CASTLINE_SERVICE_PORT_8080_TCP_PROTO sets nothing",
            "the variable CASTLINE_TIMER_IDLE sets nothing; the nearest is CASTLINE_TIMERS_IDLE",
        ]
    );
}

#[test]
fn the_sample_is_up_to_date_and_is_the_defaults() {
    let kept = include_str!("../castline-server.toml");
    assert!(
        kept == sample(),
        "castline-server.toml is out of date: cargo run -p castline-server -- --sample-config > server-stub/castline-server.toml"
    );
    let effective = load(&Case::new(kept).sources).unwrap();
    assert_eq!(format!("{:?}", effective.settings), format!("{:?}", Settings::default()));
    assert!(
        effective.origin("timers.idle").to_string().contains("castline-server.toml:"),
        "it is read at all"
    );
    // And what is shown of a configuration can be read again.
    let shown = effective.to_string();
    let again = load(&Case::new(&shown).sources).unwrap();
    assert_eq!(format!("{:?}", again.settings), format!("{:?}", Settings::default()));
    assert_eq!(shown.lines().count(), again.to_string().lines().count());
}

#[test]
fn the_binary_says_by_its_exit_code_what_is_wrong() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("castline-server.toml");
    let run = |arguments: &[&str], environment: &[(&str, &str)]| binary(arguments, environment, place.path());
    let stderr = |output: &Output| String::from_utf8(output.stderr.clone()).unwrap();

    let out = run(&["--check-config", "--dev"], &[]);
    assert_eq!(
        (out.status.code(), String::from_utf8(out.stdout).unwrap().as_str()),
        (Some(0), "the configuration is in order\n")
    );

    let out = run(&["--check-config"], &[("CASTLINE_JWT_SECRET", "short")]);
    assert_eq!(out.status.code(), Some(78));
    assert_eq!(
        stderr(&out),
        "error: jwt_secret: it has 5 bytes; it must have at least 32 (from CASTLINE_JWT_SECRET)\n"
    );

    std::fs::write(&file, "timers.idle = \"1h\"\n").unwrap();
    let environment =
        [("CASTLINE_CONFIG", "castline-server.toml"), ("CASTLINE_ADMIN_KEY", SECRET), ("CASTLINE_DVE", "1")];
    let out = run(&["--print-config", "--dev", "--limits-events", "7/min"], &environment);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    let shown = String::from_utf8(out.stdout.clone()).unwrap();
    for line in [
        "dev = true  # --dev",
        "idle = \"1h\"  # castline-server.toml:1",
        "events = \"7/min\"  # --limits-events",
        "threads = 0  # default",
    ] {
        assert!(shown.lines().any(|l| l == line), "{line}: {shown}");
    }
    assert!(!shown.contains(SECRET));
    assert_eq!(
        stderr(&out),
        "warning: the variable CASTLINE_DVE sets nothing; the nearest is CASTLINE_DEV\n"
    );

    // A server that cannot start for its configuration is not restarted by a supervisor that knows the code.
    assert_eq!(run(&["--timers-idle", "never"], &[]).status.code(), Some(78));
    assert_eq!(run(&["--no-such-flag"], &[]).status.code(), Some(2));
    assert_eq!(run(&["--jwt-secret", SECRET], &[]).status.code(), Some(2), "no flag takes a secret itself");
    assert_eq!(run(&["--dev=false", "--check-config"], &[("CASTLINE_DEV", "true")]).status.code(), Some(78));
    assert_eq!(run(&["--sample-config"], &[]).stdout, sample().into_bytes());
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "looking makes no data directory");
}
