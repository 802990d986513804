//! The environment of every program that runs in a sandbox: one place that says all of it.

use theazo_api::Secret;

use super::Engine;
use crate::store::{EventScope, Tenant};

impl Engine {
    /// What a program finds in its environment beside what its sandbox always has and its caller gives it. Nothing of the
    /// plane's own environment is among it.
    pub(super) fn environment(&self, _tenant: &Tenant, scope: &EventScope) -> Vec<(String, Secret)> {
        let own = [
            ("THEAZO_AGENT_ID", &scope.agent_id),
            ("THEAZO_SESSION_ID", &scope.session_id),
            ("THEAZO_USER_ID", &scope.user_id),
            ("THEAZO_RUN_ID", &scope.run_id),
        ];
        let known = own.into_iter().filter(|(_, value)| !value.is_empty());
        known.map(|(name, value)| (name.to_owned(), Secret::new(value.as_str()))).collect()
    }
}
