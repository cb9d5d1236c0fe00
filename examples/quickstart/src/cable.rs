//! The network of this demonstration: a small TCP proxy on loopback between the game and the server, so that it can fail on demand.
//!
//! It knows nothing of Castline; it copies bytes, or it does not. What it did is counted, so that the story tells measured numbers.

use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Bytes go through both ways.
    Whole,
    /// What the server sends is swallowed: it believes it sent, the game never hears.
    Deaf,
    /// Every connection is gone, and new ones end at once.
    Cut,
}

/// The one cable between the game and the server.
pub(crate) struct Cable {
    address: SocketAddr,
    state: watch::Sender<State>,
    swallowed: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
}

impl Cable {
    /// Listens on a free loopback port; must be called inside a tokio runtime, which then carries the bytes.
    pub(crate) async fn lay(server: SocketAddr) -> Result<Self> {
        let listener =
            TcpListener::bind("127.0.0.1:0").await.context("no free loopback port for the cable")?;
        let address = listener.local_addr()?;
        let (state, follow) = watch::channel(State::Whole);
        let (swallowed, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        tokio::spawn(accept(listener, server, follow, Arc::clone(&swallowed), Arc::clone(&refused)));
        Ok(Self { address, state, swallowed, refused })
    }

    /// Where the game connects to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn swallow_what_the_server_sends(&self) {
        self.state.send_replace(State::Deaf);
    }

    pub(crate) fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    pub(crate) fn mend(&self) {
        self.state.send_replace(State::Whole);
    }

    /// Bytes from the server that never reached the game.
    pub(crate) fn swallowed(&self) -> u64 {
        self.swallowed.load(Ordering::Relaxed)
    }

    /// Connections that were tried while the cable was cut.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// Ends when the [`Cable`] is dropped.
async fn accept(
    listener: TcpListener,
    server: SocketAddr,
    mut state: watch::Receiver<State>,
    swallowed: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
) {
    loop {
        let game = tokio::select! {
            accepted = listener.accept() => accepted,
            gone = state.changed() => if gone.is_err() { return } else { continue },
        };
        let Ok((game, _)) = game else { continue };
        if *state.borrow() == State::Cut {
            refused.fetch_add(1, Ordering::Relaxed);
            reset(game);
            continue;
        }
        tokio::spawn(carry(game, server, state.clone(), Arc::clone(&swallowed)));
    }
}

/// One connection, until either end closes it or the cable is cut.
async fn carry(
    game: TcpStream,
    server: SocketAddr,
    mut state: watch::Receiver<State>,
    swallowed: Arc<AtomicU64>,
) {
    let Ok(server) = TcpStream::connect(server).await else { return reset(game) };
    let _ = (game.set_nodelay(true), server.set_nodelay(true));
    let (mut game, mut server) = (game, server);
    {
        let listening = state.clone();
        let (mut from_game, mut to_game) = game.split();
        let (mut from_server, mut to_server) = server.split();
        let up = async {
            tokio::io::copy(&mut from_game, &mut to_server).await?;
            to_server.shutdown().await
        };
        let down = async {
            let mut buffer = [0; 4096];
            loop {
                let n = from_server.read(&mut buffer).await?;
                if n == 0 {
                    return to_game.shutdown().await;
                }
                if *listening.borrow() == State::Deaf {
                    swallowed.fetch_add(n as u64, Ordering::Relaxed);
                } else {
                    to_game.write_all(&buffer[..n]).await?;
                }
            }
        };
        tokio::select! {
            _ = async { tokio::try_join!(up, down) } => {}
            // An error means that the cable itself is gone.
            _ = state.wait_for(|state| *state == State::Cut) => {}
        }
    }
    reset(game);
    reset(server);
}

/// Ends a connection as a lost network does: without a goodbye.
fn reset(stream: TcpStream) {
    let _ = stream.set_zero_linger();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    const SOON: Duration = Duration::from_secs(5);

    /// A server that answers each byte with the next one.
    async fn incrementer() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    while let Ok(byte) = stream.read_u8().await {
                        if stream.write_u8(byte + 1).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        address
    }

    #[tokio::test]
    async fn whole_it_carries_deaf_it_swallows_cut_it_ends_and_mended_it_carries_again() {
        let cable = Cable::lay(incrementer().await).await.unwrap();
        let mut stream = TcpStream::connect(cable.address()).await.unwrap();
        stream.write_u8(1).await.unwrap();
        assert_eq!(timeout(SOON, stream.read_u8()).await.unwrap().unwrap(), 2);

        cable.swallow_what_the_server_sends();
        stream.write_u8(7).await.unwrap();
        timeout(SOON, async {
            while cable.swallowed() == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();

        cable.cut();
        assert!(timeout(SOON, stream.read_u8()).await.unwrap().is_err(), "the connection must end");
        let mut refused = TcpStream::connect(cable.address()).await.unwrap();
        assert!(timeout(SOON, refused.read_u8()).await.unwrap().is_err());
        assert_eq!((cable.swallowed(), cable.refused()), (1, 1));

        cable.mend();
        let mut again = TcpStream::connect(cable.address()).await.unwrap();
        again.write_u8(3).await.unwrap();
        assert_eq!(timeout(SOON, again.read_u8()).await.unwrap().unwrap(), 4);
    }
}
