//! What a backup may take of a busy host.

use crate::{POLICY, edit, read};
use seawall::policy::{Document, Resources};

fn with(fields: &str) -> String {
    edit(POLICY, "  timeout: 2h", &format!("  resources: {{{fields}}}"))
}

fn policy(text: &str) -> std::sync::Arc<seawall::policy::Policy> {
    let parsed = read(text);
    assert_eq!(parsed.errors, [], "{text}");
    let Some(Document::Policy(policy)) = parsed.documents.into_iter().next() else { panic!("{text}") };
    policy
}

#[test]
fn they_mean_what_they_say_and_nothing_by_default() {
    let of = |fields: &str| policy(&with(fields)).backup().unwrap().resources;
    assert_eq!(policy(POLICY).backup().unwrap().resources, Resources::default());
    assert_eq!(of("cpu: normal, ioPriority: normal"), Resources::default());
    let all = Resources { read_rate: Some(50 << 20), low_cpu: true, idle_io: true };
    assert_eq!(of("readRate: 50MiB, cpu: low, ioPriority: idle"), all);
}

#[test]
fn to_leave_them_out_means_the_same_as_the_defaults_and_a_change_is_a_change() {
    let plain = policy(&edit(POLICY, "  timeout: 2h\n", ""));
    assert_eq!(policy(&with("cpu: normal")).digest, plain.digest);
    assert_ne!(policy(&with("cpu: low")).digest, plain.digest);
}

#[test]
fn what_makes_no_sense_is_told() {
    for (fields, message) in [
        ("readRate: 0MiB", "nothing would ever be read"),
        ("readRate: fast", "fast"),
        ("cpu: lowest", "lowest"),
        ("ioPriority: low", "low"),
    ] {
        let errors = read(with(fields)).errors;
        assert!(errors.len() == 1 && errors[0].message.contains(message), "{fields}: {errors:?}");
        assert!(errors[0].field.starts_with("spec.resources."), "{fields}: {errors:?}");
    }
}
