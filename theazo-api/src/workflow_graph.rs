//! The order of a workflow's steps: what must be done before what, where that goes in a circle, and what a step can know.
//!
//! Each step has two points, its start and its end. A step starts after the ends of the steps that it depends on; the
//! branches of a parallel step and the step of a map start after its start, and it ends after their ends; a step that a
//! condition names starts after the end of the condition.

use std::collections::HashMap;

use crate::{
    workflow_step_parts::{BranchTarget, StepFailurePolicy, WaitTimeout},
    workflow_steps::WorkflowStep,
};

/// A circle in which steps wait for one another: the ids, each of which waits for the next and the last for the first.
///
/// A step that depends on itself is a circle of one. Dependencies on steps that do not exist are passed over.
///
/// ```
/// use theazo_api::{WorkflowStep, find_cycle};
///
/// let draft = WorkflowStep::agent("draft", "writer").after(["review"]);
/// let review = WorkflowStep::agent("review", "reviewer").after(["draft"]);
/// assert_eq!(find_cycle(&[draft, review]).unwrap().len(), 2);
/// ```
pub fn find_cycle(steps: &[WorkflowStep]) -> Option<Vec<String>> {
    Graph::new(steps).cycle().map(|nodes| nodes.ids)
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the workflow itself.
    Top,
    /// In a parallel step.
    Branch,
    /// In a map.
    Item,
}

/// A step and where it stands.
pub(crate) struct Node<'a> {
    pub step: &'a WorkflowStep,
    /// The path in the workflow: `steps.2.branches.0`.
    pub path: String,
    pub place: Place,
    /// The step that it is in.
    parent: Option<usize>,
}

/// The steps of a workflow, those inside of others too, with their order.
pub(crate) struct Graph<'a> {
    pub nodes: Vec<Node<'a>>,
    /// The steps by their ids, without those of maps, which nothing outside can name.
    by_id: HashMap<&'a str, usize>,
    /// For each point, the points before it.
    before: Vec<Vec<usize>>,
    /// For each point, those from which a failure or a timeout can lead to it.
    jumps: Vec<Vec<usize>>,
}

/// A circle.
pub(crate) struct Cycle {
    /// The ids of its steps, each of which waits for the next.
    pub ids: Vec<String>,
    /// The first of them in the workflow, which is the first of `ids`.
    pub first: usize,
}

fn start(node: usize) -> usize {
    2 * node
}

fn end(node: usize) -> usize {
    2 * node + 1
}

impl<'a> Graph<'a> {
    /// The graph of these steps. Of two steps with one id the first counts.
    pub fn new(steps: &'a [WorkflowStep]) -> Self {
        let nodes = flatten(steps);
        let mut by_id = HashMap::new();
        for (index, node) in nodes.iter().enumerate().filter(|(_, node)| node.place != Place::Item) {
            by_id.entry(node.step.id()).or_insert(index);
        }
        let mut graph =
            Self { before: vec![Vec::new(); 2 * nodes.len()], jumps: vec![Vec::new(); 2 * nodes.len()], nodes, by_id };
        for index in 0..graph.nodes.len() {
            graph.order(index);
        }
        for points in graph.before.iter_mut().chain(&mut graph.jumps) {
            points.sort_unstable();
            points.dedup();
        }
        graph
    }

    fn order(&mut self, index: usize) {
        let Node { step, parent, .. } = self.nodes[index];
        let find = |id: &str| self.by_id.get(id).copied();
        self.before[end(index)].push(start(index));
        if let Some(parent) = parent {
            self.before[start(index)].push(start(parent));
            self.before[end(parent)].push(end(index));
        }
        for dependency in step.depends_on().iter().filter_map(|id| find(id)) {
            self.before[start(index)].push(end(dependency));
        }
        for target in branch_targets(step).filter_map(|(_, target)| find(target.step()?)) {
            self.before[start(target)].push(end(index));
        }
        for target in jump_targets(step).filter_map(|(_, id)| find(id)) {
            self.jumps[start(target)].push(end(index));
        }
    }

    /// The step with this id that others can name.
    pub fn find(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// The map whose step has this id.
    pub fn map_of_item(&self, id: &str) -> Option<&'a WorkflowStep> {
        let item = self.nodes.iter().find(|node| node.place == Place::Item && node.step.id() == id)?;
        item.parent.map(|parent| self.nodes[parent].step)
    }

    /// A circle in which steps wait for one another.
    pub fn cycle(&self) -> Option<Cycle> {
        let left = self.left_in_circles();
        let first_left = left.iter().position(|&is_left| is_left)?;
        // Each point that is left waits for another that is: following them leads into a circle.
        let mut walk = vec![first_left];
        let mut place_in_walk = vec![None; left.len()];
        let circle = loop {
            let last = walk[walk.len() - 1];
            place_in_walk[last] = Some(walk.len() - 1);
            let next =
                *self.before[last].iter().find(|&&point| left[point]).expect("it waits for a point that is left");
            if let Some(begin) = place_in_walk[next] {
                break walk.split_off(begin);
            }
            walk.push(next);
        };
        let mut nodes: Vec<usize> = circle.iter().map(|point| point / 2).collect();
        nodes.dedup();
        while nodes.len() > 1 && nodes.first() == nodes.last() {
            nodes.pop();
        }
        let (place, &first) = nodes.iter().enumerate().min_by_key(|(_, node)| **node)?;
        nodes.rotate_left(place);
        Some(Cycle { ids: nodes.iter().map(|&node| self.nodes[node].step.id().to_owned()).collect(), first })
    }

    /// The points that are never reached, because each waits for another of them.
    fn left_in_circles(&self) -> Vec<bool> {
        let mut after = vec![Vec::new(); self.before.len()];
        for (point, before) in self.before.iter().enumerate() {
            for &earlier in before {
                after[earlier].push(point);
            }
        }
        let mut waits_for: Vec<usize> = self.before.iter().map(Vec::len).collect();
        let mut ready: Vec<usize> = (0..waits_for.len()).filter(|&point| waits_for[point] == 0).collect();
        let mut left = vec![true; waits_for.len()];
        while let Some(point) = ready.pop() {
            left[point] = false;
            for &later in &after[point] {
                waits_for[later] -= 1;
                if waits_for[later] == 0 {
                    ready.push(later);
                }
            }
        }
        left
    }

    /// For each step, whether it can be done before this one starts.
    pub fn done_before(&self, index: usize) -> Vec<bool> {
        let mut seen = vec![false; self.before.len()];
        let mut open = vec![start(index)];
        while let Some(point) = open.pop() {
            for &earlier in self.before[point].iter().chain(&self.jumps[point]) {
                if !seen[earlier] {
                    seen[earlier] = true;
                    open.push(earlier);
                }
            }
        }
        (0..self.nodes.len()).map(|node| seen[end(node)]).collect()
    }
}

/// The steps with those inside of them, each after the one that it is in.
fn flatten(steps: &[WorkflowStep]) -> Vec<Node<'_>> {
    let mut nodes = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        add(step, format!("steps.{index}"), Place::Top, None, &mut nodes);
    }
    nodes
}

fn add<'a>(step: &'a WorkflowStep, path: String, place: Place, parent: Option<usize>, nodes: &mut Vec<Node<'a>>) {
    let own = nodes.len();
    nodes.push(Node { step, path: path.clone(), place, parent });
    match step {
        WorkflowStep::Parallel { branches, .. } => {
            for (index, branch) in branches.iter().enumerate() {
                add(branch, format!("{path}.branches.{index}"), Place::Branch, Some(own), nodes);
            }
        }
        WorkflowStep::Map { step, .. } => add(step, format!("{path}.step"), Place::Item, Some(own), nodes),
        _ => {}
    }
}

/// The branches of a condition, by the names of their fields.
pub(crate) fn branch_targets(step: &WorkflowStep) -> impl Iterator<Item = (&'static str, &BranchTarget)> {
    let (then, otherwise) = match step {
        WorkflowStep::Condition { then, otherwise, .. } => (then.as_ref(), otherwise.as_ref()),
        _ => (None, None),
    };
    then.map(|target| ("then", target)).into_iter().chain(otherwise.map(|target| ("otherwise", target)))
}

/// The steps that a failure or a timeout leads to, by the names of their fields.
pub(crate) fn jump_targets(step: &WorkflowStep) -> impl Iterator<Item = (&'static str, &str)> {
    let after_failure = match step.failure_policy() {
        Some(StepFailurePolicy::Goto { target }) => Some(("onStepFailure.target", target.as_str())),
        _ => None,
    };
    let after_timeout = match step {
        WorkflowStep::Wait { on_timeout: Some(WaitTimeout::Other(id)), .. } => Some(("onTimeout", id.as_str())),
        _ => None,
    };
    after_failure.into_iter().chain(after_timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(id: &str, depends_on: &[&str]) -> WorkflowStep {
        WorkflowStep::agent(id, "worker").after(depends_on.iter().copied())
    }

    fn cycle(steps: &[WorkflowStep]) -> Option<String> {
        find_cycle(steps).map(|ids| ids.join(" "))
    }

    #[test]
    fn a_circle_is_named_from_its_first_step_on() {
        assert_eq!(cycle(&[]), None);
        assert_eq!(cycle(&[agent("a", &[]), agent("b", &["a"]), agent("c", &["a", "b"])]), None);
        assert_eq!(cycle(&[agent("a", &["a"])]).as_deref(), Some("a"));
        assert_eq!(cycle(&[agent("a", &["b"]), agent("b", &["a"])]).as_deref(), Some("a b"));
        let behind = [agent("x", &["c"]), agent("a", &["c"]), agent("b", &["a"]), agent("c", &["b"])];
        assert_eq!(cycle(&behind).as_deref(), Some("a c b"));
        assert_eq!(cycle(&[agent("a", &["nowhere"])]), None);
    }

    #[test]
    fn a_condition_cannot_go_back() {
        let condition = |target: &str| WorkflowStep::condition("gate", "$.a.output > 1").then(target).after(["a"]);

        assert_eq!(cycle(&[agent("a", &[]), condition("b"), agent("b", &["gate"])]), None);
        assert_eq!(cycle(&[agent("a", &[]), condition("a")]).as_deref(), Some("a gate"));
        assert_eq!(cycle(&[agent("a", &[]), condition("gate")]).as_deref(), Some("gate"));
    }

    #[test]
    fn a_branch_and_the_step_that_it_is_in_do_not_wait_for_each_other() {
        let parallel = |depends_on: &[&str]| WorkflowStep::parallel("both", [agent("b", depends_on), agent("c", &[])]);

        assert_eq!(cycle(&[agent("a", &[]), parallel(&["a", "c"]), agent("d", &["b"])]), None);
        assert_eq!(cycle(&[parallel(&["both"])]).as_deref(), Some("both b"));
        assert_eq!(cycle(&[parallel(&["d"]), agent("d", &["both"])]).as_deref(), Some("both b d"));
        assert_eq!(cycle(&[parallel(&[]).after(["b"])]).as_deref(), Some("both b"));
    }

    #[test]
    fn failures_may_lead_anywhere() {
        let policy = StepFailurePolicy::Goto { target: "a".to_owned() };

        assert_eq!(cycle(&[agent("a", &[]), agent("b", &["a"]).on_step_failure(policy)]), None);
    }

    /// Every graph of three steps, against what is known about orders: a graph has a circle exactly if none of the six
    /// orders of its steps has each step after all that it depends on.
    #[test]
    fn circles_are_found_in_all_graphs_of_three_steps_that_have_one() {
        const NAMES: [&str; 3] = ["a", "b", "c"];
        const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        for edges in 0..1_u32 << 9 {
            let depends = |step: usize, on: usize| edges >> (3 * step + on) & 1 == 1;
            let steps: Vec<_> = (0..3)
                .map(|step| {
                    let names = (0..3).filter(|&on| depends(step, on)).map(|on| NAMES[on]);
                    WorkflowStep::agent(NAMES[step], "worker").after(names)
                })
                .collect();
            let fits =
                |order: &[usize; 3]| (0..3).all(|place| (place..3).all(|later| !depends(order[place], order[later])));

            let found = find_cycle(&steps);

            assert_eq!(found.is_none(), ORDERS.iter().any(fits), "{edges:#b}: {found:?}");
            if let Some(circle) = found {
                let places: Vec<usize> =
                    circle.iter().map(|id| NAMES.iter().position(|name| name == id).unwrap()).collect();
                for (index, &step) in places.iter().enumerate() {
                    assert!(depends(step, places[(index + 1) % places.len()]), "{edges:#b}: {circle:?}");
                }
                let mut once = places.clone();
                once.sort_unstable();
                once.dedup();
                assert_eq!(once.len(), places.len(), "{edges:#b}: {circle:?}");
            }
        }
    }

    #[test]
    fn a_long_chain_and_a_long_circle_take_no_stack() {
        let id = |index: usize| format!("s{index}");
        let mut steps: Vec<_> =
            (0..50_000).map(|index| WorkflowStep::agent(id(index), "w").after([id(index + 1)])).collect();

        assert_eq!(find_cycle(&steps), None);
        steps.push(WorkflowStep::agent(id(50_000), "w").after([id(0)]));
        assert_eq!(find_cycle(&steps).map(|circle| circle.len()), Some(50_001));
    }

    #[test]
    fn a_step_knows_what_is_done_before_it_starts() {
        let steps = [
            agent("a", &[]),
            WorkflowStep::parallel("both", [agent("b", &[]), agent("c", &[])]).after(["a"]),
            agent("d", &["both"]),
            agent("e", &["b"]).on_step_failure(StepFailurePolicy::Goto { target: "f".to_owned() }),
            agent("f", &[]),
        ];
        let graph = Graph::new(&steps);
        let known = |id: &str| {
            let done = graph.done_before(graph.find(id).unwrap());
            let names = graph.nodes.iter().zip(done).filter(|(_, done)| *done).map(|(node, _)| node.step.id());
            names.collect::<Vec<_>>().join(" ")
        };

        assert_eq!(known("a"), "");
        assert_eq!(known("b"), "a");
        assert_eq!(known("d"), "a both b c");
        assert_eq!(known("e"), "a b");
        assert_eq!(known("f"), "a b e");
    }
}
