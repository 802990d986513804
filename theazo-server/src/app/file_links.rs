//! Addresses at which a file can be downloaded without a key: a token says which file and until when, and is signed.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use theazo_api::{FileId, Timestamp};

use crate::store::Tenant;

/// Signs the tokens of file addresses.
#[derive(Clone)]
pub struct FileLinks {
    key: [u8; 32],
}

/// What a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLink {
    /// Whose file it is.
    pub tenant: Tenant,
    /// The file.
    pub file_id: FileId,
    /// When the address stops working.
    pub expires_at: Timestamp,
}

impl FileLinks {
    /// Signs with this key.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// Signs with the key in a file, which is made if it is not there, so that addresses work after a restart.
    pub fn open(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(key) => match key.try_into() {
                Ok(key) => Ok(Self::new(key)),
                Err(_) => Err(io::Error::other(format!("`{}` is not a key of 32 bytes", path.display()))),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut key = [0; 32];
                getrandom::fill(&mut key).map_err(|error| io::Error::other(error.to_string()))?;
                // Whole or not at all, so that no half of a key is found the next time.
                let unfinished = path.with_extension("unfinished");
                let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(&unfinished)?;
                file.write_all(&key)?;
                file.sync_all()?;
                fs::rename(unfinished, path)?;
                Ok(Self::new(key))
            }
            Err(error) => Err(error),
        }
    }

    /// The token of an address.
    pub fn token(&self, link: &FileLink) -> String {
        let text = format!("{}\n{}\n{}", link.expires_at.as_millis(), link.file_id, link.tenant.as_str());
        let signature = self.mac(text.as_bytes()).finalize().into_bytes();
        format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(text), BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    /// Reads a token that this plane signed and that has not expired.
    pub fn read(&self, token: &str, now: Timestamp) -> Option<FileLink> {
        let (text, signature) = token.split_once('.')?;
        let text = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.mac(&text).verify_slice(&signature).ok()?;
        let text = String::from_utf8(text).ok()?;
        let mut lines = text.split('\n');
        let expires_at = Timestamp::from_millis(lines.next()?.parse().ok()?);
        let file_id = FileId::from(lines.next()?);
        let tenant = Tenant::parse(lines.next()?);
        (now < expires_at).then_some(FileLink { tenant, file_id, expires_at })
    }

    fn mac(&self, text: &[u8]) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key of any length is good");
        mac.chain_update(b"file link\n").chain_update(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::World;

    #[test]
    fn a_token_works_until_it_expires_and_no_part_of_it_can_be_changed() {
        let links = FileLinks::new([7; 32]);
        let tenant = Tenant::new("acct_1", World::Live);
        let expires_at = Timestamp::from_millis(1_000);
        let link = FileLink { tenant, file_id: FileId::from("file_1"), expires_at };
        let token = links.token(&link);

        assert_eq!(links.read(&token, Timestamp::from_millis(999)), Some(link));
        assert_eq!(links.read(&token, Timestamp::from_millis(1_000)), None);
        assert_eq!(FileLinks::new([8; 32]).read(&token, Timestamp::EPOCH), None);
        for place in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("it is ASCII");
            assert_eq!(links.read(&changed, Timestamp::EPOCH), None, "{changed}");
        }
        for text in ["", ".", "a.b", &token[..token.len() - 4]] {
            assert_eq!(links.read(text, Timestamp::EPOCH), None, "{text}");
        }
    }
}
