//! The driver's socket against servers that behave, misbehave, or are not there.
#![cfg(feature = "native")]
// Where a test fails is the test's business, and tungstenite's callback has a large error.
#![allow(clippy::unwrap_used, clippy::result_large_err)]

mod support;

use std::io::{Read, Write};

use castline::native::socket::{Binary, Limits, Resolve, SocketEvent, SystemResolver};
use support::*;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::{Bytes, Message};

fn pump() -> Pump {
    Pump::new(LIMITS, "", SystemResolver)
}

/// A pump whose socket is open to a server that does `handle`.
fn opened(handle: impl Fn(tungstenite::WebSocket<std::net::TcpStream>) + Send + Sync + 'static) -> Pump {
    let mut pump = pump();
    pump.open(1, &format!("ws://{}/ws", serve_ws(handle)));
    pump.expect_open();
    pump
}

fn text_frame(payload: &'static [u8], first: bool, last: bool) -> Message {
    let kind = if first { Data::Text } else { Data::Continue };
    Message::Frame(Frame::message(Bytes::from_static(payload), OpCode::Data(kind), last))
}

#[test]
fn messages_of_every_length_come_back() {
    let mut pump = opened(echo);
    for length in [0, 1, 125, 126, 127, 4096, 16_384] {
        let text = "ü".repeat(length / 2) + &"x".repeat(length % 2);
        pump.sockets.send_text(1, &text);
        assert_eq!(pump.expect_text(), text);
    }
    for n in 0..500 {
        pump.sockets.send_text(1, &n.to_string());
    }
    for n in 0..500 {
        assert_eq!(pump.expect_text(), n.to_string(), "in order");
    }
}

#[test]
fn tls_with_a_local_authority_by_name_and_by_address() {
    let ours = authority();
    let config = ours.server.clone();
    let address = serve(move |tcp| {
        if let Some(ws) = accept(tls(&config, tcp)) {
            echo(ws);
        }
    });
    for host in ["localhost", "127.0.0.1"] {
        let mut pump = Pump::new(LIMITS, &ours.ca_pem, Fixed(vec![address]));
        pump.open(1, &format!("wss://{host}:{}/ws", address.port()));
        pump.expect_open();
        // More than one TLS record.
        let text = "x".repeat(16_000);
        for _ in 0..20 {
            pump.sockets.send_text(1, &text);
        }
        for _ in 0..20 {
            assert_eq!(pump.expect_text(), text);
        }
        pump.sockets.close(1, 1000, std::time::Instant::now());
        pump.finish();
    }
}

#[test]
fn a_foreign_authority_is_refused() {
    let (ours, theirs) = (authority(), authority());
    let (told, server_saw) = mailbox();
    let address = serve(move |tcp| told(accept(tls(&theirs.server, tcp)).is_none()));
    let mut pump = Pump::new(LIMITS, &ours.ca_pem, Fixed(vec![address]));
    pump.open(1, &format!("wss://localhost:{}/ws", address.port()));
    assert_eq!(pump.expect_closed(), (1006, None));
    assert!(server_saw(), "no upgrade request reached it");
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let ours = authority();
    let config = ours.server.clone();
    let address = serve(move |tcp| drop(accept(tls(&config, tcp))));
    let mut pump = Pump::new(LIMITS, &ours.ca_pem, Fixed(vec![address]));
    pump.open(1, &format!("wss://live.example.com:{}/ws", address.port()));
    assert_eq!(pump.expect_closed(), (1006, None));
}

#[test]
fn a_dead_first_address_does_not_keep_the_second_from_winning() {
    let (dead, _held) = dead_address();
    let alive = serve_ws(echo);
    let mut pump = Pump::new(LIMITS, "", Fixed(vec![dead, dead, alive]));
    pump.open(1, "ws://game.test/ws");
    pump.expect_open();
    pump.sockets.send_text(1, "hello");
    assert_eq!(pump.expect_text(), "hello");
}

#[test]
fn a_dead_address_alone_reports_nothing_and_can_be_given_up() {
    let (dead, _held) = dead_address();
    let mut pump = Pump::new(LIMITS, "", Fixed(vec![dead]));
    pump.open(1, "ws://game.test/ws");
    let mut rounds = 0;
    let event = pump.next_or(|_| {
        rounds += 1;
        rounds > 3
    });
    assert!(event.is_none(), "{event:?}");
    pump.open(2, &format!("ws://{}/ws", serve_ws(echo)));
    assert!(matches!(pump.next_or(|_| false), Some((2, SocketEvent::Opened))));
}

#[test]
fn refused_addresses_are_passed_over_at_once() {
    let (refused, _bound) = refusing_address();
    let alive = serve_ws(echo);
    let mut pump = Pump::new(LIMITS, "", Fixed(vec![refused, refused, alive]));
    pump.open(1, "ws://game.test/ws");
    pump.expect_open();

    let mut pump = Pump::new(LIMITS, "", Fixed(vec![refused, refused]));
    pump.open(1, "ws://game.test/ws");
    assert_eq!(pump.expect_closed(), (1006, None));
}

#[test]
fn names_without_an_address_and_addresses_that_are_none() {
    let mut pump = Pump::new(LIMITS, "", Fixed(vec![]));
    for url in ["ws://game.test/ws", "wss://", "mailto:x", "ws://host:99999/"] {
        pump.open(1, url);
        assert_eq!(pump.expect_closed(), (1006, None), "{url}");
    }
}

#[derive(Debug)]
struct Stuck(std::sync::Mutex<std::sync::mpsc::Receiver<()>>);

impl Resolve for Stuck {
    fn resolve(&self, _: &str, _: u16) -> std::io::Result<Vec<std::net::SocketAddr>> {
        let _ = self.0.lock().unwrap().recv();
        panic!("even this is survived");
    }
}

#[test]
fn a_resolver_that_hangs_holds_up_nothing() {
    let (release, stuck) = std::sync::mpsc::channel();
    let mut pump = Pump::new(LIMITS, "", Stuck(std::sync::Mutex::new(stuck)));
    pump.open(1, "ws://game.test/ws");
    for _ in 0..10 {
        pump.open(2, "ws://game.test/ws"); // However often: the threads are bounded.
    }
    pump.open(3, &format!("ws://{}/ws", serve_ws(echo)));
    assert!(matches!(pump.next_or(|_| false), Some((3, SocketEvent::Opened))));
    pump.open(4, "ws://game.test/ws");
    drop(release);
    assert!(matches!(pump.next_or(|_| false), Some((4, SocketEvent::Closed { code: 1006, .. }))));
}

#[test]
fn answers_that_are_no_upgrade() {
    let cases: [(&'static str, Option<u64>); 8] = [
        ("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", Some(7000)),
        ("HTTP/1.1 429 Too Many Requests\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n", None),
        ("HTTP/1.1 302 Found\r\nLocation: http://portal.test/\r\nContent-Length: 0\r\n\r\n", None),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>Please log in</html>", None),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", None),
        ("SSH-2.0-OpenSSH_9.2p1\r\n", None),
        ("\0\0\0\0\0\0\0\0", None),
        ("", None),
    ];
    for (answer, retry_after) in cases {
        let address = serve(move |mut tcp| {
            let mut request = [0; 4096];
            let _ = tcp.read(&mut request);
            tcp.write_all(answer.as_bytes()).unwrap();
        });
        let mut pump = pump();
        pump.open(1, &format!("ws://{address}/ws"));
        assert_eq!(pump.expect_closed(), (1006, retry_after), "{answer}");
    }
}

#[test]
fn a_server_that_names_another_sub_protocol_or_none_is_refused() {
    for answer in ["", "Sec-WebSocket-Protocol: chat\r\n"] {
        let address = serve(move |tcp| {
            let callback =
                |_: &tungstenite::handshake::server::Request,
                 mut response: tungstenite::handshake::server::Response| {
                    if let Some((_, name)) = answer.trim().split_once(": ") {
                        response.headers_mut().insert("sec-websocket-protocol", name.parse().unwrap());
                    }
                    Ok(response)
                };
            drop(tungstenite::accept_hdr(tcp, callback).map(echo));
        });
        let mut pump = pump();
        pump.open(1, &format!("ws://{address}/ws"));
        assert_eq!(pump.expect_closed(), (1006, None));
    }
}

#[test]
fn a_server_that_never_answers_is_waited_for_until_somebody_gives_up() {
    let (put, hold) = mailbox();
    let address = serve(put);
    let mut pump = pump();
    pump.open(1, &format!("ws://{address}/ws"));
    let mut rounds = 0;
    assert!(
        pump.next_or(|_| {
            rounds += 1;
            rounds > 3
        })
        .is_none()
    );
    pump.sockets.close(1, 1000, std::time::Instant::now());
    assert!(pump.sockets.is_idle());
    let mut tcp = hold();
    let mut rest = Vec::new();
    tcp.read_to_end(&mut rest).unwrap();
    assert!(rest.starts_with(b"GET /ws HTTP/1.1\r\n"), "and then the end");
}

#[test]
fn what_breaks_a_rule_is_answered_with_its_close_code() {
    let big: &'static [u8] = Box::leak(vec![b'x'; 16_385].into_boxed_slice());
    let part: &'static [u8] = &big[..10_000];
    let mut reserved = Frame::message(Bytes::from_static(b"x"), OpCode::Data(Data::Text), true);
    reserved.header_mut().rsv1 = true;
    let cases: Vec<(&str, Vec<Message>, u16)> = vec![
        ("too large", vec![text_frame(big, true, true)], 1009),
        ("too large in fragments", vec![text_frame(part, true, false), text_frame(part, false, true)], 1009),
        ("binary", vec![Message::Binary(Bytes::from_static(b"\0\x01"))], 1003),
        ("not UTF-8", vec![text_frame(b"\xff\xfe", true, true)], 1007),
        ("reserved bit", vec![Message::Frame(reserved)], 1002),
        ("continues nothing", vec![text_frame(b"x", false, true)], 1002),
    ];
    for (what, messages, code) in cases {
        let (told, server_saw) = mailbox();
        let mut pump = opened(move |mut ws| {
            for message in &messages {
                ws.send(message.clone()).unwrap();
            }
            // A flood behind the breach changes nothing.
            for _ in 0..50 {
                let _ = ws.send(Message::text("x".repeat(10_000)));
            }
            told(close_code_of(&mut ws));
        });
        assert_eq!(pump.expect_closed(), (code, None), "{what}");
        pump.finish();
        assert_eq!(server_saw(), Some(code), "{what}");
    }
}

#[test]
fn the_largest_message_is_taken() {
    let mut pump = opened(|mut ws| {
        ws.send(Message::text("x".repeat(16_384))).unwrap();
        echo(ws);
    });
    assert_eq!(pump.expect_text().len(), 16_384);
}

#[test]
fn close_codes_of_the_server_are_reported_and_answered() {
    for code in [1000u16, 1001, 4001, 4003, 4010, 4503] {
        let (told, server_saw) = mailbox();
        let mut pump = opened(move |mut ws| {
            ws.send(Message::text("before")).unwrap();
            ws.close(Some(CloseFrame { code: code.into(), reason: "why".into() })).unwrap();
            told(close_code_of(&mut ws));
        });
        assert_eq!(pump.expect_text(), "before");
        assert_eq!(pump.expect_closed(), (code, None));
        pump.finish();
        assert_eq!(server_saw(), Some(code));
    }
}

#[test]
fn an_end_without_a_word_is_1006() {
    let mut pump = opened(|mut ws| {
        ws.send(Message::text("before")).unwrap();
    });
    assert_eq!(pump.expect_text(), "before");
    assert_eq!(pump.expect_closed(), (1006, None));

    let mut pump = opened(|mut ws| {
        ws.close(None).unwrap();
        close_code_of(&mut ws);
    });
    assert_eq!(pump.expect_closed(), (1006, None), "a close without a code");
}

#[test]
fn closing_flushes_what_was_sent_and_reports_nothing_more() {
    let (told, server_saw) = mailbox();
    let mut pump = opened(move |mut ws| {
        let mut seen = Vec::new();
        loop {
            match ws.read() {
                Ok(Message::Text(text)) => {
                    seen.push(text.to_string());
                    let _ = ws.send(Message::text("too late"));
                }
                Ok(Message::Close(frame)) => seen.push(format!("close {}", u16::from(frame.unwrap().code))),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        told(seen);
    });
    for text in ["one", "two", "three"] {
        pump.sockets.send_text(1, text);
    }
    pump.sockets.close(1, 4000, std::time::Instant::now());
    pump.sockets.send_text(1, "after the end");
    pump.finish();
    assert_eq!(server_saw(), ["one", "two", "three", "close 4000"]);
}

#[test]
fn a_peer_that_does_not_end_its_side_is_left_after_a_while() {
    let (put, hold) = mailbox();
    let mut pump = opened(put);
    let mut ws = hold();
    pump.sockets.close(1, 1000, std::time::Instant::now());
    assert!(!pump.sockets.is_idle(), "the close frame was just sent");
    pump.open(2, &format!("ws://{}/ws", serve_ws(echo)));
    assert!(matches!(pump.next_or(|_| false), Some((2, SocketEvent::Opened))), "nobody waits for it");
    pump.sockets.close(2, 1000, std::time::Instant::now());
    pump.finish();
    assert_eq!(close_code_of(&mut ws), Some(1000));
}

#[test]
fn a_peer_that_reads_nothing_is_lost_at_the_bound() {
    let (put, hold) = mailbox();
    let mut pump = opened(put);
    let _unread = hold();
    let text = "x".repeat(16_000);
    let mut sent = 0;
    // The kernel's buffers take their share first.
    let event = loop {
        pump.sockets.send_text(1, &text);
        sent += 1;
        assert!(sent < 10_000);
        let mut once = 0;
        let event = pump.next_or(|_| {
            once += 1;
            once == 1
        });
        if event.is_some() {
            break event;
        }
    };
    assert!(matches!(event, Some((1, SocketEvent::Closed { code: 1006, .. }))), "{event:?}");
}

#[test]
fn pings_are_answered() {
    let (told, server_saw) = mailbox();
    let mut pump = opened(move |mut ws| {
        ws.send(Message::Ping(Bytes::from_static(b"are you there"))).unwrap();
        told(ws.read().unwrap());
        ws.send(Message::text("done")).unwrap();
        close_code_of(&mut ws);
    });
    assert_eq!(pump.expect_text(), "done");
    assert_eq!(server_saw(), Message::Pong(Bytes::from_static(b"are you there")));
}

#[test]
fn binary_can_be_accepted_and_the_limit_is_a_parameter() {
    let limits =
        Limits { max_message: 1 << 24, max_queued: 1 << 25, binary: Binary::Accept, sub_protocol: None };
    let address = serve(|tcp| {
        let mut ws = tungstenite::accept(tcp).unwrap();
        while let Ok(message) = ws.read() {
            if message.is_binary() && ws.send(message).is_err() {
                return;
            }
        }
    });
    let mut pump = Pump::new(limits, "", SystemResolver);
    pump.open(1, &format!("ws://{address}/runCase?case=1"));
    pump.expect_open();
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| n as u8).collect();
    pump.sockets.send_binary(1, &bytes);
    match pump.next() {
        SocketEvent::Binary(back) => assert!(back == bytes),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_idle_socket_asks_for_nothing() {
    let mut pump = opened(echo);
    pump.sockets.send_text(1, "x");
    assert_eq!(pump.expect_text(), "x");
    // One more look, which finds nothing, is what ends a burst.
    assert!(pump.sockets.next(std::time::Instant::now()).is_none());
    assert_eq!(pump.sockets.deadline(std::time::Instant::now()), None);
}
