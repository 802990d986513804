//! `theazo/__init__.py`: what the package has, by the module that it comes from. Nothing is imported before it is used.

use serde::Serialize;

use super::{errors::Errors, model::Model};

/// What is written by hand, by module.
const WRITTEN: &[(&str, &[&str])] = &[
    ("_async_client", &["AsyncTheazo"]),
    ("_client", &["Theazo"]),
    (
        "_core",
        &[
            "AsyncEventStream",
            "AsyncPage",
            "AsyncPager",
            "CallOptions",
            "CallOptionsOfRun",
            "EventStream",
            "Page",
            "with_meta",
        ],
    ),
    ("_native", &["Cost", "CostLimit", "ResponseMeta", "SessionLimits", "__version__"]),
];

/// What the template of the package reads.
#[derive(Serialize)]
pub struct Package {
    modules: Vec<Module>,
    /// All names, sorted.
    names: Vec<String>,
}

#[derive(Serialize)]
struct Module {
    name: &'static str,
    names: Vec<String>,
}

impl Package {
    pub fn new(model: &Model, errors: &Errors) -> Self {
        let handles = || model.receivers.iter().filter(|receiver| receiver.kind == "handle");
        let mut modules: Vec<Module> = WRITTEN
            .iter()
            .map(|(name, names)| Module { name, names: names.iter().map(|&name| name.to_owned()).collect() })
            .collect();
        modules
            .push(Module { name: "_async", names: handles().map(|handle| format!("Async{}", handle.class)).collect() });
        modules.push(Module { name: "_sync", names: handles().map(|handle| handle.class.clone()).collect() });
        modules.push(Module { name: "errors", names: errors.exported() });
        modules.sort_by_key(|module| module.name);
        for module in &mut modules {
            module.names.sort();
        }
        let mut names: Vec<String> = modules.iter().flat_map(|module| module.names.clone()).collect();
        names.sort();
        Self { modules, names }
    }
}
