//! The figures that criterion leaves on disk.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::prompt::read_json;

#[derive(Deserialize)]
struct Benchmark {
    full_id: String,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

/// Names and medians, in nanoseconds, of the last run of all benchmarks below a directory.
///
/// # Errors
///
/// No such directory, or files that are not criterion's.
pub fn medians(dir: &Path) -> Result<Vec<(String, f64)>> {
    let mut found = Vec::new();
    let entries =
        std::fs::read_dir(dir).with_context(|| format!("no figures in {}: run the benchmark", dir.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.join("benchmark.json").is_file() && path.ends_with("new") {
            let benchmark: Benchmark = read_json(&path.join("benchmark.json"))?;
            let estimates: Estimates = read_json(&path.join("estimates.json"))?;
            found.push((benchmark.full_id, estimates.median.point_estimate));
        } else if path.is_dir() {
            found.extend(medians(&path)?);
        }
    }
    Ok(found)
}

/// One operation's medians by size, ascending: those of the benchmarks `NAME/SIZE`.
#[must_use]
pub fn by_size(medians: &[(String, f64)], name: &str) -> Vec<(f64, f64)> {
    let size = |id: &str| id.strip_prefix(name)?.strip_prefix('/')?.parse::<f64>().ok();
    let mut points: Vec<(f64, f64)> = medians.iter().filter_map(|(id, time)| Some((size(id)?, *time))).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{by_size, medians};

    #[test]
    fn medians_of_the_last_run_are_found_by_name_and_size() {
        let dir = tempfile::tempdir().unwrap();
        for (size, run, median) in [(1000, "new", 9.5), (20, "new", 4.0), (20, "base", 8.0)] {
            let folder = dir.path().join(format!("trie_size_{size}")).join(run);
            std::fs::create_dir_all(&folder).unwrap();
            let id = format!("{{\"full_id\": \"trie/size/{size}\"}}");
            std::fs::write(folder.join("benchmark.json"), id).unwrap();
            let estimates = format!("{{\"median\": {{\"point_estimate\": {median}}}}}");
            std::fs::write(folder.join("estimates.json"), estimates).unwrap();
        }
        let found = medians(dir.path()).unwrap();
        assert_eq!(by_size(&found, "trie/size"), [(20.0, 4.0), (1000.0, 9.5)]);
        assert_eq!(by_size(&found, "trie"), []);
        assert!(medians(&dir.path().join("none")).unwrap_err().to_string().contains("run the benchmark"));
    }
}
