//! Pages of incidents, and the whole story of one. Their ids sort by the moment at which they opened, and are the key of
//! their table.

use rusqlite::{Connection, Row};

use super::{
    Store, StoreError,
    explain::{Letter, Record, Settled, case_of},
    state::from_json,
};
use crate::domain::{
    case::Case,
    happening::Account,
    incident::{Incident, IncidentId},
    inquiry::{Entry, IncidentInquiry, Incidents, KeptIncident, Message, Occurrence, Standing, Story},
};

/// So many rows are looked at for one page.
const EXAMINED_MAX: usize = 50_000;

/// Sorts behind every id.
const BEHIND_ALL: &str = "~";

impl Store {
    /// The incidents that are asked for, the latest first.
    ///
    /// # Errors
    /// When the store cannot be read, or not in time.
    pub async fn incidents(&self, inquiry: IncidentInquiry) -> Result<Incidents, StoreError> {
        self.ask("read the incidents", move |archive| {
            archive.read("read the incidents", |connection| page(connection, &inquiry))
        })
        .await
    }

    /// Everything that is kept of an incident; none if there is none of this id.
    ///
    /// # Errors
    /// When the store cannot be read, or not in time.
    pub async fn story(&self, id: IncidentId) -> Result<Option<Story>, StoreError> {
        // The runs around it are asked for by themselves.
        self.ask("read an incident", move |archive| Ok(archive.record(&id, 0)?.and_then(tell))).await
    }
}

fn page(connection: &Connection, inquiry: &IncidentInquiry) -> rusqlite::Result<Incidents> {
    let mut rows = connection.prepare_cached(
        "SELECT incident, channel, began_at, resolved_at, record FROM incident WHERE incident < ? ORDER BY incident DESC",
    )?;
    let record = |row: &Row<'_>| {
        let incident: Incident = from_json(row.get_ref(4)?.as_str()?)?;
        let case = case_of(connection, &incident.id)?;
        Ok::<_, rusqlite::Error>(KeptIncident::of(incident, case.as_ref()))
    };
    let before = inquiry.before.as_ref().map_or(BEHIND_ALL, |id| &id.0);
    let mut rows = rows.query([before])?;
    let mut page = Incidents { items: Vec::new(), next: None };
    let (mut examined, mut last) = (0, before.to_owned());
    while let Some(row) = rows.next()? {
        if page.items.len() >= inquiry.limit || examined >= EXAMINED_MAX {
            page.next = Some(IncidentId(last));
            break;
        }
        examined += 1;
        row.get_ref(0)?.as_str()?.clone_into(&mut last);
        if is_meant(row, inquiry)? {
            page.items.push(record(row)?);
        }
    }
    Ok(page)
}

fn is_meant(row: &Row<'_>, inquiry: &IncidentInquiry) -> rusqlite::Result<bool> {
    let (began_at, resolved_at): (i64, Option<i64>) = (row.get(2)?, row.get(3)?);
    let is_in_time = inquiry.until.is_none_or(|until| began_at < until.as_millisecond())
        && inquiry.from.is_none_or(|from| resolved_at.is_none_or(|end| end >= from.as_millisecond()));
    let stands_so = match inquiry.standing {
        None => true,
        Some(Standing::Open) => resolved_at.is_none(),
        Some(Standing::Closed) => resolved_at.is_some(),
    };
    let channel = row.get_ref(1)?.as_str()?;
    Ok(is_in_time && stands_so && inquiry.channel.as_ref().is_none_or(|meant| meant.as_str() == channel))
}

/// Puts what is known into the order of time. None of what is no incident, but a message about the monitor itself.
fn tell(record: Record) -> Option<Story> {
    let Record { incident, case, happenings, letters, .. } = record;
    let kept = KeptIncident::of(incident?, case.as_ref());
    let began = Entry { at: kept.incident.began_at, what: Occurrence::Began };
    let acknowledged = kept.acknowledged.clone().map(|acknowledgement| Entry {
        at: acknowledgement.at,
        what: Occurrence::Acknowledged { by: acknowledgement.by },
    });
    let mut timeline: Vec<Entry> = [began]
        .into_iter()
        .chain(happenings.into_iter().map(happened))
        .chain(acknowledged)
        .chain(letters.into_iter().map(told))
        .collect();
    // A stable sort: what was decided comes before what was said of it at the same moment.
    timeline.sort_by_key(|entry| entry.at);
    let told_with = case.as_ref().map_or_else(
        || vec![(kept.incident.id.clone(), kept.incident.channel.clone())],
        |case: &Case| {
            case.members.iter().map(|member| (member.incident.clone(), member.channel.clone())).collect()
        },
    );
    Some(Story { kept, told_with, timeline })
}

fn happened(settled: Settled) -> Entry {
    let happening = settled.happening;
    let state = match &happening.account {
        Account::Change { transition, .. } => Some(transition.to),
        Account::Absence { .. } => None,
    };
    let what = Occurrence::Happened {
        incident: happening.incident.id,
        channel: happening.incident.channel,
        event: happening.event,
        state,
    };
    Entry { at: happening.decided_at, what }
}

fn told(letter: Letter) -> Entry {
    let Letter { event, route, recipient, subject, created_at, status, tries, settled_at, answer, .. } =
        letter;
    let message = Message { event, route, recipient, subject, status, tries, settled_at, answer };
    Entry { at: created_at, what: Occurrence::Told(message) }
}
