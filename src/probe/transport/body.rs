//! The body of an answer, within its limits.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header::CONTENT_ENCODING};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use super::{
    fault::{Broken, of_http},
    inflate::{Inflater, Room, Unfit},
    prepared::Limits,
};
use crate::domain::outcome::{Reason, Stage};

/// More content codings over one another than this are a trap: a proxy that compresses what is compressed makes two.
const CODINGS_MAX: usize = 3;

/// Reads a body to its end and inflates it.
pub(super) async fn read(mut body: Incoming, headers: &HeaderMap, limits: &Limits) -> Result<Bytes, Broken> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    // A body that says it is too large need not be read to be believed.
    if body.size_hint().lower() > limits.body_bytes {
        return Err(too_large(limits));
    }
    let mut kept = Kept::for_headers(headers, limits)?;
    let mut wire_bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| of_http(Stage::Transfer, &error))?;
        let Ok(data) = frame.into_data() else { continue };
        wire_bytes += data.len() as u64;
        if wire_bytes > limits.body_bytes {
            return Err(too_large(limits));
        }
        kept.push(data).map_err(|unfit| unfit.into_broken(limits))?;
    }
    kept.finish().map_err(|unfit| unfit.into_broken(limits))
}

/// The codings of a body in the order in which they were applied: several headers are one list (RFC 9110, 5.3).
fn codings(headers: &HeaderMap) -> Vec<Cow<'_, str>> {
    let mut codings = Vec::new();
    for header in headers.get_all(CONTENT_ENCODING) {
        for coding in header.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity") {
                codings.push(String::from_utf8_lossy(coding));
            }
        }
    }
    codings
}

/// What has been read so far; a body that comes in one piece is not copied.
enum Kept {
    Nothing,
    Piece(Bytes),
    Pieces(BytesMut),
    Inflating(Box<Inflater>),
}

impl Kept {
    fn for_headers(headers: &HeaderMap, limits: &Limits) -> Result<Self, Broken> {
        let codings = codings(headers);
        if codings.is_empty() {
            return Ok(Self::Nothing);
        }
        let unfit = |detail| Err(Broken::failed(Stage::Transfer, Reason::Protocol, detail));
        if codings.len() > CODINGS_MAX {
            return unfit(format!("{} content codings over one another", codings.len()));
        }
        let room = Room { bytes_max: limits.inflated_bytes, ratio_max: limits.inflated_ratio };
        match Inflater::undoing(&codings, room) {
            Some(inflater) => Ok(Self::Inflating(Box::new(inflater))),
            None => unfit(format!("a content-encoding that is not known: {}", codings.join(", "))),
        }
    }

    fn push(&mut self, data: Bytes) -> Result<(), Unfit> {
        match self {
            Self::Nothing => *self = Self::Piece(data),
            Self::Piece(first) => {
                let mut pieces = BytesMut::with_capacity((first.len() + data.len()) * 2);
                pieces.extend_from_slice(first);
                pieces.extend_from_slice(&data);
                *self = Self::Pieces(pieces);
            }
            Self::Pieces(pieces) => pieces.extend_from_slice(&data),
            Self::Inflating(inflater) => inflater.push(&data)?,
        }
        Ok(())
    }

    fn finish(self) -> Result<Bytes, Unfit> {
        match self {
            Self::Nothing => Ok(Bytes::new()),
            Self::Piece(piece) => Ok(piece),
            Self::Pieces(pieces) => Ok(pieces.freeze()),
            Self::Inflating(inflater) => inflater.finish().map(Bytes::from),
        }
    }
}

fn too_large(limits: &Limits) -> Broken {
    let limit = limits.body_bytes;
    Broken::failed(
        Stage::Transfer,
        Reason::BodyTooLarge,
        format_args!("the body is larger than {limit} bytes"),
    )
}

impl Unfit {
    fn into_broken(self, limits: &Limits) -> Broken {
        let (reason, detail) = match self {
            Self::Ratio => {
                let ratio = limits.inflated_ratio;
                (Reason::DecompressRatio, format!("the body inflates to more than {ratio} times its size"))
            }
            Self::Size => {
                let limit = limits.inflated_bytes;
                (Reason::BodyTooLarge, format!("the body inflates to more than {limit} bytes"))
            }
            Self::Corrupt(why) => {
                (Reason::Protocol, format!("the body is not in its content-encoding: {why}"))
            }
            Self::Cut => (Reason::Truncated, "the compressed body ends in the middle".to_owned()),
        };
        Broken::failed(Stage::Transfer, reason, detail)
    }
}
