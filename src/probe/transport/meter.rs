//! The connection as the HTTP layer sees it, with a meter in between: it stamps the moment at which the request has
//! left and the first byte has come, counts bytes, and cuts off a peer that sends headers or framing without end.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Instant,
};
use tokio_rustls::client::TlsStream;

use super::fault::LimitHit;
use crate::probe::timeline::Timeline;

/// A connection, with or without TLS.
#[derive(Debug)]
pub(super) enum Wire {
    /// Without.
    Plain(TcpStream),
    /// With.
    Tls(Box<TlsStream<TcpStream>>),
}

/// What the first byte read means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FirstByte {
    /// The answer begins (HTTP/1).
    IsAnswer,
    /// The peer talks about the connection first (HTTP/2); the answer is announced by [`Meter::answered`].
    IsFraming,
}

/// What has passed over a connection. One task owns both ends, so the atomics are only for `Send`.
#[derive(Debug)]
pub(super) struct Meter {
    timeline: Timeline,
    first_byte: FirstByte,
    head_bytes_max: u64,
    wire_bytes_max: u64,
    read_bytes: AtomicU64,
    wrote: AtomicBool,
    /// Bytes of the request's body that no layer below has taken yet.
    unsent_bytes: AtomicUsize,
    head_complete: AtomicBool,
    answer_began: OnceLock<Instant>,
}

impl Meter {
    pub(super) fn new(
        timeline: Timeline,
        first_byte: FirstByte,
        head_bytes_max: u64,
        wire_bytes_max: u64,
    ) -> Arc<Self> {
        Arc::new(Self {
            timeline,
            first_byte,
            head_bytes_max,
            wire_bytes_max,
            read_bytes: AtomicU64::new(0),
            wrote: AtomicBool::new(false),
            unsent_bytes: AtomicUsize::new(0),
            head_complete: AtomicBool::new(false),
            answer_began: OnceLock::new(),
        })
    }

    /// So much of the request's body is left to send.
    pub(super) fn has_to_send(&self, unsent_bytes: usize) {
        self.unsent_bytes.store(unsent_bytes, Relaxed);
    }

    /// Everything written so far has left; the request has, unless some of its body is held back.
    fn has_flushed(&self) {
        if self.wrote.swap(false, Relaxed) && self.unsent_bytes.load(Relaxed) == 0 {
            self.timeline.sent();
        }
    }

    /// The answer has begun. Said again, it changes nothing.
    pub(super) fn answered(&self) {
        if self.answer_began.get().is_none() {
            self.timeline.answered();
            self.answer_began.get_or_init(Instant::now);
        }
    }

    /// The headers are complete: from here on only the body is counted.
    pub(super) fn head_complete(&self) {
        self.answered();
        self.head_complete.store(true, Relaxed);
    }

    /// When the answer began, and how many bytes have been read.
    pub(super) fn progress(&self) -> Option<(Instant, u64)> {
        self.answer_began.get().map(|began| (*began, self.read_bytes.load(Relaxed)))
    }

    /// Refuses to read on once a limit has been used up. HTTP/2 may bring a body before anybody has looked at the
    /// headers; there, only the whole is limited.
    fn check(&self) -> io::Result<()> {
        let read = self.read_bytes.load(Relaxed);
        let in_head = self.first_byte == FirstByte::IsAnswer && !self.head_complete.load(Relaxed);
        if in_head && read > self.head_bytes_max {
            Err(io::Error::other(LimitHit::Head))
        } else if read > self.wire_bytes_max {
            Err(io::Error::other(LimitHit::Framing))
        } else {
            Ok(())
        }
    }

    fn has_read(&self, count: usize) {
        if count > 0 {
            self.read_bytes.fetch_add(count as u64, Relaxed);
            if self.first_byte == FirstByte::IsAnswer {
                self.answered();
            }
        }
    }
}

/// A connection with its meter.
#[derive(Debug)]
pub(super) struct Metered {
    pub(super) wire: Wire,
    pub(super) meter: Arc<Meter>,
}

impl Metered {
    fn wire(self: Pin<&mut Self>) -> Pin<&mut (dyn Duplex + '_)> {
        let stream: &mut dyn Duplex = match &mut self.get_mut().wire {
            Wire::Plain(stream) => stream,
            Wire::Tls(stream) => &mut **stream,
        };
        Pin::new(stream)
    }
}

trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Duplex for S {}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.meter.check()?;
        let before = buf.filled().len();
        ready!(self.as_mut().wire().poll_read(cx, buf))?;
        self.meter.has_read(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.meter.wrote.store(true, Relaxed);
        self.as_mut().wire().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.meter.wrote.store(true, Relaxed);
        self.as_mut().wire().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.wire {
            Wire::Plain(stream) => stream.is_write_vectored(),
            Wire::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().wire().poll_flush(cx))?;
        self.meter.has_flushed();
        Poll::Ready(Ok(()))
    }

    /// The drop of the connection closes it a moment later; a system call before that would tell nobody anything.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
