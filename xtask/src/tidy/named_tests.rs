//! Tests that a document names exist: a claim whose test was renamed or removed is a claim without proof.

use super::{files::Source, has_token};

/// The documents whose words in code marks are names of tests where they look like one.
const DOCUMENTS: &[&str] = &["docs/published-client.md"];

/// A name of a test has at least this many words; names of fields and methods have fewer.
const FEWEST_WORDS: usize = 3;

/// Every name without a test.
pub fn check(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for document in sources.iter().filter(|source| DOCUMENTS.contains(&source.path.as_str())) {
        for (number, line) in document.text.lines().enumerate() {
            for name in names(line) {
                let declaration = format!("fn {name}");
                let exists =
                    sources.iter().any(|source| source.path.ends_with(".rs") && has_token(&source.text, &declaration));
                if !exists {
                    problems.push(format!("{}:{}: there is no test `{name}`", document.path, number + 1));
                }
            }
        }
    }
    problems
}

/// The names of tests in a line: words with underscores in code marks.
fn names(line: &str) -> Vec<&str> {
    let in_marks = line.split('`').skip(1).step_by(2);
    let is_name = |text: &&str| {
        text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            && text.split('_').count() >= FEWEST_WORDS
    };
    in_marks.filter(is_name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_its_test_is_a_problem() {
        let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
        let document = source(DOCUMENTS[0], "| T1 | `max_retries` | `it_is_there` and `it_is_not_there` |");
        let tests = source("theazo/tests/some.rs", "async fn it_is_there() {}\nfn it_is_not_there_yet() {}");

        assert_eq!(check(&[document, tests]), ["docs/published-client.md:1: there is no test `it_is_not_there`"]);
    }
}
