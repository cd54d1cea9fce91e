//! Every structural error of a document at once: the tree against the JSON Schema of [`super::raw`].
//!
//! The schema is the single source of what fields there are; this walks the part of JSON Schema that `schema.rs` writes
//! (a test there holds it to [`KEYWORDS`]). What has an error is left out of the cleaned value, and a field whose name
//! is nearly right is taken for the one that was meant, so that the rest can still be checked for sense.

use super::document::{Node, Value};
use super::finding::{Finding, Place, is_secret, list, nearest, short};
use super::raw;
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// What this walk understands, and what it may pass over: either only describes, or `validate.rs` looks closer.
#[cfg(test)]
pub(super) const KEYWORDS: [&[&str]; 2] = [
    &[
        "$ref",
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "const",
        "minimum",
        "maximum",
        "minItems",
        "minProperties",
    ],
    &[
        "$schema",
        "$id",
        "$defs",
        "title",
        "description",
        "default",
        "format",
        "pattern",
        "uniqueItems",
        "anyOf",
        "if",
        "else",
    ],
];

/// Findings, and the value without what they are about; `None` when nothing of it is usable.
pub(super) fn check(schema: &Json, node: &mut Node) -> (Vec<Finding>, Option<Json>) {
    let mut walk = Walk { root: schema, findings: Vec::new() };
    let clean = walk.value(schema, node, "");
    (walk.findings, clean)
}

type Entries = Vec<(Place, String, Node)>;

struct Walk<'a> {
    root: &'a Json,
    findings: Vec<Finding>,
}

impl<'a> Walk<'a> {
    fn find(&mut self, place: Place, field: &str, message: String, help: Option<String>) {
        self.findings.push(Finding { place, field: field.to_owned(), message, help });
    }

    fn resolve(&self, schema: &'a Json) -> &'a Json {
        let target =
            schema.get("$ref").and_then(Json::as_str).and_then(|r| self.root.pointer(r.trim_start_matches('#')));
        target.map_or(schema, |s| self.resolve(s))
    }

    fn value(&mut self, schema: &'a Json, node: &mut Node, field: &str) -> Option<Json> {
        let schema = self.resolve(schema);
        let place = node.place;
        if schema.get("properties").is_none()
            && let Some(variants) = schema.get("oneOf").and_then(Json::as_array)
        {
            let words: Vec<&str> = variants.iter().filter_map(|v| v.get("const")?.as_str()).collect();
            return if words.len() == variants.len() {
                self.word(&words, node, field)
            } else {
                self.tagged(variants, node, field)
            };
        }
        if schema.get("type").is_none()
            && let Some(variants) = schema.get("anyOf").and_then(Json::as_array)
        {
            return self.word_or_list(variants, node, field);
        }
        match (schema.get("type").and_then(Json::as_str)?, &mut node.value) {
            ("object", Value::Map(entries)) => Some(self.object(schema, place, entries, field)),
            ("array", Value::List(items)) => {
                self.at_least(schema.get("minItems"), items.len(), &[], place, field);
                let schema = schema.get("items")?;
                let each = |(i, item): (usize, &mut Node)| self.value(schema, item, &format!("{field}[{i}]"));
                Some(items.iter_mut().enumerate().filter_map(each).collect())
            }
            ("string", Value::Text(text)) => Some(text.as_str().into()),
            ("boolean", Value::Bool(b)) => Some((*b).into()),
            ("integer", Value::Integer(i)) => self.integer(schema, *i, place, field),
            (_, _) => {
                self.wrong_type(schema, node, field);
                None
            }
        }
    }

    fn integer(&mut self, schema: &Json, value: i128, place: Place, field: &str) -> Option<Json> {
        let least = schema.get("minimum").and_then(Json::as_i64).unwrap_or(0);
        let most = schema.get("maximum").and_then(Json::as_i64).unwrap_or(i64::from(u32::MAX));
        if let Some(right) = i64::try_from(value).ok().filter(|v| (least..=most).contains(v)) {
            return Some(right.into());
        }
        self.find(place, field, format!("{value} is not a number from {least} to {most}"), None);
        None
    }

    fn at_least(&mut self, least: Option<&Json>, found: usize, names: &[&str], place: Place, field: &str) {
        if least.and_then(Json::as_u64).is_some_and(|least| (found as u64) < least) {
            let of = if names.is_empty() { String::new() } else { format!(" of {}", list(names.iter().copied())) };
            self.find(place, field, format!("at least one{of} is needed"), None);
        }
    }

    fn wrong_type(&mut self, schema: &Json, node: &Node, field: &str) {
        let kind = schema.get("type").and_then(Json::as_str).unwrap_or("string");
        let pattern = schema.get("pattern").and_then(Json::as_str);
        let duration = pattern == Some(raw::DURATION);
        let wanted = match kind {
            "object" => "a map of fields",
            "array" => "a list",
            "boolean" => "true or false",
            "integer" => "a whole number",
            _ if duration => "a length of time such as `30s`, `15m`, `24h` or `7d`",
            _ if pattern == Some(raw::SIZE) => "a size such as `512B`, `10MiB` or `2GiB`",
            _ if pattern == Some(raw::PERCENT) => "a share such as `5%`",
            _ => "text",
        };
        if let Some(secret) = secret_in(field) {
            // Its value is not repeated.
            return if secret {
                self.inline_secret(node.place, field);
            } else {
                self.find(node.place, field, format!("expected {wanted}"), None);
            };
        }
        let found = match &node.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(b) => format!("`{b}`"),
            Value::Integer(i) => format!("the number {i}"),
            Value::Float(f) => format!("the number {f:?}"),
            // What is written `name:value` may be a secret under a name that is not known.
            Value::Text(t) if kind == "object" && t.contains(':') => "text".to_owned(),
            Value::Text(t) => format!("the text `{}`", short(t)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        };
        let help = match (kind, &node.value) {
            (_, Value::Null) => Some("give it a value, or take the field out".to_owned()),
            ("string", Value::Integer(i)) if pattern == Some(raw::PERCENT) => Some(format!("with its sign: `{i}%`")),
            ("string", Value::Integer(i)) if pattern == Some(raw::SIZE) => Some(format!("with its unit: `{i}MiB`")),
            ("string", Value::Integer(i)) if duration => Some(format!("with its unit: `{i}s`, `{i}m`, `{i}h`, `{i}d`")),
            ("string", Value::Bool(_) | Value::Integer(_) | Value::Float(_)) if !duration => {
                Some("put it in quotes".to_owned())
            }
            ("array", Value::Text(t)) => Some(format!("write it as a list: [{}]", short(t))),
            ("boolean", Value::Text(_)) => Some("only the words true and false are booleans".to_owned()),
            ("object", Value::Text(t)) if t.contains(':') => Some("a space goes after the `:`".to_owned()),
            ("object", Value::Text(_)) => Some("a field is written `name: value`".to_owned()),
            ("object", Value::List(_)) => Some("fields are written without `-`".to_owned()),
            _ => None,
        };
        self.find(node.place, field, format!("expected {wanted}, found {found}"), help);
    }

    fn word(&mut self, words: &[&str], node: &Node, field: &str) -> Option<Json> {
        let Value::Text(text) = &node.value else {
            self.find(node.place, field, format!("expected one of {}", list(words.iter().copied())), None);
            return None;
        };
        if words.contains(&text.as_str()) {
            return Some(text.as_str().into());
        }
        let (message, help) = if let [only] = words {
            (format!("`{}` is not `{only}`", short(text)), None)
        } else {
            let near = nearest(text, words.iter().copied());
            let message = format!("`{}` is not one of {}", short(text), list(words.iter().copied()));
            (message, near.map(|near| format!("did you mean `{near}`?")))
        };
        self.find(node.place, field, message, help);
        None
    }

    /// A word in place of a list.
    fn word_or_list(&mut self, variants: &'a [Json], node: &mut Node, field: &str) -> Option<Json> {
        let is_list = |schema: &&Json| schema.get("type").and_then(Json::as_str) == Some("array");
        let mut schemas = variants.iter().map(|schema| self.resolve(schema));
        if matches!(node.value, Value::List(_)) {
            return schemas.find(is_list).and_then(|schema| self.value(schema, node, field));
        }
        let words: Vec<&str> = schemas
            .filter_map(|schema| schema.get("oneOf")?.as_array())
            .flatten()
            .filter_map(|v| v.get("const")?.as_str())
            .collect();
        if let Value::Text(text) = &node.value {
            if words.contains(&text.as_str()) {
                return Some(text.as_str().into());
            }
            let help = match nearest(text, words.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("write it as a list: [{}]", short(text)),
            };
            let message = format!("`{}` is neither {} nor a list", short(text), list(words.iter().copied()));
            self.find(node.place, field, message, Some(help));
        } else {
            self.find(node.place, field, format!("expected {} or a list", list(words.iter().copied())), None);
        }
        None
    }

    /// A map with exactly one of several keys.
    fn tagged(&mut self, variants: &'a [Json], node: &mut Node, field: &str) -> Option<Json> {
        let property = |v: &'a Json| v.get("properties")?.as_object()?.iter().next();
        let known: Vec<(&'a str, &'a Json)> =
            variants.iter().filter_map(property).map(|(name, schema)| (name.as_str(), schema)).collect();
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let place = node.place;
        let Value::Map(entries) = &mut node.value else {
            if secret_in(field) == Some(true) {
                self.inline_secret(place, field);
            } else {
                self.find(place, field, format!("expected a map with {}", one_of(&names)), None);
            }
            return None;
        };
        self.respell(entries, &names, field);
        let mut clean = serde_json::Map::new();
        let mut right = 0;
        for (_, key, value) in entries.iter_mut() {
            if let Some((_, schema)) = known.iter().find(|(name, _)| name == key) {
                right += 1;
                if let Some(value) = self.value(schema, value, &join(field, key)) {
                    clean.insert(key.clone(), value);
                }
            }
        }
        if right == 1 {
            return Some(Json::Object(clean));
        }
        // An unknown field in place of the known one has been told.
        if right > 1 || entries.is_empty() {
            self.find(place, field, format!("{} is needed", one_of(&names)), None);
        }
        None
    }

    fn object(&mut self, schema: &'a Json, place: Place, entries: &mut Entries, field: &str) -> Json {
        let properties = schema.get("properties").and_then(Json::as_object);
        let names: Vec<&str> = properties.into_iter().flat_map(|p| p.keys().map(String::as_str)).collect();
        let free = schema.get("additionalProperties").filter(|a| a.is_object());
        self.at_least(schema.get("minProperties"), entries.len(), &names, place, field);
        if free.is_none() {
            self.respell(entries, &names, field);
        }
        let mut clean = serde_json::Map::new();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for (place, key, value) in entries.iter_mut() {
            let Some(inner) = properties.and_then(|p| p.get(key)).or(free) else { continue };
            let path = join(field, key);
            if !seen.insert(key) {
                let help = if field.is_empty() { "a second document begins with `---`" } else { "keep one of them" };
                self.find(*place, &path, "the field is given twice".to_owned(), Some(help.to_owned()));
            } else if let Some(value) = self.value(inner, value, &path) {
                clean.insert(key.clone(), value);
            }
        }
        for name in schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
            if !seen.contains(name) {
                self.find(place, &join(field, name), "the field is missing".to_owned(), None);
            }
        }
        Json::Object(clean)
    }

    /// Tells of every unknown field, and gives it the name that was meant where that is clear and not given otherwise.
    fn respell(&mut self, entries: &mut Entries, names: &[&str], field: &str) {
        let mut free: Vec<&str> =
            names.iter().copied().filter(|n| entries.iter().all(|(_, key, _)| key != n)).collect();
        for (place, key, _) in entries.iter_mut().filter(|(_, key, _)| !names.contains(&key.as_str())) {
            let near = nearest(key, free.iter().copied());
            self.unknown(*place, &join(field, key), key, near.or_else(|| nearest(key, names.iter().copied())), names);
            if let Some(near) = near.filter(|_| !is_secret(key)) {
                near.clone_into(key);
                free.retain(|name| *name != near);
            }
        }
    }

    fn unknown(&mut self, place: Place, path: &str, key: &str, near: Option<&str>, names: &[&str]) {
        if is_secret(key) && near.is_none_or(is_secret) {
            return self.inline_secret(place, path);
        }
        // Where a secret is meant to be named, a key may be the secret itself.
        if let (None, Some((parent, _))) = (near, path.rsplit_once('.').filter(|(parent, _)| is_secret(parent))) {
            return self.inline_secret(place, parent);
        }
        if key.contains(':') {
            let message = format!("a space is missing after `{}:`", short(name(key)));
            return self.find(place, path, message, None);
        }
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", list(names.iter().copied())),
        };
        self.find(place, path, format!("there is no field `{}` here", short(key)), Some(help));
    }

    fn inline_secret(&mut self, place: Place, path: &str) {
        let message = "a secret is never written into a policy file".to_owned();
        let help = "a Repository has `passwordFrom: {env: NAME}` or `passwordFrom: {file: /absolute/path}`".to_owned();
        self.find(place, path, message, Some(help));
    }
}

fn one_of(names: &[&str]) -> String {
    match names {
        [only] => format!("`{only}`"),
        _ => format!("exactly one of {}", list(names.iter().copied())),
    }
}

/// Whether the value at a path is a secret (`true`), or says where one is (`false`).
fn secret_in(field: &str) -> Option<bool> {
    let name = field.rsplit('.').next().unwrap_or(field);
    if is_secret(name) { Some(true) } else { is_secret(field).then_some(false) }
}

/// A field's path.
fn join(field: &str, key: &str) -> String {
    let key = short(name(key));
    if field.is_empty() { key } else { format!("{field}.{key}") }
}

/// The name in a key. A key holds a value, too, where the space after its `:` was forgotten; that may be a secret.
fn name(key: &str) -> &str {
    if is_secret(key) { key.split([':', '=', ' ']).next() } else { key.split(':').next() }.unwrap_or(key)
}
