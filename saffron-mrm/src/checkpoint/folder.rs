//! Replacing a directory's files together: a kill leaves the old files or the new ones, never a
//! mixture.
//!
//! The new directory is written beside the old one, flushed to disk, and exchanged with it in one
//! system call (Linux, macOS). Elsewhere, and on file systems without that call, the old directory
//! is renamed first, so that for a moment neither is there; after a kill in that moment the next
//! replacement puts it back. A program that reads the directory
//! while it is replaced may still see files of both: do not replace a checkpoint while it is being
//! loaded.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::error::LoadError;

/// Replaces files of a directory together and keeps its other files. `fill` writes the new files
/// into a directory beside it, which then takes its place. The directory is created if it does not
/// exist. If `fill` fails, nothing changes.
///
/// A mount point, or a directory whose parent cannot be written, cannot be exchanged. There each
/// file is replaced on its own, JSON files last.
///
/// # Errors
///
/// Those of `fill`; what the file system says; a directory in the place of a file.
pub fn update<E: From<LoadError>>(dir: &Path, fill: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    let place = real(dir)?;
    restore(&place).map_err(LoadError::io(&place))?;
    let beside = room(&place)?;
    let inside = beside.starts_with(&place);
    let settle = || match inside {
        true => move_all(&beside, &place),
        false => keep(&place, &beside).and_then(|()| install(&beside, &place).map_err(LoadError::io(&place))),
    };
    let filled = fill(&beside).and_then(|()| Ok(settle()?));
    if filled.is_err() || inside {
        // If this fails, the next call removes it.
        fs::remove_dir_all(&beside).ok();
    }
    filled
}

/// Flushes a directory to disk and puts it in the place of the one at `place`, if there is one. At
/// every moment the old directory or the new one is there.
///
/// # Errors
///
/// What the file system says.
pub fn install(new: &Path, place: &Path) -> io::Result<()> {
    sync(new)?;
    restore(place)?;
    match place.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => fs::rename(new, place)?,
        Err(error) => return Err(error),
        Ok(_) => match exchange(new, place) {
            Ok(()) => fs::remove_dir_all(new)?,
            Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput) => {
                return install_slowly(new, place);
            }
            Err(error) => return Err(error),
        },
    }
    sync_names(place.parent())
}

/// Without an exchange: for a moment neither directory is there.
fn install_slowly(new: &Path, place: &Path) -> io::Result<()> {
    let old = hidden(place, "old");
    remove(&old)?;
    fs::rename(place, &old)?;
    if let Err(error) = fs::rename(new, place) {
        fs::rename(&old, place)?;
        return Err(error);
    }
    sync_names(place.parent())?;
    fs::remove_dir_all(&old)
}

/// Puts a directory back that a process had renamed when it was killed.
///
/// # Errors
///
/// What the file system says.
pub fn restore(place: &Path) -> io::Result<()> {
    let old = hidden(place, "old");
    let there = |path: &Path| path.symlink_metadata().is_ok();
    if place.file_name().is_some() && !there(place) && there(&old) { fs::rename(old, place) } else { Ok(()) }
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// The path of a directory, links followed. It need not exist.
fn real(dir: &Path) -> Result<PathBuf, LoadError> {
    match dir.metadata() {
        Ok(found) if !found.is_dir() => Err(LoadError::io(dir)(ErrorKind::NotADirectory.into())),
        Ok(_) => dir.canonicalize().map_err(LoadError::io(dir)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(dir.to_path_buf()),
        Err(error) => Err(LoadError::io(dir)(error)),
    }
}

/// An empty directory to write into: beside the other, or inside it if the two cannot be exchanged.
fn room(place: &Path) -> Result<PathBuf, LoadError> {
    let make = |path: PathBuf| remove(&path).and_then(|()| fs::create_dir_all(&path)).map(|()| path);
    let movable = place.file_name().is_some() && !is_mount_point(place);
    let beside = match movable {
        true => make(hidden(place, "partial")),
        false => Err(ErrorKind::CrossesDevices.into()),
    };
    beside
        .or_else(|error| if place.is_dir() { make(place.join(".partial")) } else { Err(error) })
        .map_err(LoadError::io(place))
}

/// A hidden name beside a directory.
fn hidden(dir: &Path, what: &str) -> PathBuf {
    let name = dir.file_name().unwrap_or(OsStr::new("")).to_string_lossy();
    dir.with_file_name(format!(".{name}.{what}"))
}

#[cfg(unix)]
fn is_mount_point(dir: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| path.metadata().ok().map(|found| found.dev());
    let parent = dir.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
    dir.is_dir() && parent.is_some_and(|parent| device(parent) != device(dir))
}

#[cfg(not(unix))]
fn is_mount_point(_: &Path) -> bool {
    false
}

/// Adds to a new directory whatever the old one holds besides.
fn keep(old: &Path, new: &Path) -> Result<(), LoadError> {
    let found = match old.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found.map_err(LoadError::io(old))?,
    };
    fs::set_permissions(new, found.permissions()).map_err(LoadError::io(new))?;
    for entry in old.read_dir().map_err(LoadError::io(old))? {
        let entry = entry.map_err(LoadError::io(old))?;
        let (from, to) = (entry.path(), new.join(entry.file_name()));
        let kind = entry.file_type().map_err(LoadError::io(&from))?;
        match to.symlink_metadata() {
            Ok(written) if written.is_dir() != kind.is_dir() => {
                let reason = if kind.is_dir() { ErrorKind::IsADirectory } else { ErrorKind::NotADirectory };
                return Err(LoadError::io(&from)(reason.into()));
            }
            Ok(_) if !kind.is_dir() => {}
            _ if kind.is_dir() => {
                fs::create_dir_all(&to).map_err(LoadError::io(&to))?;
                keep(&from, &to)?;
            }
            _ => link(&from, &to).map_err(LoadError::io(&from))?,
        }
    }
    Ok(())
}

/// Puts a file or link at another path, too.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    match from.metadata()?.is_file() {
        true => fs::copy(from, to).map(drop),
        false => Err(ErrorKind::Unsupported.into()),
    }
}

/// Moves files one by one. Configurations come last.
fn move_all(from: &Path, to: &Path) -> Result<(), LoadError> {
    sync(from).map_err(LoadError::io(from))?;
    let entries = from.read_dir().map_err(LoadError::io(from))?;
    let mut names =
        entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>().map_err(LoadError::io(from))?;
    names.sort_by_key(|name| (Path::new(name).extension() == Some(OsStr::new("json")), name.clone()));
    for name in names {
        let place = to.join(&name);
        fs::rename(from.join(&name), &place).map_err(LoadError::io(&place))?;
    }
    sync_names(Some(to)).map_err(LoadError::io(to))
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Flushes all files of a directory and their names to disk.
fn sync(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sync(&entry.path())?;
        } else if kind.is_file() {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_names(Some(dir))
}

/// Flushes the names in a directory to disk. Only Unix can open directories for that.
fn sync_names(dir: Option<&Path>) -> io::Result<()> {
    let dir = dir.filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    use super::{ErrorKind, LoadError, install_slowly, move_all, update};

    /// All files under a directory, by their paths in it.
    fn files(dir: &Path) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap()) {
            let name = entry.file_name().into_string().unwrap();
            match entry.path().is_dir() {
                true => {
                    found.extend(files(&entry.path()).into_iter().map(|(file, text)| (format!("{name}/{file}"), text)));
                }
                false => drop(found.insert(name, fs::read_to_string(entry.path()).unwrap())),
            }
        }
        found
    }

    fn of(files: &[(&str, &str)]) -> BTreeMap<String, String> {
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    fn write(dir: &Path, files: &[(&str, &str)]) -> Result<(), LoadError> {
        for (name, text) in files {
            let path = dir.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Ok(())
    }

    #[test]
    fn files_change_together_and_others_stay() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("deep/model");
        update(&dir, |dir| write(dir, &[("a", "1"), ("b", "1")])).unwrap();
        write(&dir, &[("tokenizer.json", "t"), ("templates/x", "x")]).unwrap();
        update(&dir, |dir| write(dir, &[("a", "2"), ("templates/y", "y")])).unwrap();
        let expected = [("a", "2"), ("b", "1"), ("templates/x", "x"), ("templates/y", "y"), ("tokenizer.json", "t")];
        assert_eq!(files(&dir), of(&expected));
        assert_eq!(files(root.path()).len(), expected.len(), "nothing is left beside");
    }

    #[test]
    fn where_writing_fails_nothing_has_changed() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("model");
        update(&dir, |dir| write(dir, &[("a", "1")])).unwrap();
        let failed = update(&dir, |dir| {
            write(dir, &[("a", "2")])?;
            Err(LoadError::io(dir)(ErrorKind::StorageFull.into()))
        });
        assert!(failed.is_err());
        write(&dir, &[("b/c", "1")]).unwrap();
        let error = update(&dir, |dir| write(dir, &[("b", "a file where a directory is")])).unwrap_err();
        assert!(
            matches!(&error, LoadError::Io { path, .. } if *path == dir.canonicalize().unwrap().join("b")),
            "{error}"
        );
        assert_eq!(files(root.path()), of(&[("model/a", "1"), ("model/b/c", "1")]));
    }

    #[test]
    fn what_a_kill_left_is_not_taken() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &[("model/a", "1"), (".model.partial/stale", "x")]).unwrap();
        update(&root.path().join("model"), |dir| write(dir, &[("a", "2")])).unwrap();
        assert_eq!(files(root.path()), of(&[("model/a", "2")]));
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_links() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &[("real/a", "1"), ("shared", "s")]).unwrap();
        std::os::unix::fs::symlink("../shared", root.path().join("real/b")).unwrap();
        std::os::unix::fs::symlink("real", root.path().join("model")).unwrap();
        update(&root.path().join("model"), |dir| write(dir, &[("a", "2")])).unwrap();
        assert!(root.path().join("model").is_symlink() && root.path().join("real/b").is_symlink());
        assert_eq!(files(&root.path().join("real")), of(&[("a", "2"), ("b", "s")]));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn at_every_moment_a_directory_is_there() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("model");
        let put = |text: &str| update(&dir, |dir| write(dir, &[("a", text), ("b", text)])).unwrap();
        put("0");
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| (1..200).for_each(|round: u32| put(&round.to_string())));
            let mut looks = 0;
            while !writing.is_finished() {
                assert!(dir.is_dir(), "after {looks} looks");
                looks += 1;
            }
            assert!(looks > 100, "{looks} looks");
        });
        assert_eq!(files(root.path()), of(&[("model/a", "199"), ("model/b", "199")]));
    }

    #[test]
    fn what_was_renamed_before_a_kill_is_put_back() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &[(".model.old/a", "1"), (".model.old/tokenizer.json", "t")]).unwrap();
        update(&root.path().join("model"), |dir| write(dir, &[("a", "2")])).unwrap();
        assert_eq!(files(root.path()), of(&[("model/a", "2"), ("model/tokenizer.json", "t")]));
        let error = install_slowly(&root.path().join("nothing"), &root.path().join("model")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(files(root.path()), of(&[("model/a", "2"), ("model/tokenizer.json", "t")]));
    }

    #[test]
    fn without_an_exchange_the_end_is_the_same() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &[("model/a", "1"), ("new/a", "2"), (".model.old/stale", "x")]).unwrap();
        install_slowly(&root.path().join("new"), &root.path().join("model")).unwrap();
        assert_eq!(files(root.path()), of(&[("model/a", "2")]));
        write(root.path(), &[("new/a", "3"), ("new/config.json", "3"), ("model/b", "1")]).unwrap();
        move_all(&root.path().join("new"), &root.path().join("model")).unwrap();
        assert_eq!(files(root.path()), of(&[("model/a", "3"), ("model/b", "1"), ("model/config.json", "3")]));
    }
}
