//! What comes with a request, within bounds. It is read only of whoever may give commands.

use std::time::Duration;

use axum::{
    body::{Body, Bytes, HttpBody as _, to_bytes},
    extract::Request,
};
use tokio::time::timeout;

/// A request arrives within this time.
const WITHIN: Duration = Duration::from_secs(10);

/// Why it was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It took too long to arrive.
    Late,
    /// It is too long, or broke off.
    TooLong,
}

/// Reads the body of a request of at most so many bytes.
pub(super) async fn read(request: Request, bytes_max: usize) -> Result<Bytes, Unread> {
    // What is announced to be too long need not be waited for.
    if request.body().size_hint().lower() > u64::try_from(bytes_max).unwrap_or(u64::MAX) {
        return Err(Unread::TooLong);
    }
    let body = timeout(WITHIN, to_bytes(Body::new(request.into_body()), bytes_max)).await;
    body.map_err(|_| Unread::Late)?.map_err(|_| Unread::TooLong)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_too_long_or_never_comes_is_not_read() {
        let never = || stream::pending::<Result<Bytes, std::io::Error>>();
        let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(b"abc")));
        for (body, expected) in [
            (Body::from("abc"), Ok(Bytes::from_static(b"abc"))),
            (Body::from("abcde"), Err(Unread::TooLong)),
            (Body::from_stream(endless), Err(Unread::TooLong)),
            (Body::from_stream(never()), Err(Unread::Late)),
        ] {
            assert_eq!(read(Request::new(body), 4).await, expected);
        }
    }
}
