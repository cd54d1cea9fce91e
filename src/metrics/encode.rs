//! Prometheus' text format, made from a status for every scrape: there is no registry to fall behind.
//!
//! Of thousands of policies a scrape writes anew only what differs from the scrape before. The samples of a family are
//! cut into pieces where the hash of a name says so, and the text of a piece is kept for as long as its samples are the
//! same: a policy that changes, comes or goes has a piece or two written, whatever stands before and after it.

use super::names::{self, Kind, Metric};
use super::pack::{Packed, Packer, Unpacked};
use super::project::{Sink, each};
use crate::status::model::StatusSnapshot;
use bytes::Bytes;
use prometheus::TextEncoder;
use prometheus::proto::{self, Counter, Gauge, LabelPair, MetricFamily, MetricType};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Things in a piece, on average.
const PIECE: u64 = 64;

/// The series of a status, as text.
///
/// # Errors
/// A sentence, when the encoder refuses a name. Then `names` is wrong.
pub fn text(status: &StatusSnapshot) -> Result<String, String> {
    let text: Vec<Bytes> = Kept::default().write(status)?.unpacked().collect();
    String::from_utf8(text.concat()).map_err(|error| error.to_string())
}

/// The text of the newest scrape, for the next one.
#[derive(Debug, Default)]
pub struct Exposition(Mutex<Kept>);

impl Exposition {
    /// The series of a status. Their text is equal to [`text`], whatever was asked for before.
    ///
    /// # Errors
    /// As [`text`].
    pub fn of(&self, status: &Arc<StatusSnapshot>) -> Result<Series, String> {
        // A panic leaves less kept at worst.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A status never changes.
        if !std::ptr::eq(kept.of.as_ptr(), Arc::as_ptr(status)) {
            kept.series = kept.write(status)?;
            kept.of = Arc::downgrade(status);
        }
        Ok(kept.series.clone())
    }
}

/// All series of one status.
#[derive(Debug, Clone, Default)]
pub struct Series {
    pieces: Arc<Vec<Packed>>,
    /// How many bytes of the text were not kept from the scrape before.
    pub fresh: usize,
}

impl Series {
    /// The bytes of the text.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.length as u64).sum()
    }

    /// The text, a piece after the other: nobody needs all of it in memory at once.
    #[must_use]
    pub fn unpacked(&self) -> Unpacked {
        Unpacked::new(Arc::clone(&self.pieces))
    }
}

#[derive(Debug, Default)]
struct Kept {
    /// The status of the newest scrape. Held weakly: nobody else may need it any more.
    of: Weak<StatusSnapshot>,
    series: Series,
    families: Vec<Family>,
}

/// The text of one metric.
#[derive(Debug, Default)]
struct Family {
    head: Packed,
    /// By the hash of the samples that they were made of. That two differ and have the same is as likely as that the
    /// memory fails.
    pieces: HashMap<u64, Packed>,
}

impl Kept {
    fn write(&mut self, status: &StatusSnapshot) -> Result<Series, String> {
        let mut writer = Writer {
            before: std::mem::take(&mut self.families),
            families: names::ALL.iter().map(|_| (Family::default(), Vec::new(), Batch::default())).collect(),
            fresh: 0,
            packer: Packer::default(),
            trouble: None,
        };
        each(status, &mut writer);
        writer.cut();
        if let Some(trouble) = writer.trouble {
            return Err(trouble);
        }
        let mut all = Vec::new();
        for (family, pieces, _) in writer.families {
            if !pieces.is_empty() {
                all.push(family.head.clone());
                all.extend(pieces);
            }
            self.families.push(family);
        }
        Ok(Series { pieces: Arc::new(all), fresh: writer.fresh })
    }
}

/// Samples of one metric that are not yet text. The values of all labels stand behind each other.
#[derive(Default)]
struct Batch {
    labels: String,
    ends: Vec<usize>,
    values: Vec<u64>,
}

struct Writer {
    before: Vec<Family>,
    /// In the order of [`names::ALL`]: what is kept, what is put out, and what is to be written.
    families: Vec<(Family, Vec<Packed>, Batch)>,
    fresh: usize,
    packer: Packer,
    trouble: Option<String>,
}

impl Sink for Writer {
    fn sample(&mut self, metric: &'static Metric, labels: &[&str], value: f64) {
        let Some((_, _, batch)) = self.families.get_mut(metric.place) else { return };
        for label in labels {
            batch.labels.push_str(label);
            batch.ends.push(batch.labels.len());
        }
        batch.values.push(value.to_bits());
    }

    fn complete(&mut self, name: &str) {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        if hasher.finish().is_multiple_of(PIECE) {
            self.cut();
        }
    }
}

impl Writer {
    /// Makes text of what was given, save what there is already.
    fn cut(&mut self) {
        for (metric, (family, pieces, batch)) in names::ALL.iter().zip(&mut self.families) {
            if batch.values.is_empty() {
                continue;
            }
            let hash = batch.hash();
            let before = self.before.get_mut(metric.place).and_then(|before| {
                family.head = before.head.clone();
                before.pieces.get(&hash).cloned()
            });
            let piece = before.or_else(|| match batch.encode(metric, &mut self.packer) {
                Ok((head, piece)) => {
                    self.fresh += piece.length;
                    family.head = head;
                    Some(piece)
                }
                Err(trouble) => {
                    self.trouble = Some(trouble);
                    None
                }
            });
            if let Some(piece) = piece {
                family.pieces.insert(hash, piece.clone());
                pieces.push(piece);
            }
            batch.clear();
        }
    }
}

impl Batch {
    fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.labels.hash(&mut hasher);
        self.ends.hash(&mut hasher);
        self.values.hash(&mut hasher);
        hasher.finish()
    }

    /// What introduces the metric, and its samples.
    fn encode(&self, metric: &Metric, packer: &mut Packer) -> Result<(Packed, Packed), String> {
        let mut begin = 0;
        let mut labels = self.ends.iter().map(|&end| self.labels.get(std::mem::replace(&mut begin, end)..end));
        let samples = self.values.iter().map(|&value| sample(metric, &mut labels, f64::from_bits(value))).collect();
        let mut text = String::new();
        TextEncoder::new()
            .encode_utf8(&[family(metric, samples)], &mut text)
            .map_err(|error| format!("the series {} cannot be written: {error}", metric.name))?;
        // `# HELP` and `# TYPE`, a line each.
        let head = text.match_indices('\n').nth(1).map_or(0, |(at, _)| at + 1);
        let (head, samples) = text.split_at_checked(head).unwrap_or((&text, ""));
        Ok((packer.pack(head), packer.pack(samples)))
    }

    fn clear(&mut self) {
        self.labels.clear();
        self.ends.clear();
        self.values.clear();
    }
}

fn family(metric: &Metric, samples: Vec<proto::Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(metric.name.to_owned());
    family.set_help(metric.help.to_owned());
    family.set_field_type(match metric.kind {
        Kind::Gauge => MetricType::GAUGE,
        Kind::Counter => MetricType::COUNTER,
    });
    family.set_metric(samples);
    family
}

fn sample<'a>(metric: &Metric, labels: &mut impl Iterator<Item = Option<&'a str>>, value: f64) -> proto::Metric {
    let labels = metric.labels.iter().zip(labels).map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value(value.unwrap_or_default().to_owned());
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
