//! The body of a request on its way out. The layers below take it piece by piece, in HTTP/2 as the peer allows, and
//! the meter learns of each: only so is a peer that lets a request wait told apart from one that lets us wait.

use std::{io::IoSlice, sync::Arc};

use bytes::{Buf, Bytes};

use super::meter::Meter;

/// What is left of a body.
pub(super) struct Outgoing {
    bytes: Bytes,
    meter: Arc<Meter>,
}

impl Outgoing {
    pub(super) fn new(bytes: Bytes, meter: Arc<Meter>) -> Self {
        meter.has_to_send(bytes.len());
        Self { bytes, meter }
    }
}

impl Buf for Outgoing {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.bytes.chunks_vectored(slices)
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.meter.has_to_send(self.bytes.len());
    }
}
