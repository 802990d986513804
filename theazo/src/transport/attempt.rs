//! What one attempt of a call came to.

use std::time::Duration;

use serde::{Serialize, Serializer, ser::SerializeStruct};

/// What one attempt of a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Which attempt it was, from 1.
    pub number: u32,
    /// The HTTP status; `None` if there was no answer.
    pub status: Option<u16>,
    /// The id of the request, if the server gave one.
    pub request_id: Option<String>,
    /// What went wrong; `None` for an attempt that succeeded.
    pub problem: Option<String>,
    /// How long the client paused before it.
    pub waited: Duration,
    /// How long it took.
    pub took: Duration,
}

impl Serialize for Attempt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let mut members = serializer.serialize_struct("Attempt", 6)?;
        members.serialize_field("number", &self.number)?;
        members.serialize_field("status", &self.status)?;
        members.serialize_field("requestId", &self.request_id)?;
        members.serialize_field("problem", &self.problem)?;
        members.serialize_field("waitedMs", &millis(self.waited))?;
        members.serialize_field("tookMs", &millis(self.took))?;
        members.end()
    }
}
