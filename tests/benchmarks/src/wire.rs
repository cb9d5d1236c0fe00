//! The bytes that the measuring side sends and reads: a request for an upgrade, text frames, a login. Written by
//! hand, for here the client must cost as little as it can: it shares the machine with the server that is
//! measured.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, bail, ensure};
use castline::protocol::SUBPROTOCOL;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

use std::time::{SystemTime, UNIX_EPOCH};

/// The key of the players' tokens at the measured servers, which listen on loopback and live for minutes.
pub(crate) const JWT_SECRET: &str = "of a benchmark's server on loopback, nothing else";

/// Players of a run come from loopback addresses of their own, 16 from each, for a server lets only 20 strangers
/// of one address in.
const PLAYERS_PER_ADDRESS: usize = 16;

/// Where the player of this number connects from.
pub(crate) fn source(number: usize) -> Ipv4Addr {
    let place = number / PLAYERS_PER_ADDRESS;
    Ipv4Addr::new(127, 1, (place / 250 % 250) as u8, (place % 250 + 1) as u8)
}

/// The typical message: 300 bytes, an envelope with a payload of a game.
pub(crate) fn typical_message() -> String {
    let message = |note: &str| {
        format!(
            r#"{{"channel":"game","type":"fish_caught","payload":{{"fish":"golden_koi","weight":12.75,"level":14,"combo":3,"coins":1250,"rod":{{"id":"rod_17","power":88}},"position":[104.25,33.5],"rare":true,"note":"{note}"}},"timestamp":1763660000000,"id":"c1742","ack":41}}"#
        )
    };
    let padding = 300 - message("").len();
    message(&"a calm morning by the lake, with little wind and "[..].repeat(3)[..padding])
}

/// The request for an upgrade.
pub(crate) fn upgrade(server: SocketAddr) -> Vec<u8> {
    format!(
        "GET /ws HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    )
    .into_bytes()
}

/// A masked text frame.
pub(crate) fn frame(text: &str) -> Vec<u8> {
    const MASK: [u8; 4] = [0x5a, 0x1c, 0xe7, 0x33];
    let mut frame = vec![0x81];
    match text.len() {
        n @ 0..=125 => frame.push(0x80 | n as u8),
        n => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(n as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(text.bytes().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The `authenticate` of a player, as a frame.
pub(crate) fn authenticate(player: &str) -> anyhow::Result<Vec<u8>> {
    let payload = json!({"token": token(player)?, "device": "benchmark", "build": "1.0.0"});
    let message = json!({"channel": "system", "type": "authenticate", "payload": payload, "id": "c1"});
    Ok(frame(&message.to_string()))
}

pub(crate) fn token(player: &str) -> anyhow::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let claims = json!({"sub": player, "iat": now, "exp": now + 300});
    Ok(encode(&Header::default(), &claims, &EncodingKey::from_secret(JWT_SECRET.as_bytes()))?)
}

/// The head of an HTTP message, and what came with it.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) bytes: Vec<u8>,
}

impl Head {
    pub(crate) fn is_whole(&self) -> bool {
        self.end().is_some()
    }

    fn end(&self) -> Option<usize> {
        self.bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|at| at + 4)
    }

    /// What came after the head.
    pub(crate) fn rest(&self) -> Vec<u8> {
        self.end().map_or_else(Vec::new, |end| self.bytes[end..].to_vec())
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let head = std::str::from_utf8(self.bytes.get(..self.end()?)?).ok()?;
        head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// # Errors
    /// The server did not agree to the upgrade.
    pub(crate) fn check_switched(&self) -> anyhow::Result<()> {
        let first = self.bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        ensure!(first.starts_with(b"HTTP/1.1 101"), "no upgrade: {}", String::from_utf8_lossy(first));
        Ok(())
    }
}

/// The first whole frame of a server in `bytes`: its whole length, and its payload. `None`: not all of it is
/// there yet.
pub(crate) fn first_frame(bytes: &[u8]) -> anyhow::Result<Option<(usize, &[u8])>> {
    let [first, second, ..] = bytes else { return Ok(None) };
    let (start, length) = match second {
        n @ 0..=125 => (2, usize::from(*n)),
        126 => match bytes.get(2..4) {
            Some(&[high, low]) => (4, usize::from(u16::from_be_bytes([high, low]))),
            _ => return Ok(None),
        },
        _ => bail!("a frame that is masked or longer than 64 KiB"),
    };
    let Some(payload) = bytes.get(start..start + length) else { return Ok(None) };
    ensure!(
        *first == 0x81,
        "a frame that is no whole text: {first:#04x} {:?}",
        String::from_utf8_lossy(payload)
    );
    Ok(Some((start + length, payload)))
}

/// Whether a message is `authenticated`.
///
/// # Errors
/// It is a refusal.
pub(crate) fn is_authenticated(message: &[u8]) -> anyhow::Result<bool> {
    let text = std::str::from_utf8(message)?;
    if text.contains(r#""type":"authenticated""#) {
        return Ok(true);
    }
    ensure!(text.contains(r#""type":"connected""#), "the login was refused: {text}");
    Ok(false)
}

/// A blocking connection with the upgrade done, and, for a `player`, the login too.
pub(crate) fn connect(server: SocketAddr, player: Option<&str>) -> anyhow::Result<std::net::TcpStream> {
    let mut stream = std::net::TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.write_all(&upgrade(server))?;
    let mut head = Head::default();
    let mut buffer = [0; 4_096];
    while !head.is_whole() {
        let n = stream.read(&mut buffer)?;
        ensure!(n > 0, "the connection ended within the upgrade");
        head.bytes.extend_from_slice(&buffer[..n]);
    }
    head.check_switched()?;
    let Some(player) = player else { return Ok(stream) };
    stream.write_all(&authenticate(player)?)?;
    let mut bytes = head.rest();
    loop {
        while let Some((length, message)) = first_frame(&bytes)? {
            let done = is_authenticated(message).with_context(|| format!("player {player}"))?;
            bytes.drain(..length);
            if done {
                ensure!(bytes.is_empty(), "something came after the login");
                return Ok(stream);
            }
        }
        let n = stream.read(&mut buffer)?;
        ensure!(n > 0, "the connection ended within the login");
        bytes.extend_from_slice(&buffer[..n]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use castline::protocol::Envelope;

    #[test]
    fn the_typical_message_is_one_of_300_bytes() {
        let message = typical_message();
        assert_eq!(message.len(), 300);
        assert_eq!(Envelope::decode(&message).unwrap().encode(), message, "and of our own form");
    }

    #[test]
    fn no_address_has_more_strangers_than_it_may() {
        let mut counts = std::collections::HashMap::new();
        (0..12_000).for_each(|number| *counts.entry(source(number)).or_insert(0) += 1);
        assert_eq!(counts.values().max(), Some(&PLAYERS_PER_ADDRESS));
    }

    #[test]
    fn frames_are_found_when_they_are_whole() {
        let mut bytes = vec![0x81, 2, b'h', b'i', 0x81];
        assert_eq!(first_frame(&bytes).unwrap(), Some((4, &b"hi"[..])));
        bytes.drain(..4);
        assert_eq!(first_frame(&bytes).unwrap(), None);
        let long = [&[0x81, 126, 1, 44][..], &[b'x'; 300]].concat();
        assert_eq!(first_frame(&long).unwrap().map(|(n, m)| (n, m.len())), Some((304, 300)));
        assert_eq!(first_frame(&long[..303]).unwrap(), None);
        assert!(first_frame(&[0x88, 2, 3, 232]).is_err(), "a close");
    }

    #[test]
    fn heads() {
        let mut head = Head { bytes: b"HTTP/1.1 101 Switching\r\nX-Y: z \r\n\r".to_vec() };
        assert!(!head.is_whole());
        head.bytes.extend_from_slice(b"\nmore");
        assert!(head.is_whole() && head.check_switched().is_ok());
        assert_eq!((head.field("x-y"), head.rest()), (Some("z"), b"more".to_vec()));
        assert!(Head { bytes: b"HTTP/1.1 400 No\r\n\r\n".to_vec() }.check_switched().is_err());
    }
}
