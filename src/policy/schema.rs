//! The JSON Schemas (2020-12) of the documents, from the types and comments of [`super::raw`].

use super::{Kind, raw};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value as Json};
use std::sync::OnceLock;

/// The JSON Schema (2020-12) of a kind of document.
#[must_use]
pub fn schema(kind: Kind) -> Json {
    of(kind).clone()
}

pub(super) fn of(kind: Kind) -> &'static Json {
    static SCHEMAS: OnceLock<[Json; 2]> = OnceLock::new();
    let [policy, repository] = SCHEMAS.get_or_init(|| {
        let generate = || SchemaSettings::draft2020_12().into_generator();
        [
            finish(generate().into_root_schema_for::<raw::BackupPolicy>().to_value(), Kind::BackupPolicy),
            finish(generate().into_root_schema_for::<raw::RepositoryDocument>().to_value(), Kind::Repository),
        ]
    });
    match kind {
        Kind::BackupPolicy => policy,
        Kind::Repository => repository,
    }
}

fn finish(mut schema: Json, kind: Kind) -> Json {
    plain(&mut schema);
    let mut finished = Map::new();
    let id = format!("https://seawall.dev/schema/{}.v1.schema.json", kind.as_str().to_lowercase());
    finished.insert("$schema".to_owned(), schema["$schema"].clone());
    finished.insert("$id".to_owned(), id.into());
    finished.insert("title".to_owned(), kind.as_str().into());
    if let Json::Object(rest) = schema {
        finished.extend(rest.into_iter().filter(|(key, _)| key != "$schema" && key != "title"));
    }
    Json::Object(finished)
}

/// Takes out what comes from Rust and not from the format: that `Option` may be null (a field without a value is a
/// mistake, not an absent field), defaults of types, widths of integers, line breaks of comments.
fn plain(schema: &mut Json) {
    match schema {
        Json::Array(items) => items.iter_mut().for_each(plain),
        Json::Object(map) => {
            if let Some(Json::Array(kinds)) = map.get_mut("type") {
                kinds.retain(|kind| kind != "null");
                if let [only] = kinds.as_slice() {
                    let only = only.clone();
                    map.insert("type".to_owned(), only);
                }
            }
            if let Some(Json::Array(options)) = map.get_mut("anyOf") {
                options.retain(|option| option.get("type").is_none_or(|kind| kind != "null"));
                if let [Json::Object(only)] = options.as_slice() {
                    let only = only.clone();
                    map.remove("anyOf");
                    only.into_iter().for_each(|(key, value)| {
                        map.entry(key).or_insert(value);
                    });
                }
            }
            map.retain(|key, value| key != "format" && (key != "default" || !value.is_object()));
            if let Some(Json::String(text)) = map.get_mut("description") {
                *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            map.values_mut().for_each(plain);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::structure::KEYWORDS;
    use super::*;

    /// Keywords of a schema, apart from names of properties and definitions.
    fn keywords(schema: &Json, found: &mut Vec<String>) {
        match schema {
            Json::Array(items) => items.iter().for_each(|item| keywords(item, found)),
            Json::Object(map) => {
                for (key, value) in map {
                    found.push(key.clone());
                    match (key.as_str(), value) {
                        ("properties" | "$defs", Json::Object(named)) => {
                            named.values().for_each(|value| keywords(value, found));
                        }
                        // What these add is said of maps as a whole, which `validate` looks at.
                        ("if" | "else" | "anyOf", _) => {}
                        (_, value) => keywords(value, found),
                    }
                }
            }
            _ => {}
        }
    }

    #[test]
    fn the_walk_understands_every_keyword() {
        for kind in [Kind::BackupPolicy, Kind::Repository] {
            let mut found = Vec::new();
            keywords(of(kind), &mut found);
            found.retain(|word| word != "oneOf" && !KEYWORDS.iter().any(|known| known.contains(&word.as_str())));
            assert_eq!(found, Vec::<String>::new(), "{kind:?}");
        }
    }

    #[test]
    fn nothing_may_be_null_and_texts_are_one_line() {
        let text = serde_json::to_string(&[of(Kind::BackupPolicy), of(Kind::Repository)]).unwrap();
        assert!(!text.contains("null") && !text.contains("\\n"), "{text}");
    }
}
