//! Commands from outside, one after the other: what is to become of a window is worked out, kept in the store, and only
//! then adopted and answered.

use std::{future::Future, pin::Pin};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tracing::info;

use crate::{
    config::plan::Plan,
    daemon::evaluator::gates::Gates,
    domain::{
        case::Case,
        casebook::Casebook,
        command::{self, Answer, Command},
        incident::IncidentId,
        maintenance::{Begin, Calendar, Refusal, Scope, Stint},
    },
    store::{Store, StoreError},
};

/// What comes in, and where its answer is awaited.
#[derive(Debug)]
pub(crate) enum Order {
    /// A command is to be carried out.
    Command(Command, oneshot::Sender<command::Result>),
    /// The case under which an incident is told is to be shown, if it is open. Nothing changes by it.
    Show(IncidentId, oneshot::Sender<Option<Case>>),
}

/// The orders that come, and the command that is being kept.
pub(crate) struct Orders {
    arriving: mpsc::Receiver<Order>,
    keeping: Option<Keeping>,
}

struct Keeping {
    stint: Stint,
    answer: oneshot::Sender<command::Result>,
    done: Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>,
}

/// What is to be done next.
pub(crate) enum Step {
    /// Work out what an order leads to.
    Weigh(Order),
    /// Take note of what has become of the one that was being kept.
    Conclude(Result<(), StoreError>),
}

impl Orders {
    /// Nothing has come yet.
    pub(crate) fn new(arriving: mpsc::Receiver<Order>) -> Self {
        Self { arriving, keeping: None }
    }

    /// Waits for what is to be done next; may be dropped and called again.
    pub(crate) async fn next(&mut self) -> Step {
        match &mut self.keeping {
            Some(keeping) => Step::Conclude(keeping.done.as_mut().await),
            None => match self.arriving.recv().await {
                Some(order) => Step::Weigh(order),
                // Nobody is left who could give any.
                None => std::future::pending().await,
            },
        }
    }

    /// At the end: what has become of the one that was being kept, if one was.
    pub(crate) async fn last(&mut self) -> Option<Step> {
        match &mut self.keeping {
            Some(keeping) => Some(Step::Conclude(keeping.done.as_mut().await)),
            None => None,
        }
    }

    /// Does it; whether the windows are others now.
    pub(crate) fn take(
        &mut self,
        step: Step,
        gates: &mut Gates,
        plan: &Plan,
        store: &Store,
        casebook: &Casebook,
        at: Timestamp,
    ) -> bool {
        match step {
            Step::Weigh(Order::Show(incident, answer)) => {
                // Whoever asked may have gone away meanwhile.
                drop(answer.send(casebook.case_of(&incident).cloned()));
                false
            }
            Step::Weigh(Order::Command(command, answer)) => {
                match weigh(command, gates.calendar(), plan, at) {
                    Ok(stint) => {
                        let (store, kept) = (store.clone(), stint.clone());
                        let done = Box::pin(async move { store.keep_maintenance(kept, at).await });
                        self.keeping = Some(Keeping { stint, answer, done });
                    }
                    Err(refusal) => reply(answer, Err(refusal)),
                }
                false
            }
            Step::Conclude(kept) => {
                let Some(Keeping { stint, answer, .. }) = self.keeping.take() else { return false };
                if let Err(error) = kept {
                    reply(answer, Err(Refusal::NotKept(error.to_string())));
                    return false;
                }
                info!(window = %stint.id, from = %stint.from, until = %stint.until, text = stint.text, "maintenance by command");
                reply(answer, Ok(Answer::Maintenance(stint.clone().shown(at))));
                gates.adopt_stint(stint);
                true
            }
        }
    }
}

/// Whoever asked may have gone away meanwhile; what was done is done.
fn reply(answer: oneshot::Sender<command::Result>, what: command::Result) {
    drop(answer.send(what));
}

fn weigh(command: Command, calendar: &Calendar, plan: &Plan, at: Timestamp) -> Result<Stint, Refusal> {
    match command {
        Command::BeginMaintenance(begin) => {
            check_scope(&begin, plan)?;
            calendar.begin(begin, at)
        }
        Command::ExtendMaintenance { id, by } => calendar.extend(&id, by, at),
        Command::EndMaintenance { id } => calendar.end(&id, at),
        Command::Acknowledge { incident, .. } => {
            Err(Refusal::Unknown(format!("{} is no window of maintenance", incident.0)))
        }
    }
}

/// A window for what there is not would silently be none.
fn check_scope(begin: &Begin, plan: &Plan) -> Result<(), Refusal> {
    let Scope { channels, teams, .. } = &begin.scope;
    if let Some(id) = channels.iter().find(|id| !plan.channels.contains_key(*id)) {
        return Err(Refusal::Unknown(format!("there is no channel {id}")));
    }
    if let Some(id) = teams.iter().find(|id| !plan.teams.contains_key(*id)) {
        return Err(Refusal::Unknown(format!("there is no team {id}")));
    }
    let mut channels = plan.channels.iter();
    if !channels.any(|(id, channel)| begin.scope.holds(id, channel.team.as_ref(), &channel.labels)) {
        return Err(Refusal::Unknown("there is no channel of this team or with these labels".to_owned()));
    }
    Ok(())
}
