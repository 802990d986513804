//! Hiding secrets in what programs print. They have them in their environment, and print more than they should.

use theazo_api::Secret;

/// What stands in the place of a secret.
const HIDDEN: &[u8] = b"[hidden]";

/// Shorter values are not hidden: they stand in any text by chance, and hiding them would ruin it.
const SHORTEST: usize = 4;

/// Hides the secrets of one sandbox.
#[derive(Debug, Clone, Default)]
pub struct Mask {
    /// The longest first, so that one that begins with another is hidden whole.
    secrets: Vec<Secret>,
}

impl Mask {
    /// Hides the values of an environment.
    pub fn of(environment: &[(String, Secret)]) -> Self {
        let long_enough = environment.iter().map(|(_, value)| value).filter(|value| value.expose().len() >= SHORTEST);
        let mut secrets: Vec<Secret> = long_enough.cloned().collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        Self { secrets }
    }

    /// A whole text without the secrets.
    pub fn hide(&self, text: String) -> String {
        if !self.secrets.iter().any(|secret| text.contains(secret.expose())) {
            return text;
        }
        let mut pieces = self.in_pieces();
        let mut hidden = pieces.add(text.as_bytes());
        hidden.extend(pieces.rest());
        String::from_utf8_lossy(&hidden).into_owned()
    }

    /// For a text that comes in pieces.
    pub fn in_pieces(&self) -> Pieces<'_> {
        Pieces { mask: self, held: Vec::new() }
    }

    /// The secret that the bytes begin with.
    fn at(&self, bytes: &[u8]) -> Option<&Secret> {
        self.secrets.iter().find(|secret| bytes.starts_with(secret.expose().as_bytes()))
    }

    /// Whether the bytes may be the beginning of a secret of which more is to come.
    fn may_begin(&self, bytes: &[u8]) -> bool {
        self.secrets.iter().any(|secret| {
            let secret = secret.expose().as_bytes();
            secret.len() > bytes.len() && secret.starts_with(bytes)
        })
    }
}

/// A text that comes in pieces, without the secrets, wherever they are cut.
pub struct Pieces<'a> {
    mask: &'a Mask,
    /// The end of what came, as long as it may be the beginning of a secret.
    held: Vec<u8>,
}

impl Pieces<'_> {
    /// Takes the next piece and returns what can be shown by now.
    pub fn add(&mut self, piece: &[u8]) -> Vec<u8> {
        if self.mask.secrets.is_empty() {
            return piece.to_vec();
        }
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend_from_slice(piece);
        let mask = self.mask;
        self.show(&bytes, |rest| mask.may_begin(rest))
    }

    /// What was held back and turned out to be no secret, or the shorter of two.
    pub fn rest(&mut self) -> Vec<u8> {
        let held = std::mem::take(&mut self.held);
        self.show(&held, |_| false)
    }

    /// Shows bytes up to the place where more must come first.
    fn show(&mut self, bytes: &[u8], must_wait: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let mut shown = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let [first, after @ ..] = rest {
            if must_wait(rest) {
                self.held = rest.to_vec();
                break;
            }
            if let Some(secret) = self.mask.at(rest) {
                shown.extend_from_slice(HIDDEN);
                rest = &rest[secret.expose().len()..];
            } else {
                shown.push(*first);
                rest = after;
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mask(values: &[&str]) -> Mask {
        let environment: Vec<(String, Secret)> =
            values.iter().map(|value| (String::new(), Secret::from(*value))).collect();
        Mask::of(&environment)
    }

    #[test]
    fn secrets_are_hidden_and_nothing_else_is_changed() {
        let mask = mask(&["hunter2", "hunter2hunter2", "abc", "ünicode"]);

        for (text, shown) in [
            ("a hunter2 b", "a [hidden] b"),
            ("hunter2hunter2", "[hidden]"),
            ("hunter2hunter", "[hidden]hunter"),
            ("hunterhunter2", "hunter[hidden]"),
            ("abc is too short", "abc is too short"),
            ("x ünicode\nhunter2", "x [hidden]\n[hidden]"),
            ("", ""),
        ] {
            assert_eq!(mask.hide(text.to_owned()), shown);
        }
    }

    proptest! {
        #[test]
        fn however_a_text_is_cut_it_is_shown_as_if_it_were_whole(
            text in "[ab]{0,40}",
            cuts in proptest::collection::vec(0_usize..40, 0..6),
        ) {
            let mask = mask(&["abab", "ababba", "bbbb", "aabba"]);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            let mut pieces = mask.in_pieces();
            let (mut shown, mut from) = (Vec::new(), 0);
            for cut in cuts.into_iter().chain([text.len()]) {
                shown.extend(pieces.add(&text.as_bytes()[from..cut]));
                from = cut;
            }
            shown.extend(pieces.rest());

            let mut whole = mask.in_pieces();
            let mut expected = whole.add(text.as_bytes());
            expected.extend(whole.rest());
            prop_assert_eq!(&shown, &expected);
            let shown = String::from_utf8(shown).unwrap();
            for secret in ["abab", "bbbb", "aabba"] {
                prop_assert!(!shown.contains(secret), "{} has {}", shown, secret);
            }
        }
    }
}
