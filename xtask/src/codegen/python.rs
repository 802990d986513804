//! Python: the native classes and tables in `theazo-py/src/generated`, and the package's modules beside them.
//!
//! Types become frozen native classes; operations become methods of a blocking face (`_sync.py`) and an asyncio face
//! (`_async.py`), rendered from one template.

mod model;
mod surface;
mod words;

use anyhow::Result;
use serde::Serialize;

use super::{GeneratedFile, ir::Ir, template};
use model::Model;

/// Renders all files of the Python part.
pub fn render(ir: &Ir) -> Result<Vec<GeneratedFile>> {
    let model = Model::new(ir);
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
    Ok(files)
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
            let starts_definition = line.starts_with("class ") || line.starts_with("@final");
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
