//! The table of models: what they are called, what they can do, and what they cost.

use std::path::Path;

use serde::Deserialize;

use super::Price;

/// The table that comes with the plane.
const BUILT_IN: &str = include_str!("models.toml");

/// How many tokens an answer may have where nobody says: enough to write a file, and little enough to reserve.
const USUAL_ANSWER: i64 = 16_384;

/// More cents for a million tokens than any model costs.
const DEAREST: f64 = 10_000_000.0;

/// A model that is known.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelEntry {
    /// The id, as agents name it.
    pub id: String,
    /// Further ids under which it is found.
    names: Vec<String>,
    /// The name, for people.
    pub name: String,
    /// The provider.
    pub provider: String,
    /// Its name at the provider.
    pub upstream: String,
    /// Whether it sees images.
    pub vision: bool,
    /// How many tokens a call can have, what goes in and what comes out together.
    pub context: i64,
    /// How many tokens an answer can have.
    pub max_output: i64,
    /// How many tokens an answer may have where nobody says.
    pub answer: i64,
    /// What it costs.
    pub price: Price,
}

/// The models that are known, by id.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    entries: Vec<ModelEntry>,
}

/// A table of models cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file cannot be read.
    #[error("the models in `{path}` cannot be read: {source}")]
    File {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// What is in it is not a table of models.
    #[error("the models in `{path}` cannot be used: {reason}")]
    Content {
        /// Which file.
        path: String,
        /// Why.
        reason: String,
    },
}

impl Table {
    /// The table that comes with the plane, with the models of a file beside it or in the place of those with their ids,
    /// and with what managed calls cost on top.
    pub fn load(more: Option<&Path>, margin_percent: i64) -> Result<Self, TableError> {
        let mut entries = parse(BUILT_IN, "models.toml")?;
        if let Some(path) = more {
            let shown = path.display().to_string();
            let text =
                std::fs::read_to_string(path).map_err(|source| TableError::File { path: shown.clone(), source })?;
            let added = parse(&text, &shown)?;
            entries.retain(|entry| added.iter().all(|other| other.id != entry.id));
            // In front, so that their further names count, too.
            entries.splice(..0, added);
        }
        for entry in &mut entries {
            entry.price.margin_percent = margin_percent;
        }
        Ok(Self { entries })
    }

    /// The models, by id.
    pub fn entries(&self) -> Vec<&ModelEntry> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by(|one, other| one.id.cmp(&other.id));
        entries
    }

    /// The model with this id, or with this further name.
    pub fn find(&self, id: &str) -> Option<&ModelEntry> {
        let by_id = self.entries.iter().find(|entry| entry.id == id);
        by_id.or_else(|| self.entries.iter().find(|entry| entry.names.iter().any(|name| name == id)))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    model: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    #[serde(default)]
    names: Vec<String>,
    name: Option<String>,
    upstream: Option<String>,
    #[serde(default)]
    vision: bool,
    context: i64,
    max_output: i64,
    answer: Option<i64>,
    input: f64,
    output: f64,
    cache_read: Option<f64>,
    cache_write: Option<f64>,
}

fn parse(text: &str, path: &str) -> Result<Vec<ModelEntry>, TableError> {
    let wrong = |reason: String| TableError::Content { path: path.to_owned(), reason };
    let file: File = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
    file.model.into_iter().map(|row| row.check().map_err(wrong)).collect()
}

impl Row {
    fn check(self) -> Result<ModelEntry, String> {
        let Self { id, names, name, upstream, vision, context, max_output, answer, .. } = self;
        let wrong = |what: &str| format!("`{id}`: {what}");
        let (provider, own_name) = id.split_once('/').unwrap_or((&id, &id));
        if provider.is_empty() || own_name.is_empty() {
            return Err(wrong("the id must be a provider, `/` and the provider's own name"));
        }
        if context < 1 || max_output < 1 {
            return Err(wrong("`context` and `max_output` must be at least 1"));
        }
        let answer = answer.unwrap_or(USUAL_ANSWER);
        if answer < 1 {
            return Err(wrong("`answer` must be at least 1"));
        }
        let thousandths = |cents: f64| {
            let possible = (0.0..=DEAREST).contains(&cents);
            possible.then(|| (cents * 1000.0).round() as i64).ok_or_else(|| wrong("a price is negative or senseless"))
        };
        let price = Price {
            input: thousandths(self.input)?,
            output: thousandths(self.output)?,
            cache_read: thousandths(self.cache_read.unwrap_or(self.input))?,
            cache_write: thousandths(self.cache_write.unwrap_or(self.input))?,
            ..Price::FREE
        };
        Ok(ModelEntry {
            names,
            name: name.unwrap_or_else(|| own_name.to_owned()),
            provider: provider.to_owned(),
            upstream: upstream.unwrap_or_else(|| own_name.to_owned()),
            vision,
            context,
            max_output,
            answer: answer.min(max_output),
            price,
            id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table_names_each_model_once() {
        let table = Table::load(None, 10).expect("it is right");

        let sonnet = table.find("claude-sonnet").expect("it has a further name");
        assert_eq!((sonnet.id.as_str(), sonnet.upstream.as_str()), ("anthropic/claude-sonnet", "claude-sonnet-4-6"));
        assert_eq!((sonnet.price.input, sonnet.price.cache_read), (300_000, 30_000));
        let gpt = table.find("gpt-4o").expect("it has a further name");
        assert_eq!((gpt.provider.as_str(), gpt.upstream.as_str(), gpt.answer), ("openai", "gpt-4o", 16_384));
        assert_eq!(table.find("nobody/nothing"), None);
        let mut names: Vec<&str> = table
            .entries
            .iter()
            .flat_map(|entry| std::iter::once(&entry.id).chain(&entry.names).map(String::as_str))
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "no id stands for two models");
    }

    #[test]
    fn a_file_adds_models_and_changes_prices_and_its_mistakes_are_named() {
        let row = "[[model]]\nid = 'openai/gpt-4o'\ncontext = 10\nmax_output = 5\ninput = 1\noutput = 2\n";
        let directory = tempfile::tempdir().expect("there is room");
        let path = directory.path().join("more.toml");
        let load = |text: &str| {
            std::fs::write(&path, text).expect("there is room");
            Table::load(Some(&path), 10).map_err(|error| error.to_string())
        };

        let changed = load(row).expect("it is right");
        let gpt = changed.find("openai/gpt-4o").expect("it is there");
        assert_eq!((gpt.price.input, gpt.price.cache_read, gpt.max_output, gpt.answer), (1000, 1000, 5, 5));
        assert!(changed.find("anthropic/claude-sonnet").is_some());
        for (wrong, named) in [
            (row.replace("input = 1", "input = -1"), "`openai/gpt-4o`: a price is negative or senseless"),
            (row.replace("openai/", "/"), "must be a provider"),
            (row.replace("max_output = 5", "max_output = 0"), "must be at least 1"),
            (row.replace("vision", "eyes") + "eyes = true\n", "unknown field `eyes`"),
        ] {
            let error = load(&wrong).expect_err("it is wrong");
            assert!(error.contains(named) && error.contains("more.toml"), "{error}");
        }
    }
}
