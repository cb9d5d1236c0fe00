//! Every operation that the OpenAPI documents name, asked badly: without a key or with a wrong one, with wrong types in every member,
//! members given twice, bodies of the wrong form, kind and size, hostile paths and queries. The answer is a 4xx with a problem that names what is
//! wrong, never a 5xx, never with a secret in it; and the server lives.
#![allow(clippy::unwrap_used)]

use crate::support;

use std::net::SocketAddr;

use castline_server::{Rate, RunningServer};
use serde_json::{Value, json};
use support::openapi::{Key, Operation, operations, resolved};
use support::operator::Operator;
use support::{Answer, PATIENCE, http, start_with};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A server with something in it, and what must not be told.
struct World {
    server: RunningServer,
    data: TempDir,
    admin: String,
    player: String,
    backend: String,
}

impl World {
    async fn new() -> World {
        let (server, data) = start_with(|settings| {
            let limits = &mut settings.limits;
            for rate in [&mut limits.wrong_keys, &mut limits.flags, &mut limits.claim, &mut limits.events] {
                *rate = Rate::unlimited();
            }
        });
        let admin = format!("Bearer {}", std::fs::read_to_string(server.admin_key_file().unwrap()).unwrap());
        let player = format!("Bearer {}", server.token("p1").unwrap());
        let backend = Operator::of(&server).api_key("sweep").await;
        let world = World { server, data, admin, player, backend };
        world.fill().await;
        world
    }

    /// What the examples refer to.
    async fn fill(&self) {
        let flag =
            r#"{"variants":{"control":"$4.99","sale":"$1.99"},"defaultVariant":"control","rolloutBp":5000}"#;
        let segment = r#"{"when":{"trait":{"name":"spend","op":">=","value":100}}}"#;
        for (path, body) in [
            ("/admin/flags/price", flag),
            ("/admin/segments/whales", segment),
            ("/admin/campaigns/starter", r#"{"title":"Starter","expiresInSeconds":60}"#),
            (
                "/admin/experiments/cheaper",
                r#"{"flag":"price","metric":{"kind":"conversion","event":"purchase"}}"#,
            ),
        ] {
            let answer =
                http(self.server.admin_addr(), "PUT", path, &[("authorization", &self.admin)], body).await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
        }
    }

    fn bearer(&self, operation: &Operation) -> &str {
        match operation.is_operators() {
            _ if operation.is_backends() => &self.backend,
            true => &self.admin,
            false => &self.player,
        }
    }

    async fn ask(&self, operation: &Operation, path: &str, more: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut headers = vec![("authorization", self.bearer(operation))];
        headers.extend(more);
        raw(operation.address, &operation.method, path, &headers, body).await
    }

    /// What holds for every answer.
    fn check(&self, what: &str, operation: &Operation, answer: &Answer) {
        assert!(answer.status < 500, "{what}: {answer:?}");
        let told = format!("{:?}{}", answer.headers, answer.body);
        let gives_a_token = operation.template == "/auth/token" && answer.status == 200;
        for secret in self.secrets().iter().filter(|_| !gives_a_token) {
            assert!(!told.contains(secret), "{what} tells a secret: {answer:?}");
        }
        if answer.status < 400 || answer.status == 426 {
            return;
        }
        if operation.is_ofrep() && matches!(answer.status, 400 | 404) {
            let json = answer.json();
            assert!(json["errorCode"].is_string() && json["errorDetails"].is_string(), "{what}: {answer:?}");
            return;
        }
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}: {answer:?}");
        let json = answer.json();
        assert_eq!(json["status"], answer.status, "{what}: {answer:?}");
        for member in ["title", "code", "detail"] {
            assert!(json[member].as_str().is_some_and(|text| !text.is_empty()), "{what}: {answer:?}");
        }
        if answer.status == 400 {
            assert!(
                json["field"].as_str().is_some_and(|text| !text.is_empty()),
                "{what}: no field: {answer:?}"
            );
        }
        // 405 where a hostile path made another path of it.
        if !matches!(answer.status, 405 | 404) {
            let documented = operation.responses.get(answer.status.to_string());
            assert!(documented.is_some(), "{what}: {} is not documented: {answer:?}", answer.status);
        }
    }

    fn secrets(&self) -> Vec<String> {
        let jwt = std::fs::read_to_string(self.data.path().join("jwt.secret")).unwrap();
        let key = |bearer: &str| bearer.trim_start_matches("Bearer ").trim().to_owned();
        vec![jwt.trim().to_owned(), key(&self.admin), key(&self.player), key(&self.backend)]
    }

    async fn lives(&self) {
        for address in [self.server.addr(), self.server.admin_addr()] {
            assert_eq!(http(address, "GET", "/healthz", &[], "").await.body, "ok");
        }
        self.fill().await;
    }
}

/// A request of any bytes.
async fn raw(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut request = head.into_bytes();
    request.extend_from_slice(body);
    // Who is refused early may not get its last bytes away, and may see the connection reset behind the answer.
    let _ = stream.write_all(&request).await;
    let mut bytes = Vec::new();
    let read =
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("no answer in time");
    assert!(read.is_ok() || !bytes.is_empty(), "{method} {path}: {read:?}");
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{method} {path}: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    Answer { status, headers, body: body.to_owned() }
}

#[tokio::test]
async fn without_the_right_key_nothing_is_done() {
    let world = World::new().await;
    let mut checked = 0;
    for operation in operations(&world.server).await {
        let body = operation.body.as_ref().map_or_else(String::new, |(_, example)| example.to_string());
        let (admin, player) = (world.admin.clone(), world.player.clone());
        let other = if operation.is_operators() { player } else { admin };
        let forged = format!("{}x", world.bearer(&operation));
        let long = format!("Bearer {}", "x".repeat(8_000));
        let none = "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJwMSIsImV4cCI6OTk5OTk5OTk5OX0.";
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Basic YWRtaW46",
            "Bearer x",
            none,
            "Bearer рыба",
            &other,
            &forged,
            &long,
        ] {
            let path = operation.path(None);
            let headers = if wrong.is_empty() { vec![] } else { vec![("authorization", wrong)] };
            let answer = raw(operation.address, &operation.method, &path, &headers, body.as_bytes()).await;
            let what = format!("{} with {wrong:.60?}", operation.name());
            world.check(&what, &operation, &answer);
            // What is no bearer token at all is as if nothing were there.
            let shows_one = wrong.trim_end().starts_with("Bearer ") && wrong != "Bearer рыба";
            if operation.key == Key::Needed || (operation.key == Key::Perhaps && shows_one) {
                assert_eq!(answer.status, 401, "{what}: {answer:?}");
                assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{what}");
                checked += 1;
            }
        }
    }
    assert!(checked > 200, "{checked}");
    world.lives().await;
}

#[tokio::test]
async fn paths_and_queries_may_hold_anything() {
    let world = World::new().await;
    let long = "x".repeat(10_000);
    let segments = [
        "%00",
        "a%00b",
        "%FF%FE",
        "%C3%28",
        "%F0%9F%90%9F",
        "%D1%80%D1%8B%D0%B1%D0%B0",
        "%20",
        "%2F",
        "..%2F..%2Fetc%2Fpasswd",
        "%27%3B%20DROP%20TABLE%20feature_flags%3B%20--",
        "1%20OR%201%3D1",
        "%22%3E%3Cscript%3E",
        "%25s%25n",
        "%7B%7D",
        "null",
        "-1",
        "9223372036854775808",
        "%0D%0AX-Injected%3A%201",
        "%",
        "%zz",
        &long[..129],
        &long,
    ];
    let values = [
        "",
        "%00",
        "%FF",
        "x",
        "-1",
        "0",
        "1e9",
        "9223372036854775808",
        "99999999999999999999999999",
        "%27%20OR%201%3D1",
        "%F0%9F%90%9F",
        &long,
    ];
    for operation in operations(&world.server).await {
        // What a body names is tried elsewhere; here nothing must be created under such names.
        let (path, name) = (operation.path(None), operation.name());
        for parameter in operation.path_parameters() {
            for segment in segments {
                let path = operation.path(Some((parameter, segment)));
                let answer = world.ask(&operation, &path, &[], b"").await;
                world.check(&format!("{name} with {segment:.40?}"), &operation, &answer);
                assert_eq!(answer.header("x-injected"), None);
            }
        }
        let glue = if path.contains('?') { '&' } else { '?' };
        for parameter in operation.query_parameters() {
            let parameter = &parameter.replace('<', "%3C").replace('>', "%3E");
            for value in values {
                let path = format!("{}?{parameter}={value}", path.split('?').next().unwrap());
                let answer = world.ask(&operation, &path, &[], b"").await;
                world.check(&format!("{name} with {parameter}={value:.40}"), &operation, &answer);
            }
            let first =
                path.split_once('?').map_or_else(|| format!("{path}{glue}{parameter}=1"), |_| path.clone());
            let twice = format!("{first}&{parameter}=1&{parameter}=1");
            let answer = world.ask(&operation, &twice, &[], b"").await;
            assert_eq!(answer.status, 400, "{twice}: {answer:?}");
            world.check(&twice, &operation, &answer);
        }
        for query in ["%00=%00", "a=%FF", "=", "&&&", "a[]=1", "__proto__=1"] {
            let path = format!("{path}{glue}{query}");
            world.check(&path, &operation, &world.ask(&operation, &path, &[], b"").await);
        }
    }
    world.lives().await;
}

#[tokio::test]
async fn bodies_of_the_wrong_form_are_refused() {
    let world = World::new().await;
    let mut checked = 0;
    for operation in operations(&world.server).await {
        let Some((_, example)) = &operation.body else { continue };
        let (path, name, good) = (operation.path(None), operation.name(), example.to_string());
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(40), "]".repeat(40));
        let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(40_000));
        let first = example.as_object().unwrap().iter().next().unwrap();
        let twice = format!("{{{:?}:{},{}", first.0, first.1, &good[1..]);
        let nested = format!("{}{}", &good[..good.len() - 1], r#","zz":[{"a":1,"a":2}]}"#);
        for (body, status, field) in [
            (b"   ".to_vec(), 400, "body"),
            (b"{".to_vec(), 400, "body"),
            (b"null".to_vec(), 400, "body"),
            (b"[]".to_vec(), 400, "body"),
            (b"\"x\"".to_vec(), 400, "body"),
            (b"1e400".to_vec(), 400, "body"),
            (b"{\"a\":\"\xff\"}".to_vec(), 400, "body"),
            (b"\xef\xbb\xbf{}".to_vec(), 400, "body"),
            (b"{\"\\ud800\":1}".to_vec(), 400, ""),
            (format!("{good} {{}}").into_bytes(), 400, "body"),
            (format!("{good},").into_bytes(), 400, "body"),
            (good.as_bytes()[..good.len() - 1].to_vec(), 400, ""),
            (deep.into_bytes(), 400, "body"),
            (huge.into_bytes(), 413, "body"),
            (twice.into_bytes(), 400, first.0.as_str()),
            (nested.into_bytes(), 400, "zz.a"),
        ] {
            let what = format!("{name} with {:.60}", String::from_utf8_lossy(&body));
            let answer = world.ask(&operation, &path, &[], &body).await;
            world.check(&what, &operation, &answer);
            assert_eq!(answer.status, status, "{what}: {answer:?}");
            if !operation.is_ofrep() && !field.is_empty() {
                assert_eq!(answer.json()["field"], field, "{what}: {answer:?}");
            }
            checked += 1;
        }
        for kind in [
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "text/html",
            "x",
            "рыба",
            "application/json-patch",
        ] {
            let answer = world.ask(&operation, &path, &[("content-type", kind)], good.as_bytes()).await;
            let what = format!("{name} as {kind}");
            world.check(&what, &operation, &answer);
            assert_eq!(
                (answer.status, &answer.json()["field"]),
                (415, &json!("content-type")),
                "{what}: {answer:?}"
            );
        }
    }
    assert!(checked > 150, "{checked}");
    world.lives().await;
}

#[tokio::test]
async fn wrong_types_are_refused_in_every_member() {
    let world = World::new().await;
    let (mut asked, mut refused) = (0, 0);
    for operation in operations(&world.server).await {
        let Some((schema, example)) = &operation.body else { continue };
        let mut members = Vec::new();
        collect(&operation.document, schema, String::new(), 0, &mut members);
        assert!(!members.is_empty(), "{}", operation.name());
        for (pointer, schema) in members {
            for (kind, value) in hostile_values() {
                let mut body = example.clone();
                if !set(&mut body, &pointer, json!("\u{1}here")) {
                    continue;
                }
                let text = body.to_string().replace("\"\\u0001here\"", &value);
                let what = format!("{} with {pointer} = {value:.60}", operation.name());
                let answer = world.ask(&operation, &operation.path(None), &[], text.as_bytes()).await;
                world.check(&what, &operation, &answer);
                asked += 1;
                // An event that cannot be stored is refused by itself, in the answer to its batch.
                let by_itself = pointer == "/events/0/props" && answer.status == 200;
                if !may_be(&operation.document, &schema, kind) && !by_itself {
                    assert!((400..500).contains(&answer.status), "{what}: {answer:?}");
                    if !operation.is_ofrep() && answer.status == 400 {
                        let (json, top) = (answer.json(), pointer.split('/').nth(1).unwrap().to_owned());
                        let field = json["field"].as_str().unwrap().to_owned();
                        assert!(
                            field.starts_with(&top) || field.starts_with("traits["),
                            "{what}: {answer:?}"
                        );
                    }
                    refused += 1;
                }
            }
        }
    }
    assert!(asked > 1_500 && refused > 500, "{asked} asked, {refused} must be refused");
    world.lives().await;
}

/// The kind by JSON schema's word, and the text.
fn hostile_values() -> Vec<(&'static str, String)> {
    let text = |text: &str| ("string", json!(text).to_string());
    let mut values = vec![
        ("null", "null".to_owned()),
        ("boolean", "true".to_owned()),
        ("array", "[]".to_owned()),
        ("array", "[[[]]]".to_owned()),
        ("object", "{}".to_owned()),
        ("object", "{\"\":null}".to_owned()),
        ("number", "0.5".to_owned()),
        ("number", "-1e308".to_owned()),
        ("out of range", "1e400".to_owned()),
        ("out of range", "\"\\ud800\"".to_owned()),
    ];
    values.extend(
        ["0", "-1", "9223372036854775808", "-99999999999999999999"].map(|n| ("integer", n.to_owned())),
    );
    values.extend([
        text(""),
        text("\0"),
        text("a\u{0}b"),
        text("'; DROP TABLE feature_flags; --"),
        text("🐟\u{202e}рыба"),
    ]);
    values.extend([text(&"x".repeat(5_000)), text("$where"), text("1"), text("{{7*7}}\r\nX: 1")]);
    values
}

/// Every member of every object that the schema describes, three levels deep: pointer and schema.
fn collect(document: &Value, schema: &Value, at: String, depth: usize, into: &mut Vec<(String, Value)>) {
    let schema = resolved(document, schema);
    for schema in ["anyOf", "oneOf"].iter().filter_map(|word| schema[*word].as_array()).flatten() {
        collect(document, schema, at.clone(), depth, into);
    }
    if depth > 2 {
        return;
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let pointer = format!("{at}/{name}");
        into.push((pointer.clone(), member.clone()));
        collect(document, member, pointer, depth + 1, into);
    }
    for (name, word) in [("0", "items"), ("some", "additionalProperties")] {
        if let Some(member) = schema.get(word).filter(|member| member.is_object()) {
            let pointer = format!("{at}/{name}");
            into.push((pointer.clone(), member.clone()));
            collect(document, member, pointer, depth + 1, into);
        }
    }
}

/// Puts a value at the pointer; makes what is needed on the way. `false`: something else is there.
fn set(body: &mut Value, pointer: &str, value: Value) -> bool {
    let Some((first, rest)) =
        pointer[1..].split_once('/').map_or(Some((&pointer[1..], None)), |(f, r)| Some((f, Some(r))))
    else {
        return false;
    };
    let place = match body {
        Value::Array(list) => {
            if list.is_empty() {
                list.push(Value::Null);
            }
            &mut list[0]
        }
        Value::Object(members) => members.entry(first).or_insert(Value::Null),
        _ => return false,
    };
    let Some(rest) = rest else {
        *place = value;
        return true;
    };
    if !place.is_object() && !place.is_array() {
        *place = if rest.starts_with("0/") || rest == "0" { json!([]) } else { json!({}) };
    }
    set(place, &format!("/{rest}"), value)
}

/// Whether the schema lets a value of this kind pass, as far as kinds say.
fn may_be(document: &Value, schema: &Value, kind: &str) -> bool {
    let schema = resolved(document, schema);
    if kind == "out of range" {
        return false;
    }
    for word in ["anyOf", "oneOf"] {
        if let Some(list) = schema[word].as_array() {
            return list.iter().any(|schema| may_be(document, schema, kind));
        }
    }
    let fits = |word: &str| word == kind || (word == "number" && kind == "integer");
    match (&schema["type"], schema.get("enum").or(schema.get("const"))) {
        (Value::String(word), _) => fits(word),
        (Value::Array(words), _) => words.iter().any(|word| fits(word.as_str().unwrap())),
        (_, Some(_)) => kind == "string",
        _ => true,
    }
}
