//! Every place of a configuration that takes a secret, with a canary in each.

use std::{fmt::Write as _, fs};

use tempfile::TempDir;

use super::{
    search::{CLIENT_KEY, GENERATED, canary, percent},
    ways::{SHOWS_CERTIFICATE, Way, Ways},
};

/// The secrets from 1 to this stand in the configuration that is run, and so does the client key. The others stand in
/// one that is refused.
pub const WATCHED: usize = 18;

/// The number of what stands in a key file that is none.
pub const CORRUPT_KEY: usize = GENERATED;

/// Where a canary stands.
pub const PLACES: [(usize, &str); 27] = [
    (1, "basic user"),
    (1, "basic user, for a page"),
    (2, "basic password"),
    (3, "header"),
    (4, "query parameter"),
    (5, "form field"),
    (6, "bearer token"),
    (6, "token of the API"),
    (7, "cookie"),
    (8, "text body"),
    (9, "authorization header"),
    (10, "multipart field"),
    (11, "SMTP password"),
    (12, "header of a journey, captured from the answer"),
    (13, "address of a journey"),
    (14, "query parameter of a journey"),
    (15, "cookie of a journey"),
    (16, "bearer token of a journey"),
    (17, "JSON body of a journey"),
    (18, "path of a cleanup step"),
    (CLIENT_KEY, "client key"),
    (19, "literal: user in the address of the mail server"),
    (19, "literal: user in an address"),
    (19, "literal: user in an address with variables"),
    (20, "literal: SMTP password"),
    (20, "literal: bearer token"),
    (CORRUPT_KEY, "client key that is none"),
];

pub fn place_of(number: usize) -> &'static str {
    PLACES.iter().find(|(known, _)| *known == number).map_or("nowhere", |(_, place)| place)
}

fn name(number: usize) -> String {
    format!("PLACE_{number:02}")
}

/// Where the secrets lie: in the environment, in files, and in systemd's credentials.
pub struct Vault(TempDir);

impl Vault {
    pub fn fill(client_key: &rcgen::KeyPair) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let lay = |number: usize, text: String| fs::write(directory.path().join(name(number)), text).unwrap();
        (1..=WATCHED).for_each(|number| lay(number, format!("{}\n", canary(number))));
        lay(CLIENT_KEY, client_key.serialize_pem());
        let (begin, end) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----");
        lay(CORRUPT_KEY, format!("{begin}\n{}\n{end}\n", canary(CORRUPT_KEY)));
        Self(directory)
    }

    /// A third of the secrets comes from each source; keys come from files.
    fn reference(&self, number: usize) -> String {
        match number % 3 {
            0 if number <= WATCHED => format!("{{ env = \"{}\" }}", name(number)),
            1 if number <= WATCHED => format!("{{ credential = \"{}\" }}", name(number)),
            _ => format!("{{ file = {:?} }}", self.0.path().join(name(number))),
        }
    }

    /// The environment in which every reference can be followed, and everything is logged.
    pub fn environment(&self) -> Vec<(String, String)> {
        let secrets = (1..=WATCHED).filter(|number| number % 3 == 0);
        let mut environment: Vec<_> = secrets.map(|number| (name(number), canary(number))).collect();
        environment.push(("CREDENTIALS_DIRECTORY".to_owned(), self.0.path().to_str().unwrap().to_owned()));
        environment.push(("RUST_LOG".to_owned(), "trace".to_owned()));
        environment
    }

    /// The places of a secret in single requests.
    fn requests(&self) -> [(&'static str, String); 3] {
        let at = |number: usize| self.reference(number);
        let basic = format!(
            "basic = {{ user = {}, password = {} }}, headers = {{ x-key = {} }}, query = {{ key = {} }}, \
             body = {{ form = {{ pin = {} }} }}",
            at(1),
            at(2),
            at(3),
            at(4),
            at(5)
        );
        let bearer =
            format!("bearer = {}, cookies = {{ session = {} }}, body = {{ text = {} }}", at(6), at(7), at(8));
        let parts = format!(
            "method = \"PUT\", headers = {{ authorization = {} }}, \
             body = {{ multipart = {{ fields = {{ pin = {} }} }} }}",
            at(9),
            at(10)
        );
        [("basic", basic), ("bearer", bearer), ("parts", parts)]
    }

    /// A configuration with every place, failing in every way.
    pub fn configuration(&self, ways: &Ways, which: &[Way], smtp_port: u16) -> String {
        let mut text = format!(
            "[monitor]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://l.example.com/\"\nresolver = [\"{}\"]\nruns_per_host_max = 500\n\
             [mail]\nfrom = \"l@example.com\"\nsmtp = \"smtp+plain://127.0.0.1:{smtp_port}\"\n\
             username = \"lamplighter\"\npassword = {}\n\
             [api]\ntoken = {}\n\
             [team.all]\nmail = [\"oncall@example.com\"]\n\
             [defaults]\nevery = \"500ms\"\ndark_after = {{ failures = 2 }}\n",
            ways.names.address,
            self.reference(11),
            self.reference(6),
        );
        for way in which {
            self.channel(&mut text, way, &ways.echo());
        }
        text
    }

    fn channel(&self, text: &mut String, Way { name, url, timeout, .. }: &Way, echo: &str) {
        let tls = match *name {
            SHOWS_CERTIFICATE => format!(
                ", tls = {{ root_ca = \"ca.pem\", client_certificate = \"client.pem\", client_key = {} }}",
                self.reference(CLIENT_KEY)
            ),
            _ if url.starts_with("https:") => ", tls = { root_ca = \"ca.pem\" }".to_owned(),
            _ => String::new(),
        };
        let channel = format!("channel.{name}");
        let _infallible = write!(text, "[{channel}]\nkind = \"chat\"\nteam = \"all\"\n");
        for (probe, settings) in self.requests() {
            let _infallible = write!(
                text,
                "[{channel}.probe.{probe}]\ntimeout = \"{timeout}\"\n\
                 http = {{ url = \"{url}\", expect = {EXPECT}, {settings}{tls} }}\n"
            );
        }
        let (_, settings) = &self.requests()[0];
        let _infallible = write!(
            text,
            "[{channel}.probe.page]\ntimeout = \"{timeout}\"\n\
             page = {{ script = {{ src = \"widget\" }}, closed = [\"never said\"], \
             http = {{ url = \"{url}\", {settings}{tls} }} }}\n"
        );
        let secrets: Vec<String> =
            (12..=WATCHED).map(|number| format!("s{number} = {}", self.reference(number))).collect();
        let _infallible = write!(
            text,
            "[{channel}.probe.journey]\ntimeout = \"{timeout}\"\n\
             [{channel}.probe.journey.journey]\nsecrets = {{ {} }}\n\
             [[{channel}.probe.journey.journey.steps]]\nname = \"first\"\n\
             http = {{ url = \"{echo}\", headers = {{ x-key = \"{{s12}}\" }} }}\n\
             capture = {{ mine = {{ regex = 'x-key: (\\S+)' }} }}\n\
             [[{channel}.probe.journey.journey.steps]]\nname = \"second\"\n\
             http = {{ method = \"POST\", url = \"{url}?a={{s13}}&b={{mine}}\", expect = {EXPECT}, \
             query = {{ c = \"{{s14}}\" }}, cookies = {{ d = \"{{s15}}\" }}, \
             headers = {{ authorization = \"Bearer {{s16}}\" }}, body = {{ json = {{ pin = \"{{s17}}\" }} }}{tls} }}\n\
             [[{channel}.probe.journey.journey.cleanup]]\nname = \"last\"\n\
             http = {{ url = \"{url}/{{s18}}\"{tls} }}\n",
            secrets.join(", ")
        );
    }

    /// A configuration that is refused: for secrets that stand in it, and for a key file that is none.
    pub fn refused(&self) -> String {
        let (address, literal) = (percent(&canary(19)), canary(20));
        format!(
            "[mail]\nfrom = \"l@example.com\"\nsmtp = \"smtps://u:{}@mail.example.com\"\n\
             password = \"{literal}\"\n\
             [channel.a]\nkind = \"chat\"\n\
             probe.look.http = {{ url = \"https://u:{address}@a.example.com/\", bearer = \"{literal}\" }}\n\
             probe.key.http = {{ url = \"https://a.example.com/\", \
             tls = {{ client_certificate = \"client.pem\", client_key = {} }} }}\n\
             [[channel.a.probe.way.journey.steps]]\nname = \"open\"\n\
             http = {{ url = \"https://u:{address}@a.example.com/{{nonce}}\" }}\n",
            canary(19),
            self.reference(CORRUPT_KEY)
        )
    }
}

/// What is said of [`Vault::refused`].
pub const REFUSED_FOR: [&str; 3] = [
    "a secret must not stand in this file",
    "an address must not carry a user name or password",
    "there is no private key that fits the certificate in this PEM file",
];

/// Never holds, and quotes what was seen.
const EXPECT: &str = r#"{ body = [{ contains = "never said" }], json = [{ path = "$.echo", equals = "never" }], headers = [{ name = "x-echo", equals = "never" }] }"#;
