//! A sentinel: something that must answer if our own network works. It is asked on the same ways as the targets of
//! probes are, and what comes of it is data, never an error.

use std::{future::Future, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};

use crate::{
    domain::{
        network::Answer,
        outcome::{Detail, InconclusiveReason},
    },
    probe::transport::{Transport, fault::Broken},
};

/// A future that borrows its sentinel.
pub type AskFuture<'a> = Pin<Box<dyn Future<Output = Result<(), Broken>> + Send + 'a>>;

/// Something that can be asked.
pub trait Sentinel: Send + Sync + std::fmt::Debug {
    /// Asks once and waits for the answer, for ever if need be; gives what came in its place. Dropping the future ends
    /// it.
    fn ask(&self) -> AskFuture<'_>;

    /// What is asked, in words.
    fn target(&self) -> String;
}

/// The name servers, asked for a name.
#[derive(Debug)]
pub struct Names {
    /// The way to the name servers.
    pub transport: Arc<Transport>,
    /// The name.
    pub name: String,
}

impl Sentinel for Names {
    fn ask(&self) -> AskFuture<'_> {
        Box::pin(self.transport.ask_for(&self.name))
    }

    fn target(&self) -> String {
        self.name.clone()
    }
}

/// Whoever is at this address.
#[derive(Debug)]
pub struct Door(pub SocketAddr);

impl Sentinel for Door {
    fn ask(&self) -> AskFuture<'_> {
        Box::pin(Transport::knock(self.0))
    }

    fn target(&self) -> String {
        self.0.to_string()
    }
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What the sentinel did.
    pub answer: Answer,
    /// What came in place of an answer, if none came.
    pub why: Detail,
}

/// Asks a sentinel once, and waits for so long.
pub async fn ask(sentinel: &dyn Sentinel, wait: Duration) -> Heard {
    let began = Instant::now();
    match timeout(wait, sentinel.ask()).await {
        Ok(Ok(())) => Heard { answer: Answer::after(began.elapsed()), why: Detail::default() },
        Ok(Err(Broken::Failed(failure))) => Heard { answer: Answer::None, why: failure.detail },
        Ok(Err(Broken::Inconclusive(lack))) => {
            let is_cut_off = lack.reason == InconclusiveReason::OwnNetwork;
            // Without descriptors nothing is known of the network.
            Heard { answer: if is_cut_off { Answer::None } else { Answer::Late }, why: lack.detail }
        }
        Err(_) => {
            let why = format!("no answer within {} s", wait.as_secs_f64());
            Heard { answer: Answer::None, why: Detail::new(&why) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::transport::resolve::Resolver;

    #[tokio::test]
    async fn whoever_listens_and_whoever_refuses_answers() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let door = Door(address);
        let look = || ask(&door, Duration::from_secs(5));
        assert_eq!(look().await.answer, Answer::Prompt, "it listens");
        drop(listener);
        assert_eq!(look().await.answer, Answer::Prompt, "it refuses");
    }

    #[tokio::test]
    async fn an_address_without_a_way_to_it_does_not_answer() {
        // The system connects to no broadcast address, and sends nothing there.
        let nowhere = "127.255.255.255:9".parse().unwrap();
        let heard = ask(&Door(nowhere), Duration::from_secs(5)).await;
        assert_eq!(heard.answer, Answer::None, "{heard:?}");
        assert!(!heard.why.as_str().is_empty());
    }

    #[tokio::test]
    async fn a_name_server_that_cannot_be_asked_does_not_answer() {
        let nobody = Transport::new(Resolver::asking(vec!["127.0.0.1:1".parse().unwrap()]));
        let names = Names { transport: nobody, name: "shop.example.com".to_owned() };
        assert_eq!(ask(&names, Duration::from_secs(5)).await.answer, Answer::None);
    }
}
