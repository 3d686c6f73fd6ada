//! One metric after the other, each with its name, help, unit and values.

use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Unit;
use std::fmt;
use tidegate_core::Nanos;

/// What one scrape is written on. Names are without prefix, unit and `_total`: these are added.
pub(super) struct Sheet<'a>(DescriptorEncoder<'a>);

impl<'a> Sheet<'a> {
    pub fn new(encoder: DescriptorEncoder<'a>) -> Sheet<'a> {
        Sheet(encoder)
    }

    /// Facts in labels.
    pub fn info(&mut self, name: &str, help: &str, labels: &[(&'static str, &str)]) -> fmt::Result {
        let labels: Vec<(&'static str, String)> = labels.iter().map(|&(key, value)| (key, value.to_owned())).collect();
        Info::new(labels).encode(self.0.encode_descriptor(name, help, None, MetricType::Info)?)
    }

    /// A number that only grows.
    pub fn count(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        ConstCounter::new(value).encode(self.0.encode_descriptor(name, help, None, MetricType::Counter)?)
    }

    /// Such numbers, by label.
    pub fn counts<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        values
            .into_iter()
            .try_for_each(|(labels, value)| ConstCounter::new(value).encode(encoder.encode_family(&labels)?))
    }

    /// A number without a unit.
    pub fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        ConstGauge::new(value).encode(self.0.encode_descriptor(name, help, None, MetricType::Gauge)?)
    }

    /// Such numbers, by label.
    pub fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        self.by_label(name, help, None, values)
    }

    /// A number of a unit.
    pub fn measure(&mut self, name: &str, help: &str, unit: Unit, value: f64) -> fmt::Result {
        ConstGauge::new(value).encode(self.0.encode_descriptor(name, help, Some(&unit), MetricType::Gauge)?)
    }

    /// Such numbers, by label.
    pub fn measures<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        unit: Unit,
        values: impl IntoIterator<Item = (L, f64)>,
    ) -> fmt::Result {
        self.by_label(name, help, Some(&unit), values)
    }

    fn by_label<L: EncodeLabelSet, N: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        values: impl IntoIterator<Item = (L, N)>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        values
            .into_iter()
            .try_for_each(|(labels, value)| ConstGauge::new(value).encode(encoder.encode_family(&labels)?))
    }
}

/// A span, or an instant since 1970, in the unit that Prometheus wants.
pub(super) fn seconds(span: Nanos) -> f64 {
    span.raw() as f64 / 1e9
}
