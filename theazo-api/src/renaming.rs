//! Reading an object whose members may have other names, as it comes: only what has another name is held back, so whoever
//! reads along (for unknown members, for the path of an error) sees everything else.

use std::fmt;

use serde::{
    Deserializer,
    de::{
        DeserializeSeed, Error, MapAccess, Visitor,
        value::{StrDeserializer, StringDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::Value;

/// Pairs of another name and ours.
pub(crate) type Renames = &'static [(&'static str, &'static str)];

/// A deserializer of an object whose members are given our names. Where a member stands there under both, ours counts.
pub(crate) struct Renaming<D> {
    pub inner: D,
    pub renames: Renames,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Renaming<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(Members { visitor, renames: self.renames })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Members<V> {
    visitor: V,
    renames: Renames,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Members<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        let members = RenamedMembers { map, renames: self.renames, seen: Vec::new(), held: Vec::new(), value: None };
        self.visitor.visit_map(members)
    }
}

struct RenamedMembers<A> {
    map: A,
    renames: Renames,
    /// Those of our names that came.
    seen: Vec<&'static str>,
    /// What came under another name, by ours.
    held: Vec<(&'static str, Value)>,
    /// The value whose name was given last, if it was held.
    value: Option<Value>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for RenamedMembers<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(name) = self.map.next_key::<String>()? {
            if let Some((_, ours)) = self.renames.iter().find(|(other, _)| *other == name) {
                let value = self.map.next_value()?;
                self.held.push((ours, value));
                continue;
            }
            self.seen.extend(self.renames.iter().map(|(_, ours)| *ours).find(|ours| *ours == name));
            return seed.deserialize(StringDeserializer::new(name)).map(Some);
        }
        while let Some((ours, value)) = self.held.pop() {
            if !self.seen.contains(&ours) {
                self.seen.push(ours);
                self.value = Some(value);
                return seed.deserialize(StrDeserializer::new(ours)).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        match self.value.take() {
            Some(value) => seed.deserialize(value).map_err(A::Error::custom),
            None => self.map.next_value_seed(seed),
        }
    }
}
