//! How the files of simulated sandboxes are written as snapshots.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use theazo_api::Timestamp;

use super::tree::Tree;
use crate::compute::{ComputeError, SnapshotPlace, snapshots::failed};

/// The one file of such a snapshot.
const NAME: &str = "files.json";

/// A file or folder, as it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    path: String,
    /// In base64; absent for a folder.
    content: Option<String>,
    modified: Timestamp,
}

/// Writes files into the folder of a snapshot, and returns how many bytes they have.
pub fn write(tree: &Tree, place: &SnapshotPlace) -> Result<i64, ComputeError> {
    let bytes = tree.size();
    if u64::try_from(bytes).unwrap_or(0) > place.limit {
        return Err(ComputeError::CannotCopy(format!("has more than {} bytes of data", place.limit)));
    }
    let written: Vec<Written> = tree
        .nodes()
        .map(|(path, content, modified)| Written {
            path: path.to_owned(),
            content: content.map(|content| BASE64_STANDARD.encode(content)),
            modified,
        })
        .collect();
    let json = serde_json::to_vec(&written).map_err(|error| ComputeError::Failed(error.to_string()))?;
    std::fs::write(place.directory.join(NAME), json).map_err(failed("write a snapshot"))?;
    Ok(bytes)
}

/// Reads what [`write`] wrote.
pub fn read(place: &SnapshotPlace) -> Result<Tree, ComputeError> {
    let json = std::fs::read(place.directory.join(NAME)).map_err(failed("read a snapshot"))?;
    let written: Vec<Written> =
        serde_json::from_slice(&json).map_err(|error| ComputeError::Failed(error.to_string()))?;
    let nodes = written.into_iter().map(|Written { path, content, modified }| {
        let content = content.map(|content| BASE64_STANDARD.decode(content)).transpose();
        Ok((path, content.map_err(|error| ComputeError::Failed(error.to_string()))?, modified))
    });
    nodes.collect::<Result<Vec<_>, ComputeError>>().map(Tree::of)
}
