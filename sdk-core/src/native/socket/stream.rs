//! Bytes to and from the peer, with or without TLS, never blocking.
//!
//! What is written is taken into a bounded buffer and leaves when the peer takes it. So frames stay whole whoever writes
//! them, and several small messages leave in one packet.

use std::io::{self, Read, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;

#[derive(Debug)]
enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A connection and what waits to be written to it.
#[derive(Debug)]
pub(crate) struct Stream {
    wire: Wire,
    out: Vec<u8>,
    /// How much of `out` has left.
    left: usize,
    max_out: usize,
}

impl Stream {
    /// Speaks TLS to `host` where a configuration is given.
    ///
    /// # Errors
    /// `host` is no name that a certificate could be for.
    pub(crate) fn new(
        tcp: TcpStream,
        tls: Option<(Arc<ClientConfig>, &str)>,
        max_out: usize,
    ) -> io::Result<Stream> {
        let wire = match tls {
            None => Wire::Plain(tcp),
            Some((config, host)) => {
                let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
                let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
                Wire::Tls(Box::new(StreamOwned::new(connection, tcp)))
            }
        };
        Ok(Stream { wire, out: Vec::new(), left: 0, max_out })
    }

    /// Takes bytes to be written.
    ///
    /// # Errors
    /// The peer takes nothing, and the buffer is full.
    pub(crate) fn queue(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.out.len() - self.left + bytes.len() > self.max_out {
            return Err(io::Error::new(io::ErrorKind::OutOfMemory, "the peer reads too slowly"));
        }
        if self.left > 0 {
            self.out.drain(..self.left);
            self.left = 0;
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes what the peer takes; `Ok(false)`: it takes no more now, and the poller will say when it does.
    pub(crate) fn write_out(&mut self) -> io::Result<bool> {
        while self.left < self.out.len() {
            let rest = &self.out[self.left..];
            let written = match &mut self.wire {
                Wire::Plain(tcp) => tcp.write(rest),
                Wire::Tls(tls) => tls.write(rest),
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => self.left += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) => return Err(e),
            }
        }
        self.left = 0;
        self.out.clear();
        // An idle connection keeps no buffer for the largest message it ever sent.
        self.out.shrink_to(4096);
        let Wire::Tls(tls) = &mut self.wire else { return Ok(true) };
        match tls.flush() {
            Ok(()) => Ok(true),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Says goodbye in TLS too, so that the peer can tell an end from a cut.
    pub(crate) fn notify_end(&mut self) {
        if let Wire::Tls(tls) = &mut self.wire {
            tls.conn.send_close_notify();
            let _ = tls.flush();
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.wire {
            Wire::Plain(tcp) => tcp.read(buf),
            Wire::Tls(tls) => tls.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.queue(buf)?;
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.write_out()? { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }
}
