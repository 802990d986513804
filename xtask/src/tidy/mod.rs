//! `cargo xtask tidy`: the house rules as red tests. Each rule gives lines `place: what is wrong`.

mod arrows;
mod files;
mod modules;
mod named_tests;

use anyhow::{Result, ensure};

/// Checks all rules and fails with everything that breaks one.
pub fn run() -> Result<()> {
    let sources = files::sources()?;
    let mut problems = arrows::check()?;
    problems.extend(modules::check(&sources));
    problems.extend(files::check(&sources));
    problems.extend(named_tests::check(&sources));
    ensure!(problems.is_empty(), "{}\n{} breaches of the house rules", problems.join("\n"), problems.len());
    Ok(())
}

/// Whether the text has the token: not as a part of a longer name.
pub fn has_token(text: &str, token: &str) -> bool {
    let part_of_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(token).any(|(start, _)| {
        let before = text[..start].chars().next_back();
        let after = text[start + token.len()..].chars().next();
        !before.is_some_and(part_of_name) && !after.is_some_and(part_of_name)
    })
}

#[cfg(test)]
mod tests {
    use super::has_token;

    #[test]
    fn tokens_are_whole_names() {
        assert!(has_token("use axum::Router;", "axum"));
        assert!(!has_token("let axum_like = 1;", "axum"));
        assert!(!has_token("is_axum", "axum"));
        assert!(has_token("crate::compute::local::Local", "compute::local"));
    }
}
