//! Asking a server something small, and waiting for it to be there.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(240);

/// Lets time pass.
pub fn pause(duration: Duration) {
    #[expect(clippy::disallowed_methods, reason = "nothing else runs on this thread while it measures")]
    std::thread::sleep(duration);
}

/// Waits until somebody accepts connections at an address.
pub fn until_listening(address: SocketAddr) {
    until(&format!("something listens on {address}"), || TcpStream::connect(address).is_ok());
}

/// Waits until something holds; panics when it takes too long.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        pause(Duration::from_millis(5));
    }
}

/// The body of the answer to a GET.
pub fn get(address: SocketAddr, path: &str) -> String {
    try_get(address, path).unwrap_or_else(|error| panic!("failed to get http://{address}{path}: {error}"))
}

/// The body of the answer to a GET, or why there was none.
pub fn try_get(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // HTTP/1.0, so that the body comes as it is and ends with the connection.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") || head.starts_with("HTTP/1.0 200") => {
            Ok(body.to_owned())
        }
        _ => Err(io::Error::other(answer.lines().next().unwrap_or("an empty answer").to_owned())),
    }
}
