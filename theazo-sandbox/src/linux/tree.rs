//! Kills everything that one exec started, also what left its session or lost its parent.
//!
//! A supervisor is a child of init and adopts what its program abandons, so each process belongs to the supervisor that its
//! parents lead to.

use std::collections::BTreeMap;
use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// How often a growing tree is looked at again before what was found so far is killed.
const PASSES: usize = 50;

/// Sends the kill signal to all that lives below a supervisor; returns whether there was anything.
///
/// To be repeated until there is nothing: a process that is being stopped may be in the middle of starting another.
pub fn kill_below(supervisor: Pid) -> bool {
    let supervisor = supervisor.as_raw_nonzero().get();
    kill(|pid, branch| branch == supervisor && pid != supervisor)
}

/// Sends a signal once to all that lives below a supervisor.
pub fn signal_below(supervisor: Pid, number: Signal) {
    let (supervisor, parents) = (supervisor.as_raw_nonzero().get(), parents());
    let below = |pid: &i32| *pid != supervisor && branch(*pid, &parents) == Some(supervisor);
    parents.keys().copied().filter(below).for_each(|pid| signal(pid, number));
}

/// The same as [`kill_below`] for what init had to adopt because its supervisor was killed: all that leads to none of `supervisors`.
pub fn kill_orphans(supervisors: &[Pid]) -> bool {
    kill(|_, branch| supervisors.iter().all(|supervisor| supervisor.as_raw_nonzero().get() != branch))
}

/// Whether every process but init is stopped.
pub fn is_still() -> bool {
    pids().filter(|pid| *pid != 1).all(|pid| state(pid).is_none_or(|state| matches!(state, b'T' | b't' | b'Z' | b'X')))
}

/// Processes are stopped as they are found, so that they cannot start others, until no new one appears; a fork bomb thus runs
/// out of processes that still fork.
fn kill(is_wanted: impl Fn(i32, i32) -> bool) -> bool {
    let mut found: Vec<i32> = Vec::new();
    for _ in 0..PASSES {
        let parents = parents();
        let is_new =
            |pid: &i32| !found.contains(pid) && branch(*pid, &parents).is_some_and(|branch| is_wanted(*pid, branch));
        let new: Vec<i32> = parents.keys().copied().filter(is_new).collect();
        if new.is_empty() {
            break;
        }
        new.iter().for_each(|pid| signal(*pid, Signal::STOP));
        found.extend(new);
    }
    found.iter().for_each(|pid| signal(*pid, Signal::KILL));
    !found.is_empty()
}

fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // It may be gone by now.
        let _ = kill_process(pid, signal);
    }
}

/// The child of init that a process's parents lead to, which may be itself.
pub fn branch(pid: i32, parents: &BTreeMap<i32, i32>) -> Option<i32> {
    let mut current = pid;
    // A table read while processes come and go could hold a circle.
    for _ in 0..=parents.len() {
        match parents.get(&current)? {
            1 => return Some(current),
            parent => current = *parent,
        }
    }
    None
}

/// The parent of every process that is not a zombie.
pub fn parents() -> BTreeMap<i32, i32> {
    pids().filter_map(|pid| Some((pid, parent(&stat(pid)?)?))).collect()
}

fn pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// What the kernel tells of a process in one line.
pub fn stat(pid: i32) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{pid}/stat")).ok()
}

fn state(pid: i32) -> Option<u8> {
    let stat = stat(pid)?;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    stat.get(end + 2).copied()
}

fn parent(stat: &[u8]) -> Option<i32> {
    // The second field is the program's name in parentheses, and may hold anything, parentheses too.
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    (!matches!(fields.next()?, "Z" | "X")).then(|| fields.next()?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_hide_the_parent() {
        assert_eq!(parent(b"42 (evil) S 9 (x) R 7 42 42 0"), Some(7));
        assert_eq!(parent(b"42 (gone) Z 7 42 42 0"), None);
    }

    #[test]
    fn a_process_belongs_to_the_child_of_init_above_it() {
        let parents = BTreeMap::from([(1, 0), (5, 1), (6, 5), (7, 6), (8, 99), (9, 10), (10, 9)]);

        assert_eq!([5, 7, 8, 9, 1].map(|pid| branch(pid, &parents)), [Some(5), Some(5), None, None, None]);
    }
}
