//! Where the repository is and which files it has.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

/// The root of the repository: the folder above this package.
pub fn root() -> PathBuf {
    // Cargo sets the variable for `cargo run` too, so that a target folder shared by two work trees does no harm.
    let package =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    package.parent().map_or_else(|| package.clone(), Path::to_path_buf)
}

/// Every file that is tracked, or would be if it were added, relative to the root and in order.
pub fn files() -> Result<Vec<String>> {
    let output = Command::new("git")
        // In CI the files may belong to another user than the one who asks.
        .args([
            "-c",
            "safe.directory=*",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
            "--deduplicate",
        ])
        .current_dir(root())
        .output()
        .context("`git` cannot be run; install it")?;
    ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim());
    let listed = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    let mut files: Vec<String> =
        listed.split('\0').filter(|path| !path.is_empty() && root().join(path).is_file()).map(str::to_owned).collect();
    files.sort();
    Ok(files)
}
