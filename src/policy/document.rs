//! YAML text to a tree in which every value knows its line and column.
//!
//! With [`syntax`] the only place that knows the YAML library. What a hostile file can cost is bounded here: its size, the
//! number of its documents, their depth, the number of their values and what their aliases may expand to.

mod syntax;

use super::finding::{Finding, Place};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::budget::Budget;
use serde_yaml::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};
use serde_yaml::{Options, Spanned};
use std::fmt;

/// A policy file may not be larger than this, in bytes.
pub const MAX_FILE_BYTES: usize = 1 << 20;
/// A file may not hold more documents than this.
const MAX_DOCUMENTS: usize = 1_000;
/// A document may not be nested deeper than this. The reader calls itself for every level, on a stack of 2 MiB.
pub(super) const MAX_DEPTH: usize = 16;
/// A document may not hold more values than this.
pub(super) const MAX_VALUES: usize = 20_000;
/// All aliases of a document together may not stand for more than this many values. Few, since it is what makes a short
/// file cost more than its length.
const MAX_ALIASED: usize = 1_000;

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Nothing, or `null`, or `~`.
    Null,
    /// `true` or `false`, and no other word.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map in the order of the file, repeated keys and all.
    Map(Vec<(Place, String, Node)>),
}

/// One document of a file: its text, and its tree or what is wrong with it.
pub(super) struct Section<'a> {
    pub text: &'a str,
    pub tree: Result<Node, Finding>,
}

/// The documents of a file, without those that hold nothing. One that cannot be read hides no other.
///
/// # Errors
/// There are too many.
pub(super) fn sections(text: &str) -> Result<Vec<Section<'_>>, Finding> {
    let parts = split(text);
    if let Some((line, _)) = parts.get(MAX_DOCUMENTS) {
        let place = Place { line: line + 1, column: 1 };
        return Err(Finding::new(place, "", format!("the file holds more than {MAX_DOCUMENTS} documents")));
    }
    let mut sections = Vec::new();
    for (lines_before, text) in parts {
        let tree = match read(text) {
            Ok(Node { value: Value::Null, .. }) => continue,
            Ok(mut tree) => {
                shift(&mut tree, lines_before);
                Ok(tree)
            }
            Err(mut finding) => {
                finding.place.line += lines_before;
                Err(finding)
            }
        };
        sections.push(Section { text, tree });
    }
    Ok(sections)
}

/// Cuts a stream where one document ends and the next begins, with the number of lines before each.
///
/// A line that begins with `---` or `...` is a marker even inside a scalar (YAML 1.2, section 9.1.2). Comments and
/// directives before `---` belong to the document that it opens.
fn split(text: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let (mut begin, mut begin_line, mut at) = (0, 0, 0);
    let mut content = false;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if is_marker(line, "---") {
            if content {
                parts.push((begin_line, &text[begin..at]));
                (begin, begin_line) = (at, number);
            }
            content = true;
        } else if is_marker(line, "...") {
            parts.push((begin_line, &text[begin..at]));
            (begin, begin_line, content) = (at + line.len(), number + 1, false);
        } else if !line.trim_start().is_empty() && !line.trim_start().starts_with('#') && !line.starts_with('%') {
            content = true;
        }
        at += line.len();
    }
    parts.push((begin_line, &text[begin..]));
    parts
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

fn read(text: &str) -> Result<Node, Finding> {
    serde_yaml::from_str_with_options::<Option<Node>>(text, options()).map_or_else(
        |error| {
            let at = error.location().map_or(Place { line: 1, column: 1 }, |l| place(&l));
            Err(syntax::finding(&error, at, text))
        },
        |node| Ok(node.unwrap_or(Node { place: Place::default(), value: Value::Null })),
    )
}

fn options() -> Options {
    let mut budget = Budget::default();
    budget.max_depth = MAX_DEPTH;
    budget.flow_nesting_limit = MAX_DEPTH;
    budget.max_nodes = MAX_VALUES;
    budget.max_events = 4 * MAX_VALUES;
    let mut options = Options::default();
    options.budget = Some(budget);
    options.alias_limits.max_total_replayed_events = MAX_ALIASED;
    // Told with both the field's path and its place, among all other errors.
    options.duplicate_keys = DuplicateKeyPolicy::PassThrough;
    // YAML 1.2 has none: other readers of the same file, and the schema, see a field named `<<`.
    options.merge_keys = MergeKeyPolicy::Error;
    options.non_finite_float_policy = NonFiniteFloatPolicy::PassThrough;
    options.reject_unsupported_tags = true;
    options.strict_booleans = true;
    options.emit_comments = false;
    options.with_snippet = false;
    options
}

fn place(location: &serde_yaml::Location) -> Place {
    let number = |n: u64| usize::try_from(n).unwrap_or(0);
    Place { line: number(location.line()).max(1), column: number(location.column()).max(1) }
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
        Ok(Value::Integer(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Integer(v.into()))
    }

    fn visit_i128<E>(self, v: i128) -> Result<Value, E> {
        Ok(Value::Integer(v))
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
            Value::Map(_) => self.get(first),
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
}
