//! Local sandboxes: their interpreters, what each may use, and how far they must be kept apart from the host.

use std::path::{Path, PathBuf};

use theazo_server::{Limits, PlaneConfig, Runtimes};

use crate::cli::Failure;

/// Local sandboxes of a control plane.
#[derive(clap::Args)]
pub struct SandboxOptions {
    /// The Python of local sandboxes; /usr/bin/python3 by default.
    #[arg(long, env = "THEAZO_PYTHON", value_name = "FILE")]
    python: Option<PathBuf>,
    /// The Node.js of local sandboxes; /usr/bin/node by default.
    #[arg(long, env = "THEAZO_NODE", value_name = "FILE")]
    node: Option<PathBuf>,
    /// A directory that every local sandbox sees, read-only and at the same path: a virtual environment, say. Not below
    /// /tmp, which each sandbox has for itself. May be given more than once; several in the environment are separated by
    /// commas.
    #[arg(long, env = "THEAZO_SANDBOX_READ_ONLY", value_name = "DIR", value_delimiter = ',')]
    sandbox_read_only: Vec<PathBuf>,
    /// How many bytes of memory a local sandbox may use.
    #[arg(long, env = "THEAZO_SANDBOX_MEMORY", value_name = "BYTES", default_value_t = Limits::default().memory)]
    sandbox_memory: u64,
    /// How many processors a local sandbox may use; half of one is 0.5.
    #[arg(long, env = "THEAZO_SANDBOX_CPUS", value_name = "NUMBER", default_value_t = Limits::default().cpus)]
    sandbox_cpus: f64,
    /// How many processes and threads a local sandbox may have.
    #[arg(long, env = "THEAZO_SANDBOX_PROCESSES", value_name = "NUMBER", default_value_t = Limits::default().processes)]
    sandbox_processes: u32,
    /// How many bytes the files of a local sandbox may take.
    #[arg(long, env = "THEAZO_SANDBOX_DISK", value_name = "BYTES", default_value_t = Limits::default().stored)]
    sandbox_disk: u64,
    /// How many bytes the files of a local sandbox may take at most, where its agent asks for more with `storage`; 20 GB by default.
    #[arg(long, env = "THEAZO_SANDBOX_MOST_DISK", value_name = "BYTES")]
    sandbox_most_disk: Option<u64>,
    /// What the isolation of local sandboxes must be at least: `container` or `namespaces`, and limits such as `memory`, or
    /// `paths` for Landlock. Several in the environment are separated by commas.
    #[arg(long, env = "THEAZO_REQUIRED_ISOLATION", value_name = "NAME", value_delimiter = ',')]
    required_isolation: Vec<String>,
}

/// A sandbox with less memory starts no interpreter.
const LEAST_MEMORY: u64 = 32 << 20;

impl SandboxOptions {
    /// The control plane with such sandboxes.
    pub fn apply(&self, mut config: PlaneConfig) -> Result<PlaneConfig, Failure> {
        self.check()?;
        let usual = Runtimes::default();
        config.runtimes = Runtimes {
            python: self.python.clone().unwrap_or(usual.python),
            node: self.node.clone().unwrap_or(usual.node),
            read_only: self.sandbox_read_only.clone(),
            ..usual
        };
        config.sandbox_limits = Limits {
            memory: self.sandbox_memory,
            cpus: self.sandbox_cpus,
            processes: self.sandbox_processes,
            stored: self.sandbox_disk,
            ..Limits::default()
        };
        config.most_storage = self.sandbox_most_disk;
        config.required_isolation.clone_from(&self.required_isolation);
        Ok(config)
    }

    /// Refuses files that are not there, and limits with which no program runs.
    fn check(&self) -> Result<(), Failure> {
        if self.sandbox_memory < LEAST_MEMORY {
            return Err(
                format!("`sandbox_memory` is {}; it must be {LEAST_MEMORY} at least", self.sandbox_memory).into()
            );
        }
        if !(0.01..=1024.0).contains(&self.sandbox_cpus) {
            return Err(format!("`sandbox_cpus` is {}; it must be from 0.01 to 1024", self.sandbox_cpus).into());
        }
        if self.sandbox_processes < 4 {
            return Err(format!("`sandbox_processes` is {}; it must be 4 at least", self.sandbox_processes).into());
        }
        for (name, file) in [("python", &self.python), ("node", &self.node)] {
            if let Some(file) = file.as_ref().filter(|file| !file.is_file()) {
                return Err(format!("`{name}` is `{}`, which is no file", file.display()).into());
            }
        }
        for directory in &self.sandbox_read_only {
            let problem = if !directory.is_absolute() {
                "is not an absolute path"
            } else if directory == Path::new("/tmp") {
                "each sandbox has for itself"
            } else if !directory.is_dir() {
                "is no directory"
            } else {
                continue;
            };
            return Err(format!("`sandbox_read_only` has `{}`, which {problem}", directory.display()).into());
        }
        Ok(())
    }
}
