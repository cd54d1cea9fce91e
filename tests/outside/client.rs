//! The client: what is tried again and how often, what is not, and what it gives away.

use crate::cloud::{Cloud, Say};
use crate::world::TOKEN;
use seawall::adapters::http_client::{HttpClient, HttpError, Limits, Patience, Reach, Request, Response};
use std::sync::Arc;
use std::time::Duration;

fn client() -> HttpClient {
    let millis = Duration::from_millis;
    let patience = Patience { connect: millis(500), attempt: millis(500), pause: millis(1), attempts: 3 };
    HttpClient::new(&Reach::default(), patience, Arc::default()).unwrap()
}

async fn ask(client: &HttpClient, cloud: &Cloud) -> Result<Response, HttpError> {
    client.send(&Request::get(format!("{}/x?q=hunter2", cloud.url())).bearer(TOKEN)).await
}

const LINE: &str = "GET /x?q=hunter2";

#[tokio::test]
async fn what_may_pass_is_tried_three_times_and_what_will_not_once() {
    for (say, times) in [
        (Say::status(200), 1),
        (Say::status(401), 1),
        (Say::status(403), 1),
        (Say::status(404), 1),
        (Say::status(501), 1),
        (Say::status(500), 3),
        (Say::status(503), 3),
        (Say::Half("{"), 3),
        (Say::Hang, 3),
        (Say::Much(2 << 20), 1),
        (Say::Status(429, vec![("retry-after", "300".into())], String::new()), 1),
        (Say::Status(503, vec![("retry-after", "300".into())], String::new()), 1),
        (Say::Status(307, vec![("location", "http://elsewhere.example/".into())], String::new()), 1),
        (Say::Status(301, vec![("location", "/y".into())], String::new()), 1),
    ] {
        let cloud = Cloud::start().await;
        cloud.say(LINE, say.clone());
        let answer = ask(&client(), &cloud).await;
        assert_eq!(cloud.count(LINE), times, "{say:?}");
        assert_eq!(cloud.asked().len(), times, "nothing else is asked: {say:?}");
        assert!(!format!("{answer:?}").contains("hunter2"), "{answer:?}");
        assert!(!answer.is_err_and(|error| error.to_string().contains("hunter2")));
    }
}

#[tokio::test]
async fn trouble_that_passes_is_not_seen() {
    let cloud = Cloud::start().await;
    cloud.then(LINE, vec![Say::status(502), Say::Half("{"), Say::json("[]")]);
    assert_eq!(ask(&client(), &cloud).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_server_that_wants_to_be_left_alone_is_by_everybody() {
    let cloud = Cloud::start().await;
    let headers = vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", "60".to_owned())];
    cloud.say(LINE, Say::Status(200, headers, "{}".into()));
    let limits = Arc::new(Limits::default());
    let of = || HttpClient::new(&Reach::default(), Patience::default(), Arc::clone(&limits)).unwrap();
    assert_eq!(ask(&of(), &cloud).await.unwrap().status, 200, "the last request that is free is answered");
    let error = ask(&of(), &cloud).await.unwrap_err();
    assert!(matches!(error, HttpError::LimitReached(..)), "{error}");
    assert_eq!(cloud.count(LINE), 1, "the second client did not ask");
    let other = Cloud::start().await;
    other.say(LINE, Say::status(200));
    assert_eq!(ask(&of(), &other).await.unwrap().status, 200, "another server is no concern of it");
}

#[tokio::test]
async fn plain_http_stays_on_this_host() {
    for url in ["http://192.0.2.1/x", "http://example.com/x", "ftp://127.0.0.1/x", "x", ""] {
        let error = client().send(&Request::get(url.into()).bearer(TOKEN)).await.unwrap_err();
        assert!(matches!(error, HttpError::Plain(_) | HttpError::Url), "{url}: {error}");
    }
}

#[test]
fn no_token_shows_where_a_request_is_printed() {
    let request = Request::get("https://example.com/".into()).bearer(TOKEN).header("project-access-token", TOKEN);
    assert!(!format!("{request:?}").contains("hunter2"), "{request:?}");
}
