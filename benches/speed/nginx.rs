//! The one target of all probers: nginx of Debian on free loopback ports, HTTP and HTTPS (TLS 1.3, P-256), which closes
//! every connection after its answer and counts what it has answered.

use std::{
    cell::Cell,
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{ask, process::Process};

/// A page with the entry to a chat, made by a script.
const SHOP: &str = "<!doctype html><title>Shop</title><h1>Shop</h1><script src=/widget.js></script>";
const WIDGET: &str = "const chat = document.createElement(\"button\"); chat.id = \"chat\"; \
    chat.textContent = \"Chat with us\"; document.body.append(chat); chat.onclick = () => { \
    const panel = document.createElement(\"section\"); panel.id = \"panel\"; \
    panel.innerHTML = \"Hello <input>\"; document.body.append(panel); };";

/// A running nginx.
pub struct Nginx {
    /// Address that speaks HTTP.
    pub http: SocketAddr,
    /// Address that speaks TLS; its certificate is for `localhost` and 127.0.0.1.
    pub https: SocketAddr,
    /// PEM file with the issuer of its certificate.
    pub root_ca: PathBuf,
    asked: Cell<u64>,
    _process: Process,
}

/// A port that is free now.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Nginx {
    /// Starts it in a folder.
    pub fn start(folder: &Path) -> Self {
        let (http, https) = (free_address(), free_address());
        let root_ca = write_certificates(folder);
        let at = folder.display();
        let configuration = format!(
            "daemon off; worker_processes 2; pid {at}/nginx.pid; error_log {at}/nginx-error.log;
events {{ worker_connections 20000; }}
http {{
  access_log off; keepalive_timeout 0; server_tokens off;
  client_body_temp_path {at}/body; proxy_temp_path {at}/proxy; fastcgi_temp_path {at}/fastcgi;
  uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;
  server {{
    listen {http} backlog=16384; listen {https} ssl backlog=16384;
    ssl_certificate {at}/server.pem; ssl_certificate_key {at}/server.key; ssl_protocols TLSv1.3;
    location = /status {{ stub_status; }}
    location = /shop {{ default_type text/html; return 200 '{SHOP}'; }}
    location = /widget.js {{ default_type text/javascript; return 200 '{WIDGET}'; }}
    location / {{ default_type application/json; return 200 '{{\"enabled\": true}}'; }}
  }}
}}
"
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, configuration).unwrap();
        let mut command = Command::new("nginx");
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").arg("-p").arg(folder).arg("-c").arg(file);
        let process = Process::start(command, folder);
        ask::until_listening(http);
        ask::until_listening(https);
        Self { http, https, root_ca, asked: Cell::new(0), _process: process }
    }

    /// Requests answered so far; asking is not counted.
    pub fn answered(&self) -> u64 {
        self.asked.set(self.asked.get() + 1);
        let page = ask::get(self.http, "/status");
        let counters = page.lines().nth(2).unwrap_or_else(|| panic!("not a status page: {page}"));
        counters.split_whitespace().nth(2).unwrap().parse::<u64>().unwrap() - self.asked.get()
    }
}

fn write_certificates(folder: &Path) -> PathBuf {
    let issuer_key = rcgen::KeyPair::generate().unwrap();
    let mut issuer = rcgen::CertificateParams::new(Vec::new()).unwrap();
    issuer.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer_certificate = issuer.self_signed(&issuer_key).unwrap();
    let issuer = rcgen::Issuer::new(issuer, issuer_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    fs::write(folder.join("server.pem"), certificate.pem()).unwrap();
    fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
    let root_ca = folder.join("root.pem");
    fs::write(&root_ca, issuer_certificate.pem()).unwrap();
    root_ca
}
