//! The DevTools protocol over the two pipes of a browser, shared by all runs in it: commands out, answers and events in.
//! Pipes, because a port could be used by every user of this machine.
//!
//! Nothing is spawned: of the runs that wait for a message one reads for all, and hands each what is its own. Each run
//! has a [`Wire`]; dropping it makes the browser dispose of what was made over it.

use std::{
    collections::{HashMap, VecDeque},
    io,
    os::fd::OwnedFd,
    sync::{Arc, MutexGuard, PoisonError},
};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe,
    select,
    sync::{Mutex, Notify},
};

/// The largest message taken from the browser: a picture, or the tree of a page.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Events that a run has not looked at. Of a page that makes more, the later ones are lost; answers never are.
const EVENTS_MAX: usize = 10_000;
/// What is read at once: as much as a pipe holds.
const READ_BYTES: usize = 64 << 10;

/// What the browser says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Incoming {
    /// Of an answer: to which command.
    pub(super) id: Option<u64>,
    /// Of an event: which.
    pub(super) method: Option<String>,
    /// The session that it is about; none for the browser as a whole.
    pub(super) session_id: Option<String>,
    /// What an event says.
    #[serde(default)]
    pub(super) params: Value,
    /// What a command gave.
    #[serde(default)]
    pub(super) result: Value,
    /// Why a command was not obeyed.
    pub(super) error: Option<Refusal>,
}

/// Why a command was not obeyed.
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    pub(super) message: String,
}

/// The browser is gone, or makes no sense.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the browser is gone: {0}")]
pub struct Lost(Arc<str>);

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        Self(error.to_string().into())
    }
}

/// Both pipes of a browser, and what belongs to which run.
#[derive(Debug)]
pub(super) struct Pipes {
    reading: Mutex<Reading>,
    sending: Mutex<pipe::Sender>,
    book: std::sync::Mutex<Book>,
}

#[derive(Debug)]
struct Reading {
    pipe: pipe::Receiver,
    /// What has been read of messages that are not complete, and how much of it has been searched for an end.
    begun: Vec<u8>,
    searched: usize,
}

/// Who a run is among those that share the pipes.
type Run = u64;

#[derive(Debug, Default)]
struct Book {
    last_run: Run,
    last_command: u64,
    inboxes: HashMap<Run, Inbox>,
    /// Who has sent a command that is not answered. It may be gone.
    asked: HashMap<u64, Run>,
    /// To whom a context of the browser, a tab or a session belongs.
    contexts: HashMap<String, Run>,
    targets: HashMap<String, Run>,
    sessions: HashMap<String, Run>,
    /// What has not gone out.
    unsent: VecDeque<u8>,
    /// Why nothing more will come.
    lost: Option<Lost>,
}

#[derive(Debug)]
struct Inbox {
    messages: VecDeque<Incoming>,
    filled: Arc<Notify>,
}

/// A run's share of the pipes.
#[derive(Debug)]
pub(super) struct Wire {
    pipes: Arc<Pipes>,
    run: Run,
    filled: Arc<Notify>,
}

impl Pipes {
    /// The pipes on whose other ends a browser is.
    pub(super) fn new(commands: OwnedFd, answers: OwnedFd) -> io::Result<Arc<Self>> {
        let pipe = pipe::Receiver::from_owned_fd(answers)?;
        Ok(Arc::new(Self {
            reading: Mutex::new(Reading { pipe, begun: Vec::new(), searched: 0 }),
            sending: Mutex::new(pipe::Sender::from_owned_fd(commands)?),
            book: std::sync::Mutex::default(),
        }))
    }

    /// A share of them for one more run.
    pub(super) fn wire(self: &Arc<Self>) -> Wire {
        let filled = Arc::new(Notify::new());
        let mut book = self.book();
        book.last_run += 1;
        let run = book.last_run;
        book.inboxes.insert(run, Inbox { messages: VecDeque::new(), filled: Arc::clone(&filled) });
        drop(book);
        Wire { pipes: Arc::clone(self), run, filled }
    }

    /// Sends what has not gone out. Dropping the future loses nothing: the next one goes on.
    async fn flush(&self) -> Result<(), Lost> {
        let pipe = self.sending.lock().await;
        while self.flush_now(&pipe)? {
            pipe.writable().await?;
        }
        Ok(())
    }

    /// Sends what the pipe takes at once; gives whether something is left.
    fn flush_now(&self, pipe: &pipe::Sender) -> Result<bool, Lost> {
        let mut book = self.book();
        while !book.unsent.is_empty() {
            match pipe.try_write(book.unsent.as_slices().0) {
                Ok(sent) => drop(book.unsent.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }

    /// Reads for all who wait. Dropping the future loses nothing.
    async fn read(&self, reading: &mut Reading) {
        reading.begun.reserve(READ_BYTES);
        let read = reading.pipe.read_buf(&mut reading.begun).await;
        let mut book = self.book();
        match read {
            Ok(0) => return book.lose("it closed the connection".into()),
            Err(error) => return book.lose(error.to_string().into()),
            Ok(_) => {}
        }
        let mut from = 0;
        while let Some(length) = reading.begun[reading.searched..].iter().position(|byte| *byte == 0) {
            let end = reading.searched + length;
            match serde_json::from_slice(&reading.begun[from..end]) {
                Ok(incoming) => book.deliver(incoming),
                Err(error) => book.lose(error.to_string().into()),
            }
            from = end + 1;
            reading.searched = from;
        }
        reading.begun.drain(..from);
        reading.searched = reading.begun.len();
        if reading.begun.len() > MESSAGE_BYTES_MAX {
            book.lose("it says too much at once".into());
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// Puts a command where the next flush finds it; gives the number that its answer will have.
    fn enqueue(&mut self, run: Run, session: Option<&str>, method: &str, params: &Value) -> u64 {
        self.last_command += 1;
        let mut command = json!({ "id": self.last_command, "method": method, "params": params });
        if let Some(session) = session {
            command["sessionId"] = session.into();
        }
        self.unsent.extend(command.to_string().bytes().chain([0]));
        self.asked.insert(self.last_command, run);
        self.last_command
    }

    /// Hands a message to the run whose it is.
    fn deliver(&mut self, incoming: Incoming) {
        let Some(run) = self.owner(&incoming) else { return };
        let Some(inbox) = self.inboxes.get_mut(&run) else {
            // It is gone, and has not learnt the name of what it has asked for.
            if let Some(context) = incoming.result["browserContextId"].as_str() {
                self.dispose(run, context);
            }
            return;
        };
        if incoming.id.is_some() || inbox.messages.len() < EVENTS_MAX {
            inbox.messages.push_back(incoming);
            inbox.filled.notify_one();
        }
    }

    /// Whose a message is. What it names for the first time is his from now on.
    fn owner(&mut self, incoming: &Incoming) -> Option<Run> {
        if let Some(id) = incoming.id {
            let run = self.asked.remove(&id)?;
            if let Some(context) = incoming.result["browserContextId"].as_str() {
                self.contexts.insert(context.to_owned(), run);
            }
            return Some(run);
        }
        let params = &incoming.params;
        let (target, session) = (&params["targetInfo"], params["sessionId"].as_str());
        let known = |names: &HashMap<String, Run>, name: &Value| names.get(name.as_str()?).copied();
        let run = match &incoming.session_id {
            Some(session) => self.sessions.get(session).copied(),
            None => known(&self.contexts, &target["browserContextId"])
                .or_else(|| known(&self.targets, &params["targetId"]))
                .or_else(|| known(&self.sessions, &params["sessionId"])),
        }?;
        match (incoming.method.as_deref()?, session) {
            ("Target.attachedToTarget", Some(session)) => {
                self.sessions.insert(session.to_owned(), run);
            }
            ("Target.detachedFromTarget", Some(session)) => {
                self.sessions.remove(session);
            }
            ("Target.targetCreated", _) => {
                self.targets.insert(target["targetId"].as_str()?.to_owned(), run);
            }
            ("Target.targetDestroyed", _) => {
                self.targets.remove(params["targetId"].as_str()?);
            }
            _ => {}
        }
        Some(run)
    }

    fn dispose(&mut self, run: Run, context: &str) {
        self.enqueue(run, None, "Target.disposeBrowserContext", &json!({ "browserContextId": context }));
    }

    /// A run is over.
    fn close(&mut self, run: Run) {
        self.inboxes.remove(&run);
        let contexts = self.contexts.extract_if(|_, owner| *owner == run);
        for (context, _) in contexts.collect::<Vec<_>>() {
            self.dispose(run, &context);
        }
        self.targets.retain(|_, owner| *owner != run);
        self.sessions.retain(|_, owner| *owner != run);
    }

    fn lose(&mut self, why: Arc<str>) {
        self.lost.get_or_insert(Lost(why));
        self.inboxes.values().for_each(|inbox| inbox.filled.notify_one());
    }

    /// The next message of a run, if it is there.
    fn take(&mut self, run: Run) -> Result<Option<Incoming>, Lost> {
        let next = self.inboxes.get_mut(&run).and_then(|inbox| inbox.messages.pop_front());
        match (next, &self.lost) {
            (None, Some(lost)) => Err(lost.clone()),
            (next, _) => Ok(next),
        }
    }
}

impl Wire {
    /// Sends a command; gives the number that its answer will have.
    pub(super) async fn send(
        &mut self,
        session: Option<&str>,
        method: &str,
        params: Value,
    ) -> Result<u64, Lost> {
        let id = self.pipes.book().enqueue(self.run, session, method, &params);
        self.pipes.flush().await?;
        Ok(id)
    }

    /// Takes note that a context has been disposed of.
    pub(super) fn forget(&mut self, context: &str) {
        self.pipes.book().contexts.remove(context);
    }

    /// The next thing that the browser says to this run. Dropping the future loses nothing.
    pub(super) async fn receive(&mut self) -> Result<Incoming, Lost> {
        loop {
            if let Some(incoming) = self.pipes.book().take(self.run)? {
                return Ok(incoming);
            }
            let mut reading = select! {
                biased;
                () = self.filled.notified() => continue,
                reading = self.pipes.reading.lock() => reading,
            };
            // Another run may have read it before it let go.
            if let Some(incoming) = self.pipes.book().take(self.run)? {
                return Ok(incoming);
            }
            self.pipes.read(&mut reading).await;
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.pipes.book().close(self.run);
        if let Ok(pipe) = self.pipes.sending.try_lock() {
            // What the pipe does not take now goes out with the next command; a browser that is gone needs none.
            let _left = self.pipes.flush_now(&pipe);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    /// A browser that says what it is told to.
    struct Puppet {
        pipes: Arc<Pipes>,
        commands: io::PipeReader,
        answers: io::PipeWriter,
    }

    impl Puppet {
        fn new() -> Self {
            let ((commands, ours_to_write), (ours_to_read, answers)) =
                (io::pipe().unwrap(), io::pipe().unwrap());
            let pipes = Pipes::new(ours_to_write.into(), ours_to_read.into()).unwrap();
            Self { pipes, commands, answers }
        }

        fn say(&mut self, message: &Value) {
            self.answers.write_all(message.to_string().as_bytes()).unwrap();
            self.answers.write_all(&[0]).unwrap();
        }

        fn heard(&mut self) -> Value {
            let mut bytes = Vec::new();
            loop {
                let mut byte = [0];
                self.commands.read_exact(&mut byte).unwrap();
                match byte {
                    [0] => return serde_json::from_slice(&bytes).unwrap(),
                    [byte] => bytes.push(byte),
                }
            }
        }
    }

    async fn context(puppet: &mut Puppet, wire: &mut Wire, name: &str) {
        let id = wire.send(None, "Target.createBrowserContext", json!({})).await.unwrap();
        puppet.say(&json!({ "id": id, "result": { "browserContextId": name } }));
        assert_eq!(wire.receive().await.unwrap().id, Some(id));
        assert_eq!(puppet.heard()["method"], "Target.createBrowserContext");
    }

    fn attached(context: &str, session: &str) -> Value {
        json!({ "method": "Target.attachedToTarget", "params": {
            "sessionId": session, "targetInfo": { "browserContextId": context, "targetId": format!("{session}-tab") } } })
    }

    #[tokio::test]
    async fn a_message_reaches_the_run_whose_it_is_whoever_reads_it() {
        let mut puppet = Puppet::new();
        let (mut one, mut other) = (puppet.pipes.wire(), puppet.pipes.wire());
        context(&mut puppet, &mut one, "C1").await;
        context(&mut puppet, &mut other, "C2").await;
        puppet.say(&attached("C1", "S1"));
        puppet.say(&attached("C2", "S2"));
        puppet.say(&json!({ "method": "Page.loaded", "sessionId": "S1", "params": { "to": "one" } }));
        puppet.say(&json!({ "method": "Page.loaded", "sessionId": "S2", "params": { "to": "other" } }));
        puppet.say(&json!({ "method": "Page.loaded", "sessionId": "S9", "params": { "to": "nobody" } }));
        puppet.say(&json!({ "method": "Target.targetCreated", "params": {
            "targetInfo": { "browserContextId": "C2", "targetId": "T2" } } }));
        puppet.say(&json!({ "method": "Target.targetCrashed", "params": { "targetId": "T2" } }));
        let ones = [one.receive().await.unwrap(), one.receive().await.unwrap()];
        assert_eq!(ones[1].params["to"], "one");
        let mut methods = Vec::new();
        for _ in 0..4 {
            methods.push(other.receive().await.unwrap().method.unwrap());
        }
        assert_eq!(
            methods,
            ["Target.attachedToTarget", "Page.loaded", "Target.targetCreated", "Target.targetCrashed"]
        );
    }

    #[tokio::test]
    async fn a_run_that_waits_is_served_by_another_that_reads_and_takes_over_from_it() {
        let mut puppet = Puppet::new();
        let (mut one, mut other) = (puppet.pipes.wire(), puppet.pipes.wire());
        let first = one.send(None, "One", json!({})).await.unwrap();
        let second = other.send(None, "Other", json!({})).await.unwrap();
        let saying = async {
            tokio::task::yield_now().await;
            puppet.say(&json!({ "id": second, "result": {} }));
            tokio::task::yield_now().await;
            puppet.say(&json!({ "id": first, "result": {} }));
        };
        let (one, other, ()) = tokio::join!(one.receive(), other.receive(), saying);
        assert_eq!((one.unwrap().id, other.unwrap().id), (Some(first), Some(second)));
    }

    #[tokio::test]
    async fn a_run_that_goes_has_its_contexts_disposed_of_even_one_it_has_not_heard_of() {
        let mut puppet = Puppet::new();
        let (mut one, mut other) = (puppet.pipes.wire(), puppet.pipes.wire());
        context(&mut puppet, &mut one, "C1").await;
        let asked = one.send(None, "Target.createBrowserContext", json!({})).await.unwrap();
        assert_eq!(puppet.heard()["id"], asked);
        drop(one);
        assert_eq!(puppet.heard()["params"]["browserContextId"], "C1");
        puppet.say(&json!({ "id": asked, "result": { "browserContextId": "C2" } }));
        let id = other.send(None, "Other", json!({})).await.unwrap();
        puppet.say(&json!({ "id": id, "result": {} }));
        assert_eq!(other.receive().await.unwrap().id, Some(id));
        assert_eq!(puppet.heard()["id"], id);
        drop(other);
        assert!(puppet.pipes.book().unsent.is_empty(), "it has gone out");
        assert_eq!(puppet.heard()["params"]["browserContextId"], "C2");
    }

    #[tokio::test]
    async fn of_events_that_nobody_looks_at_the_later_ones_are_lost_and_answers_never() {
        let mut puppet = Puppet::new();
        let mut wire = puppet.pipes.wire();
        context(&mut puppet, &mut wire, "C1").await;
        puppet.pipes.book().deliver(serde_json::from_value(attached("C1", "S1")).unwrap());
        for _ in 0..EVENTS_MAX + 5 {
            let event = json!({ "method": "Runtime.consoleAPICalled", "sessionId": "S1" });
            puppet.pipes.book().deliver(serde_json::from_value(event).unwrap());
        }
        let id = wire.send(None, "Browser.getVersion", json!({})).await.unwrap();
        puppet.pipes.book().deliver(serde_json::from_value(json!({ "id": id })).unwrap());
        let kept = puppet.pipes.book().inboxes[&wire.run].messages.len();
        assert_eq!(kept, EVENTS_MAX + 1);
        assert_eq!(puppet.pipes.book().inboxes[&wire.run].messages.back().unwrap().id, Some(id));
    }

    #[tokio::test]
    async fn a_browser_that_goes_is_told_to_every_run() {
        let Puppet { pipes, commands, answers } = Puppet::new();
        let (mut one, mut other) = (pipes.wire(), pipes.wire());
        drop((commands, answers));
        let (one, other) = tokio::join!(one.receive(), other.receive());
        for lost in [one, other] {
            assert_eq!(lost.unwrap_err().to_string(), "the browser is gone: it closed the connection");
        }
        assert!(pipes.wire().send(None, "Browser.getVersion", json!({})).await.is_err());
    }
}
