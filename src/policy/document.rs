//! YAML text to a tree in which every value knows its line and column.
//!
//! The only place that knows the YAML library. What a hostile file can cost is bounded here: its size, its depth, the
//! number of its nodes and what its aliases may expand to.

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::budget::Budget;
use serde_yaml::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_yaml::{Options, Spanned};
use std::fmt;

/// A policy file may not be larger than this, in bytes.
pub const MAX_FILE_BYTES: usize = 1 << 20;

/// A place in a file: line and column, both counted from 1; zeroes for the file as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing, or `null`, or `~`.
    Null,
    /// `true` or `false`, and no other word.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map in the order of the file, repeated keys and all.
    Map(Vec<(Place, String, Node)>),
}

/// One document of a file: its text, where it begins, and its tree or what is wrong with it.
pub(super) struct Section<'a> {
    pub text: &'a str,
    pub tree: Result<Node, (Place, String)>,
}

/// The documents of a file, without those that hold nothing.
pub(super) fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections = Vec::new();
    for (first_line, text) in split(text) {
        match read(text) {
            Ok(Node { value: Value::Null, .. }) => {}
            Ok(mut tree) => {
                shift(&mut tree, first_line);
                sections.push(Section { text, tree: Ok(tree) });
            }
            Err((mut place, message)) => {
                place.line += if place.line > 0 { first_line } else { 0 };
                sections.push(Section { text, tree: Err((place, message)) });
            }
        }
    }
    sections
}

/// Cuts a stream at its `---` lines. A line that begins so is a marker even inside a block scalar.
fn split(text: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let (mut begin, mut begin_line, mut at) = (0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let marker =
            line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if marker && at > begin {
            parts.push((begin_line, &text[begin..at]));
            (begin, begin_line) = (at, number);
        }
        at += line.len();
    }
    parts.push((begin_line, &text[begin..]));
    parts
}

fn read(text: &str) -> Result<Node, (Place, String)> {
    serde_yaml::from_str_with_options::<Option<Node>>(text, options()).map_or_else(
        |error| {
            let place = error.location().map_or_else(Place::default, |l| place(&l));
            Err((place, told(&error)))
        },
        |node| Ok(node.unwrap_or(Node { place: Place::default(), value: Value::Null })),
    )
}

fn options() -> Options {
    let mut budget = Budget::default();
    budget.max_depth = 64;
    budget.flow_nesting_limit = 64;
    budget.max_nodes = 100_000;
    budget.max_events = 250_000;
    let mut options = Options::default();
    options.budget = Some(budget);
    options.duplicate_keys = DuplicateKeyPolicy::PassThrough;
    options.merge_keys = MergeKeyPolicy::default();
    options.strict_booleans = true;
    options.with_snippet = false;
    options
}

fn place(location: &serde_yaml::Location) -> Place {
    let number = |n: u64| usize::try_from(n).unwrap_or(0);
    Place { line: number(location.line()), column: number(location.column()) }
}

/// The library's message in one line, without the place, which is told apart.
fn told(error: &serde_yaml::Error) -> String {
    let text = error.without_snippet().to_string();
    let first = text.lines().next().unwrap_or_default().trim();
    let without = first.split(" at line ").next().unwrap_or(first).trim_end_matches([',', ':', ' ']);
    format!("not readable as YAML: {without}")
}

fn shift(node: &mut Node, lines: usize) {
    node.place.line += lines;
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| shift(item, lines)),
        Value::Map(entries) => {
            for (place, _, value) in entries {
                place.line += lines;
                shift(value, lines);
            }
        }
        _ => {}
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { place: place(&spanned.referenced), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Integer(v))
    }

    fn visit_u64<E: de::Error>(self, v: u64) -> Result<Value, E> {
        i64::try_from(v).map(Value::Integer).map_err(|_| E::custom(format!("the number {v} is too large")))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Value::Float(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::Text(v.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        Value::deserialize(d)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            entries.push((place(&key.referenced), key.value, map.next_value()?));
        }
        Ok(Value::Map(entries))
    }
}

impl Node {
    /// The node at a path of keys and indices, or the nearest one above it that exists.
    pub(super) fn nearest(&self, path: &[&str]) -> &Self {
        let Some((first, rest)) = path.split_first() else { return self };
        let child = match &self.value {
            Value::Map(entries) => entries.iter().find(|(_, key, _)| key == first).map(|(_, _, node)| node),
            Value::List(items) => first.parse::<usize>().ok().and_then(|i| items.get(i)),
            _ => None,
        };
        child.map_or(self, |node| node.nearest(rest))
    }

    /// The value of a key of a map.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(_, k, _)| k == key).map(|(_, _, node)| node),
            _ => None,
        }
    }

    /// The tree without places.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(b) => (*b).into(),
            Value::Integer(i) => (*i).into(),
            Value::Float(f) => (*f).into(),
            Value::Text(t) => t.as_str().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => {
                serde_json::Value::Object(entries.iter().map(|(_, k, v)| (k.clone(), v.to_json())).collect())
            }
        }
    }
}
