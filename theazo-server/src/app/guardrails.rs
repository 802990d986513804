//! Guardrails: what models may write and tools may do, and what was stopped.

use theazo_api::{
    ContentFilter, ErrorCode, GuardrailConfig, GuardrailViolation, GuardrailViolationFilters, Page, Timestamp,
};

use super::{Context, pages::page, usage::start_of};
use crate::{
    error::{AppError, AppResult},
    guardrail_records::{GuardrailRecord, ViolationRecord},
    records::AgentRecord,
    store::{Filter, Tenant, View},
};

impl Context {
    /// Sets the guardrails of the account, in the place of those that it had.
    pub async fn configure_guardrails(&self, config: GuardrailConfig) -> AppResult<GuardrailConfig> {
        refuse_unserved(&config, "")?;
        let tenant = self.tenant.clone();
        let stored = config.clone();
        self.app
            .store
            .write(move |tx| {
                let record = GuardrailRecord { id: GuardrailRecord::id_of(&tenant), config: stored };
                let is_new = tx.find::<GuardrailRecord>(&tenant, &record.id)?.is_none();
                let outcome = if is_new { tx.insert(&tenant, &record) } else { tx.update(&tenant, &record) };
                Ok::<_, AppError>(outcome?)
            })
            .await?;
        Ok(with_defaults(config))
    }

    /// Fetches the guardrails of the account.
    pub fn get_guardrails(&self) -> AppResult<GuardrailConfig> {
        self.app.store.read(|view| Ok(with_defaults(of_account(view, &self.tenant)?)))
    }

    /// Lists what guardrails stopped or reported.
    pub fn guardrail_violations(&self, filters: &GuardrailViolationFilters) -> AppResult<Page<GuardrailViolation>> {
        let filter = Filter {
            // The first moment of the period belongs to it.
            created_after: filters.period.as_ref().map(|period| {
                let start = start_of(Some(period), self.app.clock.now());
                Timestamp::from_millis(start.as_millis() - 1)
            }),
            statuses: filters.r#type.iter().map(ToString::to_string).collect(),
            members: filters.severity.iter().map(|severity| ("$.data.severity", severity.to_string())).collect(),
            ..Filter::default()
        };
        self.app.store.read(|view| {
            let page = page::<ViolationRecord>(view, &self.tenant, filter, filters.limit, filters.cursor.as_deref())?;
            Ok(page.map(|record| record.data))
        })
    }
}

/// What holds for an agent: its own guardrails, and where it has none, the account's.
pub fn guardrails_of(view: &View<'_>, tenant: &Tenant, agent: &AgentRecord) -> AppResult<GuardrailConfig> {
    let account = of_account(view, tenant)?;
    let Some(own) = agent.guardrails.clone() else { return Ok(account) };
    Ok(own.over(account))
}

fn of_account(view: &View<'_>, tenant: &Tenant) -> AppResult<GuardrailConfig> {
    let record: Option<GuardrailRecord> = view.find(tenant, &GuardrailRecord::id_of(tenant))?;
    Ok(record.map(|record| record.config).unwrap_or_default())
}

/// What holds where nothing is said, spelled out.
fn with_defaults(config: GuardrailConfig) -> GuardrailConfig {
    GuardrailConfig {
        content_filter: config.content_filter.or(Some(ContentFilter::Off)),
        block_pii: config.block_pii.or(Some(false)),
        prompt_injection: config.prompt_injection.or(Some(false)),
        blocked_domains: config.blocked_domains.or_else(|| Some(Vec::new())),
        ..config
    }
}

/// Refuses guardrails that this version does not have. Whoever sets one relies on it.
pub(super) fn refuse_unserved(config: &GuardrailConfig, within: &str) -> AppResult<()> {
    let filters = !matches!(config.content_filter, None | Some(ContentFilter::Off));
    let unserved =
        [("contentFilter", filters, "`off`"), ("promptInjection", config.prompt_injection == Some(true), "`false`")];
    match unserved.into_iter().find(|(_, is_set, _)| *is_set) {
        None => Ok(()),
        Some((name, _, only)) => {
            let message =
                format!("the guardrail `{name}` is part of the API, but this version serves only {only} for it");
            Err(AppError::new(ErrorCode::NotImplemented, message).with("field", format!("{within}{name}")))
        }
    }
}
