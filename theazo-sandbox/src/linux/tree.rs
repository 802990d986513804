//! Kills a process and everything it started, also what left its session or lost its parent.

use std::collections::BTreeMap;
use std::fs;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::sys;

/// How often a growing tree is looked at again before the whole sandbox is killed instead.
const PASSES: usize = 100;

/// Sends the kill signal to a supervisor and to all below it; returns them, dead or dying.
///
/// A supervisor adopts what its program abandons, so parents lead to everything. Processes are stopped as they are found,
/// so that they cannot start others, until no new one appears; a fork bomb thus runs out of processes that still fork.
pub fn kill(supervisor: Pid) -> Vec<Pid> {
    kill_below(vec![supervisor])
}

/// The same for orphans that init had to adopt because their supervisor was killed: all of init's children but `supervisors`.
pub fn kill_orphans(supervisors: &[Pid]) -> Vec<Pid> {
    let roots = parents().into_iter().filter(|(_, parent)| *parent == 1).filter_map(|(pid, _)| Pid::from_raw(pid));
    kill_below(roots.filter(|pid| !supervisors.contains(pid)).collect())
}

fn kill_below(roots: Vec<Pid>) -> Vec<Pid> {
    let mut found = roots.clone();
    for pass in 0.. {
        let parents = parents();
        let is_new = |pid: &i32| found.iter().all(|known| known.as_raw_nonzero().get() != *pid);
        let new: Vec<Pid> = parents
            .keys()
            .filter(|pid| is_new(pid) && is_below(**pid, &roots, &parents))
            .filter_map(|pid| Pid::from_raw(*pid))
            .collect();
        if new.is_empty() {
            break;
        }
        if pass == PASSES {
            sys::signal_all(libc::SIGKILL);
            break;
        }
        for pid in &new {
            let _ = kill_process(*pid, Signal::STOP);
        }
        found.extend(new);
    }
    // The roots come last: while a supervisor lives, the dead have a parent that reaps them.
    for pid in found.iter().rev() {
        let _ = kill_process(*pid, Signal::KILL);
    }
    found
}

/// Whether a process still exists, be it as a zombie.
pub fn exists(pid: Pid) -> bool {
    test_kill_process(pid).is_ok()
}

fn is_below(pid: i32, roots: &[Pid], parents: &BTreeMap<i32, i32>) -> bool {
    let mut current = pid;
    // A table read while processes come and go could hold a circle.
    for _ in 0..parents.len() {
        match parents.get(&current) {
            Some(parent) if roots.iter().any(|root| root.as_raw_nonzero().get() == *parent) => return true,
            Some(parent) => current = *parent,
            None => return false,
        }
    }
    false
}

/// The parent of every process that is not a zombie.
fn parents() -> BTreeMap<i32, i32> {
    let pids = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: i32| Some((pid, parent(&fs::read(format!("/proc/{pid}/stat")).ok()?)?))).collect()
}

fn parent(stat: &[u8]) -> Option<i32> {
    // The second field is the program's name in parentheses, and may hold anything, parentheses too.
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    (fields.next()? != "Z").then(|| fields.next()?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_hide_the_parent() {
        assert_eq!(parent(b"42 (evil) S 9 (x) R 7 42 42 0"), Some(7));
        assert_eq!(parent(b"42 (gone) Z 7 42 42 0"), None);
    }
}
