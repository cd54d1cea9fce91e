//! Prometheus' text format, made anew from a status for every scrape: there is no registry to fall behind.

use super::names::{self, Kind, Metric};
use super::project::{Sample, project};
use crate::status::model::StatusSnapshot;
use prometheus::TextEncoder;
use prometheus::proto::{self, Counter, Gauge, LabelPair, MetricFamily, MetricType};

/// The series of a status, as text.
///
/// # Errors
/// A sentence, when the encoder refuses a name. Then `names` is wrong.
pub fn text(status: &StatusSnapshot) -> Result<String, String> {
    let mut families: Vec<(&Metric, Vec<proto::Metric>)> =
        names::ALL.iter().map(|metric| (*metric, Vec::new())).collect();
    for sample in project(status) {
        if let Some((_, list)) = families.iter_mut().find(|(metric, _)| std::ptr::eq(*metric, sample.metric)) {
            list.push(metric(sample));
        }
    }
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

fn metric(sample: Sample) -> proto::Metric {
    let labels = sample.metric.labels.iter().zip(sample.labels).map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value(value);
        pair
    });
    let mut metric = proto::Metric::from_label(labels.collect());
    match sample.metric.kind {
        Kind::Gauge => {
            let mut gauge = Gauge::default();
            gauge.set_value(sample.value);
            metric.set_gauge(gauge);
        }
        Kind::Counter => {
            let mut counter = Counter::default();
            counter.set_value(sample.value);
            metric.set_counter(counter);
        }
    }
    metric
}
