"""The workflow builder: the rules are the core's."""

from __future__ import annotations

from typing import Any

import pytest

import theazo.errors
import theazo.workflow as steps
from stub import Stub
from theazo import InvalidRequestError, Theazo
from theazo.errors import WorkflowCircularDependencyError
from theazo.types import SkipStepFailurePolicy, WorkflowStep
from theazo.workflow import agent, approval, condition, delay, finish, parallel, webhook, workflow

NOT_SERVED = {"error": {"code": "not_implemented", "message": "not served"}}


def depends_on(built: list[WorkflowStep]) -> list[Any]:
    return [step.to_dict().get("dependsOn") for step in built]


def test_steps_follow_one_another_and_both_branches_follow_their_condition() -> None:
    definition = (
        workflow("publish-article", timeout="1h", description="Researches and publishes")
        .step(agent("research", "researcher", task="Find sources about {{ input.topic }}"))
        .step(condition("check", "$.research.output.confidence > 0.8", then="write", otherwise="dig-deeper"))
        .step(agent("write", "writer", input_map={"facts": "$.research.output"}))
        .step(agent("dig-deeper", "researcher", input_map={"known": "$.research.output"}))
        .step(approval("sign-off", "publish_article"))
        .build()
    )

    assert definition.name == "publish-article"
    assert [step.to_dict()["id"] for step in definition.steps] == [
        "research",
        "check",
        "write",
        "dig-deeper",
        "sign-off",
    ]
    assert depends_on(definition.steps) == [None, ["research"], ["check"], ["check"], ["write", "dig-deeper"]]


def test_what_a_step_says_itself_stays() -> None:
    built = (
        workflow("side-by-side")
        .step(agent("a", "worker"))
        .step(agent("b", "worker", depends_on=[]))
        .step(agent("c", "worker"))
        .build()
    )

    assert depends_on(built.steps) == [None, [], ["a", "b"]]


def test_every_kind_of_step_has_a_function() -> None:
    kinds = ["agent", "parallel", "condition", "transform", "map", "delay", "approval", "webhook", "planner", "wait"]

    assert [kind for kind in kinds if not callable(getattr(steps, kind))] == []
    assert {*steps.__all__} == {*kinds, "WorkflowBuilder", "finish", "workflow"}


def test_steps_are_made_of_steps() -> None:
    definition = (
        workflow("many", retries={"max_attempts": 3}, concurrency=2)
        .step(parallel("reviews", [agent("legal", "lawyer"), agent("style", "editor")]))
        .step(steps.map("answers", "$.input.tickets", agent("answer", "support", input_map={"ticket": "$.item"})))
        .step(delay("pause", "10m"))
        .step(webhook("tell", "https://example.com/done", on_step_failure=SkipStepFailurePolicy()))
        .build()
    )

    reviews, answers, pause, tell = (step.to_dict() for step in definition.steps)
    assert [branch["id"] for branch in reviews["branches"]] == ["legal", "style"]
    assert answers["step"]["agent"] == "support"
    assert answers["dependsOn"] == ["reviews"]
    assert (pause["type"], tell["url"]) == ("delay", "https://example.com/done")
    assert definition.retries is not None
    assert definition.retries.max_attempts == 3


def test_what_is_built_does_not_change_with_its_builder() -> None:
    builder = workflow("growing").step(agent("a", "worker"))
    first = builder.build()

    builder.step(agent("b", "worker"))

    assert len(first.steps) == 1
    assert len(builder.build().steps) == 2


def test_a_circle_has_an_error_of_its_own() -> None:
    builder = workflow("circle").step(agent("a", "worker", depends_on=["b"]))
    builder.step({"type": "agent", "id": "b", "agent": "worker", "depends_on": ["a"]})

    with pytest.raises(WorkflowCircularDependencyError) as caught:
        builder.build()

    assert caught.value.code == "workflow_circular_dependency"


@pytest.mark.parametrize(
    ("builder", "field", "words"),
    [
        (workflow("empty"), "steps", "at least one"),
        (workflow("twice").step(agent("a", "x")).step(agent("a", "y")), "steps.1.id", "a"),
        (workflow("nowhere").step(condition("q", "1 > 0", then="b")), "steps.0.then", "b"),
        (workflow("nobody").step(agent("a", "x", depends_on=["b"])), "steps.0.dependsOn", "b"),
        (workflow("no-time").step(delay("d", 0)), "steps.0.duration", ""),
    ],
    ids=["no steps", "an id twice", "a branch that is not there", "a step that is not there", "no time"],
)
def test_a_mistake_is_named_before_anything_is_sent(builder: Any, field: str, words: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        builder.build()

    problem = caught.value.details["fields"][0]
    assert problem["field"].startswith(field)
    assert words in problem["message"]
    assert caught.value.kind == "invalid_input"


def test_a_definition_from_elsewhere_is_finished_alike() -> None:
    definition = finish(
        {
            "name": "daily",
            "steps": [
                {"type": "agent", "id": "collect", "agent": "reporter"},
                {"type": "webhook", "id": "send", "url": "https://example.com/report"},
            ],
        }
    )

    assert depends_on(definition.steps) == [None, ["collect"]]


def test_what_is_built_is_what_is_sent(stub: Stub) -> None:
    definition = workflow("two steps").step(agent("a", "writer")).step(agent("b", "writer")).build()

    with pytest.raises(theazo.errors.NotImplementedError):
        Theazo("th_test_1", stub.says(NOT_SERVED, 501).url).workflows.create(definition)

    assert stub.requests[0].body == definition.to_dict()
    assert [step.get("dependsOn") for step in stub.requests[0].body["steps"]] == [None, ["a"]]
