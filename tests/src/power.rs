//! What is left of files when the power fails: what was synced, and of what was not whatever the disk happened to write.

use std::path::Path;

/// How much of a write a disk does whole or not at all.
const SECTOR: usize = 512;

/// The files that the log of a [`crate::disk::Disk`] is about, in its order.
const FILES: [&str; 2] = ["theazo.db", "theazo.db-wal"];

/// What was done to one of the files.
#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, data: Vec<u8> },
    Resize(usize),
    Sync,
}

/// What was done, in its order.
pub struct History {
    changes: Vec<(u64, usize, Change)>,
}

impl History {
    /// Reads the log of a disk.
    pub fn read(log: &[u8]) -> Self {
        let mut changes = Vec::new();
        let mut rest = log;
        while let Some((head, after)) = rest.split_at_checked(24) {
            let number =
                |from: usize, to: usize| head[from..to].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            let (operation, file, offset) = (number(0, 4), index(number(4, 8)), index(number(8, 16)));
            let Some((data, after)) = after.split_at_checked(index(number(16, 24))) else { break };
            let change = match u8::try_from(operation) {
                Ok(b'w') => Change::Write { offset, data: data.to_vec() },
                Ok(b't') => Change::Resize(offset),
                _ => Change::Sync,
            };
            rest = after;
            changes.push(((log.len() - rest.len()) as u64, file, change));
        }
        Self { changes }
    }

    /// How many moments there are at which the power can fail: after each thing that was done.
    pub fn moments(&self) -> usize {
        self.changes.len()
    }

    /// The place in the log that belongs to a moment: what is acknowledged before it must have survived.
    pub fn place(&self, moment: usize) -> u64 {
        self.changes[moment].0
    }

    /// Writes the files to a folder as they can be found after the power failed at a moment. `choose` decides by how many
    /// numbers it has to choose from: of each write that was not synced it decides what has reached the disk.
    pub fn write_what_is_left(&self, moment: usize, folder: &Path, mut choose: impl FnMut(u64) -> u64) {
        let mut left: [Vec<u8>; 2] = Default::default();
        let mut unsynced: [Vec<&Change>; 2] = Default::default();
        for (_, file, change) in &self.changes[..=moment] {
            match change {
                Change::Sync => unsynced[*file].drain(..).for_each(|change| apply(&mut left[*file], change, |_| true)),
                change => unsynced[*file].push(change),
            }
        }
        for (file, changes) in unsynced.iter().enumerate() {
            for change in changes {
                match choose(4) {
                    0 => {}
                    1 => apply(&mut left[file], change, |_| choose(2) == 0),
                    2 => {
                        let whole = choose(16);
                        apply(&mut left[file], change, |sector| sector < whole);
                    }
                    _ => apply(&mut left[file], change, |_| true),
                }
            }
            std::fs::write(folder.join(FILES[file]), &left[file]).expect("it is written");
        }
    }
}

/// Does to a file what a change did, or those sectors of it that are kept.
fn apply(file: &mut Vec<u8>, change: &Change, mut is_kept: impl FnMut(u64) -> bool) {
    match change {
        Change::Write { offset, data } => {
            for (number, sector) in data.chunks(SECTOR).enumerate() {
                if is_kept(number as u64) {
                    let begin = offset + number * SECTOR;
                    file.resize(file.len().max(begin + sector.len()), 0);
                    file[begin..begin + sector.len()].copy_from_slice(sector);
                }
            }
        }
        Change::Resize(length) if is_kept(0) => file.resize(*length, 0),
        Change::Resize(_) | Change::Sync => {}
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("it is a place in memory")
}
