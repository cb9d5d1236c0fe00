//! A bad neighbour in front of a good server: whatever stands between a game and its server, or in its place. It answers requests
//! for a path as the story says, or, when all is well, passes them on.
//!
//! It knows as much HTTP and WebSocket as it needs to do that wrongly on purpose, and no more.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::runtime;

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It reaches the real server.
    Good,
    /// The connection is closed without a word.
    Drop,
    /// It is taken, and never answered.
    Never,
    /// These bytes, and then the end.
    Bytes(Vec<u8>),
    /// A WebSocket is granted; these bytes follow, and then silence.
    Socket(Vec<u8>),
}

impl Answer {
    /// A whole HTTP answer.
    pub fn http(status: &str, headers: &str, body: &str) -> Answer {
        let length = body.len();
        Answer::Bytes(
            format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes(),
        )
    }
}

/// A server's WebSocket frame, whole.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        n @ 0..=125 => frame.push(n as u8),
        n @ 126..=0xffff => {
            frame.push(126);
            frame.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            frame.push(127);
            frame.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// A text frame.
pub fn text(text: &str) -> Vec<u8> {
    frame(1, text.as_bytes())
}

/// A close frame.
pub fn close(code: u16) -> Vec<u8> {
    frame(8, &code.to_be_bytes())
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    /// By path; what is not in it is good.
    answers: Mutex<HashMap<String, Answer>>,
    /// Requests so far, by path.
    requests: Mutex<HashMap<String, u32>>,
}

/// A running front. Dropping it ends the listening, not the connections that it passes on.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Front {
    /// Starts on a free port, in front of a good server.
    pub fn start(upstream: SocketAddr) -> Front {
        let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared { upstream, answers: Mutex::default(), requests: Mutex::default() });
        let task = runtime().spawn({
            let shared = shared.clone();
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let shared = shared.clone();
                    tokio::spawn(async move { serve(client, &shared).await });
                }
            }
        });
        Front { address, shared, task }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://…`, for the client's options.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What becomes of requests for this path (without its query) from now on.
    pub fn answer(&self, path: &str, answer: Answer) {
        lock(&self.shared.answers).insert(path.to_owned(), answer);
    }

    /// How often this path was asked for.
    pub fn requests(&self, path: &str) -> u32 {
        lock(&self.shared.requests).get(path).copied().unwrap_or(0)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut client: TcpStream, shared: &Shared) -> Option<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        if client.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let path = text.split(' ').nth(1)?.split('?').next()?;
    *lock(&shared.requests).entry(path.to_owned()).or_default() += 1;
    let answer = lock(&shared.answers).get(path).cloned().unwrap_or(Answer::Good);
    match answer {
        Answer::Good => {
            let mut server = TcpStream::connect(shared.upstream).await.ok()?;
            server.write_all(&head).await.ok()?;
            tokio::io::copy_bidirectional(&mut client, &mut server).await.ok()?;
        }
        Answer::Drop => {}
        Answer::Never => silence(client).await,
        Answer::Bytes(bytes) => client.write_all(&bytes).await.ok()?,
        Answer::Socket(bytes) => {
            let header = |line: &str| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim().to_owned())
            };
            let key = derive_accept_key(text.lines().find_map(header)?.as_bytes());
            let granted = format!(
                "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                 sec-websocket-accept: {key}\r\nsec-websocket-protocol: castline.v1\r\n\r\n"
            );
            client.write_all(granted.as_bytes()).await.ok()?;
            client.write_all(&bytes).await.ok()?;
            silence(client).await;
        }
    }
    Some(())
}

/// Reads until the client goes away.
async fn silence(mut client: TcpStream) {
    let mut scratch = [0; 4096];
    while matches!(client.read(&mut scratch).await, Ok(1..)) {}
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
