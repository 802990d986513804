//! Agent definitions: what agents are made from, kept under a name, in versions that do not change any more.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use theazo_api::{
    AgentDefinition, AgentDefinitionDuplicateOpts, AgentDefinitionId, AgentDefinitionListOpts, AgentDefinitionOpts,
    AgentDefinitionUpdate, AgentDefinitionVersion, ComputeRuntime, DurationInput, Page, Timestamp,
    agents::BUILT_IN_TOOLS, time::human_duration,
};

use super::{
    Context,
    pages::{page, parse_cursor, require},
};
use crate::{
    error::{AppError, AppResult},
    random,
    store::{Document, Filter, Tenant, Tx, View},
};

/// How many versions a page has where the caller does not say.
const VERSIONS_OF_A_PAGE: i64 = 20;

/// A definition in one of its versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DefinitionRecord {
    /// What the wire shows.
    pub data: AgentDefinition,
    /// Whether no tools were named: then agents have all that the plane has, also those that come later.
    pub every_tool: bool,
}

impl Document for DefinitionRecord {
    const KIND: &'static str = "agent definition";

    fn id(&self) -> &str {
        self.data.id.as_str()
    }

    fn created_at(&self) -> Timestamp {
        self.data.created_at
    }
}

/// A version as it was made. It never changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionRecord {
    id: String,
    definition: DefinitionRecord,
    changelog: String,
    created_at: Timestamp,
}

impl VersionRecord {
    fn id_of(id: &AgentDefinitionId, version: i64) -> String {
        format!("{id}@{version}")
    }

    fn find(view: &View<'_>, tenant: &Tenant, id: &AgentDefinitionId, version: i64) -> AppResult<Self> {
        let newest: DefinitionRecord = require(view, tenant, id.as_str(), AgentDefinitionId::PREFIX)?;
        view.find(tenant, &Self::id_of(id, version))?.ok_or_else(|| {
            let last = newest.data.version;
            AppError::invalid_field("version", format!("does not exist; the versions of `{id}` are 1 to {last}"))
        })
    }
}

impl Document for VersionRecord {
    const KIND: &'static str = "agent definition version";

    fn id(&self) -> &str {
        &self.id
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }
}

impl Context {
    /// Defines an agent: the first version of a new definition.
    pub async fn define_agent(&self, opts: AgentDefinitionOpts) -> AppResult<AgentDefinition> {
        let model = self.app.models.default_id().to_owned();
        self.add_definition(move |_| Ok(new_definition(opts, model))).await
    }

    /// Makes a definition of its own of the newest version of another.
    pub async fn duplicate_definition(
        &self,
        id: AgentDefinitionId,
        opts: AgentDefinitionDuplicateOpts,
    ) -> AppResult<AgentDefinition> {
        let tenant = self.tenant.clone();
        self.add_definition(move |view| {
            let mut copy = find_definition(view, &tenant, &id)?;
            copy.data.name = opts.name.unwrap_or_else(|| format!("{}-copy", copy.data.name));
            Ok(copy)
        })
        .await
    }

    /// Adds what `make` gives as a definition with an id of its own, once.
    async fn add_definition(
        &self,
        make: impl FnOnce(&View<'_>) -> AppResult<DefinitionRecord> + Send + 'static,
    ) -> AppResult<AgentDefinition> {
        let context = self.clone();
        let added = self
            .app
            .store
            .write(move |tx| {
                let now = context.app.clock.now();
                tx.once(&context.tenant, context.claim.as_ref(), now, || {
                    let mut record = make(tx)?;
                    record.data.id = AgentDefinitionId::from_suffix(random::id_suffix(now));
                    record.data.version = 1;
                    record.data.created_at = now;
                    record.data.updated_at = Some(now);
                    tx.insert(&context.tenant, &record)?;
                    keep_version(tx, &context.tenant, &record, String::new(), now)?;
                    Ok(record.data)
                })
            })
            .await?;
        Ok(self.replayable(added))
    }

    /// Lists the definitions, each in its newest version.
    pub fn list_definitions(&self, opts: &AgentDefinitionListOpts) -> AppResult<Page<AgentDefinition>> {
        self.app.store.read(|view| {
            let found = page(view, &self.tenant, Filter::default(), opts.limit, opts.cursor.as_deref())?;
            Ok(found.map(|record: DefinitionRecord| record.data))
        })
    }

    /// Fetches a definition, in its newest version or another.
    pub fn get_definition(&self, id: &AgentDefinitionId, version: Option<i64>) -> AppResult<AgentDefinition> {
        self.app.store.read(|view| match version {
            None => Ok(find_definition(view, &self.tenant, id)?.data),
            Some(version) => Ok(VersionRecord::find(view, &self.tenant, id, version)?.definition.data),
        })
    }

    /// Changes a definition: a new version of it.
    pub async fn update_definition(
        &self,
        id: AgentDefinitionId,
        update: AgentDefinitionUpdate,
    ) -> AppResult<AgentDefinition> {
        let changelog = update.changelog.clone().unwrap_or_default();
        self.add_version(id, changelog, move |_, record| {
            let before = record.clone();
            apply(update, record);
            // A repeated update is the same one, not another version.
            Ok(*record != before)
        })
        .await
    }

    /// Goes back to an earlier version: what it says becomes the newest.
    pub async fn roll_back_definition(&self, id: AgentDefinitionId, version: i64) -> AppResult<AgentDefinition> {
        let tenant = self.tenant.clone();
        self.add_version(id.clone(), format!("back to version {version}"), move |view, record| {
            let created_at = record.data.created_at;
            *record = VersionRecord::find(view, &tenant, &id, version)?.definition;
            record.data.created_at = created_at;
            Ok(true)
        })
        .await
    }

    /// Adds a version, unless `change` says that it changed nothing.
    async fn add_version(
        &self,
        id: AgentDefinitionId,
        changelog: String,
        change: impl FnOnce(&View<'_>, &mut DefinitionRecord) -> AppResult<bool> + Send + 'static,
    ) -> AppResult<AgentDefinition> {
        let context = self.clone();
        let added = self
            .app
            .store
            .write(move |tx| {
                let now = context.app.clock.now();
                tx.once(&context.tenant, context.claim.as_ref(), now, || {
                    let mut record = find_definition(tx, &context.tenant, &id)?;
                    let newest = record.data.version;
                    if !change(tx, &mut record)? {
                        return Ok(record.data);
                    }
                    record.data.version = newest + 1;
                    record.data.updated_at = Some(now);
                    tx.update(&context.tenant, &record)?;
                    keep_version(tx, &context.tenant, &record, changelog, now)?;
                    Ok(record.data)
                })
            })
            .await?;
        Ok(self.replayable(added))
    }

    /// Lists the versions of a definition, the newest first.
    pub fn list_definition_versions(
        &self,
        id: &AgentDefinitionId,
        opts: &AgentDefinitionListOpts,
    ) -> AppResult<Page<AgentDefinitionVersion>> {
        self.app.store.read(|view| {
            let newest = find_definition(view, &self.tenant, id)?.data.version;
            let cursor = opts.cursor.as_deref().filter(|cursor| !cursor.is_empty());
            let before = cursor.map(parse_cursor).transpose()?.unwrap_or(newest + 1).clamp(1, newest + 1);
            let first = (before - opts.limit.unwrap_or(VERSIONS_OF_A_PAGE)).max(1);
            let mut data = Vec::new();
            for version in (first..before).rev() {
                let record = VersionRecord::find(view, &self.tenant, id, version)?;
                data.push(AgentDefinitionVersion {
                    version,
                    changelog: record.changelog,
                    created_at: record.created_at,
                });
            }
            let has_more = first > 1;
            Ok(Page { data, has_more, cursor: if has_more { format!("c{first}") } else { String::new() } })
        })
    }

    /// Removes a definition with all its versions. Agents that were made from it go on.
    pub async fn delete_definition(&self, id: AgentDefinitionId) -> AppResult<()> {
        let tenant = self.tenant.clone();
        self.app
            .store
            .write(move |tx| {
                let newest = find_definition(tx, &tenant, &id)?.data.version;
                for version in 1..=newest {
                    tx.remove::<VersionRecord>(&tenant, &VersionRecord::id_of(&id, version))?;
                }
                tx.remove::<DefinitionRecord>(&tenant, id.as_str())?;
                Ok(())
            })
            .await
    }
}

/// Finds a definition in its newest version, or says that there is none.
pub fn find_definition(view: &View<'_>, tenant: &Tenant, id: &AgentDefinitionId) -> AppResult<DefinitionRecord> {
    require(view, tenant, id.as_str(), AgentDefinitionId::PREFIX)
}

/// The newest definition of a name, if there is one.
pub fn definition_named(view: &View<'_>, tenant: &Tenant, name: &str) -> AppResult<Option<DefinitionRecord>> {
    let filter = Filter { members: vec![("$.data.name", name.to_owned())], limit: Some(1), ..Filter::default() };
    Ok(view.list(tenant, &filter)?.into_iter().next().map(|(_, record)| record))
}

fn keep_version(
    tx: &Tx<'_>,
    tenant: &Tenant,
    record: &DefinitionRecord,
    changelog: String,
    now: Timestamp,
) -> AppResult<()> {
    let id = VersionRecord::id_of(&record.data.id, record.data.version);
    Ok(tx.insert(tenant, &VersionRecord { id, definition: record.clone(), changelog, created_at: now })?)
}

fn new_definition(opts: AgentDefinitionOpts, model: String) -> DefinitionRecord {
    let data = AgentDefinition {
        id: AgentDefinitionId::from(""),
        name: opts.name,
        description: opts.description.unwrap_or_default(),
        version: 0,
        model: opts.model.unwrap_or(model),
        system_prompt: opts.system_prompt.unwrap_or_default(),
        compute: opts.compute.unwrap_or(ComputeRuntime::Python),
        provider: opts.provider,
        region: opts.region,
        tools: Vec::new(),
        browser: opts.browser.unwrap_or(false),
        timeout: String::new(),
        timeout_ms: None,
        config: opts.config.unwrap_or_default(),
        created_at: Timestamp::EPOCH,
        updated_at: None,
    };
    let mut record = DefinitionRecord { data, every_tool: true };
    set_tools(&mut record, opts.tools);
    set_timeout(&mut record, opts.timeout);
    record
}

fn apply(update: AgentDefinitionUpdate, record: &mut DefinitionRecord) {
    let AgentDefinitionUpdate {
        name,
        description,
        model,
        system_prompt,
        compute,
        provider,
        region,
        tools,
        browser,
        timeout,
        config,
        changelog: _,
    } = update;
    let data = &mut record.data;
    let put = |place: &mut String, text: Option<String>| *place = text.unwrap_or_else(|| std::mem::take(place));
    put(&mut data.name, name);
    put(&mut data.description, description);
    put(&mut data.model, model);
    put(&mut data.system_prompt, system_prompt);
    data.compute = compute.unwrap_or_else(|| data.compute.clone());
    data.provider = provider.apply(data.provider.take());
    data.region = region.apply(data.region.take());
    data.browser = browser.unwrap_or(data.browser);
    data.config = config.unwrap_or_else(|| data.config.clone());
    if tools.is_some() {
        set_tools(record, tools);
    }
    if !timeout.is_keep() {
        set_timeout(record, timeout.value().copied());
    }
}

fn set_tools(record: &mut DefinitionRecord, tools: Option<Vec<String>>) {
    record.every_tool = tools.is_none();
    record.data.tools = tools.unwrap_or_else(|| BUILT_IN_TOOLS.iter().map(|tool| (*tool).to_owned()).collect());
}

fn set_timeout(record: &mut DefinitionRecord, timeout: Option<DurationInput>) {
    let milliseconds = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    record.data.timeout = timeout.map_or(String::new(), |timeout| human_duration(timeout.0));
    record.data.timeout_ms = timeout.map(|timeout| milliseconds(timeout.0));
}
