//! Content codings, undone while the body streams in, so that a bomb is noticed after a few kilobytes of it and
//! never held in memory. Several may have been applied one over another (RFC 9110, 8.4): what each of them gives is held
//! to the same room, measured by the bytes on the wire, so bombs inside one another gain nothing.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use zstd::stream::{raw, zio};

/// A small body may inflate beyond the allowed ratio: this much is always accepted.
const RATIO_FREE_BYTES: u64 = 64 << 10;
/// The largest window a zstd frame may ask for, as a power of two: 8 MiB, as in browsers (RFC 9659).
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
const BROTLI_BUFFER_BYTES: usize = 4096;

/// Why a body cannot be inflated.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It inflates beyond the allowed ratio.
    Ratio,
    /// It inflates beyond the allowed size.
    Size,
    /// It is not what its label says.
    Corrupt(String),
    /// It ends in the middle.
    Cut,
}

/// How far a body may inflate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Bytes in all.
    pub(super) bytes_max: u64,
    /// Bytes for each byte on the wire.
    pub(super) ratio_max: u64,
}

/// Undoes the content codings of a body.
pub(super) struct Inflater {
    /// As they are undone: the coding applied last comes first. Never empty.
    layers: Vec<Layer>,
    wire_bytes: u64,
}

/// Undoes one content coding.
struct Layer {
    decoder: Decoder,
    room: Room,
    /// Nothing at all is as good as an empty body, whatever the coding would make of one.
    begun: bool,
}

/// `deflate` means zlib, and some servers send it bare: the first byte tells.
enum Decoder {
    Gzip(Box<flate2::write::MultiGzDecoder<Bounded>>),
    DeflateUndecided(Bounded),
    Zlib(Box<flate2::write::ZlibDecoder<Bounded>>),
    Deflate(Box<flate2::write::DeflateDecoder<Bounded>>),
    Brotli(Box<brotli::DecompressorWriter<Bounded>>),
    Zstd(Box<zio::Writer<Bounded, raw::Decoder<'static>>>),
}

impl Inflater {
    /// Prepares for the codings of a body, in the order in which they were applied; nothing if there are none, or one
    /// of them is not known.
    pub(super) fn undoing(codings: &[impl AsRef<str>], room: Room) -> Option<Self> {
        let layers = codings.iter().rev().map(|coding| Layer::of(coding.as_ref(), room));
        let layers: Vec<_> = layers.collect::<Option<_>>()?;
        (!layers.is_empty()).then_some(Self { layers, wire_bytes: 0 })
    }

    /// Takes the next bytes from the wire.
    pub(super) fn push(&mut self, wire: &[u8]) -> Result<(), Unfit> {
        self.wire_bytes += wire.len() as u64;
        let mut piece = Cow::Borrowed(wire);
        let (last, before) = self.layers.split_last_mut().expect("there is a layer for every coding");
        for layer in before {
            layer.push(&piece, self.wire_bytes)?;
            piece = Cow::Owned(layer.take());
        }
        last.push(&piece, self.wire_bytes)
    }

    /// Says that the wire has nothing more, and gives what was inflated.
    pub(super) fn finish(mut self) -> Result<Vec<u8>, Unfit> {
        let mut piece = Vec::new();
        for layer in &mut self.layers {
            layer.push(&piece, self.wire_bytes)?;
            piece = layer.finish()?;
        }
        Ok(piece)
    }
}

impl Layer {
    fn of(coding: &str, room: Room) -> Option<Self> {
        let kept = Bounded::default();
        let decoder = match coding.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Decoder::Gzip(Box::new(flate2::write::MultiGzDecoder::new(kept))),
            "deflate" => Decoder::DeflateUndecided(kept),
            "br" => Decoder::Brotli(Box::new(brotli::DecompressorWriter::new(kept, BROTLI_BUFFER_BYTES))),
            "zstd" => {
                let mut operation = raw::Decoder::new().ok()?;
                operation.set_parameter(raw::DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX)).ok()?;
                Decoder::Zstd(Box::new(zio::Writer::new(kept, operation)))
            }
            _ => return None,
        };
        Some(Self { decoder, room, begun: false })
    }

    fn push(&mut self, piece: &[u8], wire_bytes: u64) -> Result<(), Unfit> {
        let Some(first) = piece.first() else { return Ok(()) };
        self.begun = true;
        if let Decoder::DeflateUndecided(kept) = &mut self.decoder {
            let kept = std::mem::take(kept);
            self.decoder = if first & 0x0f == 8 {
                Decoder::Zlib(Box::new(flate2::write::ZlibDecoder::new(kept)))
            } else {
                Decoder::Deflate(Box::new(flate2::write::DeflateDecoder::new(kept)))
            };
        }
        let by_ratio = wire_bytes.saturating_mul(self.room.ratio_max).max(RATIO_FREE_BYTES);
        let bytes_max = self.room.bytes_max.min(by_ratio);
        self.decoder.kept().bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let written = self.decoder.writer().write_all(piece).and_then(|()| self.decoder.writer().flush());
        written.map_err(|error| self.unfit(&error))
    }

    /// What has been inflated since it was last taken.
    fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.decoder.kept().bytes)
    }

    /// What has not been taken yet, once there is nothing more to come.
    fn finish(&mut self) -> Result<Vec<u8>, Unfit> {
        if !self.begun {
            return Ok(Vec::new());
        }
        let finished = match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.try_finish(),
            Decoder::Zlib(decoder) => decoder.try_finish(),
            Decoder::Deflate(decoder) => decoder.try_finish(),
            Decoder::Brotli(decoder) => decoder.close(),
            Decoder::Zstd(decoder) => decoder.finish(),
            Decoder::DeflateUndecided(_) => Ok(()),
        };
        if let Err(error) = finished {
            // What was accepted so far is sound: what is missing is the rest.
            return Err(if self.decoder.kept().full { self.unfit(&error) } else { Unfit::Cut });
        }
        Ok(self.take())
    }

    fn unfit(&mut self, error: &io::Error) -> Unfit {
        let kept = self.decoder.kept();
        match (kept.full, kept.bytes_max as u64 >= self.room.bytes_max) {
            (true, true) => Unfit::Size,
            (true, false) => Unfit::Ratio,
            (false, _) => Unfit::Corrupt(error.to_string()),
        }
    }
}

impl Decoder {
    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Gzip(decoder) => decoder,
            Self::DeflateUndecided(kept) => kept,
            Self::Zlib(decoder) => decoder,
            Self::Deflate(decoder) => decoder,
            Self::Brotli(decoder) => decoder,
            Self::Zstd(decoder) => decoder,
        }
    }

    fn kept(&mut self) -> &mut Bounded {
        match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::DeflateUndecided(kept) => kept,
            Self::Zlib(decoder) => decoder.get_mut(),
            Self::Deflate(decoder) => decoder.get_mut(),
            Self::Brotli(decoder) => decoder.get_mut(),
            Self::Zstd(decoder) => decoder.writer_mut(),
        }
    }
}

/// Keeps what is written, up to a bound.
#[derive(Debug, Default)]
struct Bounded {
    bytes: Vec<u8>,
    /// Everything that was ever written, taken meanwhile or not.
    bytes_written: usize,
    bytes_max: usize,
    full: bool,
}

impl Write for Bounded {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        if self.full || chunk.len() > self.bytes_max.saturating_sub(self.bytes_written) {
            self.full = true;
            return Err(io::Error::other("inflates beyond the limit"));
        }
        self.bytes_written += chunk.len();
        self.bytes.extend_from_slice(chunk);
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room { bytes_max: 4 << 20, ratio_max: 100 };

    fn encoded(encoding: &str, plain: &[u8]) -> Vec<u8> {
        use flate2::{Compression, write};
        match encoding {
            "gzip" => {
                let mut encoder = write::GzEncoder::new(Vec::new(), Compression::best());
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
            "deflate" => {
                let mut encoder = write::ZlibEncoder::new(Vec::new(), Compression::best());
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
            "raw" => {
                let mut encoder = write::DeflateEncoder::new(Vec::new(), Compression::best());
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
            "br" => {
                let mut out = Vec::new();
                brotli::CompressorWriter::new(&mut out, 4096, 9, 22).write_all(plain).unwrap();
                out
            }
            "zstd" => zstd::encode_all(plain, 3).unwrap(),
            other => panic!("no such encoding: {other}"),
        }
    }

    /// Undoes codings that are listed as in the header.
    fn inflated(codings: &str, wire: &[u8], chunk: usize, room: Room) -> Result<Vec<u8>, Unfit> {
        let mut inflater = Inflater::undoing(&codings.split(", ").collect::<Vec<_>>(), room).unwrap();
        for piece in wire.chunks(chunk) {
            inflater.push(piece)?;
        }
        inflater.finish()
    }

    /// Text that compresses about 4:1, so that no bound is near.
    fn text() -> Vec<u8> {
        (0..20_000u32).flat_map(|n| format!("{:x} ", n.wrapping_mul(2_654_435_761)).into_bytes()).collect()
    }

    const ALL: [(&str, &str); 5] =
        [("gzip", "gzip"), ("deflate", "deflate"), ("deflate", "raw"), ("br", "br"), ("zstd", "zstd")];

    #[test]
    fn every_encoding_is_undone_however_it_arrives() {
        for (label, form) in ALL {
            for chunk in [1, 7, 1000, usize::MAX] {
                let wire = encoded(form, &text());
                assert!(inflated(label, &wire, chunk, ROOM) == Ok(text()), "{form} in pieces of {chunk}");
            }
            assert_eq!(inflated(label, &[], 1, ROOM), Ok(vec![]), "nothing, as {label}");
        }
    }

    #[test]
    fn a_bomb_is_noticed_by_its_ratio_in_every_encoding() {
        let zeros = vec![0; 3 << 20];
        for (label, form) in ALL {
            assert_eq!(inflated(label, &encoded(form, &zeros), 512, ROOM), Err(Unfit::Ratio), "{form}");
        }
    }

    #[test]
    fn a_body_may_not_inflate_beyond_its_size() {
        let room = Room { bytes_max: 100_000, ratio_max: 100 };
        for (label, form) in ALL {
            assert_eq!(inflated(label, &encoded(form, &text()), 512, room), Err(Unfit::Size), "{form}");
        }
    }

    #[test]
    fn a_small_body_may_inflate_beyond_the_ratio() {
        for (label, form) in ALL {
            assert_eq!(
                inflated(label, &encoded(form, &[0; 60_000]), 512, ROOM),
                Ok(vec![0; 60_000]),
                "{form}"
            );
        }
    }

    #[test]
    fn an_encoding_cut_short_is_not_taken_for_whole() {
        for (label, form) in ALL {
            let wire = encoded(form, &text());
            assert_eq!(inflated(label, &wire[..wire.len() / 2], 512, ROOM), Err(Unfit::Cut), "{form}");
        }
    }

    #[test]
    fn a_wrong_label_is_noticed() {
        for (label, _) in ALL {
            let result = inflated(label, b"{\"enabled\": true, \"agents\": 3}", 512, ROOM);
            assert!(matches!(result, Err(Unfit::Corrupt(_) | Unfit::Cut)), "{label}: {result:?}");
        }
        assert!(Inflater::undoing(&["compress"], ROOM).is_none());
        assert!(Inflater::undoing(&["gzip", "compress"], ROOM).is_none());
    }

    #[test]
    fn codings_over_one_another_are_undone_from_the_last_to_the_first() {
        for (inner, inner_form) in ALL {
            for (outer, outer_form) in ALL {
                let wire = encoded(outer_form, &encoded(inner_form, &text()));
                let label = format!("{inner}, {outer}");
                for chunk in [7, usize::MAX] {
                    assert!(
                        inflated(&label, &wire, chunk, ROOM) == Ok(text()),
                        "{label} in pieces of {chunk}"
                    );
                }
                let cut = inflated(&label, &wire[..wire.len() / 2], 512, ROOM);
                assert_eq!(cut, Err(Unfit::Cut), "{label}");
            }
        }
        assert_eq!(inflated("gzip, br", &encoded("br", &[]), 1, ROOM), Ok(vec![]));
    }

    #[test]
    fn a_bomb_inside_another_gains_nothing() {
        // 1,000:1, compressed again, is about 100,000:1.
        let bomb = encoded("gzip", &encoded("gzip", &vec![0; 64 << 20]));
        assert!(bomb.len() < 4096, "{}", bomb.len());
        assert_eq!(inflated("gzip, gzip", &bomb, 512, ROOM), Err(Unfit::Ratio));
        // It is the bytes on the wire that count, and for the layer in between as well.
        let between = encoded("gzip", &encoded("gzip", &vec![0; 300_000]));
        let room = Room { bytes_max: 200, ..ROOM };
        assert_eq!(inflated("gzip, gzip", &between, 512, room), Err(Unfit::Size));
    }
}
