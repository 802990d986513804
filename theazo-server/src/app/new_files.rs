//! New files of the account: the content is put on disk first, and is a file once its document is stored.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use theazo_api::{AgentId, ErrorCode, FileId, FilePurpose, SessionId, StoredFile, Timestamp};

use super::App;
use crate::{
    error::{AppError, AppResult},
    file_records::{FileTotals, StoredFileRecord},
    random,
    service_config::FilesConfig,
    spending::note_stored,
    store::{Claim, Document, Once, Tenant, Tx},
};

/// A file to keep.
pub struct NewFile {
    /// The name, without folders.
    pub filename: String,
    /// The content.
    pub content: Vec<u8>,
    /// What it is for.
    pub purpose: FilePurpose,
    /// The kind of content; told from the name if absent.
    pub mime_type: Option<String>,
    /// The end user; empty if there is none.
    pub user_id: String,
    /// The agent that made it.
    pub agent_id: Option<AgentId>,
    /// The session in which it was made.
    pub session_id: Option<SessionId>,
}

impl App {
    /// Keeps a file. A request that took effect before keeps it no second time.
    pub async fn keep_file(
        self: &Arc<Self>,
        tenant: &Tenant,
        claim: Option<Claim>,
        new: NewFile,
    ) -> AppResult<Once<StoredFile>> {
        let record = self.put_content(new).await?;
        let (id, owner, now, config) = (record.data.id.clone(), tenant.clone(), self.clock.now(), self.files.config);
        let kept = self
            .store
            .write(move |tx| {
                tx.once(&owner, claim.as_ref(), now, || {
                    add_file(tx, &owner, &record, config, now)?;
                    Ok(record.data)
                })
            })
            .await;
        if !matches!(kept, Ok(Once::Fresh(_))) {
            self.remove_content(&id).await;
        }
        kept
    }

    /// Puts the content of a new file on disk. Whoever finds the document, which [`add_file`] stores, finds the content.
    pub async fn put_content(&self, new: NewFile) -> AppResult<StoredFileRecord> {
        let NewFile { filename, content, purpose, mime_type, user_id, agent_id, session_id } = new;
        let limit = self.files.config.max_file_bytes;
        if content.len() as u64 > limit {
            let message = format!("is {} bytes, and a file may have {limit}", content.len());
            return Err(AppError::invalid_field("data", message));
        }
        let now = self.clock.now();
        let data = StoredFile {
            id: FileId::from_suffix(random::id_suffix(now)),
            mime_type: mime_type.or_else(|| mime_type_of(&filename).map(str::to_owned)),
            size: i64::try_from(content.len()).unwrap_or(i64::MAX),
            filename,
            purpose,
            user_id,
            agent_id,
            session_id,
            created_at: now,
        };
        let sha256 = hash(&content);
        self.files.blobs.put(data.id.as_str(), content).await.map_err(|error| AppError::of_disk(&error))?;
        Ok(StoredFileRecord { data, sha256, deleted_at: None })
    }

    /// Removes the content of what is no file, or no longer. What stays behind is removed when the plane starts the next
    /// time.
    pub async fn remove_content(&self, id: &FileId) {
        if let Err(error) = self.files.blobs.remove(id.as_str()).await {
            tracing::warn!(file = %id, %error, "the content of a file could not be removed");
        }
    }
}

/// Makes content that is on disk a file, or refuses it where the account has no room for it.
pub fn add_file(
    tx: &Tx<'_>,
    tenant: &Tenant,
    record: &StoredFileRecord,
    limits: FilesConfig,
    now: Timestamp,
) -> AppResult<()> {
    count(tx, tenant, record.data.size, 1, Some(limits))?;
    tx.insert(tenant, record)?;
    Ok(note_stored(tx, tenant, record.owner(), record.data.size, now)?)
}

/// Counts what the files of a tenant take, and refuses more than it may have.
pub(super) fn count(
    tx: &Tx<'_>,
    tenant: &Tenant,
    bytes: i64,
    files: i64,
    limits: Option<FilesConfig>,
) -> AppResult<()> {
    let id = FileTotals::id_of(tenant);
    let found: Option<FileTotals> = tx.find(tenant, &id)?;
    let is_new = found.is_none();
    let mut totals = found.unwrap_or(FileTotals { id, bytes: 0, files: 0 });
    if let Some(limits) = limits {
        let limit = i64::try_from(limits.max_account_bytes).unwrap_or(i64::MAX);
        if totals.bytes.saturating_add(bytes) > limit {
            let message = format!(
                "the limit `storedFileBytes` of {limit} is reached: the account's files have {} bytes, and this one \
                 would add {bytes}",
                totals.bytes
            );
            let error = AppError::new(ErrorCode::SessionLimitExceeded, message);
            return Err(error.with("limit", "storedFileBytes").with("value", limit).with("used", totals.bytes));
        }
    }
    totals.bytes += bytes;
    totals.files += files;
    let stored = if is_new { tx.insert(tenant, &totals) } else { tx.update(tenant, &totals) };
    Ok(stored?)
}

pub(super) fn hash(content: &[u8]) -> String {
    format!("{:x}", Sha256::digest(content))
}

/// The kind of content that files with such a name usually have.
fn mime_type_of(filename: &str) -> Option<&'static str> {
    let (_, extension) = filename.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "csv" => "text/csv",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "gif" => "image/gif",
        "gz" => "application/gzip",
        "html" | "htm" => "text/html",
        "jpg" | "jpeg" => "image/jpeg",
        "json" => "application/json",
        "md" => "text/markdown",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "svg" => "image/svg+xml",
        "tsv" => "text/tab-separated-values",
        "txt" | "log" => "text/plain",
        "wav" => "audio/wav",
        "webp" => "image/webp",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "xml" => "application/xml",
        "yaml" | "yml" => "application/yaml",
        "zip" => "application/zip",
        _ => return None,
    })
}
