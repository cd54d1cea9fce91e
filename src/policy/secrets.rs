//! Which secrets a text names, whatever field they are for.

use super::SecretRef;
use super::document::{Node, Value, sections};

/// Every `…From: {env: NAME}` and `…From: {file: PATH}` in the documents of a text, in their order, each once.
#[must_use]
pub fn named(text: &str) -> Vec<SecretRef> {
    let mut found = Vec::new();
    for section in sections(text).unwrap_or_default() {
        if let Ok(tree) = section.tree {
            visit(&tree, &mut found);
        }
    }
    found
}

fn visit(node: &Node, found: &mut Vec<SecretRef>) {
    match &node.value {
        Value::List(nodes) => nodes.iter().for_each(|node| visit(node, found)),
        Value::Map(entries) => {
            for (_, key, node) in entries {
                let secret = key.ends_with("From").then(|| secret(node)).flatten();
                found.extend(secret.filter(|secret| !found.contains(secret)));
                visit(node, found);
            }
        }
        _ => {}
    }
}

fn secret(node: &Node) -> Option<SecretRef> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find_map(|(_, key, node)| match (key.as_str(), &node.value) {
        ("env", Value::Text(name)) => Some(SecretRef::Env(name.clone())),
        ("file", Value::Text(path)) => Some(SecretRef::File(path.into())),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_wherever_they_stand() {
        let text = "spec:\n  passwordFrom: {file: /k}\n  s3: [{keyFrom: {env: A}}]\n  other:\n    tokenFrom:\n      env: A\n---\n\
                    fileFrom: {env: B}\nfrom: {env: C}\n";
        let wanted = [SecretRef::File("/k".into()), SecretRef::Env("A".into()), SecretRef::Env("B".into())];
        assert_eq!(named(text), wanted);
        assert!(named("{").is_empty());
    }
}
