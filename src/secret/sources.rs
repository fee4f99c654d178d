//! What the settings refer to outside the configuration: secrets, certificates, bodies. Everything is read while the
//! configuration is loaded, so that what cannot be read is reported at its place, and never during a run.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::{
    secret::{MaybeSecret, Secret, SecretRef, redactor::REDACTED_LEN_MIN},
    setting::{At, Problem},
};

/// The largest file a setting may refer to, in bytes.
pub const FILE_BYTES_MAX: u64 = 4 << 20;

/// The environment variable in which systemd says where a service's credentials lie.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Reads what one configuration file refers to, and remembers what it read.
#[derive(Debug)]
pub struct Sources {
    base: PathBuf,
    files: RefCell<BTreeSet<PathBuf>>,
    secrets: RefCell<Vec<Secret>>,
    warnings: RefCell<Vec<Problem>>,
}

/// What was read.
#[derive(Debug)]
pub struct Taken {
    /// Every file that was asked for, whether it could be read or not.
    pub files: BTreeSet<PathBuf>,
    /// Every secret that was read.
    pub secrets: Vec<Secret>,
    /// What may not be as it was meant.
    pub warnings: Vec<Problem>,
}

impl Sources {
    /// Relative paths start at `base`, the directory of the configuration file.
    #[must_use]
    pub fn new(base: &Path) -> Self {
        Self {
            base: base.to_owned(),
            files: RefCell::default(),
            secrets: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    /// The path as seen from the configuration file.
    #[must_use]
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    /// Reads a secret, without the line break at its end.
    pub fn secret(&self, reference: &At<SecretRef>) -> Result<Secret, Problem> {
        let value = match &reference.value {
            SecretRef::Env(name) => self.variable(name),
            SecretRef::File(path) => self.text_of(&self.resolve(path)),
            SecretRef::Credential(name) => self.credential(name),
        };
        let place = &reference.value;
        let value = value.map_err(|Unreadable { why, hint }| {
            reference.problem(format!("failed to read the secret from {place}: {why}")).hint(hint)
        })?;
        let value =
            value.strip_suffix('\n').map_or(value.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        if value.is_empty() {
            return Err(reference
                .problem(format!("failed to read the secret from {place}: it is empty"))
                .hint("put the secret there, or leave the setting out"));
        }
        if value.len() < REDACTED_LEN_MIN {
            let problem =
                format!("the secret from {place} is so short that it cannot be told from ordinary text");
            let problem = reference
                .problem(problem)
                .hint("if a target sends it back, it will be shown; take a longer one");
            self.warnings.borrow_mut().push(problem);
        }
        let secret = Secret::new(value.to_owned());
        self.secrets.borrow_mut().push(secret.clone());
        Ok(secret)
    }

    /// Reads a text that may be a secret.
    pub fn text(&self, text: &At<MaybeSecret>) -> Result<Secret, Problem> {
        match &text.value {
            MaybeSecret::Plain(plain) => Ok(Secret::new(plain.clone())),
            MaybeSecret::Secret(reference) => {
                self.secret(&At { span: text.span.clone(), value: reference.clone() })
            }
        }
    }

    /// Reads a file that is not a secret: a certificate, a body.
    pub fn file(&self, path: &At<PathBuf>) -> Result<Vec<u8>, Problem> {
        let full = self.resolve(path);
        self.files.borrow_mut().insert(full.clone());
        read_bounded(&full, FILE_BYTES_MAX).map_err(|error| {
            path.problem(format!("failed to read {}: {}", full.display(), why(&error)))
                .hint("a relative path starts at the directory of this configuration file")
        })
    }

    /// What was read.
    #[must_use]
    pub fn into_taken(self) -> Taken {
        let Self { files, secrets, warnings, .. } = self;
        Taken { files: files.into_inner(), secrets: secrets.into_inner(), warnings: warnings.into_inner() }
    }

    fn variable(&self, name: &str) -> Result<String, Unreadable> {
        let Some(value) = std::env::var_os(name) else {
            return Err(Unreadable {
                why: "it is not set".to_owned(),
                hint: format!(
                    "set {name} in the environment of the service, or refer to a file with {{ file = \"...\" }}"
                ),
            });
        };
        value.into_string().map_err(|_| Unreadable {
            why: "it is not UTF-8 text".to_owned(),
            hint: format!("set {name} to a text"),
        })
    }

    fn credential(&self, name: &str) -> Result<String, Unreadable> {
        let Some(directory) = std::env::var_os(CREDENTIALS_DIRECTORY) else {
            return Err(Unreadable {
                why: "systemd has handed over no credentials".to_owned(),
                hint: format!(
                    "add LoadCredential={name}:/path/of/the/secret to the service, or use {{ env = \"...\" }}"
                ),
            });
        };
        self.text_of(&Path::new(&directory).join(name)).map_err(|Unreadable { why, .. }| Unreadable {
            why,
            hint: format!("add LoadCredential={name}:/path/of/the/secret to the service"),
        })
    }

    fn text_of(&self, path: &Path) -> Result<String, Unreadable> {
        self.files.borrow_mut().insert(path.to_owned());
        let hint = "a relative path starts at the directory of this configuration file; the file must be readable for the \
                    user the service runs as"
            .to_owned();
        let bytes = read_bounded(path, FILE_BYTES_MAX)
            .map_err(|error| Unreadable { why: why(&error), hint: hint.clone() })?;
        String::from_utf8(bytes).map_err(|_| Unreadable {
            why: "it is not UTF-8 text".to_owned(),
            hint: "store the secret as text".to_owned(),
        })
    }
}

struct Unreadable {
    why: String,
    hint: String,
}

/// Reads a regular file of at most `limit` bytes, and refuses a larger one before reading it.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let too_large = || io::Error::other(format!("it is larger than {}", crate::setting::ByteSize(limit)));
    if metadata.len() > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes) }
}

/// An I/O error in words.
pub(crate) fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
