//! Cache budgets in bytes, beside the memory that there is and what of it is free.

mod free;
mod share;

use std::fs::read_to_string;

pub use free::{free, free_in};
pub use share::{LEAST, MOST, cache_share, take_sizes};

/// A budget that no cache can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// More bytes than can be counted.
    #[error("cache_mb: expected at most {most} megabytes, found {found}")]
    Uncountable {
        /// The budget in megabytes.
        found: u64,
        /// The most that can be counted.
        most: u64,
    },
    /// More than the machine's memory.
    #[error("cache_mb: {found} megabytes, and the memory of this machine has {memory}")]
    BeyondMemory {
        /// The budget in megabytes.
        found: u64,
        /// The memory in megabytes.
        memory: u64,
    },
}

/// The bytes of a budget in megabytes (2²⁰ bytes), which must be within `memory` bytes, if that is
/// known.
///
/// # Errors
///
/// A budget beyond that.
pub fn cache_bytes(megabytes: u64, memory: Option<u64>) -> Result<u64, BudgetError> {
    let most = u64::MAX >> 20;
    if megabytes > most {
        return Err(BudgetError::Uncountable { found: megabytes, most });
    }
    let bytes = megabytes << 20;
    match memory {
        Some(memory) if bytes > memory => Err(BudgetError::BeyondMemory { found: megabytes, memory: memory >> 20 }),
        _ => Ok(bytes),
    }
}

/// The memory that this process may use, in bytes: the machine's, or less where its control group
/// has less. None where the system does not say: what is read is Linux's.
#[must_use]
pub fn memory() -> Option<u64> {
    let machine = read_to_string("/proc/meminfo").ok().and_then(|text| line_of(&text, "MemTotal:"));
    let group = read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    machine.into_iter().chain(group).min()
}

/// A line such as `MemTotal:  16303444 kB` of `/proc/meminfo`, in bytes.
fn line_of(meminfo: &str, name: &str) -> Option<u64> {
    let value = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::{BudgetError, cache_bytes, line_of};

    #[test]
    fn a_budget_is_counted_in_bytes_or_refused() {
        assert_eq!(cache_bytes(1024, None), Ok(1 << 30));
        assert_eq!(cache_bytes(u64::MAX >> 20, None), Ok(u64::MAX >> 20 << 20));
        for found in [17_592_186_044_416, u64::MAX] {
            assert_eq!(cache_bytes(found, None), Err(BudgetError::Uncountable { found, most: 17_592_186_044_415 }));
        }
    }

    #[test]
    fn a_budget_beyond_the_memory_is_refused() {
        let memory = Some(16 << 30);
        assert_eq!(cache_bytes(16 << 10, memory), Ok(16 << 30));
        let found = (16 << 10) + 1;
        assert_eq!(cache_bytes(found, memory), Err(BudgetError::BeyondMemory { found, memory: 16 << 10 }));
    }

    #[test]
    fn the_memory_of_linux_is_read() {
        let total = |text: &str| line_of(text, "MemTotal:");
        assert_eq!(total("MemTotal:       16303444 kB\nMemFree:        1 kB\n"), Some(16_303_444 * 1024));
        for odd in ["", "MemFree: 1 kB\n", "MemTotal: many kB\n", "MemTotal: 18446744073709551615 kB\n"] {
            assert_eq!(total(odd), None, "{odd:?}");
        }
    }
}
