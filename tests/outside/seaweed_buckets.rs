//! The part of the table of buckets that a real server gives.

use crate::buckets::judge;
use crate::cloud::Cloud;
use crate::seaweed::{ADMIN, READER, Seaweed};

const GOOGLE: &str = ", provider: googleCloudStorage";
const GOOGLE_VERSIONS: &str = ", provider: googleCloudStorage, protection: {require: [versioning]}";

pub async fn judge_all(table: &mut String) {
    let server = tokio::task::spawn_blocking(Seaweed::start).await.unwrap();
    let enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    for bucket in ["never", "enabled", "suspended", "denied", "short", "held"] {
        server.set("PUT", &format!("/{bucket}"), "");
    }
    for bucket in ["enabled", "suspended", "short"] {
        server.set("PUT", &format!("/{bucket}?versioning="), enabled);
    }
    server.set("PUT", "/suspended?versioning=", &enabled.replace("Enabled", "Suspended"));
    let rule = "<LifecycleConfiguration><Rule><ID>old</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status>\
                <NoncurrentVersionExpiration><NoncurrentDays>7</NoncurrentDays></NoncurrentVersionExpiration></Rule>\
                </LifecycleConfiguration>";
    server.set("PUT", "/short?lifecycle=", rule);
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":["s3:GetBucketVersioning","s3:GetBucketObjectLockConfiguration"],"Resource":["arn:aws:s3:::denied","arn:aws:s3:::denied/*"]}]}"#;
    server.set("PUT", "/denied?policy=", deny);
    let (status, said) = server.ask_with("PUT", "/locked", "", &["x-amz-bucket-object-lock-enabled: true"]);
    assert_eq!(status, 200, "{said}");
    let lock = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>\
                <Mode>COMPLIANCE</Mode><Days>30</Days></DefaultRetention></Rule></ObjectLockConfiguration>";
    server.set("PUT", "/locked?object-lock=", lock);

    let (cloud, directory) = (Cloud::start().await, tempfile::tempdir().unwrap());
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (admin, reader) = (
        (file("admin", ADMIN.0), file("admin.key", ADMIN.1)),
        (file("reader", READER.0), file("reader.key", READER.1)),
    );
    let wrong = (file("reader", READER.0), file("wrong.key", "hunter2"));
    let nobody = (file("nobody", "nobody"), file("nobody.key", "hunter2"));
    for (name, bucket, (id, secret), more) in [
        ("seaweedfs: never", "never", &reader, ""),
        // What Google's bucket lock protects is not told by this protocol.
        ("seaweedfs as google: never", "never", &reader, GOOGLE),
        ("seaweedfs as google: never, where versions are asked for", "never", &reader, GOOGLE_VERSIONS),
        ("seaweedfs as google: enabled", "enabled", &reader, GOOGLE),
        ("seaweedfs: enabled", "enabled", &reader, ""),
        ("seaweedfs: enabled, with keys that may delete", "enabled", &admin, ""),
        ("seaweedfs: suspended", "suspended", &reader, ""),
        ("seaweedfs: older versions go after a week", "short", &reader, ", keepAtLeast: {days: 30}"),
        ("seaweedfs: locked", "locked", &reader, ", protection: {require: [objectLock]}, keepAtLeast: {days: 30}"),
        (
            "seaweedfs: locked for less than is asked for",
            "locked",
            &reader,
            ", protection: {require: [objectLock]}, keepAtLeast: {days: 60}",
        ),
        ("seaweedfs: a policy that denies", "denied", &reader, ""),
        ("seaweedfs: no bucket", "nowhere", &reader, ""),
        ("seaweedfs: a wrong secret", "never", &wrong, ""),
        ("seaweedfs: an unknown key", "never", &nobody, ""),
    ] {
        let source = format!(
            "bucket: {{name: {bucket}, endpoint: \"{}\", accessKeyIdFrom: {{file: {id}}}, \
             secretAccessKeyFrom: {{file: {secret}}}{more}{}}}",
            server.url(),
            if more.contains("provider:") { "" } else { ", provider: s3Compatible" }
        );
        let mut said = String::new();
        judge(&mut said, name, &cloud, directory.path(), &source).await;
        *table += &said.replace(&server.url()[7..], "HOST");
    }
    // What was asked has left nothing behind, not even a marker.
    for bucket in ["never", "enabled", "suspended"] {
        let (status, listed) = server.ask("GET", &format!("/{bucket}?versions="), "");
        assert_eq!(status, 200);
        assert!(!listed.contains("seawall") && !listed.contains("DeleteMarker>"), "{listed}");
    }
}
