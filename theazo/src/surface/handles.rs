//! Handles: a session, an agent, a run, a fleet, a team. Their methods and parts are generated from the contract; what they
//! hold is here.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use theazo_api::{AgentData, AgentId, FleetData, FleetId, RunData, RunId, SessionData, SessionId, TeamData, TeamId};

use crate::transport::Transport;

/// Declares a handle: an id, the newest data that a call returned, and the way to the control plane.
macro_rules! handle {
    ($(#[doc = $doc:literal])+ $Handle:ident, $Data:ident, $Id:ident) => {
        $(#[doc = $doc])+
        ///
        /// It is cheap to clone. Clones share their data: what a call on one of them returns is seen by all.
        ///
        /// ```
        #[doc = concat!("# fn example(known: theazo::", stringify!($Handle), ") {")]
        /// println!("{} as it was last seen: {:?}", known.id(), known.data());
        /// # }
        /// ```
        #[derive(Clone)]
        pub struct $Handle {
            pub(crate) transport: Transport,
            state: Arc<State<$Id, $Data>>,
        }

        impl $Handle {
            pub(crate) fn new(transport: &Transport, data: $Data) -> Self {
                let state = State { id: data.id.clone(), newest: RwLock::new(Arc::new(data)) };
                Self { transport: transport.clone(), state: Arc::new(state) }
            }

            /// The id.
            pub fn id(&self) -> &$Id {
                &self.state.id
            }

            /// What the last call that returned it said; nothing is sent.
            pub fn data(&self) -> Arc<$Data> {
                self.state.newest.read().unwrap_or_else(PoisonError::into_inner).clone()
            }

            #[allow(dead_code, reason = "no operation of some handles answers with their own data")]
            pub(crate) fn refresh(&self, data: $Data) {
                *self.state.newest.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(data);
            }

            pub(crate) fn path_id(&self) -> String {
                self.state.id.to_string()
            }
        }

        impl fmt::Debug for $Handle {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($Handle)).field(&self.data()).finish()
            }
        }
    };
}

struct State<Id, Data> {
    id: Id,
    newest: RwLock<Arc<Data>>,
}

handle! {
    /// A session: the isolated container of one end user, with its limits and its usage.
    Session, SessionData, SessionId
}

handle! {
    /// An agent: it runs tasks and programs in a sandbox of its own.
    Agent, AgentData, AgentId
}

handle! {
    /// A run: one task given to one agent. It outlives the call that started it.
    Run, RunData, RunId
}

handle! {
    /// A fleet: one agent at work on many inputs.
    Fleet, FleetData, FleetId
}

handle! {
    /// A team: several agents that work on a task together.
    Team, TeamData, TeamId
}
