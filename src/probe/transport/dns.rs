//! One question to one name server: over UDP, and over TCP where the answer did not fit. What does not answer our
//! question (another id, another name) is not listened to, so a forger's packet cannot end the wait.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use hickory_resolver::proto::{
    op::{Message, MessageType, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
};

use super::{
    fault::is_ours,
    reach::{is_cut_off, is_of_way},
};

/// The largest answer over UDP; without EDNS a server sends at most 512 bytes.
const UDP_BYTES_MAX: usize = 4096;
/// More aliases than this in a row are a loop.
const ALIASES_MAX: usize = 16;

/// What a name server says.
#[derive(Debug)]
pub(super) enum Asked {
    /// The addresses, none if the name has none of this family.
    Addresses(Vec<IpAddr>),
    /// The name does not exist.
    NoSuchName,
}

/// Why there are no addresses.
#[derive(Debug)]
pub(super) enum DnsFault {
    /// The name does not exist.
    NoSuchName,
    /// It exists and has no address.
    NoAddress,
    /// The server failed or refused.
    Refused(String),
    /// The answer cannot be used.
    Unusable(String),
    /// This machine lacks something.
    Local(String),
    /// This machine has no way to the server, or the server none out of this machine.
    NoWay(String),
}

impl DnsFault {
    /// Whether it is ours, and says nothing of the server and the name.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self, Self::Local(_) | Self::NoWay(_))
    }

    /// An error at a socket, if it is ours.
    fn of_ours(server: SocketAddr, error: &io::Error) -> Option<Self> {
        if is_ours(error) {
            Some(Self::Local(error.to_string()))
        } else if is_of_way(error) && is_cut_off(server.ip()) {
            Some(Self::NoWay(format!("this machine has no way to the name server {server}: {error}")))
        } else {
            None
        }
    }
}

/// Asks one server and waits for its answer, for ever if need be.
pub(super) async fn ask(server: SocketAddr, name: &Name, kind: RecordType) -> Result<Asked, DnsFault> {
    let mut question = Message::query();
    question.metadata.id = rand::random();
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(name.clone(), kind));
    let wire = question.to_vec().map_err(unusable)?;
    let answer = over_udp(server, &question, &wire).await?;
    let answer = if answer.metadata.truncation { over_tcp(server, &question, &wire).await? } else { answer };
    meaning(&answer, name, kind)
}

async fn over_udp(server: SocketAddr, question: &Message, wire: &[u8]) -> Result<Message, DnsFault> {
    let any: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.map_err(|error| DnsFault::Local(error.to_string()))?;
    // A connected socket hears its server only, and is told when nobody listens there.
    socket.connect(server).await.map_err(|error| refused(server, &error))?;
    socket.send(wire).await.map_err(|error| refused(server, &error))?;
    let mut buffer = vec![0; UDP_BYTES_MAX];
    loop {
        let len = socket.recv(&mut buffer).await.map_err(|error| refused(server, &error))?;
        if let Some(answer) = read(&buffer[..len], question)? {
            return Ok(answer);
        }
    }
}

async fn over_tcp(server: SocketAddr, question: &Message, wire: &[u8]) -> Result<Message, DnsFault> {
    let exchange = async {
        let mut stream = TcpStream::connect(server).await?;
        let len = u16::try_from(wire.len()).map_err(io::Error::other)?;
        stream.write_all(&[&len.to_be_bytes(), wire].concat()).await?;
        let mut buffer = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut buffer).await?;
        Ok::<_, io::Error>(buffer)
    };
    let buffer = exchange.await.map_err(|error| {
        DnsFault::of_ours(server, &error).unwrap_or_else(|| {
            DnsFault::Unusable(format!(
                "the answer of {server} is truncated, and asking over TCP failed: {error}"
            ))
        })
    })?;
    read(&buffer, question)?.filter(|answer| !answer.metadata.truncation).ok_or_else(|| {
        DnsFault::Unusable(format!("{server} answered another question over TCP, or only in part"))
    })
}

/// Reads a packet; nothing if it does not belong to our question.
fn read(packet: &[u8], question: &Message) -> Result<Option<Message>, DnsFault> {
    if packet.get(..2) != Some(&question.metadata.id.to_be_bytes()[..]) {
        return Ok(None);
    }
    let answer = Message::from_vec(packet).map_err(unusable)?;
    let refused = answer.metadata.response_code != ResponseCode::NoError;
    // Some servers leave the question out when they refuse.
    let ours = answer.queries == question.queries || (refused && answer.queries.is_empty());
    Ok((ours && answer.metadata.message_type == MessageType::Response).then_some(answer))
}

fn meaning(answer: &Message, name: &Name, kind: RecordType) -> Result<Asked, DnsFault> {
    match answer.metadata.response_code {
        ResponseCode::NoError => {}
        ResponseCode::NXDomain => return Ok(Asked::NoSuchName),
        code => return Err(DnsFault::Refused(format!("the name server answered {code}"))),
    }
    let mut owner = name;
    for _ in 0..ALIASES_MAX {
        let alias = answer.answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if record.name == *owner => Some(&target.0),
            _ => None,
        });
        let Some(target) = alias else {
            let records =
                answer.answers.iter().filter(|record| record.name == *owner && record.record_type() == kind);
            return Ok(Asked::Addresses(records.filter_map(|record| record.data.ip_addr()).collect()));
        };
        owner = target;
    }
    Err(DnsFault::Unusable("its aliases lead in a circle".to_owned()))
}

fn refused(server: SocketAddr, error: &io::Error) -> DnsFault {
    DnsFault::of_ours(server, error)
        .unwrap_or_else(|| DnsFault::Refused(format!("the name server {server} cannot be asked: {error}")))
}

fn unusable(error: impl fmt::Display) -> DnsFault {
    DnsFault::Unusable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_machine_lacks_is_not_the_name_servers_doing() {
        let server = SocketAddr::from(([127, 0, 0, 1], 53));
        let of_ours = |code| DnsFault::of_ours(server, &io::Error::from_raw_os_error(code));
        assert!(matches!(of_ours(libc::EMFILE), Some(DnsFault::Local(_))));
        // There is a way to this machine itself: somebody else says that there is none further.
        for code in [libc::ENETUNREACH, libc::EHOSTUNREACH, libc::ECONNREFUSED] {
            assert!(of_ours(code).is_none(), "{code}");
        }
    }
}
