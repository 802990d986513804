//! The workflow builder's generated half: a type for each kind of step, and the settings of a workflow.
//!
//! So every field of every kind can be reached, and is documented once, in the contract.

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::{
    super::GeneratedFile,
    Parameter, field_parameter, ident, output,
    step_examples::{EXAMPLES, StepExample},
};
use crate::codegen::{
    ir::{Field, Ir, Struct, TaggedUnion, Type, TypeDefinition, Variant},
    template,
};

const STEP: &str = "WorkflowStep";
const DEFINITION: &str = "WorkflowCreateOpts";

/// Fields that the builder takes in another way: the name when it is made, the steps one by one.
const BUILT: &[&str] = &["name", "steps"];

/// Lists of steps, which are filled one by one, so that they can be of different kinds: the field, the method and what
/// that does.
const FILLED: &[(&str, &str, &str)] =
    &[("branches", "branch", "Adds a step that runs at the same time as the others.")];

/// What absent dependencies mean to the builder, which fills them in; on the wire they mean that there are none.
const DEPENDS_ON: &str = "The steps that must be done before this one starts; by default all that comes before it, as \
                          [the module](mod@crate::workflow) says. With none of them it starts at once.";

/// Renders `theazo/src/generated/workflow_steps.rs`.
pub fn render(ir: &Ir) -> Result<GeneratedFile> {
    let Some(TypeDefinition::TaggedUnion(TaggedUnion { variants, .. })) = ir.named(STEP) else {
        anyhow::bail!("`{STEP}` is no union");
    };
    let Some(TypeDefinition::Struct(Struct { fields, .. })) = ir.named(DEFINITION) else {
        anyhow::bail!("`{DEFINITION}` is no struct");
    };
    let steps: Vec<Step> = variants.iter().map(|variant| Step::new(variant, ir)).collect::<Result<_>>()?;
    let settings = fields.iter().filter(|field| !BUILT.contains(&field.wire_name.as_str()));
    let settings: Vec<Parameter> = settings.map(|field| field_parameter(field, ir)).collect();
    Ok(GeneratedFile {
        path: "theazo/src/generated/workflow_steps.rs".to_owned(),
        content: template::render(
            "rust/workflow_steps.rs.j2",
            minijinja::context! { steps => steps, settings => settings },
        )?,
    })
}

/// A kind of step.
#[derive(Serialize)]
struct Step {
    /// The variant of the union.
    variant: String,
    /// The function that makes one.
    function: String,
    doc: String,
    fields: Vec<Member>,
    /// What the function takes.
    arguments: Vec<Parameter>,
    /// What has a method.
    options: Vec<Parameter>,
    filled: Vec<Filled>,
    /// An example, as the lines of a doctest.
    example: String,
}

/// The example of a kind of step: a workflow that is built and so checked.
fn example(kind: &str) -> Result<String> {
    let found = EXAMPLES.iter().find(|example| example.kind == kind);
    let StepExample { functions, uses, steps, .. } = found.with_context(|| format!("`{kind}` has no example"))?;
    let builder = match functions {
        [one] => format!("theazo::workflow::{one}"),
        several => format!("theazo::workflow::{{{}}}", several.join(", ")),
    };
    let mut lines: Vec<String> = uses.iter().map(|path| format!("use {path};")).collect();
    lines.push(format!("use {builder};"));
    lines.sort_by_key(|line| !line.starts_with("use std"));
    let step = |step: &&str| match step.contains('\n') {
        false => format!("    .step({step})\n"),
        true => format!("    .step(\n        {},\n    )\n", step.replace('\n', "\n    ")),
    };
    let steps: String = steps.iter().map(step).collect();
    Ok(format!(
        "```\n{}\n\n# fn example() -> Result<(), theazo::Error> {{\nlet definition = theazo::workflow(\"example\")\n{steps}    \
         .build()?;\n# Ok(()) }}\n# example().unwrap();\n```",
        lines.join("\n"),
    ))
}

/// A field of the type.
#[derive(Serialize)]
struct Member {
    name: String,
    ty: String,
    /// What it is when nothing is said.
    initial: String,
    /// Whether the union holds it in a box.
    is_boxed: bool,
}

/// A list that is filled one by one.
#[derive(Serialize)]
struct Filled {
    list: String,
    method: &'static str,
    doc: &'static str,
}

impl Step {
    fn new(variant: &Variant, ir: &Ir) -> Result<Self> {
        let is_step = |ty: &Type| *ty == Type::Named(STEP.to_owned());
        let is_list = |field: &Field| matches!(&field.ty, Type::List(item) if is_step(item));
        let mut step = Self {
            variant: variant.name.clone(),
            function: variant.tag_value.clone(),
            doc: super::rusty(&variant.doc, ir),
            fields: Vec::new(),
            arguments: Vec::new(),
            options: Vec::new(),
            filled: Vec::new(),
            example: example(&variant.tag_value)?,
        };
        for field in &variant.fields {
            ensure!(field.required || field.nullable, "`{}` has a default of its own", field.wire_name);
            let mut parameter = field_parameter(field, ir);
            if field.wire_name == "dependsOn" {
                parameter.doc = DEPENDS_ON.to_owned();
            }
            let initial = if is_list(field) {
                let known = FILLED.iter().find(|(list, ..)| *list == field.wire_name);
                let (_, method, doc) = *known.with_context(|| format!("no method fills `{}`", field.wire_name))?;
                step.filled.push(Filled { list: parameter.name.clone(), method, doc });
                "Vec::new()".to_owned()
            } else if field.required {
                if is_step(&field.ty) {
                    parameter.input = format!("impl Into<api::{STEP}>");
                    parameter.value = format!("{}.into()", parameter.name);
                }
                let value = parameter.value.clone();
                step.arguments.push(parameter);
                value
            } else {
                step.options.push(parameter);
                "None".to_owned()
            };
            let ty = output(&field.ty);
            step.fields.push(Member {
                name: ident(&field.snake_name),
                ty: if field.required { ty } else { format!("Option<{ty}>") },
                initial,
                is_boxed: is_step(&field.ty),
            });
        }
        Ok(step)
    }
}
