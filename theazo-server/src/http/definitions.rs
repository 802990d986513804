//! Agent definitions.

use theazo_api::agent_definitions::{
    DefineAgent, DeleteAgentDefinition, DuplicateAgentDefinition, GetAgentDefinition, ListAgentDefinitionVersions,
    ListAgentDefinitions, RollBackAgentDefinition, UpdateAgentDefinition,
};

use super::mount::{Call, Routes};

pub fn mount(routes: &mut Routes) {
    routes.unary(|call: Call<DefineAgent>| async move { call.context.define_agent(call.body).await });
    routes.unary(|call: Call<ListAgentDefinitions>| async move { call.context.list_definitions(&call.query) });
    routes.unary(|call: Call<GetAgentDefinition>| async move {
        call.context.get_definition(&call.path.definition_id, call.query.version)
    });
    routes.unary(|call: Call<UpdateAgentDefinition>| async move {
        call.context.update_definition(call.path.definition_id, call.body).await
    });
    routes.unary(|call: Call<RollBackAgentDefinition>| async move {
        call.context.roll_back_definition(call.path.definition_id, call.body.version).await
    });
    routes.unary(|call: Call<ListAgentDefinitionVersions>| async move {
        call.context.list_definition_versions(&call.path.definition_id, &call.query)
    });
    routes.unary(|call: Call<DuplicateAgentDefinition>| async move {
        call.context.duplicate_definition(call.path.definition_id, call.body).await
    });
    routes.unary(|call: Call<DeleteAgentDefinition>| async move {
        call.context.delete_definition(call.path.definition_id).await
    });
}
