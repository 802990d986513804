//! A disk that fails when it is told to and remembers what was written: a library that is preloaded into a server.
//!
//! It stands between the server and the system's calls, so it needs no rights, and what fails fails as it would on a broken
//! disk. It is written in C, like the SQLite below it, because what is preloaded must be the system's own calls by name.

use std::{fs::File, os::unix::fs::FileExt, path::Path, process::Command};

/// Which error the disk answers with, by its number on Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is full.
    Full = 28,
    /// It fails.
    Failing = 5,
    /// It can be read only.
    ReadOnly = 30,
}

/// Where the orders of the library have their numbers.
const ERROR: u64 = 0;
const SPARED: u64 = 4;
const READS: u64 = 8;
const REFUSED: u64 = 12;

/// The library, and what it is told and tells.
pub struct Disk {
    folder: tempfile::TempDir,
    orders: File,
}

impl Disk {
    /// Builds the library. Where SQLite was compiled, this is, too.
    pub fn build() -> Self {
        let folder = tempfile::tempdir().expect("a folder is made");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/disk.c");
        let library = folder.path().join("disk.so");
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let built = Command::new(compiler).args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).status();
        assert!(built.expect("there is a C compiler").success(), "the library is built");
        let path = folder.path().join("orders");
        std::fs::write(&path, [0; 16]).expect("the file is made");
        let orders = File::options().read(true).write(true).open(path).expect("it is there");
        Self { folder, orders }
    }

    /// Makes a server have this disk for its data.
    pub fn put_under(&self, server: &mut tokio::process::Command, data_dir: &Path) {
        let data_dir = data_dir.canonicalize().expect("it is there");
        let here = self.folder.path();
        server.env("LD_PRELOAD", here.join("disk.so")).env("THEAZO_DISK_ORDERS", here.join("orders"));
        server.env("THEAZO_DISK_FOLDER", data_dir);
        server.env("THEAZO_DISK_LOG", here.join("log"));
    }

    /// From now on every change fails, after so many that are spared.
    pub fn fail(&self, fault: Fault, spared: i32) {
        self.set(SPARED, spared);
        self.set(ERROR, fault as i32);
    }

    /// From now on reads fail, too.
    pub fn fail_reads(&self, fault: Fault) {
        self.set(READS, 1);
        self.fail(fault, 0);
    }

    /// From now on everything works, and returns how many operations failed until now.
    pub fn heal(&self) -> i32 {
        self.set(ERROR, 0);
        self.set(READS, 0);
        let refused = self.refused();
        self.set(REFUSED, 0);
        refused
    }

    /// How many operations failed since it was last healed.
    pub fn refused(&self) -> i32 {
        let mut refused = [0; 4];
        self.orders.read_exact_at(&mut refused, REFUSED).expect("it can be read");
        i32::from_ne_bytes(refused)
    }

    /// How long the log is by now: a place in it.
    pub fn place(&self) -> u64 {
        self.folder.path().join("log").metadata().map_or(0, |log| log.len())
    }

    /// The log.
    pub fn log(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("log")).expect("something was written")
    }

    fn set(&self, place: u64, number: i32) {
        self.orders.write_all_at(&number.to_ne_bytes(), place).expect("it can be written");
    }
}
