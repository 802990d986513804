//! Files of the account: what is known of each is a document, its content is on disk.

use std::{io, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use theazo_api::{
    ErrorCode, FileContent, FileEncoding, FileId, FileListFilters, FileUploadOpts, FileUrl, FileUrlOpts, Page,
    StoredFile,
};

use super::{
    App, Context,
    file_links::{FileLink, FileLinks},
    new_files::{NewFile, count, hash},
    pages::page,
};
use crate::{
    blobs::Blobs,
    error::{AppError, AppResult},
    file_records::StoredFileRecord,
    service_config::FilesConfig,
    spending::note_stored,
    store::{Document, Filter, Store, StoreError, Tenant, View},
};

/// How long an address works where the caller does not say.
const DEFAULT_LINK_TIME: std::time::Duration = std::time::Duration::from_secs(3600);

/// Where the content of files is, and how much there may be.
pub struct Files {
    /// The content.
    pub blobs: Blobs,
    /// The limits.
    pub config: FilesConfig,
    /// What signs the addresses of files.
    pub links: FileLinks,
    /// What those addresses begin with, if the plane knows.
    pub public_url: Option<String>,
}

impl Files {
    /// Opens what is kept in a folder, without what a process that died left of unfinished files.
    pub fn open(
        directory: &Path,
        is_durable: bool,
        config: FilesConfig,
        public_url: Option<String>,
        store: &Store,
    ) -> io::Result<Self> {
        let directory = std::path::absolute(directory)?;
        let blobs = Blobs::open(directory.join("files"), is_durable)?;
        let stored = store.read(|view| view.list_everywhere::<StoredFileRecord>(&[StoredFileRecord::STORED]));
        let stored = stored.map_err(|error: StoreError| io::Error::other(error))?;
        blobs.keep_only(&stored.into_iter().map(|(_, file)| file.data.id.to_string()).collect())?;
        Ok(Self { blobs, config, links: FileLinks::open(&directory.join("file-links.key"))?, public_url })
    }
}

/// A file with its content, as whoever downloads it gets it.
pub struct Download {
    /// What is known of it.
    pub file: StoredFile,
    /// The content.
    pub content: Vec<u8>,
}

impl App {
    /// Reads a file of a tenant.
    pub async fn read_stored_file(&self, tenant: &Tenant, id: &FileId) -> AppResult<Download> {
        let record = self.store.read(|view| find_file(view, tenant, id))?;
        let content = self.files.blobs.get(id.as_str()).await.map_err(|error| match error.kind() {
            // It was deleted meanwhile.
            io::ErrorKind::NotFound => no_file(id),
            _ => AppError::of_disk(&error),
        })?;
        if hash(&content) != record.sha256 {
            return Err(AppError::internal(format!("the content of `{id}` is not what was stored")));
        }
        Ok(Download { file: record.data, content })
    }
}

impl Context {
    /// Stores a file for an end user.
    pub async fn upload_file(&self, opts: FileUploadOpts) -> AppResult<StoredFile> {
        let unserved =
            (opts.auto_ingest == Some(true)).then_some("autoIngest").or(opts.collection.as_ref().map(|_| "collection"));
        if let Some(field) = unserved {
            let message = format!("the field `{field}` is part of the API, but this version does not serve it");
            return Err(AppError::new(ErrorCode::NotImplemented, message).with("field", field));
        }
        let content =
            BASE64_STANDARD.decode(&opts.data).map_err(|_| AppError::invalid_field("data", "is not base64"))?;
        let new = NewFile {
            filename: opts.filename,
            content,
            purpose: opts.purpose,
            mime_type: opts.mime_type,
            user_id: opts.user_id,
            agent_id: None,
            session_id: None,
        };
        let kept = self.app.keep_file(&self.tenant, self.claim.clone(), new).await?;
        Ok(self.replayable(kept))
    }

    /// Fetches what is known of a file.
    pub fn get_stored_file(&self, id: &FileId) -> AppResult<StoredFile> {
        self.app.store.read(|view| Ok(find_file(view, &self.tenant, id)?.data))
    }

    /// Lists files.
    pub fn list_stored_files(&self, filters: FileListFilters) -> AppResult<Page<StoredFile>> {
        let purpose = filters.purpose.map(|purpose| ("$.data.purpose", purpose.to_string()));
        let filter = Filter {
            user_id: filters.user_id,
            agent_id: filters.agent_id.map(|id| id.to_string()),
            session_id: filters.session_id.map(|id| id.to_string()),
            statuses: vec![StoredFileRecord::STORED.to_owned()],
            members: purpose.into_iter().collect(),
            ..Filter::default()
        };
        self.app.store.read(|view| {
            let page = page::<StoredFileRecord>(view, &self.tenant, filter, filters.limit, filters.cursor.as_deref())?;
            Ok(page.map(|record| record.data))
        })
    }

    /// Fetches the content of a file.
    pub async fn download_file(&self, id: &FileId) -> AppResult<FileContent> {
        let Download { content, .. } = self.app.read_stored_file(&self.tenant, id).await?;
        Ok(match String::from_utf8(content) {
            Ok(data) => FileContent { data, encoding: FileEncoding::Utf8 },
            Err(error) => {
                FileContent { data: BASE64_STANDARD.encode(error.as_bytes()), encoding: FileEncoding::Base64 }
            }
        })
    }

    /// Makes an address at which a file can be downloaded for a while. `origin` is where the caller reaches this plane.
    pub fn file_url(&self, id: &FileId, opts: &FileUrlOpts, origin: Option<&str>) -> AppResult<FileUrl> {
        let file = self.get_stored_file(id)?;
        let origin = self.app.files.public_url.as_deref().or(origin).ok_or_else(|| {
            AppError::conflict(
                "this control plane listens nowhere, so nothing can be downloaded from it; use `files.download`",
            )
        })?;
        let lifetime = opts.expires_in.map_or(DEFAULT_LINK_TIME, |expires_in| expires_in.0);
        let expires_at = self.app.clock.now().plus(lifetime);
        let link = FileLink { tenant: self.tenant.clone(), file_id: file.id, expires_at };
        let token = self.app.files.links.token(&link);
        let name = form_urlencoded::byte_serialize(file.filename.as_bytes()).collect::<String>().replace('+', "%20");
        let url = format!("{}/v1/downloads/{token}/{name}", origin.trim_end_matches('/'));
        Ok(FileUrl { url, expires_at: Some(expires_at) })
    }

    /// Deletes a file.
    pub async fn delete_stored_file(&self, id: FileId) -> AppResult<()> {
        let (tenant, now, file_id) = (self.tenant.clone(), self.app.clock.now(), id.clone());
        self.app
            .store
            .write(move |tx| {
                let mut record = find_file(tx, &tenant, &file_id)?;
                record.deleted_at = Some(now);
                tx.update(&tenant, &record)?;
                note_stored(tx, &tenant, record.owner(), -record.data.size, now)?;
                count(tx, &tenant, -record.data.size, -1, None)
            })
            .await?;
        self.app.remove_content(&id).await;
        Ok(())
    }
}

impl App {
    /// Reads the file that a token is for.
    pub async fn download_by_token(&self, token: &str) -> AppResult<Download> {
        let refused = || AppError::new(ErrorCode::NotFound, "this address does not work, or no longer");
        let link = self.files.links.read(token, self.clock.now()).ok_or_else(refused)?;
        self.read_stored_file(&link.tenant, &link.file_id).await.map_err(|error| match error.detail.code {
            ErrorCode::NotFound => refused(),
            _ => error,
        })
    }
}

fn find_file(view: &View<'_>, tenant: &Tenant, id: &FileId) -> AppResult<StoredFileRecord> {
    let found: Option<StoredFileRecord> = view.find(tenant, id.as_str())?;
    found.filter(|record| record.deleted_at.is_none()).ok_or_else(|| no_file(id))
}

fn no_file(id: &FileId) -> AppError {
    AppError::not_found("file", id.as_str(), FileId::PREFIX)
}
