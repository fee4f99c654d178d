//! A name server of the tests' own, which answers as it is told.

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hickory_resolver::proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{
        Name, RData, Record,
        rdata::{A, AAAA, CNAME},
    },
};
use lamplighter::probe::transport::{Transport, resolve::Resolver};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinSet,
    time::Instant,
};

use super::accept;

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
                        // How slow the server is.
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

    /// Says that no answer fits into a packet, and does with each TCP connection what `act` says.
    pub async fn truncating<F, A>(act: A) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
        A: Fn(TcpStream) -> F + Send + 'static,
    {
        let (mut names, listener) = loop {
            let names = Self::start(|question| Some(truncated(question))).await;
            // The port is free for UDP; for TCP, somebody else may have it.
            if let Ok(listener) = TcpListener::bind(names.address).await {
                break (names, listener);
            }
            names.stop().await;
        };
        names.tasks.spawn(accept(listener, act));
        names
    }

    /// Answers every question over TCP only, with the packet that `answer` makes of it.
    pub async fn over_tcp(answer: impl Fn(&Message) -> Vec<u8> + Clone + Send + 'static) -> Self {
        Self::truncating(move |mut stream| {
            let answer = answer.clone();
            async move {
                let mut question = vec![0; usize::from(stream.read_u16().await.unwrap())];
                stream.read_exact(&mut question).await.unwrap();
                let packet = answer(&Message::from_vec(&question).unwrap());
                stream.write_u16(u16::try_from(packet.len()).unwrap()).await.unwrap();
                stream.write_all(&packet).await.unwrap();
            }
        })
        .await
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

/// An answer that does not fit into a packet.
pub fn truncated(question: &Message) -> Vec<u8> {
    let mut answer = answer_to(question, ResponseCode::NoError);
    answer.metadata.truncation = true;
    answer.to_vec().unwrap()
}

/// An answer with those of these addresses that are of the family asked for.
pub fn addresses(question: &Message, addresses: &[impl Into<IpAddr> + Copy]) -> Vec<u8> {
    let mut answer = answer_to(question, ResponseCode::NoError);
    let query = &question.queries[0];
    for address in addresses {
        let data = match (*address).into() {
            IpAddr::V4(v4) => RData::A(A(v4)),
            IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
        };
        if data.record_type() == query.query_type() {
            answer.add_answer(Record::from_rdata(query.name().clone(), 60, data));
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
