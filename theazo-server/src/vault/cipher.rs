//! AES-256-GCM with a random nonce of 96 bits for each text, bound to what the text is.

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// How many bytes a key has.
pub const KEY_BYTES: usize = 32;

/// The bytes of a key; their memory is wiped when they go.
pub type KeyBytes = Zeroizing<[u8; KEY_BYTES]>;

/// A key that seals and opens.
///
/// Nonces are random, so one key must seal no more than 2^32 texts (NIST SP 800-38D); each account has keys of its own.
#[derive(Clone)]
pub struct Key(LessSafeKey);

/// A sealed text: nonce, text and tag, in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ciphertext(String);

/// What a sealed text is: it opens with the same binding alone.
pub struct Binding(Vec<u8>);

impl Binding {
    /// The binding to these parts, which are written with their lengths, so that no two lists of parts are the same.
    pub fn of(parts: &[&str]) -> Self {
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        Self(bytes)
    }
}

/// A sealed text is not what was sealed, or not where it was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

impl Key {
    /// The key with these bytes.
    pub fn new(bytes: &KeyBytes) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, bytes.as_slice()).expect("an array has the length of a key");
        Self(LessSafeKey::new(key))
    }

    /// Seals a text.
    pub fn seal(&self, binding: &Binding, text: &[u8]) -> Ciphertext {
        let nonce = random_nonce();
        let mut sealed = text.to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&binding.0), &mut sealed)
            .expect("no text is as long as the cipher's limit of 64 GiB");
        Ciphertext(STANDARD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Opens a sealed text.
    pub fn open(&self, binding: &Binding, sealed: &Ciphertext) -> Result<Zeroizing<Vec<u8>>, Broken> {
        let bytes = STANDARD.decode(&sealed.0).map_err(|_| Broken)?;
        let (nonce, rest) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(Broken)?;
        let mut text = Zeroizing::new(rest.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.0.open_in_place(nonce, Aad::from(&binding.0), &mut text).map_err(|_| Broken)?.len();
        text.truncate(length);
        Ok(text)
    }
}

/// New bytes for a key.
pub fn random_key() -> KeyBytes {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    getrandom::fill(bytes.as_mut_slice()).expect("the operating system's random generator works");
    bytes
}

fn random_nonce() -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    getrandom::fill(&mut nonce).expect("the operating system's random generator works");
    nonce
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn row_38_a_text_with_any_bit_flipped_does_not_open() {
        let (key, binding) = (Key::new(&random_key()), Binding::of(&["secret", "a"]));
        let sealed = key.seal(&binding, b"hunter2");
        let bytes = STANDARD.decode(&sealed.0).unwrap();

        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.open(&binding, &Ciphertext(STANDARD.encode(flipped))), Err(Broken), "bit {bit}");
        }
        for length in 0..bytes.len() {
            let cut = Ciphertext(STANDARD.encode(&bytes[..length]));
            assert_eq!(key.open(&binding, &cut), Err(Broken), "{length} bytes");
        }
        assert_eq!(key.open(&binding, &sealed).unwrap().as_slice(), b"hunter2");
    }

    #[test]
    fn row_38_a_text_opens_only_with_what_it_was_bound_to() {
        let key = Key::new(&random_key());
        let sealed = key.seal(&Binding::of(&["ab", "c"]), b"hunter2");

        for parts in [&["a", "bc"][..], &["ab", "c", ""], &["ab"], &["abc"], &["c", "ab"]] {
            assert_eq!(key.open(&Binding::of(parts), &sealed), Err(Broken), "{parts:?}");
        }
        let other = Key::new(&random_key());
        assert_eq!(other.open(&Binding::of(&["ab", "c"]), &sealed), Err(Broken), "another key");
        assert_eq!(key.open(&Binding::of(&["ab", "c"]), &sealed).unwrap().as_slice(), b"hunter2");
    }

    #[test]
    fn row_38_no_nonce_comes_twice_in_a_million() {
        let nonces: HashSet<[u8; NONCE_LEN]> = (0..1_000_000).map(|_| random_nonce()).collect();

        assert_eq!(nonces.len(), 1_000_000);
    }
}
