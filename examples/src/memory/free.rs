//! The memory that is free for this process, as Linux tells it: the machine's, and what the control
//! groups leave that the process is in, of version 1 and 2, up the hierarchy.
//!
//! Files that are missing or say something else limit nothing. Swap does not count.

use std::fs::read_to_string;
use std::path::{Component, Path, PathBuf};

use super::line_of;

/// How one version of control groups tells its limits.
struct Version {
    /// Where its hierarchy is mounted.
    mount: &'static str,
    limit: &'static str,
    used: &'static str,
    /// Lines of `memory.stat` with what is used by files and can be taken back.
    files: [&'static str; 2],
}

const V1: Version = Version {
    mount: "sys/fs/cgroup/memory",
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    files: ["total_inactive_file", "total_active_file"],
};
const V2: Version = Version {
    mount: "sys/fs/cgroup",
    limit: "memory.max",
    used: "memory.current",
    files: ["inactive_file", "active_file"],
};

/// Bytes that this process may still take. None where the system does not say.
#[must_use]
pub fn free() -> Option<u64> {
    free_in(Path::new("/"))
}

/// The same, with the files of the system below a folder.
#[must_use]
pub fn free_in(root: &Path) -> Option<u64> {
    let machine = read_to_string(root.join("proc/meminfo")).ok().and_then(|text| line_of(&text, "MemAvailable:"));
    let groups = read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let groups = groups.lines().filter_map(group).flat_map(|(version, path)| left_up(root, &version, path).into_iter());
    machine.into_iter().chain(groups).min()
}

/// The memory hierarchy's version and path of a line of `/proc/self/cgroup`, such as `0::/a/b` or
/// `4:cpu,memory:/a/b`.
fn group(line: &str) -> Option<(Version, &str)> {
    let (number, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    match controllers {
        "" if number == "0" => Some((V2, path)),
        _ if controllers.split(',').any(|name| name == "memory") => Some((V1, path)),
        _ => None,
    }
}

/// What a group and all above it leave. In a container the path may lead nowhere, because it is the
/// host's: the group at the mount is the container's then.
fn left_up(root: &Path, version: &Version, path: &str) -> Vec<u64> {
    let mount = root.join(version.mount);
    let named = Path::new(path).components().filter_map(|part| match part {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    let named: PathBuf = named.collect();
    named.ancestors().filter_map(|above| left(&mount.join(above), version)).collect()
}

/// What a group's limit leaves, if it has one.
fn left(group: &Path, version: &Version) -> Option<u64> {
    let number = |name: &str| read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    let limit = number(version.limit)?;
    let used = number(version.used).unwrap_or(0);
    let stat = read_to_string(group.join("memory.stat")).unwrap_or_default();
    let files = |name: &&str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    let files = version.files.iter().filter_map(files).fold(0, u64::saturating_add);
    Some(limit.saturating_sub(used.saturating_sub(files)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::free_in;

    const GIB: u64 = 1 << 30;
    const MEMINFO: &str = "MemTotal: 16777216 kB\nMemFree: 1 kB\nMemAvailable: 8388608 kB\n";

    /// A made-up system.
    fn system(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn free(files: &[(&str, &str)]) -> Option<u64> {
        free_in(system(files).path())
    }

    #[test]
    fn without_groups_it_is_what_the_machine_has_available() {
        assert_eq!(free(&[("proc/meminfo", MEMINFO)]), Some(8 * GIB));
        assert_eq!(free(&[]), None);
        assert_eq!(free(&[("proc/meminfo", "MemTotal: 1 kB\n")]), None);
    }

    #[test]
    fn a_group_of_version_2_limits_it() {
        let max = |text: &str, current: &str| {
            free(&[
                ("proc/meminfo", MEMINFO),
                ("proc/self/cgroup", "0::/a\n"),
                ("sys/fs/cgroup/a/memory.max", text),
                ("sys/fs/cgroup/a/memory.current", current),
            ])
        };
        assert_eq!(max("2147483648\n", "1073741824\n"), Some(GIB));
        assert_eq!(max("1073741824\n", "2147483648\n"), Some(0), "above its limit");
        assert_eq!(max("99999999999999\n", "0\n"), Some(8 * GIB), "the machine has less");
        for none in ["max\n", "", "much\n", "-1\n", "99999999999999999999999\n"] {
            assert_eq!(max(none, "1073741824\n"), Some(8 * GIB), "{none:?}");
        }
        assert_eq!(max("2147483648\n", "garbage"), Some(2 * GIB), "use that is unknown is none");
    }

    #[test]
    fn the_tightest_group_up_the_hierarchy_counts() {
        let mut files = vec![
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/outer/middle/inner\n"),
            ("sys/fs/cgroup/outer/memory.max", "3221225472\n"),
            ("sys/fs/cgroup/outer/memory.current", "1073741824\n"),
            ("sys/fs/cgroup/outer/middle/memory.max", "max\n"),
            ("sys/fs/cgroup/outer/middle/memory.current", "0\n"),
            ("sys/fs/cgroup/outer/middle/inner/memory.max", "4294967296\n"),
            ("sys/fs/cgroup/outer/middle/inner/memory.current", "0\n"),
            // A sibling's limit is not ours.
            ("sys/fs/cgroup/outer/other/memory.max", "1\n"),
        ];
        assert_eq!(free(&files), Some(2 * GIB));
        files[1] = ("proc/self/cgroup", "0::/outer/../../outer/middle/inner\n");
        assert!(free(&files).is_some(), "no path leads out of the mount");
    }

    #[test]
    fn files_that_can_be_dropped_are_free() {
        let stat = "anon 536870912\nfile 2147483648\ninactive_file 1073741824\nactive_file 536870912\n";
        let files = [
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/memory.max", "2147483648\n"),
            ("sys/fs/cgroup/memory.current", "2147483648\n"),
            ("sys/fs/cgroup/memory.stat", stat),
        ];
        assert_eq!(free(&files), Some(3 * GIB / 2));
    }

    #[test]
    fn groups_of_version_1_are_read() {
        let in_group = |group: &str| {
            let files = [
                ("proc/meminfo", MEMINFO),
                ("proc/self/cgroup", group),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1\n"),
                ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "4294967296\n"),
                ("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "2147483648\n"),
                ("sys/fs/cgroup/memory/a/memory.stat", "cache 1\ntotal_inactive_file 1073741824\n"),
            ];
            free(&files)
        };
        assert_eq!(in_group("9:name=systemd:/\n4:cpu,memory:/a/b\n0::/\n"), Some(3 * GIB));
        assert_eq!(in_group("4:memory:/\n"), Some(8 * GIB), "no limit");
        assert_eq!(in_group("4:cpu:/a\n"), Some(8 * GIB), "another hierarchy's group");
    }

    #[test]
    fn in_a_container_the_group_at_the_mount_counts() {
        let files = [
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "4:memory:/docker/0123abcd\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "0\n"),
        ];
        assert_eq!(free(&files), Some(GIB));
    }

    #[test]
    fn garbage_limits_nothing() {
        for group in ["", "garbage\n", "0:\n", "::\n", "x::/a\n", "\u{0}\n"] {
            let files = [("proc/meminfo", MEMINFO), ("proc/self/cgroup", group), ("sys/fs/cgroup/a/memory.max", "1\n")];
            assert_eq!(free(&files), Some(8 * GIB), "{group:?}");
        }
        assert_eq!(free(&[("proc/meminfo", "MemAvailable: 99999999999999999999 kB\n")]), None);
    }
}
