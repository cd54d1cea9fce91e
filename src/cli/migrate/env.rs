//! Environment files and variables, as Compose and docker-volume-backup read them.

use std::collections::BTreeMap;

/// Variables by name. Values may be secrets: they are asked for by name and never listed.
pub(super) type Variables = BTreeMap<String, String>;

/// The variables of a file: lines `NAME=VALUE`, with or without `export`, quotes and comments. Later ones count.
pub(super) fn parse(text: &str, outer: &Variables) -> Variables {
    let mut variables = Variables::new();
    for line in text.lines() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else { continue };
        let name = name.trim();
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        let value = value.trim();
        let value = match value.chars().next() {
            Some('\'') => value[1..].split('\'').next().unwrap_or_default().to_owned(),
            Some('"') => {
                let quoted = value[1..].split('"').next().unwrap_or_default();
                let known = |name: &str| variables.get(name).or_else(|| outer.get(name)).cloned();
                interpolate(quoted, &known)
            }
            _ => {
                let bare = value.split(" #").next().unwrap_or_default().trim_end();
                let known = |name: &str| variables.get(name).or_else(|| outer.get(name)).cloned();
                interpolate(bare, &known)
            }
        };
        variables.insert(name.to_owned(), value);
    }
    variables
}

/// `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}` by their values; `$$` is one `$`. What is not known is empty,
/// as for Compose.
pub(super) fn interpolate(text: &str, known: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let end = after.find('}').unwrap_or(after.len());
            out.push_str(&braced(&after[..end], known));
            rest = after.get(end + 1..).unwrap_or_default();
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            if end == 0 {
                out.push('$');
            }
            out.push_str(&known(&rest[..end]).unwrap_or_default());
            rest = &rest[end..];
        }
    }
    out + rest
}

fn braced(text: &str, known: &dyn Fn(&str) -> Option<String>) -> String {
    let end = text.find([':', '-', '?', '+']).unwrap_or(text.len());
    let (name, operator) = text.split_at(end);
    let value = known(name);
    match operator.split_at_checked(2) {
        Some((":-", default)) => value.filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned()),
        _ => match operator.strip_prefix('-') {
            Some(default) => value.unwrap_or_else(|| default.to_owned()),
            None => value.unwrap_or_default(),
        },
    }
}

/// A command as a shell would cut it into arguments. No variable is looked at: the command's own shell does that.
pub(super) fn arguments(command: &str) -> Vec<String> {
    let (mut all, mut current, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = command.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (letter, Some(open)) if letter == open => quote = None,
            ('\\', None | Some('"')) => current.get_or_insert_default().extend(letters.next()),
            ('\'' | '"', None) => {
                quote = Some(letter);
                current.get_or_insert_default();
            }
            (letter, None) if letter.is_whitespace() => all.extend(current.take()),
            (letter, _) => current.get_or_insert_default().push(letter),
        }
    }
    all.extend(current);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_compose_reads_them() {
        let text =
            "# c\nA=1\nexport B = two words # c\nC='$A \"x\"'\nD=\"${A}-${NIX:-d}\"\nno line\nE=\nF=a#b\n=x\nA=3\n";
        let found = parse(text, &Variables::from([("OUT".to_owned(), "o".to_owned())]));
        let all: Vec<(&str, &str)> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(all, [("A", "3"), ("B", "two words"), ("C", "$A \"x\""), ("D", "1-d"), ("E", ""), ("F", "a#b")]);
    }

    #[test]
    fn variables_stand_for_their_values() {
        let known = |name: &str| (name == "A").then(|| "1".to_owned());
        for (text, value) in
            [("$A${A}x", "11x"), ("$$A", "$A"), ("${B:-b}${B-c}${B}", "bc"), ("a$", "a$"), ("${A", "1"), ("$B!", "!")]
        {
            assert_eq!(interpolate(text, &known), value, "{text}");
        }
    }

    #[test]
    fn commands_are_cut_as_a_shell_cuts_them() {
        assert_eq!(arguments("/bin/sh -c 'dump $X > \"/tmp/a b\"'"), ["/bin/sh", "-c", "dump $X > \"/tmp/a b\""]);
        assert_eq!(arguments(r#"a "b \"c" d\ e ''"#), ["a", "b \"c", "d e", ""]);
        assert!(arguments("  ").is_empty());
    }
}
