//! Models.

use theazo_api::models::{EstimateModel, GetModel, ListModels};

use super::mount::{Call, Routes};

pub fn mount(routes: &mut Routes) {
    routes.unary(|call: Call<ListModels>| async move { call.context.list_models(&call.query) });
    routes.unary(|call: Call<GetModel>| async move { call.context.get_model(&call.path.model_id) });
    routes.unary(|call: Call<EstimateModel>| async move { call.context.estimate_model(&call.body) });
}
