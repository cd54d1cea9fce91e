//! The APIs of those who run databases for others: what they say of the backups that they make.

mod answer;
mod neon;
mod railway;
mod supabase;

use super::http_client::HttpClient;
use super::key::Secret;
use crate::policy::{DatabaseProvider, ManagedDatabase};
use crate::reconcile::watch::Trouble;
use crate::reconcile::watch::database::DatabaseAnswer;
use jiff::Timestamp;

pub use answer::trouble;
pub(super) use answer::{decode, refusal, unexpected};

/// Asks the provider of a database for its backups.
///
/// # Errors
/// There is no answer that tells: no permission, no connection, too many requests, or something else than was expected.
pub async fn look(
    database: &ManagedDatabase,
    client: &HttpClient,
    token: &Secret,
    now: Timestamp,
) -> Result<DatabaseAnswer, Trouble> {
    let asked = Asked { database, client, token, now };
    match database.provider {
        DatabaseProvider::Supabase => supabase::look(asked).await,
        DatabaseProvider::Neon => neon::look(asked).await,
        DatabaseProvider::Railway => railway::look(asked).await,
    }
}

/// What an adapter has to ask with.
#[derive(Clone, Copy)]
struct Asked<'a> {
    database: &'a ManagedDatabase,
    client: &'a HttpClient,
    token: &'a Secret,
    now: Timestamp,
}

impl Asked<'_> {
    fn url(&self, base: &str, path: &str) -> String {
        format!("{}{path}", self.database.access.endpoint.as_deref().unwrap_or(base))
    }
}

/// An instant as providers write it: RFC 3339, sometimes with a space in the middle or without an offset (then UTC).
fn instant(text: &str) -> Option<Timestamp> {
    let text = text.trim().replacen(' ', "T", 1);
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let local: jiff::civil::DateTime = text.parse().ok()?;
    local.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|at| at.timestamp())
}

#[cfg(test)]
mod tests {
    use super::instant;

    #[test]
    fn instants_as_providers_write_them() {
        let right = "2026-11-22T04:00:00Z".parse().ok();
        let ways =
            ["2026-11-22T04:00:00Z", "2026-11-22 04:00:00+00", "2026-11-22T05:00:00.000+01:00", "2026-11-22T04:00:00"];
        for text in ways {
            assert_eq!(instant(text), right, "{text}");
        }
        assert_eq!(instant("yesterday"), None);
    }
}
