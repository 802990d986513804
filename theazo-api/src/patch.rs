//! A change to one field: leave it, clear it, or set it.
//!
//! ```
//! use theazo_api::{Patch, SessionLimitsUpdate};
//!
//! let update = SessionLimitsUpdate { max_agents: Patch::Set(5), max_cost: Patch::Clear, ..Default::default() };
//! assert_eq!(serde_json::to_string(&update)?, r#"{"maxCost":null,"maxAgents":5}"#);
//!
//! assert!(update.max_duration.is_keep());
//! assert_eq!(update.max_agents.value(), Some(&5));
//! assert_eq!(update.max_agents.apply(Some(3)), Some(5));
//! # Ok::<(), serde_json::Error>(())
//! ```

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A change to one field, in which absent and null are two things.
///
/// A field of this type carries `#[serde(default, skip_serializing_if = "Patch::is_keep")]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// The field is absent: what was there stays.
    #[default]
    Keep,
    /// The field is null: what was there goes.
    Clear,
    /// The field has a value, which takes the place of what was there.
    Set(T),
}

impl<T> Patch<T> {
    /// Whether what was there stays.
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// What the field is afterwards, if it was `before`.
    pub fn apply(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Keep => before,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    /// The value that is set, if one is.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }
}

impl<T> From<T> for Patch<T> {
    fn from(value: T) -> Self {
        Self::Set(value)
    }
}

impl<T> From<Option<T>> for Patch<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Clear, Self::Set)
    }
}

impl From<&str> for Patch<String> {
    fn from(text: &str) -> Self {
        Self::Set(text.to_owned())
    }
}

impl<T: Serialize> Serialize for Patch<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(feature = "schema")]
impl<T: schemars::JsonSchema> schemars::JsonSchema for Patch<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Patch_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut schema = generator.subschema_for::<Option<T>>();
        schema.insert("x-theazo-patch".to_owned(), true.into());
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Change {
        #[serde(default, skip_serializing_if = "Patch::is_keep")]
        title: Patch<String>,
    }

    #[test]
    fn absent_null_and_a_value_are_three_things() {
        for (json, title) in [
            ("{}", Patch::Keep),
            (r#"{"title":null}"#, Patch::Clear),
            (r#"{"title":"new"}"#, Patch::Set("new".to_owned())),
        ] {
            let change: Change = serde_json::from_str(json).unwrap();

            assert_eq!(change, Change { title });
            assert_eq!(serde_json::to_string(&change).unwrap(), json);
        }
    }

    #[test]
    fn a_change_says_what_the_field_is_afterwards() {
        assert_eq!(Patch::Keep.apply(Some(1)), Some(1));
        assert_eq!(Patch::Clear.apply(Some(1)), None);
        assert_eq!(Patch::Set(2).apply(Some(1)), Some(2));
    }
}
