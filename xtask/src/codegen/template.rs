//! Templates: minijinja with the folder `xtask/templates/` and the helpers of [`naming`] as filters.

use anyhow::Result;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, path_loader, value::Value};
use serde::Serialize;

use super::naming;
use crate::repository;

/// Renders `xtask/templates/NAME`.
///
/// Filters beside the usual ones: `snake`, `camel`, `pascal`, `screaming`, `comment(prefix)`, `jsdoc(indent)`,
/// `docstring(indent)`, `wrap(width)` (a list of lines) and `quoted` (a literal of JavaScript, Python and JSON). The
/// global `generated_mark` is the mark of generated files. An undefined variable is an error.
pub fn render(name: &str, context: impl Serialize) -> Result<String> {
    render_with(name, context, |_| {})
}

/// Renders with more filters or functions, which `extend` adds.
pub fn render_with(name: &str, context: impl Serialize, extend: impl FnOnce(&mut Environment<'_>)) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_loader(path_loader(repository::root().join("xtask/templates")));
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_keep_trailing_newline(true);
    environment.add_global("generated_mark", naming::GENERATED_MARK);
    environment.add_filter("snake", |text: &str| naming::snake(text));
    environment.add_filter("camel", |text: &str| naming::camel(text));
    environment.add_filter("pascal", |text: &str| naming::pascal(text));
    environment.add_filter("screaming", |text: &str| naming::screaming(text));
    environment.add_filter("comment", |text: &str, prefix: &str| naming::comment(text, prefix));
    environment.add_filter("jsdoc", |text: &str, indent: &str| naming::jsdoc(text, indent));
    environment.add_filter("docstring", |text: &str, indent: &str| naming::docstring(text, indent));
    environment.add_filter("wrap", |text: &str, width: usize| naming::wrap(text, width));
    environment.add_filter("quoted", |text: &str| serde_json::Value::from(text).to_string());
    extend(&mut environment);
    Ok(environment.get_template(name)?.render(Value::from_serialize(&context))?)
}
