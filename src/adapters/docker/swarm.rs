//! Swarm services: how many tasks they are to have.
//!
//! The engine takes a whole new specification of a service and nothing less. It goes back as it came, with one number
//! changed: through bollard's types, whatever they do not know would be lost from a person's service.

use super::{CALL_TIMEOUT, Docker, DockerError, transport};
use bollard::errors::Error;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{Method, Request};
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const POLL: Duration = Duration::from_millis(250);

impl Docker {
    /// How many tasks a service is to have; `None` for one that is not replicated (global, or a job).
    ///
    /// # Errors
    /// [`DockerError::NotFound`] when there is none.
    pub async fn replicas(&self, service: &str) -> Result<Option<u64>, DockerError> {
        let found = self.raw(&format!("inspect service {service}"), Method::GET, &path(service, ""), None).await?;
        Ok(found.pointer("/Spec/Mode/Replicated/Replicas").and_then(Value::as_u64))
    }

    /// Scales a replicated service, and waits until as many tasks run and no others do.
    ///
    /// # Errors
    /// [`DockerError::WrongState`] for one that is not replicated; [`DockerError::Timeout`] when the tasks do not follow in time,
    /// while the service keeps the new number.
    pub async fn scale(&self, service: &str, replicas: u64, within: Duration) -> Result<(), DockerError> {
        let what = format!("scale service {service} to {replicas}");
        let mut found = self.raw(&what, Method::GET, &path(service, ""), None).await?;
        let version = found.pointer("/Version/Index").and_then(Value::as_u64).unwrap_or_default();
        let Some(number) = found.pointer_mut("/Spec/Mode/Replicated/Replicas") else {
            let (state, message) = ("not replicated".to_owned(), "only replicated services can be scaled".to_owned());
            return Err(DockerError::WrongState { what, state, message });
        };
        *number = replicas.into();
        let update = path(service, &format!("/update?version={version}"));
        self.raw(&what, Method::POST, &update, Some(found["Spec"].to_string())).await?;
        let deadline = Instant::now() + within;
        let id = found["ID"].as_str().unwrap_or(service).to_owned();
        while self.tasks(&what, &id).await? != (replicas, 0) {
            if Instant::now() >= deadline {
                return Err(DockerError::Timeout { what, after: within });
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// How many of a service's tasks run and shall, and how many still have a process and shall not.
    async fn tasks(&self, what: &str, id: &str) -> Result<(u64, u64), DockerError> {
        let filter = encoded(&format!(r#"{{"service":["{id}"]}}"#));
        let tasks = self.raw(what, Method::GET, &format!("/tasks?filters={filter}"), None).await?;
        let (mut running, mut ending) = (0, 0);
        for task in tasks.as_array().into_iter().flatten() {
            let wanted = task["DesiredState"] == "running";
            match task.pointer("/Status/State").and_then(Value::as_str) {
                Some("running") if wanted => running += 1,
                Some("running" | "starting" | "preparing" | "ready") if !wanted => ending += 1,
                _ => {}
            }
        }
        Ok((running, ending))
    }

    /// A call that bollard's types would lose something of.
    async fn raw(&self, what: &str, method: Method, path: &str, body: Option<String>) -> Result<Value, DockerError> {
        let call = async {
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header(hyper::header::CONTENT_TYPE, "application/json")
                .body(bollard::body_full(Bytes::from(body.unwrap_or_default())))?;
            let response = transport::send(self.address.clone(), request).await?;
            let status = response.status();
            let answer = response.into_body().collect().await?.to_bytes();
            if status.is_success() {
                return Ok(serde_json::from_slice(&answer)?);
            }
            let said: Value = serde_json::from_slice(&answer).unwrap_or_default();
            let message = said["message"].as_str().unwrap_or_default().to_owned();
            Err(Error::DockerResponseServerError { status_code: status.as_u16(), message })
        };
        self.call(what, CALL_TIMEOUT, call).await
    }
}

fn path(service: &str, rest: &str) -> String {
    format!("/services/{}{rest}", encoded(service))
}

/// Percent-encoded, whatever is not plain.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
