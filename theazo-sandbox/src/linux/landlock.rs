//! A second wall behind the mounts: programs open only what the sandbox's own root offers, whatever way they find out of it.
//!
//! The rules hold for the very directories that were mounted, not for their names, so a descriptor of the host that comes into a
//! sandbox, or a hole in the mounts, opens nothing. TCP is left alone: Landlock knows ports but no addresses, and programs may
//! use any port of their own loopback interface; what keeps them from other networks is that they have none.

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};

/// What is asked for at most. Later kernels know more, but not what was never tried can be relied upon.
const NEWEST: ABI = ABI::V6;
/// Before this one (Linux 5.19), a restricted program could not move a file from one folder to another.
const OLDEST: ABI = ABI::V2;

/// How programs may use a place and what is below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// List folders.
    List,
    /// Read and execute.
    Read,
    /// Everything but to make devices and to use them.
    Write,
    /// What a device offers.
    Device,
    /// Read, and write what is there already.
    Processes,
}

impl Use {
    fn access(self) -> BitFlags<AccessFs> {
        match self {
            Self::List => AccessFs::ReadDir.into(),
            Self::Read => AccessFs::from_read(NEWEST),
            Self::Write => {
                AccessFs::from_all(NEWEST) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev)
            }
            Self::Device => AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev,
            Self::Processes => AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::WriteFile | AccessFs::Truncate,
        }
    }
}

/// Whether this kernel has what is needed.
pub fn is_available() -> bool {
    ruleset().is_ok()
}

/// Restricts this process and all that it will start to these places, for good. Signals and sockets without a file then reach
/// only what is restricted likewise, where the kernel knows how.
pub fn restrict<'a>(places: impl IntoIterator<Item = (&'a Path, Use)>) -> Result<(), String> {
    let mut rules = ruleset().map_err(|error| error.to_string())?;
    for (path, wanted) in places {
        let failed = |error: &dyn std::error::Error| format!("{}: {error}", path.display());
        let opened = PathFd::new(path).map_err(|error| failed(&error))?;
        // Of the rights, those that only a folder can have are left out for a file.
        let rule = PathBeneath::new(opened, wanted.access());
        rules = rules.add_rule(rule).map_err(|error| failed(&error))?;
    }
    rules.restrict_self().map(drop).map_err(|error| error.to_string())
}

fn ruleset() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(OLDEST))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()
}
