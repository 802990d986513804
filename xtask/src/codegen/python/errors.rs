//! The exceptions: a class for each error code, and bases for those of one kind.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{super::ir::Ir, words::pythonic};

/// A base of the classes of one kind.
#[derive(Serialize)]
pub struct Group {
    name: &'static str,
    bases: &'static str,
    doc: &'static str,
}

/// The kinds: the codes' status, or the code itself for what only a client makes.
const GROUPS: &[(&[u16], Group)] = &[
    (&[401], group("AuthenticationError", "TheazoError", "The API key is missing or not valid.")),
    (
        &[402],
        group(
            "LimitExceededError",
            "TheazoError",
            "A limit was reached; `details` names it, its value and what is used.",
        ),
    ),
    (&[403], group("PermissionDeniedError", "TheazoError", "The key is valid, but this is not allowed with it.")),
    (&[404], group("NotFoundError", "TheazoError", "There is no such resource, or it belongs to another account.")),
    (&[409], group("ConflictError", "TheazoError", "The request clashes with the present state of the resource.")),
    (
        &[422],
        group(
            "InvalidRequestError",
            "TheazoError, ValueError",
            "An argument is wrong; `details[\"fields\"]` says which and why.",
        ),
    ),
    (
        &[429],
        group("RateLimitedError", "TheazoError", "Too many requests; `retry_after` says how many seconds to wait."),
    ),
    (
        &[504],
        group(
            "CallTimeoutError",
            "TheazoError, builtins.TimeoutError",
            "Something took longer than it may: a program in a sandbox, or the call itself.",
        ),
    ),
    (&[500, 501, 502, 503, 507], group("ServerError", "TheazoError", "The server or one of its providers failed.")),
    (
        &[],
        group(
            UNREACHED,
            "TheazoError, builtins.ConnectionError",
            "The server could not be reached, or the connection ended before the answer.",
        ),
    ),
];

/// The base of errors of a connection, which have no status.
const UNREACHED: &str = "ConnectionFailedError";

/// Exceptions that Python has under the same name.
const OF_PYTHON: &[&str] = &["ConnectionError", "InterruptedError", "NotImplementedError", "TimeoutError"];

const fn group(name: &'static str, bases: &'static str, doc: &'static str) -> Group {
    Group { name, bases, doc }
}

#[derive(Serialize)]
struct Class {
    name: String,
    base: &'static str,
    doc: String,
}

/// What the template of `errors.py` reads.
#[derive(Serialize)]
pub struct Errors {
    names: BTreeSet<String>,
    groups: Vec<&'static Group>,
    classes: Vec<Class>,
    by_code: Vec<(String, String)>,
    by_status: Vec<(u16, &'static str)>,
}

impl Errors {
    pub fn new(ir: &Ir) -> Self {
        let base_of = |code: &str, status: u16| match GROUPS.iter().find(|(statuses, _)| statuses.contains(&status)) {
            Some((_, group)) => group.name,
            None if code == "connection_error" => UNREACHED,
            None => "TheazoError",
        };
        let groups: Vec<&Group> = GROUPS.iter().map(|(_, group)| group).collect();
        let is_group = |name: &str| groups.iter().any(|group| group.name == name);
        // `conflict` needs no class below `ConflictError`.
        let classes: Vec<Class> = ir
            .errors
            .iter()
            .filter(|error| !is_group(&error.name))
            .map(|error| Class {
                name: error.name.clone(),
                base: base_of(&error.code, error.status),
                doc: pythonic(&error.doc),
            })
            .collect();
        let own = ["TheazoError", "TransportFault"].map(str::to_owned);
        let names =
            groups.iter().map(|group| group.name.to_owned()).chain(classes.iter().map(|class| class.name.clone()));
        Self {
            names: names.chain(own).collect(),
            by_code: ir.errors.iter().map(|error| (error.code.clone(), error.name.clone())).collect(),
            by_status: GROUPS
                .iter()
                .flat_map(|(statuses, group)| statuses.iter().map(|&status| (status, group.name)))
                .filter(|(status, _)| *status < 500 || *status == 504)
                .collect(),
            groups,
            classes,
        }
    }

    /// The names that the package itself has: those that hide no name that Python has.
    pub fn exported(&self) -> Vec<String> {
        self.names.iter().filter(|name| !OF_PYTHON.contains(&name.as_str())).cloned().collect()
    }
}
