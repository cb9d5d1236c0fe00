//! What the tests share: a server in a temporary directory, a plain WebSocket client, a plain HTTP client. Nothing here
//! sleeps to wait: every wait is for a message, with a deadline.
#![allow(clippy::unwrap_used, dead_code, missing_docs, unreachable_pub)]

pub mod binary;
pub mod metrics;
pub mod npm;
pub mod openapi;
pub mod operator;

use std::net::SocketAddr;
use std::time::Duration;

use castline_server::{Rate, RunningServer, Server, Settings};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

/// No wait in a test is longer: far more than a busy machine needs.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn settings(data: &TempDir) -> Settings {
    let mut settings = Settings::dev(data.path());
    settings.threads = 2;
    // A test connects one player as often as it likes; the limits have tests of their own.
    settings.limits.authenticate = Rate::unlimited();
    settings.limits.ready_for_offer = Rate::unlimited();
    // A test whose machine is busy may keep a stranger for long.
    settings.timers.handshake = 60_000;
    settings
}

pub fn start() -> (RunningServer, TempDir) {
    let data = TempDir::new().unwrap();
    (Server::start(settings(&data)).unwrap(), data)
}

pub fn start_with(change: impl FnOnce(&mut Settings)) -> (RunningServer, TempDir) {
    let data = TempDir::new().unwrap();
    let mut settings = settings(&data);
    change(&mut settings);
    (Server::start(settings).unwrap(), data)
}

/// A plain client: what it reads is JSON.
pub struct Client {
    pub socket: WebSocketStream<TcpStream>,
    requests: u32,
}

#[derive(Debug, PartialEq)]
pub enum Got {
    Message(Value),
    Closed(u16),
}

impl Client {
    /// Connects and reads `connected`.
    pub async fn open(address: SocketAddr) -> Client {
        let mut client = Client::raw(address).await;
        assert_eq!(client.next().await["type"], "connected");
        client
    }

    /// Connects.
    pub async fn raw(address: SocketAddr) -> Client {
        Client::try_raw(address).await.expect("no connection")
    }

    /// Connects, if somebody is there.
    pub async fn try_raw(address: SocketAddr) -> Option<Client> {
        let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "castline.v1".parse().unwrap());
        let stream = TcpStream::connect(address).await.ok()?;
        let (socket, _) = client_async(request, stream).await.ok()?;
        Some(Client { socket, requests: 0 })
    }

    /// Connects and authenticates; returns the payload of `authenticated` too.
    pub async fn login(
        server: &RunningServer,
        player: &str,
        device: &str,
        resume: Option<Value>,
    ) -> (Client, Value) {
        let mut client = Client::open(server.addr()).await;
        let reply = client.authenticate(&server.token(player).unwrap(), device, resume).await;
        assert_eq!(reply["type"], "authenticated", "{reply}");
        (client, reply["payload"].clone())
    }

    pub async fn authenticate(&mut self, token: &str, device: &str, resume: Option<Value>) -> Value {
        let mut payload = json!({"token": token, "device": device, "build": "2.0.0"});
        if let Some(resume) = resume {
            payload["resume"] = resume;
        }
        self.send("system", "authenticate", payload).await;
        self.next().await
    }

    pub async fn text(&mut self, text: impl Into<String>) {
        let text: String = text.into();
        // A server that has closed may refuse what comes late; the reader sees the close.
        let _ = self.socket.send(Message::Text(text.into())).await;
    }

    pub async fn send(&mut self, channel: &str, kind: &str, payload: Value) {
        self.text(json!({"channel": channel, "type": kind, "payload": payload}).to_string()).await;
    }

    pub async fn ack(&mut self, seq: u64) {
        self.text(json!({"channel": "system", "type": "ack", "ack": seq}).to_string()).await;
    }

    /// Sends a request and returns its id.
    pub async fn ask(&mut self, channel: &str, kind: &str, payload: Value) -> String {
        self.requests += 1;
        let id = format!("c{}", self.requests);
        self.text(json!({"channel": channel, "type": kind, "payload": payload, "id": id}).to_string()).await;
        id
    }

    /// Sends a request with a key.
    pub async fn ask_with_key(&mut self, channel: &str, kind: &str, payload: &str, key: &str) -> Value {
        self.requests += 1;
        let id = format!("c{}", self.requests);
        let text = format!(
            r#"{{"channel":"{channel}","type":"{kind}","payload":{payload},"id":"{id}","key":"{key}"}}"#
        );
        self.text(text).await;
        let reply = self.next().await;
        assert_eq!(reply["re"], json!(id));
        reply
    }

    /// Asks and returns the reply; anything else first fails the test.
    pub async fn request(&mut self, channel: &str, kind: &str, payload: Value) -> Value {
        let id = self.ask(channel, kind, payload).await;
        let reply = self.next().await;
        assert_eq!(reply["re"], json!(id), "{reply}");
        reply
    }

    /// The next message; a close fails the test.
    pub async fn next(&mut self) -> Value {
        match self.got().await {
            Got::Message(message) => message,
            Got::Closed(code) => panic!("closed with {code}"),
        }
    }

    /// The close code; messages before it are thrown away. 1006 where there was no close frame.
    pub async fn closed(&mut self) -> u16 {
        loop {
            if let Got::Closed(code) = self.got().await {
                return code;
            }
        }
    }

    pub async fn got(&mut self) -> Got {
        loop {
            let message =
                tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("nothing came in time");
            match message {
                Some(Ok(Message::Text(text))) => return Got::Message(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(Some(frame)))) => return Got::Closed(frame.code.into()),
                Some(Ok(Message::Close(None))) => return Got::Closed(1005),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Got::Closed(1006),
            }
        }
    }

    /// Makes sure that nothing is on its way: a ping's pong is the next message.
    pub async fn nothing_more(&mut self) {
        let reply = self.request("system", "ping", json!({})).await;
        assert_eq!(reply["type"], "pong");
    }

    /// Ends without a close frame, as a lost network does.
    pub fn vanish(self) {
        drop(self);
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", self.body))
    }
}

/// One request on a connection of its own.
pub async fn http(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    try_http(address, method, path, headers, body).await.expect("no answer")
}

/// The same; `None` if nobody is there, or goes away before the answer is whole.
pub async fn try_http(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    // Whoever is refused before its last byte is sent has an answer all the same.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("no answer in time").ok()?;
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Some(Answer { status, headers, body: body.to_owned() })
}

pub async fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    http(address, "GET", path, headers, "").await
}

/// The first column of what a query finds in a server's database.
pub async fn rows(data: &TempDir, query: &'static str) -> Vec<String> {
    use sqlx::{ConnectOptions as _, Row as _};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(data.path().join("castline.db"));
    let mut connection = options.connect().await.unwrap();
    let rows = sqlx::query(query).fetch_all(&mut connection).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}
