//! Settings of one of several kinds, whose field `kind` says which. What is wrong with one is said
//! with the field's name, what was expected and what was found.

use std::fmt;
use std::vec;

use serde::de::value::StringDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::Value;

/// The field.
const KIND: &str = "kind";

/// Reads and writes an enum by its field `kind`. Its derived implementations must be those of
/// `#[serde(remote = "Self")]`.
macro_rules! by_kind {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::tagged::write(<$type>::serialize(self, serde_json::value::Serializer), serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::tagged::read(deserializer, |content| <$type>::deserialize(content))
            }
        }
    };
}

pub(crate) use by_kind;

/// Puts the name of a variant among its fields: `{name: {fields}}` is `{kind: name, fields}`.
pub(crate) fn write<S: Serializer>(
    variant: Result<Value, serde_json::Error>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let variants = match variant.map_err(S::Error::custom)? {
        Value::Object(variants) => variants,
        _ => return Err(S::Error::custom("a variant without fields")),
    };
    let mut variants = variants.into_iter();
    let (Some((name, Value::Object(mut fields))), None) = (variants.next(), variants.next()) else {
        return Err(S::Error::custom("a variant without fields"));
    };
    fields.insert(KIND.to_owned(), name.into());
    fields.serialize(serializer)
}

/// Reads `{kind: name, fields}` as `{name: {fields}}`.
pub(crate) fn read<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    variant: impl FnOnce(Content) -> Result<T, Fault>,
) -> Result<T, D::Error> {
    let content = Content::deserialize(deserializer)?;
    content.by_kind().and_then(variant).map_err(D::Error::custom)
}

/// A value, read before it is known what it should be.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Nothing,
    Truth(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
    List(Vec<Content>),
    Table(Vec<(String, Content)>),
    /// A table without its field `kind`, behind what that says.
    Kind(String, Vec<(String, Content)>),
}

impl Content {
    fn by_kind(self) -> Result<Self, Fault> {
        let Self::Table(mut fields) = self else {
            let expected = "a table whose `kind` says what it is";
            return Err(Fault::invalid_type(self.unexpected(), &expected));
        };
        let place = fields.iter().position(|(name, _)| name == KIND).ok_or_else(|| Fault::missing_field(KIND))?;
        let (_, kind) = fields.remove(place);
        if fields.iter().any(|(name, _)| name == KIND) {
            return Err(Fault::duplicate_field(KIND));
        }
        match kind {
            Self::Text(name) => Ok(Self::Kind(name, fields)),
            other => Err(Fault::invalid_type(other.unexpected(), &"a name").within(KIND)),
        }
    }

    fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Self::Nothing => Unexpected::Unit,
            Self::Truth(truth) => Unexpected::Bool(*truth),
            Self::Signed(number) => Unexpected::Signed(*number),
            Self::Unsigned(number) => Unexpected::Unsigned(*number),
            Self::Float(number) => Unexpected::Float(*number),
            Self::Text(text) => Unexpected::Str(text),
            Self::List(_) => Unexpected::Seq,
            Self::Table(_) | Self::Kind(..) => Unexpected::Map,
        }
    }
}

/// What is wrong, and at which field.
#[derive(Debug)]
pub(crate) struct Fault {
    path: String,
    what: String,
}

impl Fault {
    /// The fault as a part of something else sees it.
    fn within(mut self, step: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{step}{dot}{}", self.path);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.is_empty() {
            true => f.write_str(&self.what),
            false => write!(f, "{}: {}", self.path, self.what),
        }
    }
}

impl std::error::Error for Fault {}

impl Error for Fault {
    fn custom<T: fmt::Display>(what: T) -> Self {
        Self { path: String::new(), what: what.to_string() }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a setting")
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Nothing)
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Truth(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Signed(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Unsigned(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Content, E> {
        Ok(Content::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Content, E> {
        Ok(Content::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Content, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(Content::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Content, A::Error> {
        let mut table = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            table.push(entry);
        }
        Ok(Content::Table(table))
    }
}

impl<'de> Deserializer<'de> for Content {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Self::Nothing => visitor.visit_unit(),
            Self::Truth(value) => visitor.visit_bool(value),
            Self::Signed(value) => visitor.visit_i64(value),
            Self::Unsigned(value) => visitor.visit_u64(value),
            Self::Float(value) => visitor.visit_f64(value),
            Self::Text(value) => visitor.visit_string(value),
            Self::List(elements) => visitor.visit_seq(Elements { elements: elements.into_iter(), place: 0 }),
            Self::Table(entries) | Self::Kind(_, entries) => {
                visitor.visit_map(Entries { entries: entries.into_iter(), value: None })
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Self::Nothing => visitor.visit_none(),
            some => visitor.visit_some(some),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self {
            Self::Text(name) => visitor.visit_enum(name.into_deserializer()),
            Self::Table(mut entries) if entries.len() == 1 => {
                let (name, content) = entries.pop().unwrap_or((String::new(), Self::Nothing));
                visitor.visit_enum(Variant { name, content, field: None })
            }
            Self::Kind(name, fields) => {
                visitor.visit_enum(Variant { name, content: Self::Table(fields), field: Some(KIND) })
            }
            other => Err(Fault::invalid_type(other.unexpected(), &"a name, or a table of one name")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

struct Elements {
    elements: vec::IntoIter<Content>,
    place: usize,
}

impl<'de> SeqAccess<'de> for Elements {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some(element) = self.elements.next() else { return Ok(None) };
        let place = self.place;
        self.place += 1;
        seed.deserialize(element).map(Some).map_err(|fault| fault.within(&format!("[{place}]")))
    }
}

struct Entries {
    entries: vec::IntoIter<(String, Content)>,
    value: Option<(String, Content)>,
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((name, value)) = self.entries.next() else { return Ok(None) };
        self.value = Some((name.clone(), value));
        let name: StringDeserializer<Fault> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let (name, value) = self.value.take().ok_or_else(|| Fault::custom("a value before its name"))?;
        seed.deserialize(value).map_err(|fault| fault.within(&name))
    }
}

/// A variant's name and content, and the field that has the name.
struct Variant {
    name: String,
    content: Content,
    field: Option<&'static str>,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Fault;
    type Variant = Content;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content), Fault> {
        let name: StringDeserializer<Fault> = self.name.into_deserializer();
        let named = seed.deserialize(name).map_err(|fault| match self.field {
            Some(field) => fault.within(field),
            None => fault,
        });
        Ok((named?, self.content))
    }
}

impl<'de> VariantAccess<'de> for Content {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self {
            Self::Nothing => Ok(()),
            other => Err(Fault::invalid_type(other.unexpected(), &"nothing behind this name")),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_any(visitor)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Clone, Debug, PartialEq, serde::Serialize, Deserialize)]
    #[serde(remote = "Self", rename_all = "kebab-case", deny_unknown_fields)]
    enum Shape {
        Point {},
        Many { shapes: Vec<Shape>, size: Option<f32> },
        Named(Name),
    }

    #[derive(Clone, Debug, PartialEq, serde::Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Name {
        first: String,
        #[serde(default)]
        way: Way,
    }

    #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Way {
        #[default]
        Up,
        To(u8),
    }

    by_kind!(Shape);

    #[test]
    fn what_is_written_is_read() {
        let name = Name { first: String::from("a"), way: Way::To(3) };
        let shape = Shape::Many { shapes: vec![Shape::Point {}, Shape::Named(name)], size: Some(0.2) };
        let written = serde_json::to_value(&shape).unwrap();
        assert_eq!(written["kind"], "many");
        assert_eq!(written["shapes"][1], json!({ "kind": "named", "first": "a", "way": { "to": 3 } }));
        assert_eq!(serde_json::from_value::<Shape>(written).unwrap(), shape);
    }

    #[test]
    fn faults_name_the_field_what_was_expected_and_what_was_found() {
        let cases = [
            (json!("point"), "invalid type: string \"point\", expected a table whose `kind` says what it is"),
            (json!({}), "missing field `kind`"),
            (json!({ "kind": 3 }), "kind: invalid type: integer `3`, expected a name"),
            (json!({ "kind": "line" }), "kind: unknown variant `line`, expected one of `point`, `many`, `named`"),
            (json!({ "kind": "point", "x": 1 }), "unknown field `x`, there are no fields"),
            (json!({ "kind": "named" }), "missing field `first`"),
            (json!({ "kind": "named", "first": 1 }), "first: invalid type: integer `1`, expected a string"),
            (
                json!({ "kind": "named", "first": "a", "way": { "to": 300 } }),
                "way: invalid value: integer `300`, expected u8",
            ),
            (
                json!({ "kind": "named", "first": "a", "way": 3 }),
                "way: invalid type: integer `3`, expected a name, or a table of one name",
            ),
            (
                json!({ "kind": "many", "shapes": [{ "kind": "point" }, { "kind": "named", "first": true }] }),
                "shapes[1]: first: invalid type: boolean `true`, expected a string",
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(serde_json::from_value::<Shape>(value).unwrap_err().to_string(), expected);
        }
    }
}
