//! A small game server on loopback: it upgrades, greets and authenticates by the protocol, and leaves the rest to the test.

use std::io::{self, Cursor, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use super::{accept, serve};

/// A token for `player`; the fake server does not check its signature.
pub fn token(player: &str) -> String {
    let iat = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let part = |json: Value| Base64UrlUnpadded::encode_string(json.to_string().as_bytes());
    let claims = json!({"sub": player, "iat": iat, "exp": iat + 3600});
    format!("{}.{}.c2ln", part(json!({"alg": "HS256"})), part(claims))
}

/// An HTTP request as the server saw it.
pub struct HttpRequest {
    pub method: String,
    /// With its query.
    pub path: String,
    /// As they came.
    pub head: String,
    pub body: String,
}

/// A whole answer with its length told.
pub fn http_answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// A `/flags` answer with one flag.
pub fn flags_answer(version: &str, price: &str) -> String {
    let flag = json!({"variant": "treatment", "value": price, "reason": "SPLIT"});
    let body = json!({"version": version, "flags": {"starter_pack_price": flag}}).to_string();
    http_answer("200 OK", &format!("ETag: \"{version}-1\"\r\nContent-Type: application/json\r\n"), &body)
}

/// What a connection said first, put back in front of it.
pub struct Rewound<S> {
    first: Cursor<Vec<u8>>,
    inner: S,
}

impl<S: Read> Read for Rewound<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.first.read(buf)? {
            0 => self.inner.read(buf),
            n => Ok(n),
        }
    }
}

impl<S: Write> Write for Rewound<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.inner.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// An authenticated client, seen from the server.
pub struct Session<S> {
    pub ws: WebSocket<Rewound<S>>,
    /// The payload of its `authenticate`.
    pub authenticate: Value,
    seq: u64,
}

impl<S: Read + Write> Session<S> {
    fn greet(ws: WebSocket<Rewound<S>>) -> Option<Self> {
        let mut session = Session { ws, authenticate: Value::Null, seq: 0 };
        session.push("system", "connected", json!({"connectionId": "c1", "serverTime": now()}));
        let first = session.next()?;
        assert_eq!(
            (first["channel"].as_str(), first["type"].as_str()),
            (Some("system"), Some("authenticate"))
        );
        session.authenticate = first["payload"].clone();
        let claims = session.authenticate["token"].as_str().unwrap().split('.').nth(1).unwrap().to_owned();
        let claims: Value = serde_json::from_slice(&Base64UrlUnpadded::decode_vec(&claims).unwrap()).unwrap();
        let payload = json!({"userId": claims["sub"], "sessionId": "s1", "resumed": false, "discarded": 0,
            "flagsVersion": "", "rooms": []});
        session.reply(&first, "system", "authenticated", payload);
        Some(session)
    }

    fn send(&mut self, mut message: Value) {
        message["timestamp"] = now().into();
        let _ = self.ws.send(Message::text(message.to_string()));
    }

    /// A message that nobody asked for.
    pub fn push(&mut self, channel: &str, kind: &str, payload: Value) {
        self.send(json!({"channel": channel, "type": kind, "payload": payload}));
    }

    /// The same, to be acknowledged.
    pub fn push_durable(&mut self, channel: &str, kind: &str, payload: Value) {
        self.seq += 1;
        self.send(json!({"channel": channel, "type": kind, "payload": payload, "seq": self.seq}));
    }

    /// The reply to a request.
    pub fn reply(&mut self, to: &Value, channel: &str, kind: &str, payload: Value) {
        self.send(json!({"channel": channel, "type": kind, "payload": payload, "re": to["id"]}));
    }

    /// The next message; `None` at the end. Heartbeats are answered here, and returned only where an acknowledgement rides on one.
    pub fn next(&mut self) -> Option<Value> {
        loop {
            let message: Value = match self.ws.read().ok()? {
                Message::Text(text) => serde_json::from_str(&text).unwrap(),
                _ => continue,
            };
            if message["type"] != "ping" {
                return Some(message);
            }
            self.reply(&message, "system", "pong", json!({"serverTime": now()}));
            if !message["ack"].is_null() {
                return Some(message);
            }
        }
    }
}

pub fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// Serves both: `on_session` has each authenticated socket, `on_http` answers everything else.
pub fn game_server(
    on_session: impl Fn(Session<TcpStream>) + Send + Sync + 'static,
    on_http: impl Fn(HttpRequest) -> String + Send + Sync + 'static,
) -> SocketAddr {
    serve(move |tcp| converse(tcp, &on_session, &on_http))
}

/// The same over TLS.
pub fn tls_game_server(
    config: Arc<rustls::ServerConfig>,
    on_session: impl Fn(Session<super::Tls>) + Send + Sync + 'static,
    on_http: impl Fn(HttpRequest) -> String + Send + Sync + 'static,
) -> SocketAddr {
    serve(move |tcp| converse(super::tls(&config, tcp), &on_session, &on_http))
}

fn converse<S: Read + Write>(
    mut stream: S,
    on_session: &dyn Fn(Session<S>),
    on_http: &dyn Fn(HttpRequest) -> String,
) {
    let mut first = Vec::new();
    let mut buf = [0; 4096];
    let end = loop {
        match stream.read(&mut buf) {
            Ok(0) | Err(_) => return,
            Ok(n) => first.extend_from_slice(&buf[..n]),
        }
        if let Some(at) = first.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let head = String::from_utf8(first[..end].to_vec()).unwrap();
    if head.to_ascii_lowercase().contains("upgrade: websocket") {
        let rewound = Rewound { first: Cursor::new(first), inner: stream };
        if let Some(session) = accept(rewound).and_then(Session::greet) {
            on_session(session);
        }
        return;
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    let mut body = first[end..].to_vec();
    while body.len() < length.unwrap_or(0) {
        match stream.read(&mut buf) {
            Ok(0) | Err(_) => return,
            Ok(n) => body.extend_from_slice(&buf[..n]),
        }
    }
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let body = String::from_utf8(body).unwrap();
    let answer = on_http(HttpRequest { method, path, head, body });
    let _ = stream.write_all(answer.as_bytes());
    let _ = stream.flush();
}
