//! Reading an object in which some members may stand as another version of a client writes them.
//!
//! Only those are held back and put in their place; everything else is read as it comes, so that whoever reads along (for
//! unknown members, for the path of an error) sees it.

use std::fmt;

use serde::{
    Deserializer,
    de::{
        DeserializeSeed, Error, MapAccess, Visitor,
        value::{StrDeserializer, StringDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::{Map, Value};

/// A deserializer of an object whose members are put in their place. Where one stands there as ours too, ours counts.
pub(crate) struct Accepting<D> {
    pub inner: D,
    /// The names of the members to hold back.
    pub touched: &'static [&'static str],
    /// Puts them in their place.
    pub accept: fn(&mut Map<String, Value>),
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Accepting<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(Object { visitor, touched: self.touched, accept: self.accept })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Object<V> {
    visitor: V,
    touched: &'static [&'static str],
    accept: fn(&mut Map<String, Value>),
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Object<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Members {
            map,
            touched: self.touched,
            accept: self.accept,
            seen: Vec::new(),
            held: Held::Gathering(Map::new()),
            value: None,
        })
    }
}

struct Members<A> {
    map: A,
    touched: &'static [&'static str],
    accept: fn(&mut Map<String, Value>),
    /// The names that were given.
    seen: Vec<String>,
    held: Held,
    /// The value whose name was given last, if it was held back.
    value: Option<Value>,
}

/// What is held back.
enum Held {
    /// The object is being read.
    Gathering(Map<String, Value>),
    /// It was read to its end: what is left to give.
    Giving(serde_json::map::IntoIter),
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        if let Held::Gathering(held) = &mut self.held {
            while let Some(name) = self.map.next_key::<String>()? {
                if !self.touched.contains(&name.as_str()) {
                    self.seen.push(name.clone());
                    return seed.deserialize(StringDeserializer::new(name)).map(Some);
                }
                let value = self.map.next_value()?;
                held.insert(name, value);
            }
            (self.accept)(held);
            self.held = Held::Giving(std::mem::take(held).into_iter());
        }
        let Held::Giving(members) = &mut self.held else { return Ok(None) };
        for (name, value) in members {
            if !self.seen.contains(&name) {
                self.value = Some(value);
                return seed.deserialize(StrDeserializer::new(&name)).map(Some);
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
