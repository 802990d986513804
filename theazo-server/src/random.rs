//! Ids and keys: time-ordered where they name things, plain random where they are secret.

use theazo_api::Timestamp;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

fn random_text(characters: usize) -> String {
    let mut bytes = vec![0_u8; characters];
    getrandom::fill(&mut bytes).expect("the operating system's random generator works");
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

/// The part of an id after its prefix: it grows with the time, and nobody can guess it.
pub fn id_suffix(now: Timestamp) -> String {
    let mut millis = u64::try_from(now.as_millis()).unwrap_or(0);
    let mut time = [b'0'; 10];
    for digit in time.iter_mut().rev() {
        *digit = ALPHABET[usize::try_from(millis % 32).unwrap_or(0)];
        millis /= 32;
    }
    format!("{}{}", String::from_utf8_lossy(&time), random_text(16))
}

/// A secret with 200 random bits.
pub fn secret() -> String {
    random_text(40)
}

/// A number from 0 up to 1.
pub fn fraction() -> f64 {
    let mut bytes = [0_u8; 4];
    getrandom::fill(&mut bytes).expect("the operating system's random generator works");
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}
