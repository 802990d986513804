//! Every public item is documented, and an example shows it.
//!
//! Where the line is: functions, methods, types and traits need an example. It is in their own documentation, or an example
//! of their type, of a method beside them, or of a module above them uses them by name; so one example can show a type
//! with all of its small methods. A type may be named by any example. Not counted are
//!
//! - `theazo::requests`: what a method returns and its setters are shown by the example of the method, to which their
//!   page points,
//! - the types of the contract that are data alone: each has its golden fixture, and the examples of methods use them,
//! - fields, variants, constants and modules, and what implements a trait, which the trait documents.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Documented, Item};

/// Every public item that has no documentation, or that no example shows.
pub fn check(documented: &Documented) -> Vec<String> {
    let all = documented.index.values().flat_map(|item| code_of(&item.docs)).collect();
    let mut walk = Walk { documented, all, seen: BTreeSet::new(), problems: Vec::new() };
    walk.module(&documented.index[&documented.root], &documented.name, &[]);
    walk.problems
}

struct Walk<'a> {
    documented: &'a Documented,
    /// The code of all examples of the crate.
    all: Vec<String>,
    seen: BTreeSet<u64>,
    problems: Vec<String>,
}

impl<'a> Walk<'a> {
    /// A module and what it has; `above` is the code of the examples in the modules above it.
    fn module(&mut self, module: &'a Item, path: &str, above: &[String]) {
        if !self.seen.insert(module.id) {
            return;
        }
        let mut code = above.to_vec();
        code.extend(code_of(&module.docs));
        self.documented(module, path);
        for number in module.numbers("items") {
            self.child(number, path, &code);
        }
    }

    fn child(&mut self, number: u64, path: &str, code: &[String]) {
        let documented = self.documented;
        let Some(item) = documented.index.get(&number) else { return };
        if item.kind == "use" {
            let target = item.inner.get("id").and_then(Value::as_u64).and_then(|id| documented.index.get(&id));
            match target {
                Some(target) if item.says("is_glob") => {
                    target.numbers("items").for_each(|number| self.child(number, path, code));
                }
                Some(target) => self.child(target.id, path, code),
                None => {}
            }
            return;
        }
        let path = format!("{path}::{}", item.name.as_deref().unwrap_or_default());
        match item.kind.as_str() {
            "module" => self.module(item, &path, code),
            "struct" | "enum" | "union" => self.with_methods(item, &path, code),
            "trait" => {
                let methods: Vec<u64> = item.numbers("items").collect();
                self.shown(item, &path, &methods, code);
            }
            "function" if self.seen.insert(item.id) => {
                self.documented(item, &path);
                if !is_shown(item, code) {
                    self.lacks_example(item, &path);
                }
            }
            "function" => {}
            _ => self.documented(item, &path),
        }
    }

    /// A type with its fields or variants and its own methods.
    fn with_methods(&mut self, item: &'a Item, path: &str, code: &[String]) {
        let implementations = item.numbers("impls").filter_map(|number| self.documented.index.get(&number));
        // What serde derives beside a trait is nobody's to call.
        let own = implementations.filter(|implementation| !implementation.says("trait") && !implementation.is_derived);
        let methods: Vec<u64> = own.flat_map(|implementation| implementation.numbers("items")).collect();
        if self.seen.contains(&item.id) {
            return;
        }
        self.shown(item, path, &methods, code);
        for number in item.numbers("variants").chain(fields(item)) {
            if let Some(part) = self.documented.index.get(&number) {
                self.documented(part, &format!("{path}::{}", part.name.as_deref().unwrap_or_default()));
            }
        }
    }

    /// A type or a trait, and its methods.
    fn shown(&mut self, item: &'a Item, path: &str, methods: &[u64], above: &[String]) {
        if !self.seen.insert(item.id) {
            return;
        }
        let methods: Vec<&Item> = methods.iter().filter_map(|number| self.documented.index.get(number)).collect();
        let mut code = above.to_vec();
        code.extend(code_of(&item.docs));
        code.extend(methods.iter().flat_map(|method| code_of(&method.docs)));
        self.documented(item, path);
        let is_data = self.documented.name == "theazo_api" && item.kind != "trait";
        let is_request = path.starts_with("theazo::requests::");
        // A type whose method has an example is shown by it, and so is one that an example names, wherever that is: unlike
        // those of methods, the names of types are their own.
        let by_method = methods.iter().any(|method| !code_of(&method.docs).is_empty());
        if !is_data && !is_request && !by_method && !is_shown(item, &self.all) {
            self.lacks_example(item, path);
        }
        for method in methods.into_iter().filter(|method| method.kind == "function") {
            let path = format!("{path}::{}", method.name.as_deref().unwrap_or_default());
            self.documented(method, &path);
            if !is_request && !is_shown(method, &code) {
                self.lacks_example(method, &path);
            }
        }
    }

    fn documented(&mut self, item: &Item, path: &str) {
        if item.docs.trim().is_empty() {
            self.problems.push(format!("{}: `{path}` has no documentation", item.place));
        }
    }

    fn lacks_example(&mut self, item: &Item, path: &str) {
        self.problems.push(format!("{}: no example shows `{path}`", item.place));
    }
}

/// Whether an example is in the item's own documentation, or in `code` by name.
fn is_shown(item: &Item, code: &[String]) -> bool {
    let name = item.name.as_deref().unwrap_or_default();
    !code_of(&item.docs).is_empty() || code.iter().any(|code| crate::tidy::has_token(code, name))
}

/// The fields of a struct that have names, or numbers.
fn fields(item: &Item) -> impl Iterator<Item = u64> {
    let kind = item.inner.get("kind");
    let plain = kind.and_then(|kind| kind["plain"]["fields"].as_array());
    let tuple = kind.and_then(|kind| kind["tuple"].as_array());
    plain.or(tuple).into_iter().flatten().filter_map(Value::as_u64)
}

/// The code of the examples in a documentation: its blocks of Rust, which are tested.
fn code_of(docs: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in docs.lines() {
        match (line.trim_start().strip_prefix("```"), &mut block) {
            (Some(_), Some(_)) => blocks.extend(block.take()),
            (Some(language), None) => {
                let is_rust = language.is_empty() || ["rust", "no_run"].iter().any(|word| language.starts_with(word));
                // A block of another language is read too, and then left out.
                block = Some(if is_rust { String::new() } else { "\0".to_owned() });
            }
            (None, Some(code)) => {
                code.push_str(line);
                code.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks.retain(|code: &String| !code.starts_with('\0'));
    blocks
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A crate with one type, which has the methods `open` and `close`; given are their documentations.
    fn found(crate_docs: &str, type_docs: &str, open: &str, close: &str) -> Vec<String> {
        let method = |name: &str, docs: &str| {
            json!({
                "crate_id": 0, "name": name, "docs": docs, "inner": { "function": {} },
                "span": { "filename": "src/lib.rs", "begin": [7, 1] },
            })
        };
        let inner = json!({ "struct": { "kind": { "plain": { "fields": [] } }, "impls": [2] } });
        check(&Documented::of(json!({
            "root": 0,
            "external_crates": {},
            "paths": {},
            "index": {
                "0": { "crate_id": 0, "name": "ours", "docs": crate_docs, "inner": { "module": { "items": [1] } } },
                "1": {
                    "crate_id": 0, "name": "Door", "docs": type_docs, "inner": inner,
                    "span": { "filename": "src/lib.rs", "begin": [3, 1] },
                },
                "2": { "crate_id": 0, "name": null, "inner": { "impl": { "trait": null, "items": [3, 4] } } },
                "3": method("open", open),
                "4": method("close", close),
            },
        })))
    }

    const OPENS: &str = "Shown.\n\n```\nDoor::new().open();\n```";

    #[test]
    fn an_example_shows_what_it_names_beside_what_it_stands_at() {
        assert_eq!(found("A crate.", OPENS, "Opens.", "Shown.\n\n```\ndoor.close();\n```"), Vec::<String>::new());
        assert_eq!(
            found("A crate.", OPENS, "Opens.", "Closes."),
            ["src/lib.rs:7: no example shows `ours::Door::close`"]
        );
    }

    #[test]
    fn an_example_of_a_module_shows_what_is_below_it() {
        let both = "A crate.\n\n```\nlet door = Door::new();\ndoor.open();\ndoor.close();\n```";

        assert_eq!(found(both, "A door.", "Opens.", "Closes."), Vec::<String>::new());
    }

    #[test]
    fn code_in_another_language_is_no_example() {
        let shell = "A door.\n\n```sh\nopen door && close door\n```";

        assert_eq!(
            found("A crate.", shell, "Opens.", "Closes."),
            [
                "src/lib.rs:3: no example shows `ours::Door`",
                "src/lib.rs:7: no example shows `ours::Door::open`",
                "src/lib.rs:7: no example shows `ours::Door::close`",
            ]
        );
    }

    #[test]
    fn an_item_without_documentation_is_named() {
        assert_eq!(
            found("A crate.", OPENS, "", "```\ndoor.close();\n```"),
            ["src/lib.rs:7: `ours::Door::open` has no documentation"]
        );
    }
}
