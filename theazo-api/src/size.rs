//! Amounts of storage, as people write them.
//!
//! ```
//! use theazo_api::size::parse_size;
//!
//! assert_eq!(parse_size("10GB"), Ok(10_000_000_000));
//! assert_eq!(parse_size("1.5 GiB"), Ok(1_610_612_736));
//! assert_eq!(parse_size("512Mi"), Ok(536_870_912));
//! assert!(parse_size("10").is_err());
//! ```

/// The units, with how many bytes each has.
const UNITS: [(&str, u64); 13] = [
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    // As Kubernetes writes them.
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("B", 1),
];

/// Reads an amount of storage in bytes: a number and a unit, in decimal (`KB`, `MB`, `GB`, `TB`) or binary (`KiB`, `MiB`, `GiB`,
/// `TiB`, or without the `B`).
///
/// # Errors
///
/// When it is something else, with what is expected.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not an amount of storage such as `10GB` or `512MiB`");
    let trimmed = text.trim();
    let end = trimmed.find(|character: char| !character.is_ascii_digit() && character != '.').ok_or_else(wrong)?;
    let (number, unit) = (&trimmed[..end], trimmed[end..].trim_start());
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let (_, bytes) = UNITS.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(wrong)?;
    let bytes = number * bytes as f64;
    // The cast is exact enough: what is beyond 2^53 bytes no disk has.
    if (1.0..9e15).contains(&bytes) { Ok(bytes as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::parse_size;

    #[test]
    fn sizes_are_read_in_every_unit_and_nothing_else_is() {
        let read = ["10GB", "1.5gib", " 64 Mi ", "1TB", "2048B"].map(|text| parse_size(text).ok());
        let bytes = [10_000_000_000, 1_610_612_736, 67_108_864, 1_000_000_000_000, 2_048];
        assert_eq!(read, bytes.map(Some));
        for wrong in ["", "GB", "10", "ten GB", "-1GB", "0GB", "1e3GB", "1..5GB", "10 parsecs", "9999999999TB", "0.1B"]
        {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
