//! `theazo-api/tests/fixtures.rs`: one test for each type of the contract, against its golden fixture.

use anyhow::Result;
use serde_json::json;

use super::{
    GeneratedFile,
    ir::{Ir, TypeDefinition},
    template,
};

/// Renders the tests.
pub fn render(ir: &Ir) -> Result<Vec<GeneratedFile>> {
    let types: Vec<_> = ir.types.iter().filter(|definition| !matches!(definition, TypeDefinition::Id(_))).collect();
    let content = template::render("fixture_tests/fixtures.rs.j2", json!({ "types": types }))?;
    Ok(vec![GeneratedFile { path: "theazo-api/tests/fixtures.rs".into(), content }])
}
