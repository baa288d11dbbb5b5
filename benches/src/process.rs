//! What the operating system says of a process: CPU, disk, memory, and when it is idle.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// User and system seconds of a process, of all its threads (`/proc/PID/stat`, fields 14 and 15, in hundredths).
pub fn cpu_of(process: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = |field: usize| -> f64 {
        after_name.split_whitespace().nth(field).and_then(|text| text.parse().ok()).unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0
}

/// Bytes a process had read from and written to disks.
fn disk_of(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/io")).unwrap_or_default();
    let field = |name: &str| -> u64 {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or(0)
    };
    field("read_bytes:") + field("write_bytes:")
}

/// When processes count as idle.
#[derive(Debug, Clone, Copy)]
pub struct Idle {
    /// So many looks in a row, 0.3 s apart, must find it using next to no CPU and disk.
    pub looks: u32,
    /// The longest to wait for that.
    pub limit: Duration,
}

/// Waits until all of the processes are idle, so that what they flush and compact counts, too. Whether they became idle.
pub fn settle(processes: &[u32], idle: Idle) -> bool {
    let deadline = Instant::now() + idle.limit;
    let looks = || -> Vec<(f64, u64)> {
        processes.iter().map(|&process| (cpu_of(process), disk_of(process))).collect()
    };
    let mut quiet = 0;
    while quiet < idle.looks {
        if Instant::now() >= deadline {
            return false;
        }
        let before = looks();
        std::thread::sleep(Duration::from_millis(300));
        let busy = looks()
            .iter()
            .zip(&before)
            .any(|(now, before)| now.0 - before.0 > 0.02 || now.1 - before.1 > 1 << 20);
        quiet = if busy { 0 } else { quiet + 1 };
    }
    true
}

/// Resident memory that is not a file's, in MiB (RssAnon and RssShmem).
pub fn memory_of(process: u32) -> f64 {
    status(process, &["RssAnon:", "RssShmem:"])
}

/// All resident memory, the pages of the program's own file included, in MiB (VmRSS).
pub fn resident_of(process: u32) -> f64 {
    status(process, &["VmRSS:"])
}

/// The sum of fields that the system gives in KiB, in MiB.
fn status(process: u32, fields: &[&str]) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let field = |name: &&str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(*name));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
    };
    fields.iter().map(field).sum::<f64>() / 1024.0
}

/// Does the work and looks at a process meanwhile: what `look` said every so often.
pub fn watched<T>(every: Duration, look: impl Fn() -> f64 + Sync, work: impl FnOnce() -> T) -> (T, Vec<f64>) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut seen = Vec::new();
            while !done.load(Ordering::Relaxed) {
                seen.push(look());
                std::thread::sleep(every);
            }
            seen
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        (result, looking.join().unwrap_or_default())
    })
}
