//! The byte stream under an SMTP session, with what lettre leaves to the stream: a limit on what a server may say, and
//! a watch over whose turn it is to speak.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// What a server may say between two utterances of ours (`states.md`: 100 lines of 2 KiB, and a TLS handshake).
const SAID_MAX: usize = 256 * 1024;

/// The first byte of every TLS record of a handshake; no SMTP command begins with it.
const TLS_HANDSHAKE: u8 = 0x16;

/// A TCP connection on which the server may neither talk without end nor out of turn.
#[derive(Debug)]
pub(super) struct Wire {
    socket: TcpStream,
    /// Bytes the server has said since we last spoke.
    said: usize,
    /// Whether what passes is SMTP in plain text.
    plain: bool,
    /// How far the reply in plain text has come.
    reply: Reply,
}

/// The server's reply, as far as it has come.
#[derive(Debug, Default)]
struct Reply {
    /// Position in the present line.
    column: usize,
    /// Whether the present line is the reply's last: its fourth octet is no hyphen.
    last: bool,
    /// Whether the reply is complete.
    complete: bool,
}

impl Reply {
    /// Takes in one octet; false if it comes after the end of the reply.
    fn take(&mut self, octet: u8) -> bool {
        if self.complete {
            return false;
        }
        match octet {
            b'\n' => {
                // A line too short for a hyphen is malformed or final; lettre says which.
                self.complete = self.last || self.column < 4;
                self.column = 0;
            }
            _ => {
                if self.column == 3 {
                    self.last = octet != b'-';
                }
                self.column += 1;
            }
        }
        true
    }
}

impl Wire {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self { socket, said: 0, plain: true, reply: Reply::default() }
    }

    /// Judges what has just been read.
    fn hear(&mut self, heard: &[u8]) -> io::Result<()> {
        self.said += heard.len();
        if self.said > SAID_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the server's reply has no end"));
        }
        // What follows the reply to STARTTLS in plain text would be taken for the first words inside TLS.
        if self.plain && !heard.iter().all(|&octet| self.reply.take(octet)) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the server spoke out of turn"));
        }
        Ok(())
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.socket).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => Poll::Ready(self.hear(&buf.filled()[before..])),
            other => other,
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.said = 0;
        self.reply = Reply::default();
        if data.first() == Some(&TLS_HANDSHAKE) {
            self.plain = false;
        }
        Pin::new(&mut self.socket).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }
}

/// A wire under TLS from the first byte.
#[derive(Debug)]
pub(super) struct Encrypted(pub(super) TlsStream<Wire>);

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Encrypted {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().0.peer_addr()
    }
}
