//! Files of the account, and the addresses at which they can be downloaded without a key.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::Path,
    http::{HeaderMap, HeaderValue, Response, header},
    routing::get,
};
use theazo_api::stored_files::{DeleteStoredFile, DownloadFile, GetFile, GetFileUrl, ListStoredFiles, UploadFile};

use super::{
    Server,
    error::{new_request_id, respond, with_request_id},
    mount::{Call, Routes},
};
use crate::app::Download;

pub fn mount(routes: &mut Routes) {
    routes.unary(|call: Call<UploadFile>| async move { call.context.upload_file(call.body).await });
    routes.unary(|call: Call<GetFile>| async move { call.context.get_stored_file(&call.path.file_id) });
    routes.unary(|call: Call<ListStoredFiles>| async move { call.context.list_stored_files(call.query) });
    routes.unary(|call: Call<GetFileUrl>| async move {
        call.context.file_url(&call.path.file_id, &call.query, call.origin.as_deref())
    });
    routes.unary(|call: Call<DownloadFile>| async move { call.context.download_file(&call.path.file_id).await });
    routes
        .unary(|call: Call<DeleteStoredFile>| async move { call.context.delete_stored_file(call.path.file_id).await });
    let server = routes.server();
    let download = get(move |Path((token, _name)): Path<(String, String)>| download(server.clone(), token));
    routes.add("/v1/downloads/{token}/{name}", download);
}

/// Where a caller reaches this plane, by what it says of itself; nothing for a caller in the same process.
pub fn origin(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text("host").filter(|host| !host.ends_with(".invalid"))?;
    let scheme = text("x-forwarded-proto").filter(|scheme| *scheme == "https").unwrap_or("http");
    Some(format!("{scheme}://{host}"))
}

async fn download(server: Arc<Server>, token: String) -> Response<Body> {
    let request_id = new_request_id();
    let Download { file, content } = match server.app.download_by_token(&token).await {
        Ok(download) => download,
        Err(error) => return respond(&error, &request_id, Some(false)),
    };
    let mut response = Response::new(Body::from(content));
    let headers = response.headers_mut();
    let kind = file.mime_type.as_deref().and_then(|kind| HeaderValue::from_str(kind).ok());
    headers.insert(header::CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    // It comes from users, so no browser shows it as a page of this plane.
    let name = form_urlencoded::byte_serialize(file.filename.as_bytes()).collect::<String>().replace('+', "%20");
    if let Ok(disposition) = HeaderValue::from_str(&format!("attachment; filename*=UTF-8''{name}")) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    with_request_id(response, &request_id)
}
