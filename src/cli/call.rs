//! A request to the daemon that runs on this machine: one connection, one answer. HTTP/1.0 in its simplest form, so that
//! the end of the connection is the end of the answer. Where the pages are encrypted, the daemon must show the certificate
//! that stands in the configuration, whatever name is in it.

mod pinned;

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use crate::{
    cli::{Exit, check::print_problems},
    config::{self, plan::Plan},
    secret::Secret,
};

/// The daemon answers within this time, or not at all.
const WITHIN: Duration = Duration::from_secs(15);
/// The longest answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// What the daemon answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// What it said.
    pub(crate) body: Vec<u8>,
}

/// What the daemon works by, if the configuration is in order; what is not has been printed.
pub(crate) fn plan(path: &Path) -> Result<Plan, Exit> {
    config::load(path).map(|loaded| loaded.plan).map_err(|problems| {
        print_problems(&problems.report);
        Exit::NotWell
    })
}

/// Where the daemon is reached that listens there: an address that stands for all of a machine's is not one itself.
pub(crate) fn reached_at(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Asks the daemon that works by a plan, or tells it, if there is a body.
pub(crate) fn call(plan: &Plan, path: &str, body: Option<&str>) -> io::Result<Answer> {
    let address = reached_at(plan.boot.listen);
    let stream = TcpStream::connect_timeout(&address, WITHIN)?;
    stream.set_read_timeout(Some(WITHIN))?;
    stream.set_write_timeout(Some(WITHIN))?;
    let token = plan.api_token.as_ref();
    match &plan.tls {
        Some(identity) => converse(pinned::encrypted(stream, identity)?, address, path, body, token),
        None => converse(stream, address, path, body, token),
    }
}

fn converse(
    mut stream: impl Read + Write,
    address: SocketAddr,
    path: &str,
    body: Option<&str>,
    token: Option<&Secret>,
) -> io::Result<Answer> {
    let method = if body.is_some() { "POST" } else { "GET" };
    let mut request = format!("{method} {path} HTTP/1.0\r\nhost: {address}\r\n");
    if let Some(token) = token {
        request += &format!("authorization: Bearer {}\r\n", token.expose());
    }
    let body = body.unwrap_or_default();
    request += &format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::other("it is no answer of HTTP"))
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = str::from_utf8(&answer[..end]).ok()?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: answer[end + 4..].to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        let answer = parse(b"HTTP/1.0 403 Forbidden\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        assert_eq!(answer, Answer { status: 403, body: b"{}".to_vec() });
        for broken in ["", "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 soon\r\n\r\n", "HTTP/1.1 200 OK\r\n"] {
            assert_eq!(parse(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn a_daemon_that_listens_everywhere_is_reached_on_this_machine() {
        for (listen, reached) in
            [("0.0.0.0:9899", "127.0.0.1:9899"), ("[::]:9899", "[::1]:9899"), ("10.0.0.7:1", "10.0.0.7:1")]
        {
            assert_eq!(reached_at(listen.parse().unwrap()).to_string(), reached);
        }
    }
}
