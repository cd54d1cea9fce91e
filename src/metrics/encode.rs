//! Prometheus' text format, made anew from a status for every scrape: there is no registry to fall behind.

use super::names::{self, Kind, Metric};
use super::project::each;
use crate::status::model::StatusSnapshot;
use prometheus::TextEncoder;
use prometheus::proto::{self, Counter, Gauge, LabelPair, MetricFamily, MetricType};
use std::collections::HashMap;

/// The series of a status, as text.
///
/// # Errors
/// A sentence, when the encoder refuses a name. Then `names` is wrong.
pub fn text(status: &StatusSnapshot) -> Result<String, String> {
    let mut places: HashMap<*const Metric, usize> = HashMap::with_capacity(names::ALL.len());
    places.extend(names::ALL.iter().enumerate().map(|(nth, metric)| (std::ptr::from_ref(*metric), nth)));
    let mut families: Vec<(&Metric, Vec<proto::Metric>)> =
        names::ALL.iter().map(|metric| (*metric, Vec::new())).collect();
    each(status, &mut |metric, labels, value| {
        let place = places.get(&std::ptr::from_ref(metric));
        if let Some((_, list)) = place.and_then(|nth| families.get_mut(*nth)) {
            list.push(sample(metric, labels, value));
        }
    });
    let mut text = String::new();
    for (metric, list) in families.into_iter().filter(|(_, list)| !list.is_empty()) {
        TextEncoder::new()
            .encode_utf8(&[family(metric, list)], &mut text)
            .map_err(|error| format!("the series {} cannot be written: {error}", metric.name))?;
    }
    Ok(text)
}

fn family(metric: &Metric, list: Vec<proto::Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(metric.name.to_owned());
    family.set_help(metric.help.to_owned());
    family.set_field_type(match metric.kind {
        Kind::Gauge => MetricType::GAUGE,
        Kind::Counter => MetricType::COUNTER,
    });
    family.set_metric(list);
    family
}

fn sample(metric: &Metric, labels: &[&str], value: f64) -> proto::Metric {
    let labels = metric.labels.iter().zip(labels).map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    });
    let mut sample = proto::Metric::from_label(labels.collect());
    match metric.kind {
        Kind::Gauge => {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            sample.set_gauge(gauge);
        }
        Kind::Counter => {
            let mut counter = Counter::default();
            counter.set_value(value);
            sample.set_counter(counter);
        }
    }
    sample
}
