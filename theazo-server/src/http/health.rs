//! Health.

use theazo_api::health::{GetHealth, Health};

use super::mount::{Call, Routes};

pub fn mount(routes: &mut Routes) {
    routes.unary(|call: Call<GetHealth>| async move {
        Ok(Health {
            status: "ok".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            providers: call.context.app.providers.iter().map(crate::app::ProviderInfo::health).collect(),
        })
    });
}
