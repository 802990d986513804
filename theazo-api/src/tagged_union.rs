//! Unions that tolerate the future: a member says which variant a value is, and an unknown variant is kept as it came.

/// Declares a union of objects that are told apart by one member, the tag.
///
/// Fields in `common` are in every variant. `serves` names a function that adds what other versions of the published
/// client read, `accepts` one that puts what they send in its place. A value whose tag comes first, as our own server
/// writes it, is read without being buffered.
macro_rules! tagged_union {
    (
        $(#[doc = $doc:literal])+
        $name:ident by $tag:literal
        $(, serves $serve:path)? $(, accepts $accept:path)? $(, common { $($common:tt)* })?
        { $($variants:tt)+ }
    ) => {
        tagged_union!(@variants [$(#[doc = $doc])+ $name $tag [$($serve)?] [$($accept)?]] [$($($common)*)?] [] $($variants)+);
    };

    // The common fields go into the variants one by one, since a macro cannot repeat one list inside of another.
    (
        @variants $head:tt [$($common:tt)*] [$($done:tt)*]
        $(#[doc = $doc:literal])+ $variant:ident = $value:literal { $($fields:tt)* } $(, $($rest:tt)*)?
    ) => {
        tagged_union!(
            @variants $head [$($common)*]
            [$($done)* $(#[doc = $doc])+ $variant = $value { $($common)* $($fields)* }]
            $($($rest)*)?
        );
    };
    (@variants [$($head:tt)*] $common:tt [$($done:tt)*]) => {
        tagged_union!(@emit $($head)* $($done)*);
    };

    (
        @emit
        $(#[doc = $doc:literal])+
        $name:ident $tag:literal [$($serve:path)?] [$($accept:path)?]
        $($(#[doc = $variant_doc:literal])+ $variant:ident = $value:literal
            { $($(#[$meta:meta])* $field:ident: $ty:ty),* $(,)? })+
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(remote = "Self", tag = $tag, rename_all_fields = "camelCase")]
        #[non_exhaustive]
        pub enum $name {
            $(
                $(#[doc = $variant_doc])+
                #[serde(rename = $value)]
                $variant { $($(#[$meta])* $field: $ty),* },
            )+
            /// A variant that this version does not know, kept as it came.
            #[serde(untagged)]
            #[cfg_attr(feature = "schema", schemars(skip))]
            Other(serde_json::Map<String, serde_json::Value>),
        }

        impl $name {
            /// The tags of the variants that this version knows.
            pub const KNOWN: &[&str] = &[$($value),+];

            /// The tag: which variant it is, as it stands on the wire.
            pub fn tag(&self) -> &str {
                match self {
                    $(Self::$variant { .. } => $value,)+
                    Self::Other(members) => members.get($tag).and_then(serde_json::Value::as_str).unwrap_or_default(),
                }
            }

            /// Reads the members beside the tag of a variant that this version knows.
            fn read_known<'de, D: serde::Deserializer<'de>>(tag: &str, members: D) -> Result<Self, D::Error> {
                match tag {
                    $($value => {
                        #[derive(serde::Deserialize)]
                        #[serde(rename_all = "camelCase")]
                        struct Members { $($(#[$meta])* $field: $ty),* }

                        let Members { $($field),* } = serde::Deserialize::deserialize(members)?;
                        Ok(Self::$variant { $($field),* })
                    })+
                    unknown => Err(serde::de::Error::unknown_variant(unknown, Self::KNOWN)),
                }
            }
        }

        impl $crate::compatible::Compatible for $name {
            $(
                // Whichever variant it is, it is read as a whole.
                const TOUCHED: &[&str] = &[$tag];

                fn accept(members: &mut serde_json::Map<String, serde_json::Value>) {
                    $accept(members);
                }
            )?

            $(fn serve(members: &mut serde_json::Map<String, serde_json::Value>) {
                $serve(members);
            })?
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if $crate::compatible::is_serving() {
                    let own = Self::serialize(self, serde_json::value::Serializer);
                    $crate::compatible::served::<Self, S::Error>(own)?.serialize(serializer)
                } else {
                    Self::serialize(self, serializer)
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de::{Error, MapAccess, Visitor, value::MapAccessDeserializer};
                use serde_json::{Map, Value};
                use $crate::compatible::Compatible;

                struct Reader;

                impl<'de> Visitor<'de> for Reader {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!("an object with the member `", $tag, "`"))
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let mut members = Map::new();
                        if let Some(first) = map.next_key::<String>()? {
                            let value: Value = map.next_value()?;
                            if first == $tag
                                && <$name>::TOUCHED.is_empty()
                                && let Some(tag) = value.as_str()
                                && <$name>::KNOWN.contains(&tag)
                            {
                                return <$name>::read_known(tag, MapAccessDeserializer::new(map));
                            }
                            members.insert(first, value);
                        }
                        while let Some((name, value)) = map.next_entry()? {
                            members.insert(name, value);
                        }
                        <$name>::accept(&mut members);
                        match members.get($tag).and_then(Value::as_str).map(str::to_owned) {
                            Some(tag) if <$name>::KNOWN.contains(&tag.as_str()) => {
                                <$name>::read_known(&tag, Value::Object(members)).map_err(A::Error::custom)
                            }
                            _ => Ok(<$name>::Other(members)),
                        }
                    }
                }

                deserializer.deserialize_map(Reader)
            }
        }
    };
}
pub(crate) use tagged_union;

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use crate::compatible::{accept, for_published_clients, serve};

    tagged_union! {
        /// A thing.
        Thing by "kind", serves also, common {
            /// The id.
            id: String,
        } {
            /// With a size.
            Box = "a.box" {
                /// The size.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                inner_size: Option<i64>,
            },
            /// Without.
            Dot = "dot" {},
        }
    }

    tagged_union! {
        /// A wish.
        Wish by "type", accepts older {
            /// For a gift.
            Gift = "gift" {
                /// From whom.
                from_whom: String,
            },
        }
    }

    fn also(members: &mut Map<String, Value>) {
        serve(members, "innerSize", "size");
    }

    fn older(members: &mut Map<String, Value>) {
        accept(members, "sender", "fromWhom");
        members.entry("type").or_insert_with(|| "gift".into());
    }

    #[test]
    fn variants_are_read_wherever_the_tag_stands_and_unknown_ones_are_kept() {
        let known = Thing::Box { id: "1".to_owned(), inner_size: Some(2) };
        let read = |json: Value| serde_json::from_value::<Thing>(json).unwrap();

        assert_eq!(read(json!({ "kind": "a.box", "id": "1", "innerSize": 2, "new": [] })), known);
        assert_eq!(read(json!({ "id": "1", "innerSize": 2, "kind": "a.box" })), known);
        assert_eq!(serde_json::to_value(&known).unwrap(), json!({ "kind": "a.box", "id": "1", "innerSize": 2 }));
        let newer = json!({ "kind": "sphere", "radius": 3 });
        assert_eq!(serde_json::to_value(read(newer.clone())).unwrap(), newer);
        assert_eq!(read(json!({ "kind": "dot", "id": "3" })).tag(), "dot");
        let missing = serde_json::from_value::<Thing>(json!({ "kind": "dot" })).unwrap_err();
        assert_eq!(missing.to_string(), "missing field `id`");
    }

    #[test]
    fn other_names_are_served_and_accepted() {
        let thing = Thing::Box { id: "1".to_owned(), inner_size: Some(2) };

        let served = for_published_clients(|| serde_json::to_value(&thing).unwrap());
        let wish: Wish = serde_json::from_value(json!({ "sender": "ada" })).unwrap();

        assert_eq!(served, json!({ "kind": "a.box", "id": "1", "innerSize": 2, "size": 2 }));
        assert_eq!(wish.tag(), "gift");
        assert_eq!(wish, Wish::Gift { from_whom: "ada".to_owned() });
    }
}
