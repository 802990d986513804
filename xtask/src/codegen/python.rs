//! Python: the native classes and tables in `theazo-py/src/generated`, and the package's modules beside them.
//!
//! Types become frozen native classes; operations become methods of a blocking face (`_sync.py`) and an asyncio face
//! (`_async.py`), rendered from one template.

mod errors;
mod example;
mod model;
mod package;
mod surface;
mod words;
mod workflow;

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use super::{GeneratedFile, examples::Example, ir::Ir, naming, template};
use errors::Errors;
use model::Model;

/// Renders all files of the Python part.
pub fn render(ir: &Ir) -> Result<Vec<GeneratedFile>> {
    let examples = examples(ir)?;
    let model = Model::new(ir, &examples);
    let faces = [Face { sync: true, prefix: "" }, Face { sync: false, prefix: "Async" }];
    let mut files = Vec::new();
    for (template, path) in [
        ("mod.rs.j2", "theazo-py/src/generated/mod.rs"),
        ("values.rs.j2", "theazo-py/src/generated/values.rs"),
        ("shapes.rs.j2", "theazo-py/src/generated/shapes.rs"),
        ("calls.rs.j2", "theazo-py/src/generated/calls.rs"),
        ("native.pyi.j2", "theazo-py/python/theazo/_native.pyi"),
        ("types.py.j2", "theazo-py/python/theazo/types.py"),
    ] {
        files.push(file(path, render_template(template, &model)?));
    }
    for face in faces {
        let name = if face.sync { "_sync" } else { "_async" };
        let imports = model.face_imports();
        let context = minijinja::context! { face => face, model => model, imports => imports };
        files.push(file(&format!("theazo-py/python/theazo/{name}.py"), render_template("face.py.j2", context)?));
    }
    let errors = Errors::new(ir);
    files.push(file("theazo-py/python/theazo/errors.py", render_template("errors.py.j2", &errors)?));
    let package = package::Package::new(&model, &errors);
    files.push(file("theazo-py/python/theazo/__init__.py", render_template("package.py.j2", &package)?));
    let workflow = workflow::Workflow::new(ir)?;
    files.push(file("theazo-py/python/theazo/workflow.py", render_template("workflow.py.j2", workflow)?));
    let checked = minijinja::context! { examples => checked(ir, &examples)? };
    files.push(file("theazo-py/tests/generated/examples.py", render_template("examples.py.j2", checked)?));
    Ok(files)
}

/// The lines of an example, in the blocking face and in the asyncio face.
#[derive(Clone, Serialize)]
pub struct ExampleLines {
    pub sync: Vec<String>,
    pub asyncio: Vec<String>,
}

/// The example of each operation that has a method, by the id of the operation.
pub fn examples(ir: &Ir) -> Result<BTreeMap<String, ExampleLines>> {
    let examples = super::examples::all(ir)?;
    let lines = examples.iter().map(|example| {
        let (sync, asyncio) = (example::lines(example, true, ir)?, example::lines(example, false, ir)?);
        Ok((example.operation.id.clone(), ExampleLines { sync, asyncio }))
    });
    lines.collect()
}

/// An example as a function that the type checker reads.
#[derive(Serialize)]
struct Checked {
    name: String,
    root: &'static str,
    root_type: String,
    lines: ExampleLines,
}

fn checked(ir: &Ir, lines: &BTreeMap<String, ExampleLines>) -> Result<Vec<Checked>> {
    let checked = |example: &Example<'_>| Checked {
        name: naming::snake(&example.operation.id),
        root: example.root(),
        root_type: match example.root() {
            "plane" => "TestPlane".to_owned(),
            root => naming::pascal(root),
        },
        lines: lines[&example.operation.id].clone(),
    };
    Ok(super::examples::all(ir)?.iter().map(checked).collect())
}

fn render_template(name: &str, context: impl Serialize) -> Result<String> {
    let text = template::render_with(&format!("python/{name}"), context, |environment| {
        environment.add_filter("ident", |name: &str| {
            if RUST_KEYWORDS.contains(&name) { format!("r#{name}") } else { name.to_owned() }
        });
    })?;
    // Python wants two blank lines between classes and one between methods; templates leave more.
    Ok(if name.contains(".rs") { text } else { settle_blank_lines(&text) })
}

/// Words that Rust takes as names only with `r#`.
const RUST_KEYWORDS: &[&str] = &["type", "ref", "move", "match", "loop", "use", "where", "async", "dyn", "mod"];

/// At most one blank line, but two before whatever stands at the left margin, and one end of line at the end.
fn settle_blank_lines(text: &str) -> String {
    let mut out = String::new();
    let mut blank = 0;
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() {
            blank += 1;
            continue;
        }
        if blank > 0 && !out.is_empty() {
            let starts_definition =
                ["class ", "@final", "def ", "async def "].iter().any(|start| line.starts_with(start));
            out.push_str(if starts_definition { "\n\n" } else { "\n" });
        }
        blank = 0;
        out.push_str(line);
        out.push('\n');
    }
    out
}

fn file(path: &str, content: String) -> GeneratedFile {
    GeneratedFile { path: path.to_owned(), content }
}

/// One of the two faces of the package.
#[derive(Serialize)]
struct Face {
    sync: bool,
    /// Before the name of each class.
    prefix: &'static str,
}
