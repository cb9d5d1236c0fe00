//! A process that is measured from outside, in the kernel's accounts: its CPU time, its memory, whether it has anything to do. Shared with the
//! load tool (`tests/load`). How a server is started and ended is each tool's own.

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::machine::field;

/// CPU time of the threads that it has now, nanoseconds: exact, not counted in ticks, but what a thread that has ended took is not in it.
pub(crate) fn cpu_ns(of: &Child) -> anyhow::Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{}/task", of.id()))? {
        let path = task?.path().join("schedstat");
        // A thread may end between the two steps.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let on_cpu = text.split(' ').next().and_then(|n| n.parse::<u64>().ok());
        sum += on_cpu.with_context(|| format!("{} is not as expected: {text:?}", path.display()))?;
    }
    Ok(sum)
}

/// Its proportional share of the memory in use, KiB. What the kernel keeps for its sockets is not in it.
pub(crate) fn memory_kib(of: &Child) -> anyhow::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", of.id()))?;
    field(&text, "Pss:").context("the kernel does not tell a process's memory")
}

/// Waits until it has nothing to do: less than 2 % of a core over half a second. An error after half a minute.
pub(crate) fn wait_idle(of: &Child) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let before = cpu_ns(of)?;
        std::thread::sleep(Duration::from_millis(500));
        // A thread that ended took its account along.
        if cpu_ns(of)?.saturating_sub(before) < 10_000_000 {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("the server is busy though nobody asks anything of it");
        }
    }
}

/// As many open files as the machine allows; the processes that are started inherit it. Returns the number.
pub(crate) fn raise_open_files() -> anyhow::Result<u64> {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })?;
    Ok(most.unwrap_or(u64::MAX))
}
