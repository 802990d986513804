//! API keys.

use theazo_api::api_keys::{CreateApiKey, ListApiKeys, RevokeApiKey};

use super::mount::{Call, Routes};

pub fn mount(routes: &mut Routes) {
    routes.unary(|call: Call<CreateApiKey>| async move { call.context.create_api_key(call.body).await });
    routes.unary(|call: Call<ListApiKeys>| async move { call.context.list_api_keys(&call.query) });
    routes.unary(|call: Call<RevokeApiKey>| async move { call.context.revoke_api_key(call.path.key_id).await });
}
