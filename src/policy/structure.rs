//! Every structural error of a document at once: the tree against the JSON Schema of [`super::raw`].
//!
//! The schema is the single source of what fields there are; this walks the part of JSON Schema that schemars writes
//! for those types. What has an error is left out of the cleaned value, so that the rest can still be checked for sense.

use super::document::{Node, Place, Value};
use serde_json::Value as Json;

/// A finding about a place in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub place: Place,
    pub field: String,
    pub message: String,
    pub help: Option<String>,
}

/// Findings, and the value without what they are about; `None` when nothing of it is usable.
pub(super) fn check(schema: &Json, node: &Node) -> (Vec<Finding>, Option<Json>) {
    let mut walk = Walk { root: schema, findings: Vec::new() };
    let clean = walk.value(schema, node, "");
    (walk.findings, clean)
}

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

    fn value(&mut self, schema: &'a Json, node: &Node, field: &str) -> Option<Json> {
        let schema = self.resolve(schema);
        if let Some(options) = schema.get("anyOf").and_then(Json::as_array) {
            let nullable = options.iter().any(|o| o.get("type").and_then(Json::as_str) == Some("null"));
            if nullable && node.value == Value::Null {
                return None;
            }
            let real = options.iter().find(|o| o.get("type").and_then(Json::as_str) != Some("null"))?;
            return self.value(real, node, field);
        }
        if let Some(variants) = schema.get("oneOf").and_then(Json::as_array) {
            return if variants.iter().all(|v| v.get("const").is_some()) {
                let words: Vec<&str> = variants.iter().filter_map(|v| v.get("const")?.as_str()).collect();
                self.word(&words, node, field)
            } else {
                self.tagged(variants, node, field)
            };
        }
        if let Some(words) = schema.get("enum").and_then(Json::as_array) {
            let words: Vec<&str> = words.iter().filter_map(Json::as_str).collect();
            return self.word(&words, node, field);
        }
        if let Some(word) = schema.get("const").and_then(Json::as_str) {
            return self.word(&[word], node, field);
        }
        let (kind, nullable) = match schema.get("type") {
            Some(Json::Array(kinds)) => {
                let names: Vec<&str> = kinds.iter().filter_map(Json::as_str).collect();
                (names.iter().find(|k| **k != "null").copied(), names.contains(&"null"))
            }
            Some(Json::String(kind)) => (Some(kind.as_str()), false),
            _ => (None, false),
        };
        if nullable && node.value == Value::Null {
            return None;
        }
        match (kind, &node.value) {
            (Some("object"), Value::Map(entries)) => Some(self.object(schema, node, entries, field)),
            (Some("array"), Value::List(items)) => {
                let schema = schema.get("items")?;
                let each = |(i, item): (usize, &Node)| self.value(schema, item, &format!("{field}[{i}]"));
                Some(items.iter().enumerate().filter_map(each).collect())
            }
            (Some("string"), Value::Text(text)) => Some(text.as_str().into()),
            (Some("boolean"), Value::Bool(b)) => Some((*b).into()),
            (Some("integer"), Value::Integer(i)) => self.integer(schema, *i, node.place, field),
            (Some(kind), _) => {
                self.wrong_type(kind, node, field);
                None
            }
            (None, _) => Some(node.to_json()),
        }
    }

    fn integer(&mut self, schema: &Json, value: i64, place: Place, field: &str) -> Option<Json> {
        let least = schema.get("minimum").and_then(Json::as_i64).unwrap_or(0);
        let most = schema.get("maximum").and_then(Json::as_i64).unwrap_or(i64::from(u32::MAX));
        if (least..=most).contains(&value) {
            return Some(value.into());
        }
        self.find(place, field, format!("{value} is not a number from {least} to {most}"), None);
        None
    }

    fn wrong_type(&mut self, kind: &str, node: &Node, field: &str) {
        if is_secret(field) {
            return self.inline_secret(node.place, field);
        }
        let wanted = match kind {
            "object" => "a map of fields",
            "array" => "a list",
            "boolean" => "true or false",
            "integer" => "a whole number",
            _ => "text",
        };
        let found = match &node.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(b) => format!("`{b}`"),
            Value::Integer(i) => format!("the number {i}"),
            Value::Float(f) => format!("the number {f}"),
            Value::Text(t) => format!("the text `{}`", short(t)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        };
        let help = match (kind, &node.value) {
            ("string", Value::Bool(_) | Value::Integer(_) | Value::Float(_)) => Some("put it in quotes".to_owned()),
            ("array", Value::Text(t)) => Some(format!("write it as a list: [{}]", short(t))),
            ("boolean", Value::Text(_)) => Some("only the words true and false are booleans".to_owned()),
            _ => None,
        };
        self.find(node.place, field, format!("expected {wanted}, found {found}"), help);
    }

    fn word(&mut self, words: &[&str], node: &Node, field: &str) -> Option<Json> {
        let Value::Text(text) = &node.value else {
            self.wrong_type("string", node, field);
            return None;
        };
        if words.contains(&text.as_str()) {
            return Some(text.as_str().into());
        }
        let help = nearest(text, words.iter().copied()).map(|w| format!("did you mean `{w}`?"));
        self.find(node.place, field, format!("`{}` is not one of {}", short(text), list(words.iter().copied())), help);
        None
    }

    /// A map with exactly one of several keys.
    fn tagged(&mut self, variants: &'a [Json], node: &Node, field: &str) -> Option<Json> {
        let property = |v: &'a Json| v.get("properties")?.as_object()?.iter().next();
        let known: Vec<(&'a String, &'a Json)> = variants.iter().filter_map(property).collect();
        let names = || known.iter().map(|(name, _)| name.as_str());
        let Value::Map(entries) = &node.value else {
            if is_secret(field) {
                self.inline_secret(node.place, field);
            } else {
                self.find(node.place, field, format!("expected a map with one of {}", list(names())), None);
            }
            return None;
        };
        let mut clean = serde_json::Map::new();
        let mut right = 0;
        for (place, key, value) in entries {
            let path = join(field, key);
            match known.iter().find(|(name, _)| *name == key) {
                Some((name, schema)) => {
                    right += 1;
                    if let Some(value) = self.value(schema, value, &path) {
                        clean.insert((*name).clone(), value);
                    }
                }
                None => self.unknown(*place, &path, key, names()),
            }
        }
        if right != 1 {
            let found = if right == 0 { "none" } else { "several" };
            self.find(node.place, field, format!("exactly one of {} is needed, found {found}", list(names())), None);
            return None;
        }
        Some(Json::Object(clean))
    }

    fn object(&mut self, schema: &'a Json, node: &Node, entries: &[(Place, String, Node)], field: &str) -> Json {
        let empty = serde_json::Map::new();
        let properties = schema.get("properties").and_then(Json::as_object);
        let names = || properties.into_iter().flat_map(|p| p.keys().map(String::as_str));
        let rest = schema.get("additionalProperties").filter(|a| a.is_object());
        let mut clean = empty;
        let mut seen: Vec<&str> = Vec::new();
        for (place, key, value) in entries {
            let path = join(field, key);
            if seen.contains(&key.as_str()) {
                self.find(*place, &path, "the field is given twice".to_owned(), Some("keep one of them".to_owned()));
                continue;
            }
            seen.push(key);
            let Some(inner) = properties.and_then(|p| p.get(key)).or(rest) else {
                self.unknown(*place, &path, key, names());
                continue;
            };
            if let Some(value) = self.value(inner, value, &path) {
                clean.insert(key.clone(), value);
            }
        }
        for name in schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
            if !seen.contains(&name) {
                self.find(node.place, &join(field, name), "the field is missing".to_owned(), None);
            }
        }
        Json::Object(clean)
    }

    fn unknown<'n>(&mut self, place: Place, path: &str, key: &str, names: impl Iterator<Item = &'n str> + Clone) {
        if is_secret(key) && !names.clone().any(|n| nearest(key, [n].into_iter()).is_some() && !is_secret(n)) {
            return self.inline_secret(place, path);
        }
        let help = nearest(key, names.clone())
            .map(|n| format!("did you mean `{n}`?"))
            .or_else(|| Some(format!("known here: {}", list(names))));
        self.find(place, path, format!("there is no field `{}` here", short(key)), help);
    }

    fn inline_secret(&mut self, place: Place, path: &str) {
        let message = "a secret is never written into a policy file".to_owned();
        let help = "write `passwordFrom: {env: NAME}` or `passwordFrom: {file: /absolute/path}`".to_owned();
        self.find(place, path, message, Some(help));
    }
}

/// Whether a field's name says that its value is a secret, which then must not be repeated.
#[must_use]
pub fn is_secret(field: &str) -> bool {
    let name = field.rsplit('.').next().unwrap_or(field).to_ascii_lowercase();
    ["password", "passphrase", "secret", "token", "accesskey", "apikey", "credential"].iter().any(|w| name.contains(w))
}

/// The name that a person probably meant.
#[must_use]
pub fn nearest<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let lower = word.to_lowercase();
    names
        .map(|n| (strsim::damerau_levenshtein(&lower, &n.to_lowercase()), n))
        .min()
        .filter(|(distance, n)| *distance <= (n.len().max(3) / 3).max(1))
        .map(|(_, n)| n)
}

fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}

fn join(field: &str, key: &str) -> String {
    if field.is_empty() { short(key) } else { format!("{field}.{}", short(key)) }
}

/// What a person wrote, in a length that fits a message, and without what would confuse a terminal.
pub(super) fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(60).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}
