//! Tags of metrics: which agents are meant.

use crate::{
    error::{AppError, AppResult},
    records::AgentRecord,
};

/// What there is.
const NAMES: [&str; 5] = ["session", "user", "agent", "model", "provider"];

/// What somebody asked for; nothing means everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags(Vec<(&'static str, String)>);

impl Tags {
    /// Reads `provider:local,agent:researcher`.
    pub fn parse(text: &str) -> AppResult<Self> {
        let tag = |tag: &str| {
            let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
            let known = NAMES.into_iter().find(|known| *known == name.trim()).ok_or_else(|| {
                let message = format!("has `{}`, which is no tag; there is `{}`", name.trim(), NAMES.join("`, `"));
                AppError::invalid_field("tags", message)
            })?;
            Ok((known, value.trim().to_owned()))
        };
        Ok(Self(text.split(',').map(tag).collect::<AppResult<_>>()?))
    }

    /// Whether everything is meant.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an agent has all the tags. What was done for it may have had a provider of its own: a model has.
    pub fn fit(&self, agent: &AgentRecord, provider: Option<&str>) -> bool {
        let data = &agent.data;
        self.0.iter().all(|(name, wanted)| match *name {
            "session" => data.session_id.as_str() == wanted,
            "user" => data.user_id == *wanted,
            "agent" => data.name == *wanted || data.id.as_str() == wanted,
            "model" => data.model == *wanted,
            _ => provider.unwrap_or(&data.provider) == wanted,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_with_blanks_and_unknown_ones_refused() {
        let tags = Tags::parse("provider: local , agent:a:b").expect("they are tags");

        assert_eq!(tags, Tags(vec![("provider", "local".to_owned()), ("agent", "a:b".to_owned())]));
        let refused = Tags::parse("region:eu").expect_err("there is no such tag");
        assert!(refused.detail.message.contains("`region`"), "{refused}");
    }
}
