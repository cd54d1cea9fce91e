//! Lifecycle rules in Amazon's form, which most have, and in Google's.

use crate::policy::BucketProvider;
use crate::reconcile::watch::expiry::{Expiry, Removes};
use serde::Deserialize;

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct LifecycleConfiguration {
    rule: Vec<Rule>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Rule {
    #[serde(rename = "ID")]
    id: String,
    status: String,
    prefix: Option<String>,
    filter: Option<Filter>,
    expiration: Option<Expiration>,
    noncurrent_version_expiration: Option<Noncurrent>,
    action: Option<Action>,
    condition: Condition,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Filter {
    prefix: Option<String>,
    and: Option<And>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct And {
    prefix: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Expiration {
    days: Option<u32>,
    date: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Noncurrent {
    noncurrent_days: u32,
    newer_noncurrent_versions: u32,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Action {
    delete: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Condition {
    age: Option<u32>,
    is_live: Option<bool>,
    number_of_newer_versions: Option<u32>,
    days_since_noncurrent_time: Option<u32>,
    matches_prefix: Vec<String>,
}

/// What of the rules removes something.
pub(super) fn rules(configuration: &LifecycleConfiguration, provider: BucketProvider) -> Vec<Expiry> {
    let google = provider == BucketProvider::GoogleCloudStorage;
    let rules = configuration.rule.iter().enumerate();
    rules.flat_map(|(nth, rule)| if google { googles(nth, rule) } else { amazons(nth, rule) }).collect()
}

fn name(id: &str, nth: usize) -> String {
    let id: String = id.chars().filter(|c| !c.is_control()).take(64).collect();
    if id.is_empty() { format!("number {}", nth + 1) } else { format!("`{id}`") }
}

fn amazons(nth: usize, rule: &Rule) -> Vec<Expiry> {
    let filter = rule.filter.as_ref();
    // A filter by tag or size removes less, and what it removes is gone all the same.
    let prefix = rule.prefix.as_ref().or_else(|| filter.and_then(|f| f.prefix.as_ref()));
    let prefix = prefix.or_else(|| filter.and_then(|f| f.and.as_ref()?.prefix.as_ref()));
    let removes = [
        rule.noncurrent_version_expiration.as_ref().map(|noncurrent| Removes::Older {
            days: noncurrent.noncurrent_days,
            newer: noncurrent.newer_noncurrent_versions,
        }),
        rule.expiration.as_ref().and_then(|expiration| {
            let days = expiration.days.or(expiration.date.as_ref().map(|_| 0))?;
            Some(Removes::Current { days })
        }),
    ];
    let enabled = rule.status == "Enabled";
    let prefix = prefix.cloned().unwrap_or_default();
    let rule = |removes| Expiry { name: name(&rule.id, nth), enabled, prefix: prefix.clone(), removes };
    removes.into_iter().flatten().map(rule).collect()
}

fn googles(nth: usize, rule: &Rule) -> Vec<Expiry> {
    if rule.action.as_ref().is_none_or(|action| action.delete.is_none()) {
        return Vec::new();
    }
    let condition = &rule.condition;
    let older = condition.number_of_newer_versions.is_some() || condition.days_since_noncurrent_time.is_some();
    let removes = match condition.is_live {
        Some(true) => Removes::Current { days: condition.age.unwrap_or(0) },
        Some(false) => older_than(condition),
        None if older => older_than(condition),
        None => Removes::Written { days: condition.age.unwrap_or(0) },
    };
    let all = [String::new()];
    let prefixes = if condition.matches_prefix.is_empty() { &all[..] } else { &condition.matches_prefix };
    let rule = |prefix: &String| Expiry { name: name("", nth), enabled: true, prefix: prefix.clone(), removes };
    prefixes.iter().map(rule).collect()
}

fn older_than(condition: &Condition) -> Removes {
    Removes::Older {
        days: condition.days_since_noncurrent_time.unwrap_or(0),
        newer: condition.number_of_newer_versions.unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(xml: &str, provider: BucketProvider) -> Vec<Expiry> {
        rules(&quick_xml::de::from_str(xml).unwrap(), provider)
    }

    #[test]
    fn amazons_rules() {
        let xml = r#"<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
            <Rule><ID>a</ID><Filter><Prefix>x/</Prefix></Filter><Status>Enabled</Status><NoncurrentVersionExpiration>
            <NoncurrentDays>30</NoncurrentDays><NewerNoncurrentVersions>30</NewerNoncurrentVersions>
            </NoncurrentVersionExpiration></Rule>
            <Rule><Filter><And><Prefix>y/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter>
            <Status>Disabled</Status><Expiration><Days>7</Days></Expiration></Rule>
            <Rule><ID>m</ID><Status>Enabled</Status><AbortIncompleteMultipartUpload><DaysAfterInitiation>1
            </DaysAfterInitiation></AbortIncompleteMultipartUpload><Expiration><ExpiredObjectDeleteMarker>true
            </ExpiredObjectDeleteMarker></Expiration></Rule></LifecycleConfiguration>"#;
        let found = read(xml, BucketProvider::AwsS3);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[0].prefix.as_str(), found[0].removes), ("x/", Removes::Older { days: 30, newer: 30 }));
        assert_eq!((found[1].prefix.as_str(), found[1].enabled), ("y/", false));
        assert_eq!(found[1].removes, Removes::Current { days: 7 });
    }

    #[test]
    fn googles_rules() {
        let rule = |condition: &str| {
            let xml = format!(
                "<LifecycleConfiguration><Rule><Action><Delete/></Action><Condition>{condition}</Condition></Rule>\
                 <Rule><Action><SetStorageClass>NEARLINE</SetStorageClass></Action><Condition><Age>1</Age></Condition>\
                 </Rule></LifecycleConfiguration>"
            );
            let found = read(&xml, BucketProvider::GoogleCloudStorage);
            assert_eq!(found.len(), 1, "{found:?}");
            found[0].removes
        };
        let both =
            "<DaysSinceNoncurrentTime>30</DaysSinceNoncurrentTime><NumberOfNewerVersions>30</NumberOfNewerVersions>";
        assert_eq!(rule(both), Removes::Older { days: 30, newer: 30 });
        assert_eq!(rule("<Age>30</Age>"), Removes::Written { days: 30 });
        assert_eq!(rule("<Age>30</Age><IsLive>true</IsLive>"), Removes::Current { days: 30 });
        assert_eq!(rule("<Age>30</Age><IsLive>false</IsLive>"), Removes::Older { days: 0, newer: 0 });
    }
}
