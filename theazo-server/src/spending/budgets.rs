//! The budgets that an account sets: for itself, for each user, and for single users.

use serde::{Deserialize, Serialize};
use theazo_api::{BillingBudgetConfig, Cost, Period, Timestamp};

use crate::store::{Document, Owner, StoreError, Tenant, View};

/// A budget that was set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetRecord {
    /// Made of what it is for, so that there is one for each.
    pub id: String,
    /// The end user; empty for the account's own and for the default of every user.
    pub user_id: String,
    /// What was set.
    pub config: BillingBudgetConfig,
    /// When it was first set.
    pub created_at: Timestamp,
}

impl Document for BudgetRecord {
    const KIND: &'static str = "budget";

    fn id(&self) -> &str {
        &self.id
    }

    fn owner(&self) -> Owner<'_> {
        Owner { user_id: &self.user_id, ..Owner::default() }
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }
}

/// What a budget is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BudgetOf {
    /// The whole account.
    Account,
    /// Every user who has none of its own.
    EachUser,
    /// One user.
    User(String),
}

impl BudgetOf {
    /// The id of its record.
    pub fn record_id(&self, tenant: &Tenant) -> String {
        let tenant = tenant.as_str();
        match self {
            Self::Account => format!("bud_account|{tenant}"),
            Self::EachUser => format!("bud_users|{tenant}"),
            Self::User(user_id) => format!("bud_user|{tenant}|{user_id}"),
        }
    }

    /// How the log calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::EachUser => "each user",
            Self::User(_) => "user",
        }
    }

    /// The user that it is for; empty if it is for no single one.
    pub fn user_id(&self) -> &str {
        match self {
            Self::User(user_id) => user_id,
            Self::Account | Self::EachUser => "",
        }
    }

    /// What was set, if anything was.
    pub fn find(&self, view: &View<'_>, tenant: &Tenant) -> Result<Option<BudgetRecord>, StoreError> {
        view.find(tenant, &self.record_id(tenant))
    }
}

/// The budget that stands for a user.
#[derive(Debug, Clone)]
pub struct StandingBudget {
    /// What was set.
    pub config: BillingBudgetConfig,
    /// Whether it is the one of every user.
    pub is_default: bool,
}

/// The budget that stands for a user: its own or else the one of every user, which is the one of an anonymous session,
/// too.
pub fn budget_of_user(view: &View<'_>, tenant: &Tenant, user_id: &str) -> Result<Option<StandingBudget>, StoreError> {
    if !user_id.is_empty()
        && let Some(own) = BudgetOf::User(user_id.to_owned()).find(view, tenant)?
    {
        return Ok(Some(StandingBudget { config: own.config, is_default: false }));
    }
    let default = BudgetOf::EachUser.find(view, tenant)?;
    Ok(default.map(|record| StandingBudget { config: record.config, is_default: true }))
}

/// What a budget allows in a period, if it says.
pub fn limit_of<'a>(config: &'a BillingBudgetConfig, period: &Period) -> Option<&'a Cost> {
    match period {
        Period::Month => config.monthly.as_ref(),
        Period::Day => config.daily.as_ref(),
        _ => None,
    }
}
