//! What is refused: a status for programs and a sentence for people.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::shapes::Refusal;
use crate::{
    domain::{command::NotRun, maintenance},
    web::{access::Denial, door},
};

/// What is refused, and the sentence that says why.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    sentence: String,
}

impl Refused {
    pub(super) fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self { status, sentence: sentence.into() }
    }

    /// There is no such thing.
    pub(super) fn unknown(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, sentence)
    }

    /// It makes no sense.
    pub(super) fn senseless(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, sentence)
    }

    /// It cannot be said at present.
    pub(super) fn unread(sentence: String) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, sentence)
    }
}

impl From<Denial> for Refused {
    fn from(denial: Denial) -> Self {
        Self::new(door::status(denial), denial.sentence())
    }
}

impl From<maintenance::Refusal> for Refused {
    fn from(refusal: maintenance::Refusal) -> Self {
        use maintenance::Refusal;
        let status = match refusal {
            Refusal::Unknown(_) => StatusCode::NOT_FOUND,
            Refusal::Senseless(_) => StatusCode::BAD_REQUEST,
            Refusal::Untimely(_) => StatusCode::CONFLICT,
            Refusal::NotKept(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, refusal.to_string())
    }
}

impl From<NotRun> for Refused {
    fn from(why: NotRun) -> Self {
        match why {
            NotRun::Unknown => Self::unknown("there is no such probe"),
            NotRun::Running => {
                Self::new(StatusCode::CONFLICT, "it is running already; ask for its outcomes in a moment")
            }
            NotRun::NoRoom => Self::unread(
                "as many runs are under way as may be, in all or against its host; ask again in a moment"
                    .to_owned(),
            ),
            NotRun::Stopped => Self::unread("the run was broken off, and nothing came of it".to_owned()),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(Refusal { error: self.sentence })).into_response();
        door::challenge(&mut response);
        response
    }
}
