//! Where archives are kept, as repositories beside them.

use super::compose::{Project, Service};
use super::env::Variables;
use super::offen::{Converted, checked};
use super::write::{Document, Lines, name, quoted};

/// The directory of this host that archives are kept in.
pub(super) fn local(
    variables: &Variables,
    project: &Project,
    backup: &Service,
    into: &mut Converted,
    remarks: &mut Vec<String>,
) -> Option<(String, &'static str)> {
    let archive = variables.get("BACKUP_ARCHIVE").map_or("/archive", String::as_str).trim_end_matches('/');
    let mount = backup.mounts.iter().find(|mount| mount.to == archive)?;
    if !mount.is_path() {
        remarks.push(format!(
            "archives go into the volume {}: snapshots go to `repository/` in Seawall's state directory, until a \
             `Repository` names a better disk",
            project.volume(&mount.from)
        ));
        return None;
    }
    let Some(path) = project.path(mount) else {
        remarks.push(format!("archives go to {}, whose `~` is not known here: write a `Repository`", mount.from));
        return None;
    };
    let path = quoted(&path.join("seawall").display().to_string());
    let from = format!("mount {}:{}", mount.from, mount.to);
    Some((add("archive", &from, &[format!("local: {{path: {path}}}")], project, into, remarks), "BACKUP_ARCHIVE"))
}

/// The bucket that archives are sent to; `alone`: and nowhere else.
pub(super) fn bucket(
    variables: &Variables,
    project: &Project,
    alone: bool,
    into: &mut Converted,
    remarks: &mut Vec<String>,
) -> Option<(String, &'static str)> {
    let get = |name: &str| variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let bucket = get("AWS_S3_BUCKET_NAME")?;
    let scheme = get("AWS_ENDPOINT_PROTO").unwrap_or("https");
    let endpoint = format!("{scheme}://{}", get("AWS_ENDPOINT").unwrap_or("s3.amazonaws.com"));
    let prefix = get("AWS_S3_PATH").map(|path| path.trim_matches('/')).filter(|path| !path.is_empty());
    let prefix = prefix.map_or_else(|| "seawall".to_owned(), |path| format!("{path}/seawall"));
    let mut lines = vec![
        "s3:".to_owned(),
        format!("  endpoint: {}", quoted(&endpoint)),
        format!("  bucket: {}", quoted(bucket)),
        format!("  prefix: {}", quoted(&prefix)),
    ];
    // The value stands in what was read, and nowhere in what is written.
    for (variable, field) in
        [("AWS_ACCESS_KEY_ID", "accessKeyIdFrom"), ("AWS_SECRET_ACCESS_KEY", "secretAccessKeyFrom")]
    {
        lines.push(match get(&format!("{variable}_FILE")) {
            Some(file) => format!("  {field}: {{file: {}}}", quoted(file)),
            None => format!("  {field}: {{env: {variable}}}"),
        });
        remarks.push(format!("{variable} has to be where Seawall's own process reads it: see `{field}`"));
    }
    match get("AWS_ENDPOINT_CA_CERT") {
        Some(file) if file.starts_with('/') => lines.push(format!("  caFile: {}", quoted(file))),
        Some(_) => remarks.push("AWS_ENDPOINT_CA_CERT is a certificate: write it to a file for `caFile`".to_owned()),
        None => {}
    }
    if scheme == "http" {
        lines.push("  allowHttp: true".to_owned());
    }
    remarks.push(format!(
        "`region` of the bucket {bucket} is not known to docker-volume-backup: write it where it is not us-east-1"
    ));
    if alone {
        let why = "with a bucket alone, containers stand still for as long as the upload takes: name a repository on this host \
                   first, as in `repositories: [default, bucket]`";
        remarks.push(why.to_owned());
    }
    Some((add("bucket", "its variables AWS_…", &lines, project, into, remarks), "AWS_S3_BUCKET_NAME"))
}

/// The name of the repository, which is the one that is there where it is the same.
fn add(
    wanted: &str,
    from: &str,
    spec: &[String],
    project: &Project,
    into: &mut Converted,
    remarks: &mut Vec<String>,
) -> String {
    let mut body = Lines::default();
    body.line(0, "spec:", "");
    for line in spec {
        body.line(1, line, "");
    }
    let body = body.into_text();
    if let Some(known) = into.documents.iter().find(|document| document.text.ends_with(&body)) {
        return known.name.clone();
    }
    let name = name(wanted, &mut into.taken);
    let mut lines = Lines::default();
    lines.remark(&format!(
        "From {}: {from}; beside the archives, which stay as they are: see `seawall import`",
        project.file.display()
    ));
    lines.line(0, "apiVersion: seawall.dev/v1", "");
    lines.line(0, "kind: Repository", "");
    lines.line(0, &format!("metadata: {{name: {name}}}"), "");
    into.documents.push(checked(Document { name: name.clone(), text: lines.into_text() + &body }, remarks));
    name
}
