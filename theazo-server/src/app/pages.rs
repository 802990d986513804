//! Pages of lists.

use theazo_api::Page;

use crate::{
    error::{AppError, AppResult},
    store::{Document, Filter, StoreError, Tenant, View},
};

/// How many items a page has where the caller does not say.
pub(super) const DEFAULT_LIMIT: i64 = 20;

const NO_CURSOR: &str = "is not the `cursor` of a page";

/// One page of documents, the newest first.
pub fn page<D: Document>(
    view: &View<'_>,
    tenant: &Tenant,
    filter: Filter,
    limit: Option<i64>,
    cursor: Option<&str>,
) -> AppResult<Page<D>> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    let before = cursor.filter(|cursor| !cursor.is_empty()).map(parse_cursor).transpose()?;
    let mut found = view.list::<D>(tenant, &Filter { before, limit: Some(limit + 1), ..filter })?;
    let has_more = i64::try_from(found.len()).unwrap_or(i64::MAX) > limit;
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let cursor = match found.last() {
        Some((position, _)) if has_more => format!("c{position}"),
        _ => String::new(),
    };
    Ok(Page { data: found.into_iter().map(|(_, document)| document).collect(), has_more, cursor })
}

/// One page of things that are told apart by names, in their alphabetical order.
pub fn page_by_name<T>(mut named: Vec<(String, T)>, limit: Option<i64>, cursor: Option<&str>) -> AppResult<Page<T>> {
    let limit = usize::try_from(limit.unwrap_or(DEFAULT_LIMIT)).unwrap_or(usize::MAX);
    if let Some(cursor) = cursor.filter(|cursor| !cursor.is_empty()) {
        let last = cursor.strip_prefix('n').ok_or_else(|| AppError::invalid_field("cursor", NO_CURSOR))?;
        named.retain(|(name, _)| name.as_str() > last);
    }
    named.sort_by(|(one, _), (other, _)| one.cmp(other));
    let has_more = named.len() > limit;
    named.truncate(limit);
    let cursor = match named.last() {
        Some((name, _)) if has_more => format!("n{name}"),
        _ => String::new(),
    };
    Ok(Page { data: named.into_iter().map(|(_, item)| item).collect(), has_more, cursor })
}

/// Reads a cursor that an earlier page gave.
pub fn parse_cursor(cursor: &str) -> AppResult<i64> {
    cursor
        .strip_prefix('c')
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| AppError::invalid_field("cursor", NO_CURSOR))
}

/// Finds a document or says that there is none.
pub fn require<D: Document>(view: &View<'_>, tenant: &Tenant, id: &str, prefix: &str) -> AppResult<D> {
    let found: Result<Option<D>, StoreError> = view.find(tenant, id);
    found?.ok_or_else(|| AppError::not_found(D::KIND, id, prefix))
}
