//! The workflow builder: a function for each kind of step, and the settings of a workflow.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde::Serialize;

use super::{
    super::{
        ir::{Field, Ir, Struct, TaggedUnion, TypeDefinition},
        naming,
    },
    words::{given, pythonic},
};

const STEP: &str = "WorkflowStep";
const DEFINITION: &str = "WorkflowCreateOpts";

/// Fields that the builder takes in another way: the name when it is made, the steps one by one.
const BUILT: &[&str] = &["name", "steps"];

/// What absent dependencies mean to the builder, which fills them in; on the wire they mean that there are none.
const DEPENDS_ON: &str = "The steps that must be done before this one starts; by default all that comes before it. With an \
                          empty list it starts at once.";

/// What the template of `workflow.py` reads.
#[derive(Serialize)]
pub struct Workflow {
    steps: Vec<Step>,
    settings: Vec<Parameter>,
    /// The names of types in signatures, by module.
    types: BTreeSet<String>,
    abc: BTreeSet<String>,
}

/// A kind of step.
#[derive(Serialize)]
struct Step {
    function: String,
    class: String,
    doc: Vec<String>,
    required: Vec<Parameter>,
    optional: Vec<Parameter>,
}

#[derive(Serialize)]
struct Parameter {
    name: String,
    input: String,
    /// Its lines in a docstring, indented.
    doc: Vec<String>,
}

impl Workflow {
    pub fn new(ir: &Ir) -> Result<Self> {
        let Some(TypeDefinition::TaggedUnion(TaggedUnion { variants, .. })) = ir.named(STEP) else {
            anyhow::bail!("`{STEP}` is no union");
        };
        let definition = ir.named(DEFINITION).with_context(|| format!("there is no `{DEFINITION}`"))?;
        let TypeDefinition::Struct(Struct { fields, .. }) = definition else {
            anyhow::bail!("`{DEFINITION}` is no struct");
        };
        let steps: Vec<Step> = variants
            .iter()
            .map(|variant| {
                let of = |required: bool| {
                    let fields = variant.fields.iter().filter(move |field| field.required == required);
                    fields.map(|field| parameter(field, ir)).collect()
                };
                Step {
                    function: variant.tag_value.clone(),
                    class: format!("{}{STEP}", variant.name),
                    doc: naming::wrap(&pythonic(&variant.doc), 110),
                    required: of(true),
                    optional: of(false),
                }
            })
            .collect();
        let settings = fields.iter().filter(|field| !BUILT.contains(&field.wire_name.as_str()));
        let settings: Vec<Parameter> = settings.map(|field| parameter(field, ir)).collect();
        let parameters = || steps.iter().flat_map(|step| step.required.iter().chain(&step.optional)).chain(&settings);
        let words: BTreeSet<String> = parameters()
            .flat_map(|parameter| parameter.input.split(|letter: char| !letter.is_ascii_alphanumeric()))
            .filter(|word| word.starts_with(|letter: char| letter.is_ascii_uppercase()))
            .map(str::to_owned)
            .collect();
        let (abc, types) = words
            .into_iter()
            .filter(|word| word != "Any" && word != "None")
            .partition(|word| ["Mapping", "Sequence"].contains(&word.as_str()));
        Ok(Self { steps, settings, types, abc })
    }
}

fn parameter(field: &Field, ir: &Ir) -> Parameter {
    let doc = if field.wire_name == "dependsOn" { DEPENDS_ON.to_owned() } else { pythonic(&field.doc) };
    Parameter {
        name: field.snake_name.clone(),
        input: given(field, ir),
        doc: naming::wrap(&format!("{}: {doc}", field.snake_name), 104)
            .into_iter()
            .enumerate()
            .map(|(index, line)| format!("{}{line}", if index == 0 { "        " } else { "            " }))
            .collect(),
    }
}
