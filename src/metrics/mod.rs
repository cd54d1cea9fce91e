//! Prometheus series: names once, projected from the status snapshot and from nothing else.
