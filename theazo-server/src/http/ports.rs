//! Ports of sandboxes.

use theazo_api::ports::{ClosePort, ExposePort, ListPorts};

use super::mount::{Call, Routes};

pub fn mount(routes: &mut Routes) {
    routes.unary(|call: Call<ExposePort>| async move { call.context.expose_port(call.path.agent_id, call.body).await });
    routes.unary(|call: Call<ListPorts>| async move { call.context.list_ports(&call.path.agent_id, &call.query) });
    routes.unary(
        |call: Call<ClosePort>| async move { call.context.close_port(call.path.agent_id, &call.path.port).await },
    );
}
