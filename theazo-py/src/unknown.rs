//! Members of an answer that this version does not know. They are kept, so that a program that hands a value on, or writes
//! it down, loses nothing that a newer server said.

use std::{collections::BTreeMap, sync::Arc};

use serde::de::DeserializeOwned;
use serde_ignored::Path;
use serde_json::{Map, Value};

/// What is not known of a value and its parts; nothing, for nearly every value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Unknown(Option<Arc<Node>>);

#[derive(Debug, Clone, Default, PartialEq)]
struct Node {
    members: Map<String, Value>,
    /// By the names of members on the wire, or the places in a list.
    parts: BTreeMap<String, Unknown>,
}

impl Unknown {
    /// Reads a value, and keeps what it has no place for.
    pub fn read<T: DeserializeOwned>(json: &[u8]) -> Result<(T, Self), serde_json::Error> {
        let mut paths = Vec::new();
        let mut note = |path: Path<'_>| paths.push(steps(&path));
        let mut text = serde_json::Deserializer::from_slice(json);
        let value = T::deserialize(serde_ignored::Deserializer::new(&mut text, &mut note))?;
        text.end()?;
        if paths.is_empty() {
            return Ok((value, Self::default()));
        }
        let (whole, mut root) = (serde_json::from_slice(json)?, Self::default());
        for path in &paths {
            root.keep(path, &whole);
        }
        Ok((value, root))
    }

    fn keep(&mut self, path: &[String], of: &Value) {
        let Some((step, rest)) = path.split_first() else { return };
        let found = match of {
            Value::Array(items) => step.parse().ok().and_then(|index: usize| items.get(index)),
            other => other.get(step),
        };
        let Some(found) = found else { return };
        let node = Arc::make_mut(self.0.get_or_insert_default());
        if rest.is_empty() {
            node.members.insert(step.clone(), found.clone());
        } else {
            node.parts.entry(step.clone()).or_default().keep(rest, found);
        }
    }

    /// What is not known of a part.
    pub fn part(&self, name: &str) -> Self {
        self.0.as_deref().and_then(|node| node.parts.get(name)).cloned().unwrap_or_default()
    }

    /// What is not known of an item of a list.
    pub fn item(&self, index: usize) -> Self {
        if self.0.is_none() { Self::default() } else { self.part(&index.to_string()) }
    }

    /// The members of the value itself.
    pub fn members(&self) -> Map<String, Value> {
        self.0.as_deref().map(|node| node.members.clone()).unwrap_or_default()
    }

    /// Puts everything back where it stood.
    pub fn put_into(&self, value: &mut Value) {
        let Some(node) = self.0.as_deref() else { return };
        if let Value::Object(members) = value {
            members.extend(node.members.clone());
        }
        for (step, part) in &node.parts {
            let place = match &mut *value {
                Value::Array(items) => step.parse().ok().and_then(move |index: usize| items.get_mut(index)),
                other => other.get_mut(step),
            };
            if let Some(place) = place {
                part.put_into(place);
            }
        }
    }
}

/// The names and numbers that lead to a place.
fn steps(path: &Path<'_>) -> Vec<String> {
    let (parent, step) = match path {
        Path::Root => return Vec::new(),
        Path::Seq { parent, index } => (parent, Some(index.to_string())),
        Path::Map { parent, key } => (parent, Some(key.clone())),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => (parent, None),
    };
    let mut steps = steps(parent);
    steps.extend(step);
    steps
}
