//! What a run made: the files of its workspace that are new, and for a one-shot agent, whose sandbox goes, their content.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use theazo_api::{ErrorCode, FileEntry, FilePurpose, KeptArtifact, Timestamp};

use super::Engine;
use crate::{
    app::{NewFile, add_file},
    compute::Sandbox,
    error::{AppError, AppResult},
    file_records::StoredFileRecord,
    records::{AgentRecord, ProgramResult},
    service_config::FilesConfig,
    store::{Tenant, Tx},
};

/// How many folders of a workspace are looked into.
const MOST_FOLDERS: usize = 200;

/// How many files of a workspace are looked at.
const MOST_FILES: usize = 2_000;

/// How many artifacts a run has, those that its program reported included.
const MOST_ARTIFACTS: usize = 2 * MOST_FILES;

/// How many bytes the paths of a run's files may have together: they are in its result.
const MOST_PATH_BYTES: usize = 256 << 10;

/// How many artifacts of one run are kept.
const MOST_KEPT: usize = 100;

/// How many bytes the artifacts of one run that are kept may have together.
const MOST_KEPT_BYTES: u64 = 256 << 20;

/// Folders that programs fill for themselves, beside those whose names begin with a dot.
const NOT_RESULTS: [&str; 2] = ["node_modules", "__pycache__"];

/// The files of a workspace.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// By their paths.
    files: BTreeMap<String, FileEntry>,
    /// Whether there are more, which were not looked at.
    is_cut: bool,
}

impl Workspace {
    /// Looks at the files of a sandbox, up to a limit.
    pub async fn of(sandbox: &Arc<dyn Sandbox>) -> Self {
        let mut workspace = Self::default();
        let mut folders = vec!["/workspace".to_owned()];
        for _ in 0..MOST_FOLDERS {
            let Some(folder) = folders.pop() else { break };
            // One that is gone by now, or holds too much to be listed, has no results.
            for entry in sandbox.list_files(folder.clone()).await.unwrap_or_default() {
                let path = format!("{folder}/{}", entry.name);
                if !entry.directory {
                    workspace.add(path, entry);
                } else if !entry.name.starts_with('.') && !NOT_RESULTS.contains(&entry.name.as_str()) {
                    folders.push(path);
                }
            }
        }
        workspace.is_cut |= !folders.is_empty();
        workspace
    }

    fn add(&mut self, path: String, entry: FileEntry) {
        if self.files.len() < MOST_FILES {
            self.files.insert(path, entry);
        } else {
            self.is_cut = true;
        }
    }

    /// The paths of files that are new, or not as they were. Where there are too many, the rest is cut off.
    fn changed_since(&mut self, before: &Self) -> Vec<String> {
        let mut room = MOST_PATH_BYTES;
        let mut changed = Vec::new();
        for (path, _) in self.files.iter().filter(|(path, entry)| before.files.get(*path) != Some(entry)) {
            match room.checked_sub(path.len()) {
                Some(left) => room = left,
                None => {
                    self.is_cut = true;
                    break;
                }
            }
            changed.push(path.clone());
        }
        changed
    }
}

/// What a run made.
#[derive(Debug)]
pub(super) struct Produced {
    /// What its program had reported by then.
    pub reported: Option<ProgramResult>,
    /// What it came to.
    pub output: String,
    /// The paths of its files.
    pub artifacts: Vec<String>,
    /// What becomes of them if their sandbox goes.
    pub kept: Option<Vec<Keeping>>,
}

/// An artifact whose sandbox goes.
#[derive(Debug, Clone)]
pub(super) struct Keeping {
    path: String,
    content: Result<StoredFileRecord, LeftOut>,
}

/// Why the content of an artifact is not on disk.
#[derive(Debug, Clone)]
struct LeftOut {
    /// Its bytes, if that is known.
    size: Option<i64>,
    why: String,
}

impl Produced {
    /// What a run made, where a program of it may have reported a result of its own, with as many files as it likes.
    fn of(reported: Option<ProgramResult>, answer: String, mut artifacts: Vec<String>) -> Self {
        let Some(result) = reported else { return Self { reported, output: answer, artifacts, kept: None } };
        let mut known: HashSet<String> = artifacts.iter().cloned().collect();
        let mut room = MOST_PATH_BYTES;
        for path in &result.artifacts {
            room = room.saturating_sub(path.len());
            if room == 0 || artifacts.len() >= MOST_ARTIFACTS {
                break;
            }
            if known.insert(path.clone()) {
                artifacts.push(path.clone());
            }
        }
        Self { output: result.output.clone(), reported: Some(result), artifacts, kept: None }
    }
}

impl Keeping {
    fn left_out(path: &str, size: Option<u64>, why: impl Into<String>) -> Self {
        let size = size.and_then(|bytes| i64::try_from(bytes).ok());
        Self { path: path.to_owned(), content: Err(LeftOut { size, why: why.into() }) }
    }

    /// Makes it a stored file, where the account has room for it.
    pub fn keep(self, tx: &Tx<'_>, tenant: &Tenant, limits: FilesConfig, now: Timestamp) -> AppResult<KeptArtifact> {
        let Self { path, content } = self;
        let left_out = |size, why| KeptArtifact { path: path.clone(), file_id: None, size, left_out: Some(why) };
        let record = match content {
            Ok(record) => record,
            Err(LeftOut { size, why }) => return Ok(left_out(size, why)),
        };
        let size = Some(record.data.size);
        match add_file(tx, tenant, &record, limits, now) {
            Ok(()) => Ok(KeptArtifact { path, file_id: Some(record.data.id), size, left_out: None }),
            Err(error) if error.detail.code == ErrorCode::SessionLimitExceeded => {
                Ok(left_out(size, error.into_detail().message))
            }
            Err(error) => Err(error),
        }
    }
}

impl Engine {
    /// Gathers what a run made. Nothing of a one-shot agent's sandbox is left when it has ended, so the content of its
    /// artifacts is put on disk.
    pub(super) async fn gather(
        &self,
        agent: &AgentRecord,
        sandbox: &Arc<dyn Sandbox>,
        before: &Workspace,
        answer: String,
        reported: Option<ProgramResult>,
    ) -> Produced {
        let mut workspace = Workspace::of(sandbox).await;
        let written = workspace.changed_since(before);
        let mut produced = Produced::of(reported, answer, written);
        if agent.one_shot && !produced.artifacts.is_empty() {
            let mut room = MOST_KEPT_BYTES;
            let mut kept = Vec::new();
            for path in &produced.artifacts {
                let size = workspace.files.get(path).map(|entry| entry.size.unsigned_abs());
                let keeping = if kept.len() < MOST_KEPT {
                    self.put_artifact(agent, sandbox, (path, size), &mut room).await
                } else {
                    Keeping::left_out(path, size, format!("of the artifacts of a run {MOST_KEPT} are kept"))
                };
                kept.push(keeping);
            }
            if workspace.is_cut {
                kept.push(Keeping::left_out("/workspace", None, "it holds more files than are looked at"));
            }
            produced.kept = Some(kept);
        }
        produced
    }

    /// Puts the content of an artifact on disk, whose size may be known. One that is too large is not read.
    async fn put_artifact(
        &self,
        agent: &AgentRecord,
        sandbox: &Arc<dyn Sandbox>,
        (path, size): (&str, Option<u64>),
        room: &mut u64,
    ) -> Keeping {
        let too_large = |bytes: u64, room: u64| {
            let limit = self.app.files.config.max_file_bytes;
            if bytes > limit {
                Some(format!("it is {bytes} bytes, and a file may have {limit}"))
            } else if bytes > room {
                Some(format!("the artifacts of a run that are kept have {MOST_KEPT_BYTES} bytes at most"))
            } else {
                None
            }
        };
        if let Some(why) = size.and_then(|bytes| too_large(bytes, *room)) {
            return Keeping::left_out(path, size, why);
        }
        let content = match sandbox.read_file(path.to_owned()).await {
            Ok(content) => content,
            Err(error) => return Keeping::left_out(path, size, AppError::from(error).into_detail().message),
        };
        let bytes = content.len() as u64;
        if let Some(why) = too_large(bytes, *room) {
            return Keeping::left_out(path, Some(bytes), why);
        }
        let new = NewFile {
            filename: file_name(path),
            content,
            purpose: FilePurpose::AgentOutput,
            mime_type: None,
            user_id: agent.data.user_id.clone(),
            agent_id: Some(agent.data.id.clone()),
            session_id: Some(agent.data.session_id.clone()),
        };
        match self.app.put_content(new).await {
            Ok(record) => {
                *room -= bytes;
                Keeping { path: path.to_owned(), content: Ok(record) }
            }
            Err(error) => {
                tracing::warn!(agent = %agent.data.id, path, %error, "an artifact could not be kept");
                Keeping::left_out(path, Some(bytes), "it could not be stored")
            }
        }
    }

    /// Removes the content of artifacts that became no files.
    pub(super) async fn drop_artifacts(&self, put: &[Keeping], kept: &[KeptArtifact]) {
        for record in put.iter().filter_map(|keeping| keeping.content.as_ref().ok()) {
            if !kept.iter().any(|artifact| artifact.file_id.as_ref() == Some(&record.data.id)) {
                self.app.remove_content(&record.data.id).await;
            }
        }
    }
}

/// The last part of a path, as a file of the account may be called.
fn file_name(path: &str) -> String {
    let last = path.rsplit('/').next().unwrap_or(path);
    let mut name = last.replace(|letter: char| letter == '\\' || letter.is_control(), "_");
    name.truncate(name.floor_char_boundary(255));
    if matches!(name.as_str(), "" | "." | "..") { "artifact".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_is_called_as_files_of_the_account_may_be() {
        let long = format!("/workspace/{}", "ä".repeat(200));
        for (path, name) in [
            ("/workspace/charts/revenue.png", "revenue.png"),
            ("report.md", "report.md"),
            ("/workspace/a\\b\n.txt", "a_b_.txt"),
            ("/workspace/..", "artifact"),
            ("/", "artifact"),
            (&long, &"ä".repeat(127)),
        ] {
            assert_eq!(file_name(path), name);
        }
    }

    #[test]
    fn what_a_program_reported_goes_over_the_answer_and_beside_the_files() {
        let reported = ProgramResult { output: "42".to_owned(), artifacts: vec!["/a".to_owned(), "/c".to_owned()] };

        let produced = Produced::of(Some(reported), "an answer".to_owned(), vec!["/a".to_owned(), "/b".to_owned()]);

        assert_eq!(
            (produced.output.as_str(), produced.artifacts),
            ("42", ["/a", "/b", "/c"].map(str::to_owned).to_vec())
        );
    }
}
