//! Handles (a session, an agent, a run) and namespaces (what the client and the handles are made of).
//!
//! Their methods are generated from the contract; what they hold is here.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use theazo_api::{AgentData, AgentId, RunData, RunId, SessionData, SessionId};

use crate::transport::Transport;

/// Declares a handle: an id, the newest data that a call returned, and the way to the control plane.
macro_rules! handle {
    ($(#[doc = $doc:literal])+ $Handle:ident, $Data:ident, $Id:ident) => {
        $(#[doc = $doc])+
        ///
        /// It is cheap to clone. Clones share their data: what a call on one of them returns is seen by all.
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

/// Declares a namespace: methods that share a noun.
macro_rules! namespace {
    ($(#[doc = $doc:literal])+ $Namespace:ident) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone)]
        pub struct $Namespace {
            pub(crate) transport: Transport,
        }
    };
    ($(#[doc = $doc:literal])+ $Namespace:ident of $Handle:ident) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone)]
        pub struct $Namespace {
            pub(crate) transport: Transport,
            pub(crate) handle: $Handle,
        }

        impl $Namespace {
            pub(crate) fn path_id(&self) -> String {
                self.handle.path_id()
            }
        }
    };
}

namespace! {
    /// The sessions of the account.
    Sessions
}

namespace! {
    /// The agents of all sessions.
    Agents
}

namespace! {
    /// The runs of all sessions.
    Runs
}

namespace! {
    /// What happened, as people read it.
    Logs
}

namespace! {
    /// What was used and what it cost.
    Usage
}

namespace! {
    /// The agents of one session.
    SessionAgents of Session
}

namespace! {
    /// The runs of one session.
    SessionRuns of Session
}

namespace! {
    /// The files in one agent's sandbox.
    AgentFiles of Agent
}

impl Session {
    /// The agents of this session.
    pub fn agents(&self) -> SessionAgents {
        SessionAgents { transport: self.transport.clone(), handle: self.clone() }
    }

    /// The runs of this session.
    pub fn runs(&self) -> SessionRuns {
        SessionRuns { transport: self.transport.clone(), handle: self.clone() }
    }
}

impl Agent {
    /// The files in this agent's sandbox.
    pub fn files(&self) -> AgentFiles {
        AgentFiles { transport: self.transport.clone(), handle: self.clone() }
    }
}
