//! What is said about a bucket that makes no sense.

use crate::table;
use insta::assert_snapshot;

const R2: &str = "\
apiVersion: seawall.dev/v1
kind: BackupPolicy
metadata: {name: uploads}
spec:
  source:
    bucket:
      provider: cloudflareR2
      name: files
      account: 0123456789abcdef0123456789abcdef
      tokenFrom: {env: TOKEN}
      protection: {require: [versioning, bucketLock]}
      keepAtLeast: {versions: 30, days: 30}
";

#[test]
fn buckets() {
    let said = table(
        R2,
        &[
            ("cloudflareR2", "cloudflare"),
            ("cloudflareR2", "awsS3"),
            ("name: files", "name: Files_"),
            ("name: files", "name: files\n      prefix: /uploads"),
            ("account: 0123456789abcdef0123456789abcdef", "account: me@example.com"),
            ("      account: 0123456789abcdef0123456789abcdef\n", ""),
            ("      tokenFrom: {env: TOKEN}\n", ""),
            ("tokenFrom: {env: TOKEN}", "token: hunter2"),
            ("tokenFrom: {env: TOKEN}", "tokenFrom: {env: TOKEN}\n      accessKeyIdFrom: {env: ID}"),
            ("tokenFrom: {env: TOKEN}", "tokenFrom: {env: TOKEN}\n      apiEndpoint: http://example.com"),
            ("[versioning, bucketLock]", "[versioning, versioning]"),
            ("[versioning, bucketLock]", "[]"),
            ("[versioning, bucketLock]", "[replication]"),
            ("{versions: 30, days: 30}", "{}"),
            ("{versions: 30, days: 30}", "{days: 0}"),
            ("  source:", "  repositories: [default]\n  source:"),
            ("      name: files", "      name: files\n      residency: \"the moon\""),
            ("      name: files", "      name: files\n      copy: true"),
            ("      name: files", "      name: files\n      copy: \"yes\""),
        ],
    );
    assert_snapshot!(said);
}

#[test]
fn other_providers() {
    let keys = "      accessKeyIdFrom: {env: ID}\n      secretAccessKeyFrom: {env: KEY}\n";
    let plain = R2.replace("      account: 0123456789abcdef0123456789abcdef\n      tokenFrom: {env: TOKEN}\n", keys);
    let said = table(
        &plain,
        &[
            ("cloudflareR2", "backblazeB2"),
            ("cloudflareR2", "s3Compatible"),
            ("provider: cloudflareR2", "provider: s3Compatible\n      endpoint: \"https://id:hunter2@example.com\""),
            ("provider: cloudflareR2", "provider: googleCloudStorage\n      caFile: ca.pem"),
            ("provider: cloudflareR2", "provider: awsS3\n      region: eu central"),
            (
                "provider: cloudflareR2\n      name: files\n      accessKeyIdFrom: {env: ID}",
                "provider: googleCloudStorage\n      name: files",
            ),
        ],
    );
    let lock = plain.replace("[versioning, bucketLock]", "[bucketLock]");
    assert_snapshot!(said + &table(&lock, &[("cloudflareR2", "googleCloudStorage")]));
}
