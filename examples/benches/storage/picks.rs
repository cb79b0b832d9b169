//! Measured plans beside what a cost model picks.

use saffron_kvtrie::attention::{AttentionPlanner, AttentionShape, CostModel, Frontier, PlanKind, PlanTime};

use crate::plans::kind_name;

/// The times of one frontier's plans, in the order of [`PlanKind::ALL`].
struct Row {
    shape: AttentionShape,
    frontier: Frontier,
    seconds: Vec<(PlanKind, f64)>,
}

impl Row {
    fn seconds(&self, kind: PlanKind) -> f64 {
        self.seconds.iter().find(|(found, _)| *found == kind).map_or(f64::NAN, |(_, seconds)| *seconds)
    }

    /// The fastest of the plans that every backend has: those a model chooses among.
    fn fastest(&self) -> PlanKind {
        let portable = self.seconds.iter().filter(|(kind, _)| *kind != PlanKind::Tiles);
        portable.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(PlanKind::Cascade, |(kind, _)| *kind)
    }

    /// How many times longer a model's pick takes than the fastest.
    fn loss(&self, model: &CostModel) -> f64 {
        self.seconds(model.pick(&self.frontier, self.shape)) / self.seconds(self.fastest())
    }
}

fn table(measured: &[PlanTime]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for PlanTime { kind, frontier, shape, seconds } in measured {
        match rows.last_mut().filter(|row| row.frontier == *frontier && row.shape == *shape) {
            Some(row) => row.seconds.push((*kind, *seconds)),
            None => rows.push(Row { shape: *shape, frontier: *frontier, seconds: vec![(*kind, *seconds)] }),
        }
    }
    rows.retain(|row| row.seconds.len() == PlanKind::ALL.len());
    rows
}

/// Prints times, the model fitted to them, its picks and those of the model that is built in.
pub(crate) fn report(measured: &[PlanTime]) {
    let rows = table(measured);
    let portable: Vec<PlanTime> = measured.iter().filter(|one| one.kind != PlanKind::Tiles).copied().collect();
    let Some(fitted) = CostModel::fit(&portable).filter(|_| !rows.is_empty()) else { return };
    let built_in = CostModel::cpu();
    eprintln!(
        "storage/T3: a layer's attention in µs; the fastest of the three last; what the fitted and the built-in model pick"
    );
    eprintln!("| heads | sequences | trunk | tiles | cascade | gather | flat | fastest | fitted | built in |");
    for row in &rows {
        let micros = |(_, seconds): &(PlanKind, f64)| format!("{:.0}", seconds * 1e6);
        let times: Vec<String> = row.seconds.iter().map(micros).collect();
        let pick = |model: &CostModel| kind_name(model.pick(&row.frontier, row.shape));
        eprintln!(
            "| {}/{} | {} | {} | {} | {} | {} | {} |",
            row.shape.kv_heads * row.shape.group,
            row.shape.kv_heads,
            row.frontier.chains,
            row.frontier.trunk,
            times.join(" | "),
            kind_name(row.fastest()),
            pick(&fitted),
            pick(&built_in)
        );
    }
    eprintln!("fitted: {fitted:?}");
    crossovers(&rows, &fitted);
    judge("fitted", &fitted, &rows);
    judge("built in", &built_in, &rows);
}

/// From how many sequences on the cascade is the fastest, measured and by the model.
fn crossovers(rows: &[Row], model: &CostModel) {
    let mut groups: Vec<(AttentionShape, usize)> = Vec::new();
    for row in rows {
        let group = (row.shape, row.frontier.trunk);
        // A single sequence's trunk is all that it has.
        if row.frontier.chains > 1 && !groups.contains(&group) {
            groups.push(group);
        }
    }
    for (shape, trunk) in groups {
        let of_group = || rows.iter().filter(|row| (row.shape, row.frontier.trunk) == (shape, trunk));
        let first = |picks: &dyn Fn(&Row) -> PlanKind| {
            let last_other =
                of_group().filter(|row| picks(row) != PlanKind::Cascade).map(|row| row.frontier.chains).max();
            let from = of_group().map(|row| row.frontier.chains).filter(|chains| Some(*chains) > last_other).min();
            from.map_or("never".to_owned(), |chains| format!("from {chains} sequences on"))
        };
        eprintln!(
            "crossover, {}/{} heads, trunk {trunk}: the cascade is the fastest {}, by the fitted model {}",
            shape.kv_heads * shape.group,
            shape.kv_heads,
            first(&Row::fastest),
            first(&|row| model.pick(&row.frontier, row.shape))
        );
    }
}

fn judge(name: &str, model: &CostModel, rows: &[Row]) {
    let losses: Vec<f64> = rows.iter().map(|row| row.loss(model)).collect();
    let within = |share: f64| losses.iter().filter(|loss| **loss <= share).count();
    let worst = losses.iter().copied().fold(1.0, f64::max);
    eprintln!(
        "{name}: of {} picks {} are the fastest, {} within 10 % of it; the worst takes {worst:.2} times as long",
        rows.len(),
        within(1.0),
        within(1.1)
    );
}
