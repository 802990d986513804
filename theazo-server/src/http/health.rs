//! Health.

use std::sync::LazyLock;

use serde_json::{Map, Value};
use theazo_api::health::{GetHealth, GetOpenApi, Health};

use super::mount::{Call, Routes};

pub fn mount(routes: &mut Routes) {
    routes.unary(|_: Call<GetOpenApi>| async move {
        static DOCUMENT: LazyLock<Map<String, Value>> = LazyLock::new(|| {
            serde_json::from_str(theazo_api::OPENAPI).expect("the generated document is a JSON object")
        });
        Ok(DOCUMENT.clone())
    });
    routes.unary(|call: Call<GetHealth>| async move {
        Ok(Health {
            status: "ok".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            providers: call.context.app.providers.iter().map(crate::app::ProviderInfo::health).collect(),
        })
    });
}
