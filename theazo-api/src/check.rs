//! Checks of meaning that both sides make: a client before it sends, a server before it acts.
//!
//! ```
//! use theazo_api::{Check, CostLimit, Period, Problems};
//!
//! struct Plan {
//!     seats: i64,
//!     limit: CostLimit,
//! }
//!
//! impl Check for Plan {
//!     fn check(&self, problems: &mut Problems) {
//!         problems.require(self.seats > 0, "seats", "must be at least 1");
//!         if self.seats > 1000 {
//!             problems.add("seats", format!("is {}, but there are at most 1000", self.seats));
//!         }
//!         problems.within("limit", &self.limit);
//!     }
//! }
//!
//! let found = Problems::of(&Plan { seats: 0, limit: CostLimit::cents(-1, Period::Day) });
//! let fields: Vec<&str> = found.iter().map(|problem| problem.field.as_str()).collect();
//! assert_eq!(fields, ["seats", "limit.amount"]);
//!
//! let mut problems = Problems::default();
//! Plan { seats: 3, limit: CostLimit::cents(500, Period::Day) }.check(&mut problems);
//! assert_eq!(problems.into_result(), Ok(()));
//! assert_eq!(Plan { seats: 3, limit: CostLimit::cents(500, Period::Day) }.refusal(), theazo_api::ErrorCode::InvalidRequest);
//! ```

use crate::error::{ErrorCode, FieldProblem};

/// A value that can say what is wrong with it. The default finds nothing.
pub trait Check {
    /// Adds what is wrong to `problems`.
    fn check(&self, problems: &mut Problems) {
        let _ = problems;
    }

    /// The code with which the value is refused when anything is wrong with it.
    fn refusal(&self) -> ErrorCode {
        ErrorCode::InvalidRequest
    }
}

impl Check for () {}

/// A body of any members, the input of a tool for example: only whoever takes it knows what is right.
impl Check for serde_json::Map<String, serde_json::Value> {}

/// What is wrong with an input, field by field.
#[derive(Debug, Default)]
pub struct Problems {
    prefix: Vec<String>,
    found: Vec<FieldProblem>,
}

impl Problems {
    /// Everything that is wrong with `value`.
    pub fn of(value: &impl Check) -> Vec<FieldProblem> {
        let mut problems = Self::default();
        value.check(&mut problems);
        problems.found
    }

    /// What was found, as an error if it is anything.
    pub fn into_result(self) -> Result<(), Vec<FieldProblem>> {
        if self.found.is_empty() { Ok(()) } else { Err(self.found) }
    }

    /// Adds a problem with `field`, which is a member of the value in hand.
    pub fn add(&mut self, field: &str, message: impl Into<String>) {
        let mut path = self.prefix.join(".");
        if !path.is_empty() && !field.is_empty() {
            path.push('.');
        }
        path.push_str(field);
        self.found.push(FieldProblem { field: path, message: message.into() });
    }

    /// Adds a problem with `field` unless `holds`.
    pub fn require(&mut self, holds: bool, field: &str, message: &str) {
        if !holds {
            self.add(field, message);
        }
    }

    /// Checks a member, naming it in what is found.
    pub fn within(&mut self, field: &str, value: &impl Check) {
        self.prefix.push(field.to_owned());
        value.check(self);
        self.prefix.pop();
    }
}
