//! A full disk.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use saffron_mrm::LoadError;
use saffron_search::eval::files::FileError;
use saffron_train::TrainError;

use super::{checkpoints, corpus, ends_as, files, open, step, stopped, validation, whole};

/// In a child, where the test keeps its run; none in the test itself.
fn childs_dir() -> Option<PathBuf> {
    env::var_os("SAFFRON_TEST_RUN").map(PathBuf::from)
}

#[cfg(unix)]
#[test]
fn a_disk_that_is_full_leaves_the_checkpoints_before_and_the_run_goes_on() {
    if let Some(dir) = childs_dir() {
        return save_beyond_the_limit(&dir);
    }
    let expected = whole();
    // Files end at so many blocks of 512 bytes: within the weights, and within the moments.
    for blocks in [9, 16] {
        let dir = tempfile::tempdir().unwrap();
        stopped(dir.path(), 4);
        let before = files(&step(dir.path(), 4));
        in_child(dir.path(), blocks);
        assert_eq!(checkpoints(dir.path()), [3, 4], "{blocks} blocks");
        assert!(files(&step(dir.path(), 4)) == before, "{blocks} blocks");
        ends_as(dir.path(), &expected, &format!("{blocks} blocks"));
    }
}

/// Without the trap the signal for a file that is too large would end the process.
fn in_child(dir: &Path, blocks: usize) {
    let mut child = Command::new("sh");
    let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    child.args(["-c", &limited]).arg(env::current_exe().unwrap());
    let test = "run::disk::a_disk_that_is_full_leaves_the_checkpoints_before_and_the_run_goes_on";
    child.args([test, "--exact", "--nocapture"]).env("SAFFRON_TEST_RUN", dir);
    let output = child.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && printed.contains("1 passed"), "{blocks} blocks: {printed}{error}");
}

fn save_beyond_the_limit(dir: &Path) {
    let mut run = open(dir).unwrap();
    assert_eq!(run.trainer().steps(), 4);
    let error = run.train(&corpus(), &validation(), &mut ()).unwrap_err();
    let about_a_file = matches!(
        &error,
        TrainError::Load(LoadError::Safetensors { .. }) | TrainError::File(FileError::Io { action: "write", .. })
    );
    assert!(about_a_file && error.to_string().contains("checkpoints"), "{error}");
    let names = std::fs::read_dir(dir.join("checkpoints")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| name.to_string_lossy().starts_with("step-")), "nothing half is left");
    let error = run.train(&corpus(), &validation(), &mut ()).unwrap_err();
    assert!(matches!(&error, TrainError::Behind { dir: of } if of == dir), "{error}");
}
