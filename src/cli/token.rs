//! `token`: makes a token for a client of the API. The configuration gets its hash alone, and the token is shown once.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::{Args, ValueEnum};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::{
    cli::{Exit, print},
    domain::{
        access::{Scope, TokenHash},
        channel::is_id,
    },
};

/// What every token begins with, so that a tool that looks for secrets in the wrong places knows one.
const PREFIX: &str = "lamplighter_";

/// Arguments of `token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// What the client is called in the configuration and in the log.
    #[arg(value_parser = name)]
    pub name: String,
    /// What it may do; can be given more than once.
    #[arg(long, value_enum, default_value = "read")]
    pub scope: Vec<ScopeArg>,
}

/// What a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum ScopeArg {
    /// Read pages, metrics, and what the API shows.
    Read,
    /// Take incidents in hand.
    Acknowledge,
    /// Begin, extend and end maintenance.
    Maintenance,
    /// Have a probe run now.
    Run,
}

impl From<ScopeArg> for Scope {
    fn from(scope: ScopeArg) -> Self {
        match scope {
            ScopeArg::Read => Self::Read,
            ScopeArg::Acknowledge => Self::Acknowledge,
            ScopeArg::Maintenance => Self::Maintenance,
            ScopeArg::Run => Self::Run,
        }
    }
}

fn name(text: &str) -> Result<String, String> {
    if is_id(text) {
        return Ok(text.to_owned());
    }
    Err("write up to 63 of a-z, 0-9, - and _, beginning with a letter or digit, such as dashboard".to_owned())
}

/// Makes a token and prints it, with what is to be added to the configuration.
#[must_use]
pub fn execute(args: &TokenArgs) -> Exit {
    let mut bytes = Zeroizing::new([0; 32]);
    if SystemRandom::new().fill(&mut *bytes).is_err() {
        eprintln!("failed to make a token: this system has no random numbers");
        return Exit::CouldNot;
    }
    let token = Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes.as_slice())));
    let mut scopes = args.scope.clone();
    scopes.sort_unstable();
    scopes.dedup();
    let scopes: Vec<String> =
        scopes.into_iter().map(|scope| format!("{:?}", Scope::from(scope).as_str())).collect();
    let text = Zeroizing::new(format!(
        "The token, which is shown this once:\n\n{}\n\nAdd this to the first file of the configuration; a daemon that runs takes it \
         over by itself:\n\n[[api.client]]\nname = {:?}\nscopes = [{}]\nhash = \"{}\"\n",
        &*token,
        args.name,
        scopes.join(", "),
        TokenHash::of(&token)
    ));
    print::bytes(text.as_bytes())
}
