//! OpenFeature's own npm providers against the server: this starts two servers with flags, installs the providers at the locked versions,
//! and lets `tests/ofrep/providers.test.mjs` judge.
//!
//! It needs Node.js 20 with npm, and the npm registry at its first run; so a plain `cargo test` leaves it out (`test = false` in
//! `Cargo.toml`), and the step `openfeature` of `cargo xtask test` runs it.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use castline_server::{FlagDefinition, Rate};
use serde_json::json;
use support::npm::{install, node};
use support::start_with;

#[test]
fn openfeatures_own_providers_read_our_flags() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ofrep");
    install(&directory);
    let (server, _data) = start_with(|s| s.limits.flags = Rate::unlimited());
    let flag = |default, variants: &[(&str, &str)]| FlagDefinition::new(default, variants).unwrap();
    let mut price = flag("control", &[("control", "\"$4.99\""), ("treatment", "\"$1.99\"")]);
    price.rules = serde_json::from_value(json!([
        {"when": {"attr.tier": ["gold"], "attr.level": {">=": 10}, "build": {"range": ">=2"}}, "variant": "treatment"}
    ]))
    .unwrap();
    let mut shop = flag("off", &[("off", "false"), ("on", "true")]);
    shop.enabled = false;
    let mut secret = flag("a", &[("a", "\"hidden\"")]);
    secret.private = true;
    for (name, definition) in [
        ("price", price),
        ("shop", shop),
        ("secret", secret),
        ("depth", flag("a", &[("a", "3.5")])),
        ("boat", flag("a", &[("a", r#"{"speed":2,"name":"Пила 🐟"}"#)])),
    ] {
        server.put_flag(name, definition).unwrap();
    }
    // One request an hour for a player: the second one is refused.
    let (limited, _limited_data) = start_with(|s| s.limits.flags = Rate::per_second(1.0 / 3_600.0, 1.0));
    limited.put_flag("on", flag("on", &[("on", "true")])).unwrap();
    let environment = [
        ("CASTLINE_URL", server.http_url()),
        ("CASTLINE_LIMITED_URL", limited.http_url()),
        ("CASTLINE_TOKEN", server.token("ann").unwrap()),
        ("CASTLINE_ADMIN_URL", format!("http://{}", server.admin_addr())),
        ("CASTLINE_ADMIN_KEY", std::fs::read_to_string(server.admin_key_file().unwrap()).unwrap()),
    ];
    let arguments = ["--test", "--test-timeout=60000", "providers.test.mjs"];
    assert!(node("node", &arguments, &directory, &environment), "the providers' tests failed; see above");
}
