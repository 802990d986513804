//! Guardrails.

use theazo_api::guardrails::{ConfigureGuardrails, GetGuardrails, ListGuardrailViolations};

use super::mount::{Call, Routes};

pub fn mount(routes: &mut Routes) {
    routes.unary(|call: Call<ConfigureGuardrails>| async move { call.context.configure_guardrails(call.body).await });
    routes.unary(|call: Call<GetGuardrails>| async move { call.context.get_guardrails() });
    routes.unary(|call: Call<ListGuardrailViolations>| async move { call.context.guardrail_violations(&call.query) });
}
