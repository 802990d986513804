//! Forgets the details of what happened long ago, where the plane is told to.

use super::Engine;
use crate::{error::AppResult, store::Retention};

impl Engine {
    /// Removes what is not to be kept of everyone's log, a little at a time.
    pub(super) async fn prune_events(&self) -> AppResult<()> {
        let retention = self.app.retention;
        if retention == Retention::default() {
            return Ok(());
        }
        for tenant in self.app.store.scan(|view| view.tenants()).await? {
            loop {
                let (tenant, now) = (tenant.clone(), self.app.clock.now());
                if self.app.store.write(move |tx| tx.prune_events(&tenant, retention, now)).await? == 0 {
                    break;
                }
            }
        }
        Ok(())
    }
}
