//! The shape of a type's JSON, as a schema (JSON Schema 2020-12), found by having the type read itself: it says what it
//! expects, by serde, and gets something like it. So a field that is added is in the document, and one that is not is not.

use serde::de::value::{Error, StrDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::{Map, Value, json};

/// Types within types.
const DEEPEST: usize = 12;

/// The schema of `T`. A part that reads itself from text (an address, an identifier) is text; what takes anything, or has
/// parts that depend on others, is `{}`.
pub(super) fn of<T: for<'de> Deserialize<'de>>() -> Value {
    let mut schema = json!({});
    // What it makes of what it gets does not matter.
    let _ = T::deserialize(Tracer { schema: &mut schema, depth: 0 });
    schema
}

struct Tracer<'a> {
    schema: &'a mut Value,
    depth: usize,
}

impl Tracer<'_> {
    fn is(self, kind: &str) -> usize {
        *self.schema = json!({ "type": kind });
        self.depth
    }
}

macro_rules! whole {
    ($($method:ident $visit:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.is("integer");
            visitor.$visit(0)
        }
    )*};
}

impl<'de> Deserializer<'de> for Tracer<'_> {
    type Error = Error;

    whole! {
        deserialize_u8 visit_u8 deserialize_u16 visit_u16 deserialize_u32 visit_u32 deserialize_u64 visit_u64
        deserialize_i8 visit_i8 deserialize_i16 visit_i16 deserialize_i32 visit_i32 deserialize_i64 visit_i64
        deserialize_u128 visit_u128 deserialize_i128 visit_i128
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(serde::de::Error::custom("anything"))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.is("boolean");
        visitor.visit_bool(false)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.is("number");
        visitor.visit_f32(0.0)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.is("number");
        visitor.visit_f64(0.0)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.is("string");
        visitor.visit_char('0')
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.is("string");
        visitor.visit_str("")
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let mut inner = json!({});
        // The outcome is given up: an inner part that cannot be made up says its type all the same.
        let Tracer { schema, depth } = self;
        let outcome = visitor.visit_some(Tracer { schema: &mut inner, depth });
        *schema = match inner.as_object().is_some_and(Map::is_empty) {
            true => json!({}),
            false => json!({ "anyOf": [inner, { "type": "null" }] }),
        };
        outcome
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.is("null");
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let mut items = json!({});
        let depth = self.depth + 1;
        let outcome = visitor.visit_seq(Items { items: &mut items, left: usize::from(depth < DEEPEST), depth });
        *self.schema = json!({ "type": "array", "items": items });
        outcome
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        let mut last = json!({});
        let outcome = visitor.visit_seq(Items { items: &mut last, left: len, depth: self.depth + 1 });
        *self.schema = json!({ "type": "array", "minItems": len, "maxItems": len });
        outcome
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let mut values = json!({});
        let depth = self.depth + 1;
        let fields: &[&str] = if depth < DEEPEST { &[""] } else { &[] };
        let outcome = visitor.visit_map(Fields::new(fields, depth, &mut |_, schema| values = schema));
        *self.schema = json!({ "type": "object", "additionalProperties": values });
        outcome
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut properties: Map<String, Value> = fields.iter().map(|field| ((*field).to_owned(), json!({}))).collect();
        let depth = self.depth + 1;
        let known: &[&str] = if depth < DEEPEST { fields } else { &[] };
        let mut found = |field: &str, schema| drop(properties.insert(field.to_owned(), schema));
        let outcome = visitor.visit_map(Fields::new(known, depth, &mut found));
        *self.schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
        outcome
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        // A variant without anything is its name; with something, an object of one field that bears the name.
        let with: Map<String, Value> = variants.iter().map(|variant| ((*variant).to_owned(), json!({}))).collect();
        let object = json!({ "type": "object", "properties": with, "additionalProperties": false });
        *self.schema = json!({ "anyOf": [{ "type": "string", "enum": variants }, object] });
        match variants.first() {
            Some(first) => visitor.visit_enum(Variant(first)),
            None => Err(serde::de::Error::custom("an enumeration of nothing")),
        }
    }

    forward_to_deserialize_any! { bytes byte_buf unit_struct tuple_struct identifier ignored_any }
}

struct Items<'a> {
    items: &'a mut Value,
    left: usize,
    depth: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(Tracer { schema: &mut *self.items, depth: self.depth }).map(Some)
    }
}

/// Fields, one after the other; the first that cannot be made up ends it: those after it are known by name alone.
struct Fields<'a> {
    left: std::slice::Iter<'a, &'static str>,
    now: &'static str,
    depth: usize,
    found: &'a mut dyn FnMut(&str, Value),
}

impl<'a> Fields<'a> {
    fn new(fields: &'a [&'static str], depth: usize, found: &'a mut dyn FnMut(&str, Value)) -> Fields<'a> {
        Fields { left: fields.iter(), now: "", depth, found }
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(field) = self.left.next() else { return Ok(None) };
        self.now = field;
        let key: StrDeserializer<'_, Error> = (*field).into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let mut schema = json!({});
        let outcome = seed.deserialize(Tracer { schema: &mut schema, depth: self.depth });
        (self.found)(self.now, schema);
        outcome
    }
}

/// The variant of this name.
struct Variant(&'static str);

impl<'de> EnumAccess<'de> for Variant {
    type Error = Error;
    type Variant = Contents;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Contents), Error> {
        let name: StrDeserializer<'_, Error> = self.0.into_deserializer();
        Ok((seed.deserialize(name)?, Contents))
    }
}

struct Contents;

impl<'de> VariantAccess<'de> for Contents {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(Tracer { schema: &mut json!({}), depth: DEEPEST })
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        Tracer { schema: &mut json!({}), depth: DEEPEST }.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        Tracer { schema: &mut json!({}), depth: DEEPEST }.deserialize_struct("", fields, visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::IpAddr;

    use super::*;

    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Outer {
        name: String,
        many: Vec<Inner>,
        by: BTreeMap<String, u32>,
        maybe: Option<bool>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    #[allow(dead_code)]
    struct Inner {
        how_many: u8,
        kind: Kind,
        address: IpAddr,
        after: f64,
    }

    #[derive(Deserialize)]
    #[allow(dead_code)]
    enum Kind {
        One,
        Other(u8),
    }

    #[test]
    fn a_type_says_its_shape() {
        let schema = of::<Outer>();
        let at = |pointer: &str| schema.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!(at("/properties/name/type"), "string");
        assert_eq!(at("/properties/many/items/properties/howMany/type"), "integer");
        assert_eq!(at("/properties/many/items/properties/kind/anyOf/0/enum"), json!(["One", "Other"]));
        assert_eq!(at("/properties/many/items/properties/address/type"), "string");
        // What comes after a part that cannot be made up is known by name.
        assert_eq!(at("/properties/many/items/properties/after"), json!({}));
        assert!(schema.pointer("/properties/maybe").is_some());
    }
}
