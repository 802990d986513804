//! Secrets that must never be shown, and texts without them.

use std::borrow::Cow;

use theazo_api::Secret;

/// What stands in the place of a secret.
const HIDDEN: &str = "[hidden]";

/// Shorter secrets than this are not looked for: they would tear words apart, and are none.
const SHORTEST: usize = 6;

/// Shorter pieces of a secret than this are often plain words.
const SHORTEST_PIECE: usize = 8;

/// The beginning of a secret says nothing while it is shorter than this.
const SHORTEST_CUT: usize = 4;

/// The secrets of a client. A server or proxy may send back what it was sent, so they are cut out of what is shown.
#[derive(Clone, Default)]
pub(crate) struct Redactor {
    secrets: Vec<Secret>,
    /// Whether a text is hidden whole: anything in it may be a secret that nobody here knows yet.
    hides_all: bool,
}

impl Redactor {
    /// A redactor that hides these.
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Self {
        let mut secrets: Vec<Secret> = secrets.into_iter().filter(|secret| secret.expose().len() >= SHORTEST).collect();
        let pieces: Vec<Secret> = secrets.iter().flat_map(pieces).collect();
        secrets.extend(pieces);
        // A secret that holds another one is hidden whole.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        Self { secrets, hides_all: false }
    }

    /// A redactor that hides everything, for what a server answers that makes secrets.
    pub fn of_everything() -> Self {
        Self { secrets: Vec::new(), hides_all: true }
    }

    /// This redactor, hiding these secrets too.
    pub fn and(&self, more: Vec<Secret>) -> Self {
        Self::new(self.secrets.iter().cloned().chain(more))
    }

    /// The text with every secret hidden.
    pub fn clean<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.hides_all && !text.is_empty() {
            return Cow::Borrowed(HIDDEN);
        }
        let mut text = Cow::Borrowed(text);
        for secret in &self.secrets {
            if text.contains(secret.expose()) {
                text = Cow::Owned(text.replace(secret.expose(), HIDDEN));
            }
        }
        text
    }

    /// The text without the beginning of a secret at its end, where it was cut.
    pub fn trim_cut<'a>(&self, text: &'a str) -> &'a str {
        let beginnings = self.secrets.iter().flat_map(|secret| {
            let secret = secret.expose();
            secret.char_indices().map(|(end, _)| &secret[..end]).filter(|beginning| beginning.len() >= SHORTEST_CUT)
        });
        let cut = beginnings.filter(|beginning| text.ends_with(beginning)).map(str::len).max();
        &text[..text.len() - cut.unwrap_or(0)]
    }

    /// The JSON with every secret in its texts hidden.
    pub fn clean_json(&self, value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => {
                if let Cow::Owned(clean) = self.clean(text) {
                    *text = clean;
                }
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(|item| self.clean_json(item)),
            serde_json::Value::Object(members) => members.values_mut().for_each(|member| self.clean_json(member)),
            _ => {}
        }
    }
}

/// The parts of a secret between characters that are written in other ways: a private key of many lines comes back with
/// its line breaks escaped, or as one line.
fn pieces(secret: &Secret) -> Vec<Secret> {
    let is_written_otherwise = |letter: char| !letter.is_ascii_graphic() || matches!(letter, '"' | '\\');
    let text = secret.expose();
    if !text.contains(is_written_otherwise) {
        return Vec::new();
    }
    text.split(is_written_otherwise).filter(|piece| piece.len() >= SHORTEST_PIECE).map(Secret::from).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_of_many_lines_is_hidden_however_its_line_breaks_are_written() {
        let redactor =
            Redactor::new([Secret::from("-----BEGIN-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n\"quoted_part\"")]);

        for text in ["MIIEvQIBADANBg kqhkiG9w0BAQEF", r#"{"key":"MIIEvQIBADANBg\nkqhkiG9w0BAQEF\n\"quoted_part\""}"#] {
            let clean = redactor.clean(text);
            assert!(!clean.contains("MIIE") && !clean.contains("kqhk") && !clean.contains("quoted"), "{clean}");
        }
    }

    #[test]
    fn every_secret_is_hidden_wherever_it_stands() {
        let redactor = Redactor::new(["th_live_key", "th_live_key_longer", "abc"].map(Secret::from));

        assert_eq!(redactor.clean("a th_live_key_longer and th_live_key, abc"), "a [hidden] and [hidden], abc");
        assert_eq!(redactor.trim_cut("a th_live_key_lo"), "a ");
        assert_eq!(redactor.trim_cut("a th_live_key"), "a ");
        assert_eq!(redactor.trim_cut("a th_"), "a th_");
        let mut json = json!({ "a": ["x th_live_key"], "b": { "c": "th_live_key" }, "d": 1 });
        redactor.clean_json(&mut json);
        assert_eq!(json, json!({ "a": ["x [hidden]"], "b": { "c": "[hidden]" }, "d": 1 }));
    }
}
