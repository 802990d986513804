//! Master keys, which wrap the data keys of the accounts: from the environment, or a file that its owner alone can read.

use std::{
    fs::{File, Permissions},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use theazo_api::Secret;
use zeroize::Zeroizing;

use super::{
    VaultError,
    cipher::{Key, KeyBytes, random_key},
};

/// The file of a data directory that holds the master keys.
const FILE: &str = "master.key";

/// A key that wraps data keys.
#[derive(Clone)]
pub struct MasterKey {
    /// What it is called where it was used: a part of its hash.
    pub id: String,
    pub key: Key,
    bytes: KeyBytes,
}

impl MasterKey {
    /// A new key.
    pub fn random() -> Self {
        Self::from_bytes(random_key())
    }

    fn from_bytes(bytes: KeyBytes) -> Self {
        let digest = Sha256::new().chain_update("theazo master key").chain_update(bytes.as_slice()).finalize();
        let id = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { id, key: Key::new(&bytes), bytes }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let decoded = STANDARD.decode(text).map(Zeroizing::new).map_err(|_| "it is not base64".to_owned())?;
        let bytes = decoded.as_slice().try_into().map_err(|_| format!("it has {} bytes, not 32", decoded.len()))?;
        Ok(Self::from_bytes(Zeroizing::new(bytes)))
    }
}

/// Where master keys come from.
#[derive(Debug, Clone)]
pub enum MasterKeySource {
    /// Nowhere: a new key that goes with the plane, for one that lives in memory.
    Ephemeral,
    /// The configuration: one or more keys, separated by commas, the newest first.
    Given(Secret),
    /// A file, which is made with the first plane that uses the data directory.
    File(PathBuf),
}

impl MasterKeySource {
    /// The file in a data directory.
    pub fn in_directory(directory: &Path) -> Self {
        Self::File(directory.join(FILE))
    }

    /// The keys, the newest first; none if the file is not there.
    pub fn load(&self) -> Result<Vec<MasterKey>, VaultError> {
        match self {
            Self::Ephemeral => Ok(vec![MasterKey::random()]),
            Self::Given(text) => {
                text.expose().split(',').map(|key| MasterKey::parse(key.trim()).map_err(VaultError::GivenKey)).collect()
            }
            Self::File(path) => read_keys(path),
        }
    }

    /// Makes the first key of a new data directory.
    pub fn create(&self) -> Result<Vec<MasterKey>, VaultError> {
        let keys = vec![MasterKey::random()];
        self.save(&keys)?;
        Ok(keys)
    }

    /// Puts these keys in the place of those in the file. Other sources keep nothing.
    pub fn save(&self, keys: &[MasterKey]) -> Result<(), VaultError> {
        match self {
            Self::File(path) => write_keys(path, keys).map_err(|error| unusable(path, error)),
            _ => Ok(()),
        }
    }
}

fn unusable(path: &Path, reason: impl ToString) -> VaultError {
    VaultError::KeyFile { path: path.display().to_string(), reason: reason.to_string() }
}

fn read_keys(path: &Path) -> Result<Vec<MasterKey>, VaultError> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => Zeroizing::new(text.map_err(|error| unusable(path, error))?),
    };
    let mode = path.metadata().map_err(|error| unusable(path, error))?.permissions().mode();
    if mode & 0o077 != 0 {
        let reason = format!("others than its owner may read it (mode {:o}); `chmod 600` it", mode & 0o777);
        return Err(unusable(path, reason));
    }
    let keys: Result<Vec<MasterKey>, String> = text.split_whitespace().map(MasterKey::parse).collect();
    let keys = keys.map_err(|reason| unusable(path, format!("it should hold a key, but {reason}")))?;
    if keys.is_empty() { Err(unusable(path, "it holds no key")) } else { Ok(keys) }
}

/// Another file takes the place of the old one at once, so that a crash leaves one or the other.
fn write_keys(path: &Path, keys: &[MasterKey]) -> std::io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::options().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    for key in keys {
        let line = Zeroizing::new(STANDARD.encode(key.bytes.as_slice()));
        writeln!(file, "{}", line.as_str())?;
    }
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}
