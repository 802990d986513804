//! The order of steps that do not say it themselves, so that a list of steps runs as it reads.
//!
//! On the wire a step without `dependsOn` starts at once. The builders of all languages fill it in by the one rule that is
//! here, before anything is sent.

use std::collections::HashMap;

use crate::{workflow_graph::branch_targets, workflow_steps::WorkflowStep};

/// Fills in what each step depends on that does not say it:
///
/// - A step that a condition names starts when the condition is done. It does not wait for the other branch.
/// - Every other step starts when all that is listed before it is done, which after the branches of a condition is the
///   end of each of them.
/// - The branches of a parallel step start with it, unless a condition names them.
///
/// What a step says itself stays, an empty list included. A step that waits for a later one, because it says so or
/// because the later one is the condition that names it, counts as listed after that.
///
/// ```
/// use theazo_api::{WorkflowStep, chain_steps};
///
/// let mut steps = [WorkflowStep::agent("draft", "writer"), WorkflowStep::agent("send", "mailer")];
/// chain_steps(&mut steps);
/// assert_eq!(steps[1].depends_on(), ["draft"]);
/// ```
pub fn chain_steps(steps: &mut [WorkflowStep]) {
    let conditions = conditions_by_target(steps);
    let mut chain = Chain::of(steps);
    for index in 0..steps.len() {
        after_conditions(&mut steps[index], &conditions);
        let ends = chain.ends.iter().map(|&end| steps[end].id().to_owned()).collect::<Vec<_>>();
        if let Some(depends_on @ None) = steps[index].depends_on_mut()
            && !ends.is_empty()
        {
            *depends_on = Some(ends);
        }
        chain.take(index, steps);
    }
}

/// The conditions that name each step, by the ids.
fn conditions_by_target(steps: &[WorkflowStep]) -> HashMap<String, Vec<String>> {
    let mut conditions: HashMap<String, Vec<String>> = HashMap::new();
    for step in steps {
        visit(step, &mut |step| {
            for target in branch_targets(step).filter_map(|(_, target)| target.step()) {
                let named_by = conditions.entry(target.to_owned()).or_default();
                if named_by.last().is_none_or(|last| last != step.id()) {
                    named_by.push(step.id().to_owned());
                }
            }
        });
    }
    conditions
}

/// Lets a step that conditions name, and such branches of it, start after them.
fn after_conditions(step: &mut WorkflowStep, conditions: &HashMap<String, Vec<String>>) {
    let named_by = conditions.get(step.id()).cloned();
    if let Some(depends_on @ None) = step.depends_on_mut() {
        *depends_on = named_by;
    }
    if let WorkflowStep::Parallel { branches, .. } = step {
        for branch in branches {
            after_conditions(branch, conditions);
        }
    }
}

/// Shows a step and the branches in it, however deep.
fn visit<'a>(step: &'a WorkflowStep, see: &mut impl FnMut(&'a WorkflowStep)) {
    see(step);
    if let WorkflowStep::Parallel { branches, .. } = step {
        for branch in branches {
            visit(branch, see);
        }
    }
}

/// The steps so far, by their places in the list.
struct Chain {
    /// Where the step with this id is, or the one that it is a branch of.
    places: HashMap<String, usize>,
    is_taken: Vec<bool>,
    /// Steps that were listed, but wait for one that comes later.
    waiting: Vec<usize>,
    /// The steps after which nothing comes yet: when they are done, all before them is.
    ends: Vec<usize>,
}

impl Chain {
    fn of(steps: &[WorkflowStep]) -> Self {
        let mut places = HashMap::new();
        for (index, step) in steps.iter().enumerate() {
            visit(step, &mut |step| {
                places.entry(step.id().to_owned()).or_insert(index);
            });
        }
        Self { places, is_taken: vec![false; steps.len()], waiting: Vec::new(), ends: Vec::new() }
    }

    /// Takes the next step, and those that waited for it.
    fn take(&mut self, index: usize, steps: &[WorkflowStep]) {
        self.waiting.push(index);
        while let Some(ready) = self.waiting.iter().position(|&waiting| self.is_ready(&steps[waiting])) {
            let index = self.waiting.remove(ready);
            let step = &steps[index];
            self.ends.retain(|&end| {
                !step.depends_on().iter().any(|id| id == steps[end].id()) || leads_past(&steps[end], step)
            });
            self.ends.push(index);
            self.is_taken[index] = true;
        }
    }

    /// Whether all that the step depends on was taken. What it names by mistake is for the check to find.
    fn is_ready(&self, step: &WorkflowStep) -> bool {
        step.depends_on().iter().filter_map(|id| self.places.get(id)).all(|&place| self.is_taken[place])
    }
}

/// Whether the condition names the step, but the workflow can go on without any step that it names.
fn leads_past(condition: &WorkflowStep, step: &WorkflowStep) -> bool {
    let targets: Vec<&str> = branch_targets(condition).filter_map(|(_, target)| target.step()).collect();
    targets.len() == 1 && targets[0] == step.id()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow_graph::{Graph, find_cycle};

    fn agent(id: &str) -> WorkflowStep {
        WorkflowStep::agent(id, "worker")
    }

    fn condition(id: &str, then: &str, otherwise: &str) -> WorkflowStep {
        let condition = WorkflowStep::condition(id, "1 > 0").then(then);
        if otherwise.is_empty() { condition } else { condition.otherwise(otherwise) }
    }

    /// What each step depends on when the steps were chained: `id < dependency dependency`, and `id` alone where the
    /// field is absent.
    fn chained(steps: impl IntoIterator<Item = WorkflowStep>) -> Vec<String> {
        let mut steps: Vec<WorkflowStep> = steps.into_iter().collect();
        chain_steps(&mut steps);
        let mut lines = Vec::new();
        for step in &mut steps {
            let id = step.id().to_owned();
            lines.push(match step.depends_on_mut() {
                Some(Some(ids)) => format!("{id} < {}", ids.join(" ")),
                _ => id,
            });
        }
        lines
    }

    #[test]
    fn steps_run_as_they_are_listed() {
        assert_eq!(chained([]), [""; 0]);
        assert_eq!(chained([agent("a"), agent("b"), agent("c")]), ["a", "b < a", "c < b"]);
    }

    #[test]
    fn both_branches_follow_the_condition_and_what_comes_then_follows_both() {
        assert_eq!(
            chained([agent("a"), condition("q", "yes", "no"), agent("yes"), agent("no"), agent("end")]),
            ["a", "q < a", "yes < q", "no < q", "end < yes no"]
        );
    }

    #[test]
    fn a_branch_goes_on_until_the_next_one_begins() {
        assert_eq!(
            chained([condition("q", "yes", "no"), agent("yes"), agent("more"), agent("no"), agent("end")]),
            ["q", "yes < q", "more < yes", "no < q", "end < more no"]
        );
    }

    #[test]
    fn where_one_way_leads_past_the_branch_the_condition_is_waited_for_too() {
        assert_eq!(
            chained([agent("a"), condition("q", "yes", ""), agent("yes"), agent("end")]),
            ["a", "q < a", "yes < q", "end < q yes"]
        );
    }

    #[test]
    fn conditions_in_branches_of_conditions_come_together_one_after_the_other() {
        assert_eq!(
            chained([
                condition("outer", "inner", "c"),
                condition("inner", "a", "b"),
                agent("a"),
                agent("b"),
                agent("joined"),
                agent("c"),
                agent("end"),
            ]),
            ["outer", "inner < outer", "a < inner", "b < inner", "joined < a b", "c < outer", "end < joined c"]
        );
    }

    #[test]
    fn a_step_that_two_conditions_name_follows_both() {
        assert_eq!(
            chained([
                condition("p", "fix", "q"),
                condition("q", "fix", "good"),
                agent("fix"),
                agent("good"),
                agent("end")
            ]),
            ["p", "q < p", "fix < p q", "good < q", "end < fix good"]
        );
        assert_eq!(chained([condition("q", "same", "same"), agent("same")]), ["q", "same < q"]);
    }

    #[test]
    fn a_branch_that_is_listed_before_its_condition_is_after_it_all_the_same() {
        assert_eq!(
            chained([agent("a"), agent("yes"), condition("q", "yes", "no"), agent("no"), agent("end")]),
            ["a", "yes < q", "q < a", "no < q", "end < yes no"]
        );
    }

    #[test]
    fn what_a_step_says_stays_and_is_counted() {
        let steps = [
            agent("fetch"),
            agent("a").after(["fetch"]),
            agent("b").after(["fetch"]),
            agent("merge"),
            agent("aside").after([""; 0]),
            agent("end"),
        ];

        assert_eq!(chained(steps), ["fetch", "a < fetch", "b < fetch", "merge < a b", "aside < ", "end < merge aside"]);
    }

    #[test]
    fn what_waits_for_a_later_step_is_not_waited_for_before_that() {
        assert_eq!(
            chained([agent("a").after(["c"]), agent("b"), agent("c"), agent("d")]),
            ["a < c", "b", "c < b", "d < a"]
        );
        assert_eq!(chained([agent("a").after(["a"]), agent("b")]), ["a < a", "b"]);
    }

    #[test]
    fn branches_of_a_parallel_step_start_with_it_unless_a_condition_names_them() {
        let parallel = WorkflowStep::parallel("both", [condition("q", "x", "after"), agent("x"), agent("y")]);
        let mut steps = vec![agent("a"), parallel, agent("after"), agent("end")];

        chain_steps(&mut steps);

        let WorkflowStep::Parallel { branches, .. } = &steps[1] else { panic!("it is a parallel step") };
        let inside: Vec<(&str, &[String])> = branches.iter().map(|step| (step.id(), step.depends_on())).collect();
        assert_eq!(inside, [("q", &[][..]), ("x", &["q".to_owned()]), ("y", &[])]);
        assert_eq!(chained(steps), ["a", "both < a", "after < q", "end < both after"]);
    }

    #[test]
    fn chaining_again_changes_nothing() {
        let mut steps = vec![agent("a"), condition("q", "yes", ""), agent("yes"), agent("end")];
        chain_steps(&mut steps);
        let once = steps.clone();

        chain_steps(&mut steps);

        assert_eq!(steps, once);
    }

    /// Every list of three steps in which each is an agent or a condition that names one step or two.
    #[test]
    fn no_list_is_led_into_a_circle_and_none_of_its_steps_is_forgotten() {
        const NAMES: [&str; 3] = ["a", "b", "c"];
        let kinds = |id: &'static str| {
            let conditions = NAMES.into_iter().flat_map(move |then| {
                [""].into_iter().chain(NAMES).map(move |otherwise| condition(id, then, otherwise))
            });
            std::iter::once(agent(id)).chain(conditions)
        };
        let lists = kinds("a").flat_map(|a| {
            kinds("b").flat_map(move |b| {
                let a = a.clone();
                kinds("c").map(move |c| [a.clone(), b.clone(), c])
            })
        });
        let mut tried = 0;
        // Conditions that name themselves or one another are a mistake that no order undoes.
        for mut steps in lists.filter(|steps| find_cycle(steps).is_none()) {
            tried += 1;
            chain_steps(&mut steps);

            assert_eq!(find_cycle(&steps), None, "{steps:?}");
            let graph = Graph::new(&steps);
            let named = conditions_by_target(&steps);
            let done: Vec<Vec<bool>> = (0..3).map(|index| graph.done_before(index)).collect();
            for later in (0..3).filter(|&later| !named.contains_key(NAMES[later])) {
                for (earlier, done_before_it) in done.iter().enumerate().take(later) {
                    let waits = done_before_it[later..].contains(&true);
                    assert!(done[later][earlier] || waits, "{later} forgets {earlier}: {steps:?}");
                }
            }
        }
        assert_eq!(tried, 79);
    }
}
