//! How a database writes, sorts and tells letters: what a new one has to be told so that it is like another one.
//!
//! Providers: `libc` everywhere, `icu` from PostgreSQL 15 on, `builtin` from 17 on. A new database takes after `template0`
//! where it is told nothing, so the provider is always said.

use super::ask::literal;
use super::error::PostgresError;
use serde::{Deserialize, Serialize};

/// The oldest versions that know of providers at all, of rules of ICU, and of the provider `builtin`.
const PROVIDERS: u32 = 15;
const RULES: u32 = 16;
const BUILTIN: u32 = 17;

/// A `SELECT`'s columns of these facts, of a row `d` of `pg_database`, as arguments of `json_build_object`. The columns
/// differ between versions, and have another name in one of them.
pub(super) const FACTS: &str =
    "'encoding', pg_encoding_to_char(d.encoding), 'collate', d.datcollate, 'ctype', d.datctype,
    'provider', coalesce(row_to_json(d)->>'datlocprovider', 'c'),
    'locale', coalesce(row_to_json(d)->>'datlocale', row_to_json(d)->>'daticulocale'),
    'rules', row_to_json(d)->>'daticurules'";

/// What a database was told when it was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_field_names, reason = "PostgreSQL's own word")]
pub struct Locale {
    /// Its encoding.
    pub encoding: String,
    /// How it sorts, to the C library.
    pub collate: String,
    /// What its letters are, to the C library.
    pub ctype: String,
    /// Who sorts: `c` the C library, `i` ICU, `b` PostgreSQL itself; empty: a snapshot from before that was asked for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub provider: String,
    /// The provider's own name for it, where it is not the C library.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// ICU's rules beside the locale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<String>,
}

impl Locale {
    /// Options of `CREATE DATABASE` on a server of this major version; none where nothing is known.
    ///
    /// # Errors
    /// The server's version has no such databases.
    pub fn options(&self, major: u32) -> Result<String, PostgresError> {
        if self.encoding.is_empty() {
            return Ok(String::new());
        }
        let options = format!(
            "ENCODING {} LC_COLLATE {} LC_CTYPE {}",
            literal(&self.encoding),
            literal(&self.collate),
            literal(&self.ctype)
        );
        let (needs, provider, field) = match (self.provider.as_str(), &self.rules) {
            ("i", None) => (PROVIDERS, "icu", "ICU_LOCALE"),
            ("i", Some(_)) => (RULES, "icu", "ICU_LOCALE"),
            ("b", _) => (BUILTIN, "builtin", "BUILTIN_LOCALE"),
            _ if major < PROVIDERS => return Ok(options),
            _ => return Ok(options + " LOCALE_PROVIDER libc"),
        };
        let name = self.locale.as_deref().unwrap_or_default();
        if major < needs {
            return Err(PostgresError::refused(format!(
                "The database sorts by `{name}` of the provider {provider}, which needs PostgreSQL {needs} and the server is \
                 {major}: restore to a newer server, or make an empty database that may sort otherwise and name it by \
                 `--to-database`"
            )));
        }
        let rules = self.rules.as_ref().map_or_else(String::new, |rules| format!(" ICU_RULES {}", literal(rules)));
        Ok(format!("{options} LOCALE_PROVIDER {provider} {field} {}{rules}", literal(name)))
    }

    /// The same encoding, sorted by bytes: what every server can do.
    #[must_use]
    pub fn by_bytes(&self) -> Self {
        let c = || "C".to_owned();
        Self { encoding: self.encoding.clone(), collate: c(), ctype: c(), provider: "c".to_owned(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_version_is_told() {
        let libc = Locale {
            encoding: "UTF8".into(),
            collate: "de_DE.UTF-8".into(),
            ctype: "C".into(),
            provider: "c".into(),
            ..Locale::default()
        };
        let icu = Locale { provider: "i".into(), locale: Some("de-u-kn".into()), ..libc.clone() };
        let ruled = Locale { rules: Some("&a < 'b'".into()), ..icu.clone() };
        let builtin = Locale { provider: "b".into(), locale: Some("C.UTF-8".into()), ..libc.clone() };
        let plain = "ENCODING E'UTF8' LC_COLLATE E'de_DE.UTF-8' LC_CTYPE E'C'";
        for (locale, major, wanted) in [
            (&libc, 14, Some("")),
            (&libc, 15, Some(" LOCALE_PROVIDER libc")),
            (&icu, 14, None),
            (&icu, 15, Some(" LOCALE_PROVIDER icu ICU_LOCALE E'de-u-kn'")),
            (&ruled, 15, None),
            (&ruled, 16, Some(" LOCALE_PROVIDER icu ICU_LOCALE E'de-u-kn' ICU_RULES E'&a < ''b'''")),
            (&builtin, 16, None),
            (&builtin, 17, Some(" LOCALE_PROVIDER builtin BUILTIN_LOCALE E'C.UTF-8'")),
        ] {
            let said = locale.options(major).ok();
            assert_eq!(said, wanted.map(|wanted| format!("{plain}{wanted}")), "{locale:?} {major}");
        }
        assert_eq!(Locale::default().options(15).unwrap(), "");
        // A snapshot from before providers were asked for.
        let old: Locale = serde_json::from_str(r#"{"encoding": "UTF8", "collate": "C", "ctype": "C"}"#).unwrap();
        assert!(old.options(15).unwrap().ends_with("LOCALE_PROVIDER libc"));
    }
}
