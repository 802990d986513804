//! Enumerations that tolerate the future: a value that this version does not know is kept as text.

/// Declares an enumeration of strings in which an unknown value survives a round trip as `Other`.
macro_rules! open_enum {
    (
        $(#[doc = $type_doc:literal])+
        $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $text:literal),+ $(,)? }
    ) => {
        $(#[doc = $type_doc])+
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[doc = $doc])+ $variant,)+
            /// A value that this version does not know, kept as it came.
            Other(String),
        }

        impl $name {
            /// Every value that this version knows.
            pub const KNOWN: &[&str] = &[$($text),+];

            /// The value as it stands on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)+
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                Ok(Self::from(text.as_ref()))
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "description": concat!($($type_doc, "\n"),+),
                    "x-theazo-enum": [$({
                        "name": stringify!($variant), "value": $text, "doc": concat!($($doc, "\n"),+)
                    }),+],
                    "examples": [$($text),+],
                })
            }
        }
    };
}
pub(crate) use open_enum;
