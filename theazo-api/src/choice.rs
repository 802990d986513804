//! Values that the published API writes in more than one form, told apart by the kind of JSON they are.

/// The kinds of JSON that alternatives of a [`choice!`] are told apart by.
macro_rules! json_kind {
    (text) => {
        serde_json::Value::String(_)
    };
    (flag) => {
        serde_json::Value::Bool(_)
    };
    (number) => {
        serde_json::Value::Number(_)
    };
    (list) => {
        serde_json::Value::Array(_)
    };
    (object) => {
        serde_json::Value::Object(_)
    };
}
pub(crate) use json_kind;

/// Declares a value that is written in one of several forms. Each form is another kind of JSON (`text`, `flag`,
/// `number`, `list`, `object`), so a value is read by its kind, and an error names what is wrong with that form.
macro_rules! choice {
    (
        $(#[doc = $type_doc:literal])+
        $name:ident { $($(#[doc = $doc:literal])+ $kind:ident $variant:ident($inner:ty)),+ $(,)? }
    ) => {
        $(#[doc = $type_doc])+
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        #[serde(untagged)]
        pub enum $name {
            $($(#[doc = $doc])+ $variant($inner)),+
        }

        $(
            impl From<$inner> for $name {
                fn from(value: $inner) -> Self {
                    Self::$variant(value)
                }
            }
        )+

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = <serde_json::Value as serde::Deserialize>::deserialize(deserializer)?;
                match &value {
                    $($crate::choice::json_kind!($kind) => {
                        serde_json::from_value(value).map(Self::$variant).map_err(serde::de::Error::custom)
                    })+
                    _ => {
                        let forms = [$(stringify!($kind)),+].join(" or ");
                        Err(serde::de::Error::custom(format!("must be {forms}")))
                    }
                }
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let alternatives = vec![$(generator.subschema_for::<$inner>()),+];
                schemars::json_schema!({
                    "description": concat!($($type_doc, "\n"),+),
                    "x-theazo-choice": [$({
                        "name": stringify!($variant), "form": stringify!($kind), "doc": concat!($($doc, "\n"),+),
                    }),+],
                    "anyOf": alternatives,
                })
            }
        }
    };
}
pub(crate) use choice;

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::{Value, json};

    /// A place.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Place {
        /// The city.
        city: String,
    }

    choice! {
        /// Where.
        Where {
            /// A name.
            text Name(String),
            /// Anywhere.
            flag Anywhere(bool),
            /// Several names.
            list Names(Vec<String>),
            /// A place.
            object Place(Place),
        }
    }

    #[test]
    fn a_value_is_read_by_its_kind_and_written_as_it_was() {
        for (json, value) in [
            (json!("here"), Where::from("here".to_owned())),
            (json!(true), Where::Anywhere(true)),
            (json!(["a", "b"]), Where::Names(vec!["a".to_owned(), "b".to_owned()])),
            (json!({ "city": "Oslo" }), Where::Place(Place { city: "Oslo".to_owned() })),
        ] {
            assert_eq!(serde_json::from_value::<Where>(json.clone()).unwrap(), value);
            assert_eq!(serde_json::to_value(&value).unwrap(), json);
        }
    }

    #[test]
    fn an_error_is_that_of_the_form_that_was_meant() {
        let problem = |json: Value| serde_json::from_value::<Where>(json).unwrap_err().to_string();

        assert_eq!(problem(json!({ "town": "Oslo" })), "missing field `city`");
        assert_eq!(problem(json!([1])), "invalid type: integer `1`, expected a string");
        assert_eq!(problem(json!(7)), "must be text or flag or list or object");
    }
}
