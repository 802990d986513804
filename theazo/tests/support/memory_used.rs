//! How much memory this process takes, for tests that hold a bound.

/// The resident memory of the process in bytes, or `None` where the system does not tell it in `/proc`.
pub fn resident() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

/// By how many bytes the resident memory is more than it was before; nothing where the system does not tell.
pub fn grown_since(before: Option<usize>) -> usize {
    resident().zip(before).map_or(0, |(now, before)| now.saturating_sub(before))
}
