//! What a person asks of the running operator.

use super::ports::{AuditEntry, Command, Event};
use super::{Controller, requests};

impl Controller {
    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::Ask { wish, actor, reply } => {
                let desired = self.parts.views.loaded.borrow().desired.clone();
                let answer = requests::of(&wish, &desired, &self.plan);
                for request in answer.iter().flatten() {
                    let action = format!("{}.request", request.operation().as_str());
                    self.audit(&actor, &action, request.object(), String::new());
                    if !self.observed.requested.contains(request) {
                        self.observed.requested.push(request.clone());
                    }
                }
                // Whoever asked may be gone; the request stands.
                drop(reply.send(answer));
            }
            Command::Reload => self.parts.refresh.policies(),
            Command::Imported { source, repository, message, actor } => {
                self.audit(&actor, "import", format!("policy/{source}"), message.clone());
                let (at, object) = (self.parts.clock.now(), format!("policy/{source}"));
                self.tell(Event { at, warning: false, object, reason: "Imported".into(), message });
                self.parts.refresh.repository(&repository);
            }
            Command::KeyExported { repository, actor } => {
                let mut facts = (*self.observed.facts).clone();
                facts.repositories.entry(repository.clone()).or_default().key_exported = true;
                self.remember(facts);
                self.audit(&actor, "key.export", format!("repository/{repository}"), String::new());
                self.tell(Event {
                    at: self.parts.clock.now(),
                    warning: false,
                    object: format!("repository/{repository}"),
                    reason: "KeyExported".into(),
                    message: format!("{actor} took a copy of the key"),
                });
            }
        }
    }

    fn audit(&mut self, actor: &str, action: &str, object: String, detail: String) {
        let (actor, action) = (actor.to_owned(), action.to_owned());
        let at = self.parts.clock.now();
        self.entry.audit.push(AuditEntry { at, actor, action, object, result: "success".into(), detail });
    }
}
