//! The processes of a sandbox, listed by its init, which sees no others.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::tree;
use crate::Process;

/// How much of a command line is told.
const COMMAND_BYTES: usize = 1024;
/// How the kernel counts time for programs, whatever it uses itself: hundredths of a second.
const TICKS: u64 = 100;

/// Writes the list of all processes but init and the supervisors, which are no business of whoever asks. `labels` has that
/// of each supervisor's program.
pub fn write(file: OwnedFd, labels: &BTreeMap<i32, &str>) -> io::Result<()> {
    let parents = tree::parents();
    let is_ours = |pid: &i32| *pid == 1 || labels.contains_key(pid);
    let uptime = uptime();
    let processes: Vec<Process> = parents
        .iter()
        .filter(|(pid, _)| !is_ours(pid))
        .filter_map(|(pid, parent)| {
            let label = tree::branch(*pid, &parents).and_then(|branch| labels.get(&branch));
            describe(*pid, if is_ours(parent) { 0 } else { *parent }, label.map(ToString::to_string), uptime)
        })
        .collect();
    Ok(serde_json::to_writer(File::from(file), &processes)?)
}

/// What is told of a process; nothing if it is gone by now.
fn describe(pid: i32, parent: i32, label: Option<String>, uptime: Duration) -> Option<Process> {
    let stat = tree::stat(pid)?;
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let fields: Vec<&str> = std::str::from_utf8(stat.get(name_end + 1..)?).ok()?.split_ascii_whitespace().collect();
    // The manual counts from 1, and the two fields before these are the number and the name.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let time = |ticks: u64| Duration::from_millis(ticks * 1000 / TICKS);
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command = if arguments.is_empty() {
        let name_start = stat.iter().position(|byte| *byte == b'(')? + 1;
        stat.get(name_start..name_end)?.to_vec()
    } else {
        let end = arguments.len() - usize::from(arguments.ends_with(&[0]));
        arguments[..end].iter().map(|byte| if *byte == 0 { b' ' } else { *byte }).collect()
    };
    let mut command = String::from_utf8_lossy(&command).into_owned();
    command.truncate(command.floor_char_boundary(COMMAND_BYTES));
    Some(Process {
        pid,
        parent,
        label,
        command,
        processor_time: time(field(14)? + field(15)?),
        memory: memory(pid),
        age: uptime.saturating_sub(time(field(22)?)),
    })
}

fn memory(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let held = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    held.and_then(|kilobytes| kilobytes.trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn uptime() -> Duration {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text.split_ascii_whitespace().next().and_then(|seconds| seconds.parse().ok());
    Duration::try_from_secs_f64(seconds.unwrap_or(0.0)).unwrap_or_default()
}
