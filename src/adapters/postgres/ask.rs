//! Questions to a server, by `psql`.

use super::address::Address;
use super::child::Start;
use super::client::Programs;
use super::error::PostgresError;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

/// Answers as they are, and nothing of what a person has set for himself.
const OPTIONS: [&str; 7] = [
    "--no-psqlrc",
    "--quiet",
    "--no-align",
    "--tuples-only",
    "--no-password",
    "--set=ON_ERROR_STOP=1",
    "--set=VERBOSITY=terse",
];

/// Who asks a server.
#[derive(Debug, Clone)]
pub struct Asker {
    /// Of one version.
    pub programs: Programs,
    /// Which server, and which of its databases.
    pub address: Address,
    /// Ends a question.
    pub cancel: CancellationToken,
}

impl Asker {
    /// The same, of another database.
    #[must_use]
    pub fn of(&self, database: &str) -> Self {
        Self { address: self.address.with_database(database), ..self.clone() }
    }

    /// Has statements carried out, one after the other until one fails; what the last ones answered, as text.
    ///
    /// # Errors
    /// There is no connection, or a statement failed.
    pub fn run(&self, statements: &str) -> Result<String, PostgresError> {
        let program = self.programs.path("psql");
        let start = Start { program: &program, address: Some(&self.address), user: None, cancel: &self.cancel };
        let mut arguments = OPTIONS.to_vec();
        arguments.push("--file=-");
        let said = start.answer(arguments, statements)?;
        Ok(said.trim_end_matches('\n').to_owned())
    }

    /// Asks for one value, by a `SELECT` that a person wrote: it cannot be anything else.
    ///
    /// # Errors
    /// As [`Asker::run`].
    pub fn value(&self, select: &str) -> Result<String, PostgresError> {
        let program = self.programs.path("psql");
        let start = Start { program: &program, address: Some(&self.address), user: None, cancel: &self.cancel };
        let command = format!("--command=SELECT (\n{}\n)", select.trim_end_matches([';', ' ', '\n']));
        let mut arguments = OPTIONS.to_vec();
        arguments.push(&command);
        Ok(start.answer(arguments, "")?.trim_end_matches('\n').to_owned())
    }

    /// Asks for one value of JSON.
    ///
    /// # Errors
    /// As [`Asker::run`], or the answer is something else.
    pub fn json<T: DeserializeOwned>(&self, statements: &str) -> Result<T, PostgresError> {
        let said = self.run(statements)?;
        serde_json::from_str(&said)
            .map_err(|error| PostgresError::server(format!("The server's answer makes no sense: {error}")))
    }
}

/// A name in a statement, whatever is in it.
#[must_use]
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in a statement, whatever is in it. Backslashes mean nothing there, whatever the server's settings.
#[must_use]
pub fn literal(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('\'', "''");
    format!("E'{escaped}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_name_stays_in_it() {
        assert_eq!(identifier("a\"; DROP"), "\"a\"\"; DROP\"");
        assert_eq!(literal("a'; \\x"), "E'a''; \\\\x'");
    }
}
