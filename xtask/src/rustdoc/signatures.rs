//! No foreign error or client type in a public signature: what a user meets there has to be theirs or ours, so that we can
//! change what we build on without breaking them.

use serde_json::Value;

use super::{Documented, Item};

/// The crates that public signatures may name besides the standard library and ours.
const ALLOWED: &[(&str, &str)] = &[
    ("bytes", "the content of files and bodies, without a copy"),
    ("futures_core", "the trait of streams, which the standard library does not have yet"),
    ("http", "headers, requests and responses, as an injected client and the answer's metadata have them"),
    ("serde", "every type of the contract can be read and written"),
    ("serde_core", "where the traits of serde are"),
    ("serde_json", "values of users' own"),
];

const OURS: &[&str] = &["alloc", "core", "std", "theazo", "theazo_api", "theazo_server"];

/// Every public item whose signature names another crate.
pub fn check(documented: &Documented) -> Vec<String> {
    let mut problems = Vec::new();
    for item in documented.index.values() {
        for part in signature(item) {
            named(part, &mut |id, path| {
                // What is stripped from the documentation, an implementation detail, has no path.
                let Some(crate_name) = documented.crate_of.get(&id) else { return };
                let is_allowed = crate_name == &documented.name
                    || OURS.contains(&crate_name.as_str())
                    || ALLOWED.iter().any(|(allowed, _)| allowed == crate_name);
                if !is_allowed {
                    let name = item.name.as_deref().unwrap_or(&item.kind);
                    problems.push(format!("{}: `{name}` names `{path}` of the crate `{crate_name}`", item.place));
                }
            });
        }
    }
    problems.sort();
    problems.dedup();
    problems
}

/// The parts of an item that are its signature: of what has items of its own, only what stands around them.
fn signature(item: &Item) -> Vec<&Value> {
    let members: &[&str] = match item.kind.as_str() {
        // What the compiler implements for everything is nobody's promise.
        "impl" if item.says("is_synthetic") || item.says("blanket_impl") => &[],
        "impl" => &["generics", "trait", "for"],
        "module" | "use" => &[],
        "struct" | "enum" | "union" | "trait" => &["generics", "bounds"],
        _ => return item.inner.values().collect(),
    };
    members.iter().filter_map(|member| item.inner.get(*member)).collect()
}

/// Calls `found` with each path in a signature: the number of what it names and the path as it is written.
fn named(part: &Value, found: &mut impl FnMut(u64, &str)) {
    match part {
        Value::Object(members) => {
            if let (Some(id), Some(path)) =
                (members.get("id").and_then(Value::as_u64), members.get("path").and_then(Value::as_str))
            {
                found(id, path);
            }
            members.values().for_each(|member| named(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| named(item, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A crate with one function that takes a value of the type `crate_name::Thing`.
    fn taking(crate_name: &str) -> Documented {
        let argument = json!({ "resolved_path": { "path": "Thing", "id": 2, "args": null } });
        let signature = json!({ "inputs": [["thing", { "slice": argument }]], "output": null });
        Documented::of(json!({
            "root": 0,
            "external_crates": { "7": { "name": crate_name } },
            "paths": { "2": { "crate_id": 7, "path": [crate_name, "Thing"] } },
            "index": {
                "0": { "crate_id": 0, "name": "ours", "inner": { "module": { "items": [1] } } },
                "1": {
                    "crate_id": 0, "name": "take", "span": { "filename": "src/lib.rs", "begin": [3, 1] },
                    "inner": { "function": { "sig": signature } },
                },
            },
        }))
    }

    #[test]
    fn a_type_of_another_crate_is_found_however_deep_it_is() {
        assert_eq!(check(&taking("reqwest")), ["src/lib.rs:3: `take` names `Thing` of the crate `reqwest`"]);
    }

    #[test]
    fn what_is_allowed_and_what_is_ours_may_be_named() {
        assert_eq!(check(&taking("bytes")), Vec::<String>::new());
        assert_eq!(check(&taking("theazo_api")), Vec::<String>::new());
    }
}
