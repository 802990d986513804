//! Control groups, version 1 and 2 behind one trait: what they limit, and how a sandbox is frozen.
//!
//! Every helper has its own directory below `theazo` in each hierarchy, named by its process id, and in it one per sandbox.
//! The next helper removes those of a helper that no longer lives, as soon as they are empty.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Limits;

/// The directory of ours in a hierarchy.
const OURS: &str = "theazo";
/// How long a processor share is accounted over, in microseconds.
const PERIOD: u64 = 100_000;

/// Groups of sandboxes in one version of control groups.
pub trait Groups {
    /// Makes a sandbox's groups and sets its limits; returns the files in which a process enters them.
    fn create(&self, name: &str, limits: &Limits) -> io::Result<Vec<PathBuf>>;
    /// Starts to freeze, or thaws; returns whether the groups are in that state already.
    fn freeze(&self, name: &str, frozen: bool) -> io::Result<bool>;
    /// How often the system ended a process of a sandbox because its memory was used up; 0 where that is not limited.
    fn count_out_of_memory(&self, name: &str) -> io::Result<u64>;
    /// Removes a sandbox's groups; fails while a process is in them.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Removes what dead helpers left; returns whether some of it is still in use.
    fn sweep(&self) -> bool;
    /// Removes the directory of this helper.
    fn close(&self);
    /// Which limits are enforced.
    fn enforced(&self) -> Vec<String>;
    /// Whether sandboxes can be frozen.
    fn can_freeze(&self) -> bool;
}

/// Finds the control groups that this process may use, if any.
pub fn detect() -> Option<Box<dyn Groups>> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    match Version1::detect(&mounts) {
        Some(groups) => Some(Box::new(groups)),
        None => Version2::detect(&mounts, &own).map(|groups| Box::new(groups) as Box<dyn Groups>),
    }
}

/// One hierarchy per controller.
struct Version1 {
    /// The helper's directory, by controller.
    controllers: BTreeMap<&'static str, PathBuf>,
}

impl Version1 {
    fn detect(mounts: &str) -> Option<Self> {
        let mut controllers = BTreeMap::new();
        for (mount_point, options) in mounts_of(mounts, "cgroup") {
            for controller in ["memory", "cpu", "pids", "freezer"] {
                if options.split(',').any(|option| option == controller)
                    && let Ok(directory) = own_directory(&mount_point)
                {
                    controllers.insert(controller, directory);
                }
            }
        }
        let useful = ["memory", "cpu", "pids"].iter().any(|controller| controllers.contains_key(controller));
        useful.then_some(Self { controllers })
    }

    fn directories(&self, name: &str) -> impl Iterator<Item = (&'static str, PathBuf)> {
        self.controllers.iter().map(move |(controller, directory)| (*controller, directory.join(name)))
    }
}

impl Groups for Version1 {
    fn create(&self, name: &str, limits: &Limits) -> io::Result<Vec<PathBuf>> {
        let mut entrances = Vec::new();
        for (controller, directory) in self.directories(name) {
            make(&directory)?;
            match controller {
                "memory" => {
                    write(&directory, "memory.limit_in_bytes", limits.memory)?;
                    // Absent where the kernel does not account swap.
                    if directory.join("memory.memsw.limit_in_bytes").exists() {
                        write(&directory, "memory.memsw.limit_in_bytes", limits.memory)?;
                    }
                }
                "cpu" => {
                    write(&directory, "cpu.cfs_period_us", PERIOD)?;
                    write(&directory, "cpu.cfs_quota_us", quota(limits))?;
                }
                "pids" => write(&directory, "pids.max", limits.processes)?,
                _ => {}
            }
            // Controllers that are mounted together share a directory.
            let entrance = directory.join("cgroup.procs");
            if !entrances.contains(&entrance) {
                entrances.push(entrance);
            }
        }
        Ok(entrances)
    }

    fn freeze(&self, name: &str, frozen: bool) -> io::Result<bool> {
        let Some(directory) = self.controllers.get("freezer") else { return Ok(false) };
        let state = if frozen { "FROZEN" } else { "THAWED" };
        write(&directory.join(name), "freezer.state", state)?;
        Ok(fs::read_to_string(directory.join(name).join("freezer.state"))?.trim() == state)
    }

    fn count_out_of_memory(&self, name: &str) -> io::Result<u64> {
        let Some(directory) = self.controllers.get("memory") else { return Ok(0) };
        Ok(out_of_memory(&fs::read_to_string(directory.join(name).join("memory.oom_control"))?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.directories(name).try_for_each(|(_, directory)| remove(&directory))
    }

    fn sweep(&self) -> bool {
        // Each is swept, whatever is left in the others.
        self.controllers.values().filter(|directory| sweep_beside(directory)).count() > 0
    }

    fn close(&self) {
        for directory in self.controllers.values() {
            let _ = remove(directory);
        }
    }

    fn enforced(&self) -> Vec<String> {
        let limits = [("memory", "memory"), ("cpu", "cpu"), ("pids", "processes")];
        limits
            .into_iter()
            .filter(|(controller, _)| self.controllers.contains_key(controller))
            .map(|(_, limit)| limit.into())
            .collect()
    }

    fn can_freeze(&self) -> bool {
        self.controllers.contains_key("freezer")
    }
}

/// One hierarchy for all.
struct Version2 {
    directory: PathBuf,
    controllers: Vec<&'static str>,
}

impl Version2 {
    fn detect(mounts: &str, own: &str) -> Option<Self> {
        let (mount_point, _) = mounts_of(mounts, "cgroup2").next()?;
        let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
        let own = mount_point.join(own);
        // Without root, a group beside our own can be made where the group above is delegated; never below our own, because
        // a group with processes hands no controller down.
        let parents = [Some(mount_point.as_path()), own.parent()];
        parents.into_iter().flatten().find_map(Self::below)
    }

    fn below(parent: &Path) -> Option<Self> {
        enable(parent);
        let directory = own_directory(parent).ok()?;
        enable(&parent.join(OURS));
        enable(&directory);
        let enabled = fs::read_to_string(directory.join("cgroup.subtree_control")).unwrap_or_default();
        let controllers: Vec<_> = ["memory", "cpu", "pids"]
            .into_iter()
            .filter(|name| enabled.split_whitespace().any(|word| word == *name))
            .collect();
        if controllers.is_empty() {
            let _ = remove(&directory);
            return None;
        }
        Some(Self { directory, controllers })
    }
}

/// Hands the controllers that there are down from a group.
fn enable(group: &Path) {
    for controller in ["+memory", "+cpu", "+pids"] {
        let _ = write(group, "cgroup.subtree_control", controller);
    }
}

impl Groups for Version2 {
    fn create(&self, name: &str, limits: &Limits) -> io::Result<Vec<PathBuf>> {
        let directory = self.directory.join(name);
        make(&directory)?;
        for controller in &self.controllers {
            match *controller {
                "memory" => {
                    write(&directory, "memory.max", limits.memory)?;
                    if directory.join("memory.swap.max").exists() {
                        write(&directory, "memory.swap.max", 0)?;
                    }
                }
                "cpu" => write(&directory, "cpu.max", format!("{} {PERIOD}", quota(limits)))?,
                _ => write(&directory, "pids.max", limits.processes)?,
            }
        }
        Ok(vec![directory.join("cgroup.procs")])
    }

    fn freeze(&self, name: &str, frozen: bool) -> io::Result<bool> {
        let directory = self.directory.join(name);
        write(&directory, "cgroup.freeze", u8::from(frozen))?;
        let events = fs::read_to_string(directory.join("cgroup.events"))?;
        Ok(events.lines().any(|line| line == format!("frozen {}", u8::from(frozen))))
    }

    fn count_out_of_memory(&self, name: &str) -> io::Result<u64> {
        if !self.controllers.contains(&"memory") {
            return Ok(0);
        }
        Ok(out_of_memory(&fs::read_to_string(self.directory.join(name).join("memory.events"))?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        remove(&self.directory.join(name))
    }

    fn sweep(&self) -> bool {
        sweep_beside(&self.directory)
    }

    fn close(&self) {
        let _ = remove(&self.directory);
    }

    fn enforced(&self) -> Vec<String> {
        self.controllers.iter().map(|name| if *name == "pids" { "processes" } else { name }.to_owned()).collect()
    }

    fn can_freeze(&self) -> bool {
        true
    }
}

/// The mount points of a kind of file system, with the options of each.
fn mounts_of<'a>(mounts: &'a str, kind: &'a str) -> impl Iterator<Item = (PathBuf, &'a str)> {
    mounts.lines().filter_map(move |line| {
        let (place, system) = line.split_once(" - ")?;
        let mut system = system.split(' ');
        if system.next()? != kind {
            return None;
        }
        Some((PathBuf::from(place.split(' ').nth(4)?), system.nth(1)?))
    })
}

/// Makes this helper's directory in a hierarchy.
fn own_directory(parent: &Path) -> io::Result<PathBuf> {
    let ours = parent.join(OURS);
    make(&ours)?;
    let directory = ours.join(format!("helper-{}", std::process::id()));
    make(&directory)?;
    Ok(directory)
}

/// Removes the directories of dead helpers beside this one's; returns whether one is still in use. What a killed helper
/// started dies with it, but a moment later than it.
fn sweep_beside(directory: &Path) -> bool {
    let beside = directory.parent().map(fs::read_dir).into_iter().flatten().flatten().flatten();
    let mut in_use = false;
    for helper in beside {
        let name = helper.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix("helper-")).and_then(|pid| pid.parse::<u32>().ok());
        if pid.is_none_or(|pid| Path::new(&format!("/proc/{pid}")).exists()) {
            continue;
        }
        // Only an empty group can be removed, so this cannot harm a helper that we do not see.
        for sandbox in fs::read_dir(helper.path()).into_iter().flatten().flatten() {
            let _ = fs::remove_dir(sandbox.path());
        }
        in_use |= remove(&helper.path()).is_err();
    }
    in_use
}

fn make(directory: &Path) -> io::Result<()> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(at(directory, &error)),
        _ => Ok(()),
    }
}

fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(directory, &error)),
        _ => Ok(()),
    }
}

fn write(directory: &Path, file: &str, value: impl ToString) -> io::Result<()> {
    let path = directory.join(file);
    fs::write(&path, value.to_string()).map_err(|error| at(&path, &error))
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// The count in a file of both versions, which older kernels leave out.
fn out_of_memory(events: &str) -> u64 {
    let count = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

/// The processor time per period, in microseconds; the kernel takes no less than a millisecond.
fn quota(limits: &Limits) -> u64 {
    ((limits.cpus * PERIOD as f64) as u64).max(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
30 24 0:26 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
31 24 0:27 / /sys/fs/cgroup/unified rw,relatime shared:1 - cgroup2 cgroup2 rw";

    #[test]
    fn mounts_are_found_by_kind_with_their_options() {
        let first: Vec<_> = mounts_of(HYBRID, "cgroup").collect();
        let second: Vec<_> = mounts_of(HYBRID, "cgroup2").collect();

        assert_eq!(first, [(PathBuf::from("/sys/fs/cgroup/memory"), "rw,memory")]);
        assert_eq!(second, [(PathBuf::from("/sys/fs/cgroup/unified"), "rw")]);
    }

    #[test]
    fn ends_by_lack_of_memory_are_counted_in_the_files_of_both_versions() {
        assert_eq!(out_of_memory("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), 3);
        assert_eq!(out_of_memory("low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 0\n"), 1);
        assert_eq!(out_of_memory("oom_kill_disable 0\nunder_oom 0\n"), 0);
    }

    #[test]
    fn version_2_writes_each_limit_to_its_file() {
        let root = tempfile::tempdir().expect("a directory can be made");
        let groups = Version2 { directory: root.path().into(), controllers: vec!["memory", "cpu", "pids"] };

        let limits = Limits { memory: 1 << 20, cpus: 0.5, processes: 8, ..Limits::default() };
        let entrances = groups.create("7", &limits).expect("the files can be written");

        let read = |file: &str| fs::read_to_string(root.path().join("7").join(file)).expect("the file was written");
        assert_eq!(entrances, [root.path().join("7/cgroup.procs")]);
        assert_eq!(
            (read("memory.max"), read("cpu.max"), read("pids.max")),
            ("1048576".into(), "50000 100000".into(), "8".into())
        );
        assert_eq!(groups.enforced(), ["memory", "cpu", "processes"]);
    }
}
