//! Secrets and providers.

use theazo_api::{
    providers::{DeleteProvider, GetProvider, ListProviders, SetProvider},
    secrets::{DeleteSecret, DeleteSessionSecret, ListSecrets, ListSessionSecrets, SetSecrets, SetSessionSecrets},
};

use super::mount::{Call, Routes};

pub fn mount(routes: &mut Routes) {
    routes.unary(|call: Call<SetSessionSecrets>| async move {
        call.context.set_session_secrets(call.path.session_id, call.body).await
    });
    routes.unary(|call: Call<ListSessionSecrets>| async move {
        call.context.list_session_secrets(&call.path.session_id, &call.query)
    });
    routes.unary(|call: Call<DeleteSessionSecret>| async move {
        call.context.delete_session_secret(call.path.session_id, call.path.name).await
    });
    routes.unary(|call: Call<SetSecrets>| async move { call.context.set_secrets(call.body).await });
    routes.unary(|call: Call<ListSecrets>| async move { call.context.list_secrets(&call.query) });
    routes.unary(|call: Call<DeleteSecret>| async move { call.context.delete_secret(call.path.name).await });
    routes.unary(|call: Call<SetProvider>| async move { call.context.set_provider(call.path.name, call.body).await });
    routes.unary(|call: Call<ListProviders>| async move { call.context.list_providers(&call.query) });
    routes.unary(|call: Call<GetProvider>| async move { call.context.get_provider(&call.path.name) });
    routes.unary(|call: Call<DeleteProvider>| async move { call.context.delete_provider(call.path.name).await });
}
