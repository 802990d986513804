//! References: where the steps of a workflow name what other steps returned.

use crate::workflow_steps::WorkflowStep;

/// Names that references use for something else than a step.
pub(crate) const RESERVED: &[&str] = &["trigger", "input", "state", "item"];

/// The references of a step: the field, and the name after `$.`.
pub(crate) fn references_of(step: &WorkflowStep) -> Vec<(String, &str)> {
    let in_text =
        |field: String, text| -> Vec<_> { references_in(text).into_iter().map(|name| (field.clone(), name)).collect() };
    match step {
        WorkflowStep::Agent { input_map: Some(input), .. } => input
            .iter()
            .filter_map(|(name, value)| Some((format!("inputMap.{name}"), leading_name(value.strip_prefix("$.")?))))
            .collect(),
        WorkflowStep::Condition { expression, .. } => in_text("expression".to_owned(), expression),
        WorkflowStep::Transform { expression, .. } => {
            expression.iter().flat_map(|(name, value)| in_text(format!("expression.{name}"), value)).collect()
        }
        WorkflowStep::Map { over, .. } => {
            over.strip_prefix("$.").map(|rest| ("over".to_owned(), leading_name(rest))).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// The names after each `$.` of an expression that is not in quotes.
fn references_in(expression: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut quote = None;
    for (place, letter) in expression.char_indices() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '"' | '\'') => quote = Some(letter),
            (None, '$') => names.extend(expression[place..].strip_prefix("$.").map(leading_name)),
            _ => {}
        }
    }
    names
}

/// The name at the beginning of a text; it can have hyphens, as the ids of steps can.
fn leading_name(text: &str) -> &str {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    text.split(|letter| !is_part(letter)).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_outside_of_quotes() {
        assert_eq!(references_in("$.a.output > $.b-c.output[0].n && $.d_1 == 2"), ["a", "b-c", "d_1"]);
        assert_eq!(references_in(r#"$.a.output == "$.b" || '$.c "' != $.d"#), ["a", "d"]);
        assert_eq!(references_in("$.é"), [""]);
        assert_eq!(references_in("5 $ is $5"), Vec::<&str>::new());
    }

    #[test]
    fn a_text_that_only_contains_a_reference_is_none() {
        let step = WorkflowStep::agent("a", "writer").with_input([("a", "$.b.output"), ("c", "read $.d.output")]);

        assert_eq!(references_of(&step), [("inputMap.a".to_owned(), "b")]);
    }
}
