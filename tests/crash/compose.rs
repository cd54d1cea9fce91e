//! Compose's order: what depends on others goes first and comes last, and what it needs healthy is healthy by then.

use crate::host::{Host, text};

/// A service of the project `shop`, as Compose labels its containers.
fn service(host: &Host, name: &str, depends_on: &str, args: &[&str], command: &str) -> String {
    let labels = [
        "--label=com.docker.compose.project=shop".to_owned(),
        format!("--label=com.docker.compose.service={name}"),
        "--label=com.docker.compose.container-number=1".to_owned(),
        format!("--label=com.docker.compose.depends_on={depends_on}"),
    ];
    let all: Vec<&str> = labels.iter().map(String::as_str).chain(args.iter().copied()).collect();
    host.app_with(&all, &["sh", "-c", command])
}

/// Every start and every end of a container is a line in the volume, written by itself.
fn told(name: &str, ready: &str) -> String {
    format!(
        "echo {name} begins >>/data/order; trap 'echo {name} ends >>/data/order; exit 0' TERM\n{ready}\n\
         while :; do /bin/busybox sleep 0.1; done"
    )
}

fn order(host: &Host) -> Vec<String> {
    let file = host.engine.mountpoint(&host.volume).join("order");
    std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// The names sort the other way round, so that no order comes by chance.
#[test]
fn dependents_stop_first_and_start_when_what_they_need_is_healthy() {
    let host = Host::new();
    // Is well a while after its start, and says so; the mark is in the container, and gone with every start.
    let slow = "/bin/busybox rm -f /well; (/bin/busybox sleep 2; : >/well; echo a-db is well >>/data/order) &";
    let health = ["--health-cmd=test -e /well", "--health-interval=1s", "--health-retries=30"];
    let db = service(&host, "a-db", "", &health, &told("a-db", slow));
    host.until("it is healthy", || {
        host.engine.docker(&["inspect", "--format={{.State.Health.Status}}", &db]) == "healthy"
    });
    let app = service(&host, "b-app", "a-db:service_healthy:true", &[], &told("b-app", ":"));
    let web =
        service(&host, "c-web", "b-app:service_started:false,a-db:service_healthy:false", &[], &told("c-web", ":"));
    host.until("all have begun", || order(&host).len() == 4);
    host.policy("p", "mode: stop, timeout: 30s", false);
    let output = host.backup("p");
    assert!(output.status.success(), "{}", text(&output));
    host.until("all have begun again", || order(&host).len() == 11);
    let wanted =
        ["c-web ends", "b-app ends", "a-db ends", "a-db begins", "a-db is well", "b-app begins", "c-web begins"];
    assert_eq!(order(&host)[4..], wanted);
    for container in [&db, &app, &web] {
        assert_eq!(host.status(container), "running");
    }
}

#[test]
fn what_does_not_become_healthy_is_reported_and_holds_nothing_up() {
    let host = Host::new();
    let sick = ["--health-cmd=false", "--health-interval=1s", "--health-retries=1"];
    let db = service(&host, "a-db", "", &sick, &told("a-db", ":"));
    let app = service(&host, "b-app", "a-db:service_healthy:true", &[], &told("b-app", ":"));
    host.policy("p", "mode: stop, timeout: 3s", false);
    let output = host.backup("p");
    assert!(output.status.success(), "the snapshot is as good as any: {}", text(&output));
    assert_eq!((host.status(&db), host.status(&app)), ("running".to_owned(), "running".to_owned()));
    let warned = host.get(&["get", "runs"])[0]["warnings"].to_string();
    assert!(warned.contains(&db) && warned.contains("unhealthy"), "{warned}");
}
