//! A name server of the tests' own, which answers as it is told.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hickory_resolver::proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{
        Name, RData, Record,
        rdata::{A, CNAME},
    },
};
use lamplighter::probe::transport::{Transport, resolve::Resolver};
use tokio::{net::UdpSocket, task::JoinSet, time::Instant};

/// A name server that ends with the test.
#[derive(Debug)]
pub struct NameServer {
    pub address: SocketAddr,
    tasks: JoinSet<()>,
}

impl NameServer {
    /// Answers every question with the packet that `answer` makes of it; none is silence.
    pub async fn start(answer: impl Fn(&Message) -> Option<Vec<u8>> + Send + 'static) -> Self {
        Self::start_slow(Duration::ZERO, |_| {}, answer).await
    }

    /// Answers every question after a delay, and tells how long it really was.
    pub async fn start_slow(
        delay: Duration,
        note: impl Fn(Duration) + Clone + Send + 'static,
        answer: impl Fn(&Message) -> Option<Vec<u8>> + Send + 'static,
    ) -> Self {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let address = socket.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut buffer = [0; 512];
            let mut answers = JoinSet::new();
            loop {
                let (len, from) = socket.recv_from(&mut buffer).await.unwrap();
                if let Some(packet) = answer(&Message::from_vec(&buffer[..len]).unwrap()) {
                    let (socket, note, asked) = (socket.clone(), note.clone(), Instant::now());
                    answers.spawn(async move {
                        tokio::time::sleep(delay).await;
                        note(asked.elapsed());
                        socket.send_to(&packet, from).await.unwrap();
                    });
                }
                while answers.try_join_next().is_some() {}
            }
        });
        Self { address, tasks }
    }

    /// A transport that asks this server only.
    pub fn transport(&self) -> Arc<Transport> {
        Transport::new(Resolver::asking(vec![self.address]))
    }

    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// An answer to a question, empty so far.
pub fn answer_to(question: &Message, code: ResponseCode) -> Message {
    let mut answer = question.clone();
    answer.metadata.message_type = MessageType::Response;
    answer.metadata.response_code = code;
    answer
}

/// An answer with these addresses; none to a question for IPv6.
pub fn addresses(question: &Message, addresses: &[[u8; 4]]) -> Vec<u8> {
    let mut answer = answer_to(question, ResponseCode::NoError);
    let query = &question.queries[0];
    if query.query_type() == hickory_resolver::proto::rr::RecordType::A {
        for address in addresses {
            answer.add_answer(Record::from_rdata(query.name().clone(), 60, RData::A(A((*address).into()))));
        }
    }
    answer.to_vec().unwrap()
}

/// An answer in which two names are aliases of one another.
pub fn alias_circle(question: &Message) -> Vec<u8> {
    let asked = question.queries[0].name().clone();
    let other = Name::from_ascii("other.example.").unwrap();
    let mut answer = answer_to(question, ResponseCode::NoError);
    answer.add_answer(Record::from_rdata(asked.clone(), 60, RData::CNAME(CNAME(other.clone()))));
    answer.add_answer(Record::from_rdata(other, 60, RData::CNAME(CNAME(asked))));
    answer.to_vec().unwrap()
}
