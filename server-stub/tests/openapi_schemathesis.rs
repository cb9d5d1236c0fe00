//! The OpenAPI documents, judged by others: openapi-spec-validator says whether they are OpenAPI, and schemathesis sends what their schemas
//! allow and what they forbid, and looks at the answers: no 5xx, no status, content type, header or body that is not documented, nothing taken that
//! is forbidden, nothing done without the key, no method beside the documented ones.
//!
//! It needs Python 3 with venv, and the Python registry at its first run; so a plain `cargo test` leaves it out (`test = false` in
//! `Cargo.toml`), and the step `openapi` of `cargo xtask test` runs it. The number of requests is bounded, and their choice is fixed.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use castline_server::{Rate, RunningServer};
use support::operator::Operator;
use support::{get, http, start_with};

/// Generated cases for each operation and phase, beside the systematic ones.
const EXAMPLES: &str = "4";

fn run(program: &Path, arguments: &[&str], environment: &[(&str, String)]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).envs(environment.iter().map(|(name, value)| (name, value.as_str())));
    command.current_dir(env!("CARGO_TARGET_TMPDIR"));
    match command.status() {
        Ok(status) => status.success(),
        Err(error) => panic!("{} could not be started: {error}", program.display()),
    }
}

/// A virtual environment with the pinned packages, made anew where they are others. Returns its programs' directory.
fn install(directory: &Path) -> PathBuf {
    let wanted = directory.join("requirements.txt");
    let requirements = std::fs::read(&wanted).unwrap();
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openapi-venv");
    let (stamp, programs) = (venv.join("castline-requirements"), venv.join("bin"));
    if std::fs::read(&stamp).is_ok_and(|installed| installed == requirements) {
        return programs;
    }
    let made = run(Path::new("python3"), &["-m", "venv", "--clear", venv.to_str().unwrap()], &[]);
    assert!(made, "no virtual environment: Python 3 with venv is needed (apt-get install python3-venv)");
    let arguments =
        ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", wanted.to_str().unwrap()];
    assert!(run(&programs.join("pip"), &arguments, &[]), "pip could not install {}", wanted.display());
    std::fs::write(stamp, requirements).unwrap();
    programs
}

/// What the examples of the documents refer to.
async fn fill(server: &RunningServer, admin: &str) {
    let flag =
        r#"{"variants":{"control":"$4.99","sale":"$1.99"},"defaultVariant":"control","rolloutBp":5000}"#;
    for (path, body) in [
        ("/admin/flags/price", flag),
        ("/admin/segments/whales", r#"{"when":{"trait":{"name":"spend","op":">=","value":100}}}"#),
        ("/admin/campaigns/starter", r#"{"title":"Starter","expiresInSeconds":60}"#),
        (
            "/admin/experiments/cheaper",
            r#"{"flag":"price","metric":{"kind":"conversion","event":"purchase"}}"#,
        ),
    ] {
        let bearer = format!("Bearer {admin}");
        let answer = http(server.admin_addr(), "PUT", path, &[("authorization", &bearer)], body).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn the_server_is_what_its_documents_say() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi");
    let programs = install(&directory);
    let (server, _data) = start_with(|settings| {
        let limits = &mut settings.limits;
        for rate in [
            &mut limits.wrong_keys,
            &mut limits.flags,
            &mut limits.claim,
            &mut limits.events,
            &mut limits.telegram,
        ] {
            *rate = Rate::unlimited();
        }
    });
    let admin = std::fs::read_to_string(server.admin_key_file().unwrap()).unwrap().trim().to_owned();
    fill(&server, &admin).await;
    let environment = [
        ("CASTLINE_API_KEY", Operator::of(&server).api_key("schemathesis").await.replace("Bearer ", "")),
        ("CASTLINE_TOKEN", server.token("p1").unwrap()),
        ("CASTLINE_ADMIN_KEY", admin),
        ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
    ];
    // The players' side first: an operator may ban them.
    for (path, base) in [
        ("/openapi/players.json", server.http_url()),
        ("/openapi.json", format!("http://{}", server.admin_addr())),
    ] {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(path.rsplit('/').next().unwrap());
        std::fs::write(&file, get(server.admin_addr(), path, &[]).await.body).unwrap();
        let file = file.to_str().unwrap();
        assert!(run(&programs.join("openapi-spec-validator"), &[file], &[]), "{path} is not OpenAPI");
        let config = directory.join("schemathesis.toml");
        let arguments = [
            "--config-file",
            config.to_str().unwrap(),
            "run",
            file,
            "--url",
            &base,
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            EXAMPLES,
            // CPython 3.11 has a race in its parser, which schemathesis uses for its messages (gh-106905).
            "--workers",
            "1",
            "--seed",
            "20261121",
            "--generation-deterministic",
            "--no-shrink",
            "--continue-on-failure",
            "--suppress-health-check",
            "all",
            "--warnings",
            "off",
            "--no-color",
        ];
        assert!(
            run(&programs.join("st"), &arguments, &environment),
            "{path}: schemathesis found something; see above"
        );
    }
}
