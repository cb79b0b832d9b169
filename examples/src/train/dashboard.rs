//! burn-train's dashboard in a terminal, fed by a run (feature `dashboard`).

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use burn_train::Interrupter;
use burn_train::metric::{
    MetricDefinition, MetricEntry, MetricId, MetricName, NumericAttributes, NumericEntry, SerializedEntry,
};
use burn_train::renderer::{MetricState, MetricsRenderer, default_renderer};
use saffron_train::run::{Line, TrainObserver};

/// Plots of loss, gradient norm, learning rate and speed over the steps, of the score over the validations. `q` asks whether to stop; a
/// run that is stopped writes a checkpoint first.
pub struct Dashboard {
    renderer: Box<dyn MetricsRenderer>,
    interrupter: Interrupter,
    metrics: BTreeMap<&'static str, MetricId>,
}

impl std::fmt::Debug for Dashboard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dashboard").finish_non_exhaustive()
    }
}

impl Default for Dashboard {
    fn default() -> Self {
        let interrupter = Interrupter::new();
        let renderer = default_renderer(interrupter.clone(), None);
        let mut dashboard = Self { renderer, interrupter, metrics: BTreeMap::new() };
        let units = [
            ("loss", None),
            ("gradient norm", None),
            ("learning rate", None),
            ("speed", Some("tokens/s")),
            ("score", None),
        ];
        for (name, unit) in units {
            dashboard.register(name, unit);
        }
        dashboard
    }
}

impl Dashboard {
    fn register(&mut self, name: &'static str, unit: Option<&str>) {
        let metric_id = MetricId::new(MetricName::from(Arc::new(name.to_owned())));
        let attributes = NumericAttributes {
            unit: unit.map(str::to_owned),
            higher_is_better: name == "speed",
            ..Default::default()
        };
        self.renderer.register_metric(MetricDefinition {
            metric_id: metric_id.clone(),
            name: Arc::new(name.to_owned()),
            description: None,
            attributes: attributes.into(),
        });
        self.metrics.insert(name, metric_id);
    }

    fn state(&self, name: &str, value: f64) -> Option<MetricState> {
        let text = format!("{value:.5}");
        let entry = MetricEntry::new(self.metrics.get(name)?.clone(), SerializedEntry::new(text.clone(), text));
        Some(MetricState::Numeric(entry, Some(NumericEntry::Value(value))))
    }
}

impl TrainObserver for Dashboard {
    fn on_start(&mut self, done: u64, total: u64) {
        self.renderer.start(1, 1, Some(total as usize), None);
        self.renderer.start_split("train", total as usize);
        self.renderer.update_split(done as usize);
    }

    fn on_line(&mut self, line: &Line) -> ControlFlow<()> {
        match line {
            Line::Step { step, done, seconds, .. } => {
                let speed = done.tokens as f64 / seconds.max(1e-9);
                let values = [
                    ("loss", f64::from(done.loss)),
                    ("gradient norm", f64::from(done.norm)),
                    ("learning rate", done.rate),
                    ("speed", speed),
                ];
                for state in values.into_iter().filter_map(|(name, value)| self.state(name, value)).collect::<Vec<_>>()
                {
                    self.renderer.update_train(state);
                }
                self.renderer.update_split(*step as usize);
            }
            Line::Validation { score, .. } => {
                self.state("score", *score).into_iter().for_each(|state| self.renderer.update_valid(state));
            }
        }
        if self.interrupter.should_stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
