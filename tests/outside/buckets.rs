//! Buckets: every verdict once, with what it rests on. SeaweedFS is real; what no server here does is played, with the
//! shapes and traps that are known of the providers.

use crate::cloud::{Cloud, Say};
use crate::world::{TOKEN, conclude, lookout, now, policy, told};
use insta::assert_snapshot;
use seawall::status::model::Truth;
use std::fmt::Write;

const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";
const API: &str = "GET /accounts/0123456789abcdef0123456789abcdef/r2/buckets/files";
const LIST: &str = "GET /files?encoding-type=url&list-type=2&max-keys=1&prefix=";
const XMLNS: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

struct Row {
    name: &'static str,
    source: String,
    says: Vec<(String, Say)>,
}

async fn row(table: &mut String, Row { name, source, says }: Row) {
    let (cloud, directory) = (Cloud::start().await, tempfile::tempdir().unwrap());
    for (line, say) in says {
        cloud.say(&line, say);
    }
    judge(table, name, &cloud, directory.path(), &source).await;
}

pub async fn judge(table: &mut String, name: &str, cloud: &Cloud, directory: &std::path::Path, source: &str) {
    let policy = policy(cloud, directory, source, "");
    let probe = lookout().look(&policy, None, now()).await;
    let answered = probe.answered_at.is_some();
    let watched = conclude(&policy, Some(probe), now());
    assert_eq!(answered, watched.verdict.status != Truth::Unknown, "what is unknown is no success of a look: {name}");
    let word = watched.protection.as_deref().unwrap_or("-");
    let text = told(&watched).replace(&cloud.url()[7..], "HOST");
    writeln!(table, "{name} [{word}]\n{text}").unwrap();
}

fn xml(body: &str) -> Say {
    Say::Status(200, vec![("content-type", "application/xml".into())], body.into())
}

fn refused(status: u16, code: &str) -> Say {
    Say::Status(status, Vec::new(), format!("<Error><Code>{code}</Code><Message>hunter2</Message></Error>"))
}

/// An S3 server that answers as a bucket without any settings, but for what is given.
fn s3(name: &'static str, source: &str, given: Vec<(&str, Say)>) -> Row {
    let get = |query: &str| format!("GET /files?{query}=");
    let mut says = vec![
        (LIST.to_owned(), xml("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")),
        (get("versioning"), xml(&format!("<VersioningConfiguration xmlns=\"{XMLNS}\"/>"))),
        (get("object-lock"), refused(404, "ObjectLockConfigurationNotFoundError")),
        (get("lifecycle"), refused(404, "NoSuchLifecycleConfiguration")),
        (get("location"), xml("<LocationConstraint>eu-central-1</LocationConstraint>")),
        ("DELETE *".to_owned(), Say::status(204)),
    ];
    for (query, say) in given {
        let line = if query.contains(' ') { query.to_owned() } else { get(query) };
        says.retain(|(known, _)| *known != line);
        says.push((line, say));
    }
    Row { name, source: source.to_owned(), says }
}

fn versioning(status: &str) -> (&'static str, Say) {
    ("versioning", xml(&format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>")))
}

fn object_lock(retention: &str) -> (&'static str, Say) {
    let rule = format!("<Rule><DefaultRetention>{retention}</DefaultRetention></Rule>");
    let rule = if retention.is_empty() { String::new() } else { rule };
    let body = format!(
        "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>{rule}</ObjectLockConfiguration>"
    );
    ("object-lock", xml(&body))
}

fn noncurrent(rules: &[&str]) -> (&'static str, Say) {
    let rule = |text: &&str| {
        format!(
            "<Rule><ID>old</ID><Filter/><Status>Enabled</Status><NoncurrentVersionExpiration>{text}\
             </NoncurrentVersionExpiration></Rule>"
        )
    };
    let rules: String = rules.iter().map(rule).collect();
    ("lifecycle", xml(&format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>")))
}

fn source(provider: &str, more: &str) -> String {
    format!(
        "bucket: {{provider: {provider}, name: files, endpoint: URL, accessKeyIdFrom: {{file: TOKEN_FILE}}, \
         secretAccessKeyFrom: {{file: TOKEN_FILE}}{more}}}"
    )
}

async fn amazon(table: &mut String) {
    let keep = ", region: eu-central-1, keepAtLeast: {versions: 30, days: 30}";
    let aws = source("awsS3", ", region: eu-central-1");
    let kept = source("awsS3", keep);
    let both = "<NoncurrentDays>30</NoncurrentDays><NewerNoncurrentVersions>30</NewerNoncurrentVersions>";
    for played in [
        s3("aws: never versioned", &aws, vec![]),
        s3("aws: 200 and no body at all", &aws, vec![("versioning", xml(""))]),
        s3(
            "aws: a version in a header is no versioning",
            &aws,
            vec![(
                "versioning",
                Say::Status(200, vec![("x-amz-version-id", "abc".into())], "<VersioningConfiguration/>".into()),
            )],
        ),
        s3("aws: Enabled", &aws, vec![versioning("Enabled")]),
        s3("aws: enabled in small letters is not what S3 says", &aws, vec![versioning("enabled")]),
        s3("aws: Suspended", &aws, vec![versioning("Suspended")]),
        s3("aws: versioning may not be read", &aws, vec![("versioning", refused(403, "AccessDenied"))]),
        s3("aws: versioning is not implemented", &aws, vec![("versioning", refused(501, "NotImplemented"))]),
        s3(
            "aws: nothing may be read",
            &aws,
            vec![
                (LIST, refused(403, "AccessDenied")),
                ("versioning", refused(403, "AccessDenied")),
                ("object-lock", refused(403, "AccessDenied")),
                ("lifecycle", refused(403, "AccessDenied")),
                ("location", refused(403, "AccessDenied")),
                ("DELETE *", refused(403, "AccessDenied")),
            ],
        ),
        s3("aws: 30 versions and 30 days, nothing expires", &kept, vec![versioning("Enabled")]),
        s3("aws: one rule with both, which keeps the union", &kept, vec![versioning("Enabled"), noncurrent(&[both])]),
        s3("aws: days alone", &kept, vec![versioning("Enabled"), noncurrent(&["<NoncurrentDays>30</NoncurrentDays>"])]),
        s3(
            "aws: two rules, of which the shorter wins",
            &kept,
            vec![versioning("Enabled"), noncurrent(&[both, "<NoncurrentDays>7</NoncurrentDays>"])],
        ),
        s3(
            "aws: the lifecycle may not be read",
            &kept,
            vec![versioning("Enabled"), ("lifecycle", refused(403, "AccessDenied"))],
        ),
        s3("aws: object lock for 30 days", &kept, vec![object_lock("<Mode>COMPLIANCE</Mode><Days>30</Days>")]),
        s3("aws: object lock for a week", &kept, vec![object_lock("<Mode>GOVERNANCE</Mode><Days>7</Days>")]),
        s3("aws: object lock without a default", &kept, vec![object_lock("")]),
        s3(
            "aws: in the right area",
            &source("awsS3", ", region: eu-central-1, residency: eu"),
            vec![versioning("Enabled")],
        ),
        s3(
            "aws: in another one",
            &source("awsS3", ", region: eu-central-1, residency: us"),
            vec![versioning("Enabled")],
        ),
        s3(
            "aws: nobody says where",
            &source("awsS3", ", region: eu-central-1, residency: eu"),
            vec![versioning("Enabled"), ("location", refused(403, "AccessDenied"))],
        ),
        s3(
            "aws: another region than it is asked in",
            &aws,
            vec![(
                LIST,
                Say::Status(
                    301,
                    vec![("x-amz-bucket-region", "us-west-2".into())],
                    "<Error><Code>PermanentRedirect</Code></Error>".into(),
                ),
            )],
        ),
        s3("aws: an unknown key", &aws, vec![(LIST, refused(403, "InvalidAccessKeyId"))]),
        s3("aws: a wrong secret", &aws, vec![(LIST, refused(403, "SignatureDoesNotMatch"))]),
        s3("aws: a clock that is wrong", &aws, vec![(LIST, refused(403, "RequestTimeTooSkewed"))]),
        s3("aws: no bucket", &aws, vec![(LIST, refused(404, "NoSuchBucket"))]),
        s3("aws: slow down", &aws, vec![(LIST, refused(503, "SlowDown"))]),
        s3("aws: HTML of a proxy", &aws, vec![(LIST, xml("<html>log in: hunter2</html>"))]),
        s3("aws: ten megabytes", &aws, vec![(LIST, Say::Much(10 << 20))]),
    ] {
        row(table, played).await;
    }
}

async fn backblaze_and_google(table: &mut String) {
    let b2 = |more: &str| source("backblazeB2", &format!(", region: eu-central-003{more}"));
    let rule = "<Rule><Action><Delete/></Action><Condition>CONDITION</Condition></Rule>";
    let google = |condition: &str| {
        let rule = rule.replace("CONDITION", condition);
        ("lifecycle", xml(&format!("<LifecycleConfiguration>{rule}</LifecycleConfiguration>")))
    };
    let gcs = source("googleCloudStorage", ", keepAtLeast: {versions: 30, days: 30}");
    for played in [
        s3(
            "b2: days alone are its rules",
            &b2(", keepAtLeast: {days: 30}"),
            vec![versioning("Enabled"), noncurrent(&["<NoncurrentDays>30</NoncurrentDays>"])],
        ),
        s3(
            "b2: a number of versions cannot be",
            &b2(", keepAtLeast: {versions: 30, days: 30}"),
            vec![versioning("Enabled"), noncurrent(&["<NoncurrentDays>30</NoncurrentDays>"])],
        ),
        s3(
            "gcs: both conditions",
            &gcs,
            vec![
                versioning("Enabled"),
                google(
                    "<DaysSinceNoncurrentTime>30</DaysSinceNoncurrentTime><NumberOfNewerVersions>30</NumberOfNewerVersions>",
                ),
            ],
        ),
        s3(
            "gcs: age alone removes what was replaced yesterday",
            &gcs,
            vec![versioning("Enabled"), google("<Age>30</Age>")],
        ),
        s3("gcs: no object lock by this protocol", &gcs, vec![("object-lock", refused(400, "InvalidArgument"))]),
    ] {
        row(table, played).await;
    }
}

fn r2(name: &'static str, more: &str, says: Vec<(&'static str, Say)>) -> Row {
    let source = format!(
        "bucket: {{provider: cloudflareR2, name: files, account: {ACCOUNT}, apiEndpoint: URL, tokenFrom: {{file: TOKEN_FILE}}{more}}}"
    );
    let told = |result: &str| Say::json(format!(r#"{{"success":true,"errors":[],"messages":[],"result":{result}}}"#));
    let bucket = r#"{"name":"files","creation_date":"2026-01-01T00:00:00Z","jurisdiction":"eu","location":"weur","storage_class":"Standard"}"#;
    let mut all = vec![
        (API.to_owned(), told(bucket)),
        (format!("{API}/lock"), told("{}")),
        (format!("{API}/lifecycle"), told(r#"{"rules":[]}"#)),
    ];
    for (path, say) in says {
        let line = if path.contains(' ') { path.to_owned() } else { format!("{API}{path}") };
        all.retain(|(known, _)| *known != line);
        all.push((line, say));
    }
    Row { name, source, says: all }
}

fn locks(rules: &str) -> (&'static str, Say) {
    ("/lock", Say::json(format!(r#"{{"success":true,"errors":[],"messages":[],"result":{{"rules":[{rules}]}}}}"#)))
}

fn age(enabled: bool, prefix: &str, seconds: u64) -> String {
    format!(
        r#"{{"id":"keep","enabled":{enabled},"prefix":"{prefix}","condition":{{"type":"Age","maxAgeSeconds":{seconds}}}}}"#
    )
}

async fn cloudflare(table: &mut String) {
    const MONTH: u64 = 30 * 86_400;
    let keep = ", keepAtLeast: {versions: 30, days: 30}";
    let any = ", protection: {require: [versioning, bucketLock]}, keepAtLeast: {versions: 30, days: 30}";
    let keys = format!(
        ", endpoint: URL, accessKeyIdFrom: {{file: TOKEN_FILE}}, secretAccessKeyFrom: {{file: TOKEN_FILE}}{any}"
    );
    // By S3's protocol, the three ways in which R2 says nothing of versioning.
    let by_s3 = |say: Say| {
        vec![
            (LIST, xml("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")),
            ("GET /files?versioning=", say),
            ("GET /files?object-lock=", refused(501, "NotImplemented")),
            ("GET /files?lifecycle=", refused(403, "AccessDenied")),
            ("GET /files?location=", refused(403, "AccessDenied")),
            ("DELETE *", Say::status(204)),
            locks(&age(true, "", MONTH)),
        ]
    };
    let date = |date: &str| format!(r#"{{"id":"x","enabled":true,"condition":{{"type":"Date","date":"{date}"}}}}"#);
    let failed = |code: u32| {
        Say::json(format!(r#"{{"success":false,"errors":[{{"code":{code},"message":"hunter2"}}],"result":null}}"#))
    };
    let deletes = r#"{"success":true,"errors":[],"result":{"rules":[{"id":"r","enabled":true,"conditions":{"prefix":""},"deleteObjectsTransition":{"condition":{"type":"Age","maxAge":604800}}}]}}"#;
    for played in [
        r2("r2: no lock", any, vec![]),
        r2(
            "r2: versioning alone is asked for, which can never be",
            ", protection: {require: [versioning]}",
            vec![locks(&age(true, "", MONTH))],
        ),
        r2("r2: a lock of 30 days", any, vec![locks(&age(true, "", MONTH))]),
        r2("r2: a lock of a week, and 30 days are asked for", any, vec![locks(&age(true, "", 604_800))]),
        r2("r2: a lock of a week, and nothing is asked for", "", vec![locks(&age(true, "", 604_800))]),
        r2("r2: a lock that is disabled", any, vec![locks(&age(false, "", MONTH))]),
        r2(
            "r2: a lock on another prefix",
            &format!(", prefix: uploads/{keep}"),
            vec![locks(&age(true, "logs/", MONTH))],
        ),
        r2("r2: a lock on a part of the bucket, all of which matters", any, vec![locks(&age(true, "logs/", MONTH))]),
        r2(
            "r2: a lock on what matters",
            &format!(", prefix: uploads/{keep}"),
            vec![locks(&age(true, "uploads/", MONTH))],
        ),
        r2(
            "r2: the nearest miss is told",
            any,
            vec![locks(&[age(false, "", MONTH), age(true, "", 60), age(true, "x", 1)].join(","))],
        ),
        r2("r2: until a day that is near", any, vec![locks(&date("2026-12-01T00:00:00Z"))]),
        r2("r2: until a day that is far", any, vec![locks(&date("2027-01-01T00:00:00Z"))]),
        r2("r2: for ever", any, vec![locks(r#"{"id":"y","enabled":true,"condition":{"type":"Indefinite"}}"#)]),
        r2(
            "r2: a condition that nobody knows",
            any,
            vec![locks(r#"{"id":"y","enabled":true,"condition":{"type":"Moon"}}"#)],
        ),
        r2(
            "r2: a lifecycle that deletes, under a lock that lasts",
            any,
            vec![locks(&age(true, "", MONTH)), ("/lifecycle", Say::json(deletes))],
        ),
        r2(
            "r2: residency by the jurisdiction",
            ", jurisdiction: eu, residency: eu",
            vec![locks(&age(true, "", MONTH))],
        ),
        r2("r2: residency that is not met", ", residency: us", vec![locks(&age(true, "", MONTH))]),
        r2("r2: another jurisdiction than it is asked in", "", vec![("", Say::status(404))]),
        r2("r2: a token that is not accepted", "", vec![("", Say::status(401))]),
        r2("r2: a token that may not", "", vec![("/lock", Say::status(403))]),
        r2("r2: 200 and no success", "", vec![("/lock", failed(10_006))]),
        r2("r2: too many requests", "", vec![("", Say::Status(429, vec![("retry-after", "300".into())], "{}".into()))]),
        r2("r2: HTML", "", vec![("/lock", xml("<html>log in: hunter2</html>"))]),
        r2(
            "r2: by S3 with an admin's key, 200 and empty",
            &keys,
            by_s3(xml(&format!("<VersioningConfiguration xmlns=\"{XMLNS}\"></VersioningConfiguration>"))),
        ),
        r2("r2: by S3 with a scoped key, 403", &keys, by_s3(refused(403, "AccessDenied"))),
        r2("r2: by S3, 501", &keys, by_s3(refused(501, "NotImplemented"))),
        r2("r2: by S3 a literal Enabled, which R2 never says", &keys, by_s3(versioning("Enabled").1)),
    ] {
        row(table, played).await;
    }
    let mut without = r2("r2: keys and no token, so nobody knows of locks", &keys, by_s3(refused(403, "AccessDenied")));
    without.source = without.source.replace("tokenFrom: {file: TOKEN_FILE}, ", "");
    row(table, without).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verdict() {
    let mut table = String::new();
    amazon(&mut table).await;
    backblaze_and_google(&mut table).await;
    cloudflare(&mut table).await;
    crate::seaweed_buckets::judge_all(&mut table).await;
    assert_snapshot!(table);
}

#[tokio::test]
async fn cloudflare_is_asked_with_the_token_and_in_the_jurisdiction() {
    let (cloud, directory) = (Cloud::start().await, tempfile::tempdir().unwrap());
    let row = r2("", ", jurisdiction: fedramp-high", vec![]);
    for (line, say) in row.says {
        cloud.say(&line, say);
    }
    lookout().look(&policy(&cloud, directory.path(), &row.source, ""), None, now()).await;
    assert_eq!(cloud.asked().len(), 3);
    for asked in cloud.asked() {
        assert_eq!(asked.headers["authorization"], format!("Bearer {TOKEN}"));
        assert_eq!(asked.headers["cf-r2-jurisdiction"], "fedramp-high");
    }
}
