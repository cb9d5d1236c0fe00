//! A plain WebSocket client that says what it is told to say, right or wrong.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::{PATIENCE, runtime};

/// What the server said.
#[derive(Debug, PartialEq)]
pub enum Said {
    /// A message.
    Message(Value),
    /// It closed, with this code; 1006 where there was none.
    Closed(u16),
}

/// A socket on the server's `/ws`.
#[derive(Debug)]
pub struct Raw {
    socket: WebSocketStream<TcpStream>,
}

impl Raw {
    /// Connects with this sub-protocol.
    ///
    /// # Errors
    /// The status of the server's refusal; 0 where there was no HTTP answer.
    pub fn connect(address: SocketAddr, protocol: &str) -> Result<Raw, u16> {
        let mut request = format!("ws://{address}/ws").into_client_request().map_err(|_| 0u16)?;
        request.headers_mut().insert("sec-websocket-protocol", protocol.parse().map_err(|_| 0u16)?);
        runtime().block_on(async {
            let stream = TcpStream::connect(address).await.map_err(|_| 0u16)?;
            match client_async(request, stream).await {
                Ok((socket, _)) => Ok(Raw { socket }),
                Err(Error::Http(answer)) => Err(answer.status().as_u16()),
                Err(_) => Err(0),
            }
        })
    }

    /// Connects and logs in.
    pub fn login(address: SocketAddr, token: &str, device: &str) -> Raw {
        let mut raw = Raw::connect(address, "castline.v1").expect("the upgrade is granted");
        assert_eq!(raw.message()["type"], "connected");
        let payload = json!({"token": token, "device": device, "build": "2.0.0"});
        raw.text(&json!({"channel": "system", "type": "authenticate", "payload": payload}).to_string());
        assert_eq!(raw.message()["type"], "authenticated");
        raw
    }

    /// Sends a text message.
    pub fn text(&mut self, text: &str) {
        self.send(Message::text(text));
    }

    /// Sends a message. A server that has closed may refuse what comes late; the reader sees the close.
    pub fn send(&mut self, message: Message) {
        let _ = runtime().block_on(self.socket.send(message));
    }

    /// What the server says next.
    pub fn said(&mut self) -> Said {
        runtime().block_on(async {
            loop {
                let next = tokio::time::timeout(PATIENCE, self.socket.next()).await;
                match next.expect("the server says something in time") {
                    Some(Ok(Message::Text(text))) => {
                        return Said::Message(serde_json::from_str(&text).expect("the server speaks JSON"));
                    }
                    Some(Ok(Message::Close(frame))) => {
                        return Said::Closed(frame.map_or(1006, |frame| frame.code.into()));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Said::Closed(1006),
                }
            }
        })
    }

    /// The next message.
    pub fn message(&mut self) -> Value {
        match self.said() {
            Said::Message(message) => message,
            Said::Closed(code) => panic!("closed with {code}"),
        }
    }

    /// Sends a message and returns the `code` of the error that answers it.
    pub fn refused(&mut self, text: &str) -> String {
        self.text(text);
        let answer = self.message();
        assert_eq!(answer["type"], "error", "{answer}");
        answer["payload"]["code"].as_str().expect("an error has a code").to_owned()
    }
}
