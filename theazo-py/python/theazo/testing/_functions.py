"""Functions that answer for a model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from theazo.types import ScriptedToolCall, ScriptedTurn, ScriptedTurnDict


@dataclass(frozen=True)
class Message:
    """Something that was said."""

    role: Literal["user", "assistant", "tool"]
    """By whom: `user` for a task, `assistant` for the model, `tool` for what a tool returned."""
    text: str
    """What was said, or what the tool returned."""
    tool_calls: tuple[ScriptedToolCall, ...] = ()
    """The tools that the model called."""
    tool: str | None = None
    """The name of the tool that returned."""
    failed: bool = False
    """Whether the tool failed."""


@dataclass(frozen=True)
class Conversation:
    """What a model is asked."""

    agent: str
    """The name of the agent."""
    model: str
    """The model, as its provider names it."""
    instructions: str | None
    """The system prompt."""
    messages: tuple[Message, ...]
    """What was said so far, the oldest first."""
    tools: tuple[str, ...]
    """The names of the tools that the model may call."""

    @property
    def task(self) -> str:
        """The task that is worked on: the last that the user said; empty if nothing was."""
        return next((message.text for message in reversed(self.messages) if message.role == "user"), "")

    @property
    def turn(self) -> int:
        """Which answer to the task is asked for, from 1."""
        count = 1
        for message in reversed(self.messages):
            if message.role == "user":
                break
            count += message.role == "assistant"
        return count


Answer = str | ScriptedTurn | ScriptedTurnDict
"""What a function answers: text, or a turn."""

ModelFunction = Callable[[Conversation], Answer | Awaitable[Answer]]
"""A function that answers for a model, or a coroutine function."""


def answering(function: ModelFunction) -> Callable[[dict[str, Any]], object]:
    """The function as the native part calls it: on a thread of its own, with parts of JSON."""

    def answer(parts: dict[str, Any]) -> object:
        try:
            result = function(_conversation(parts))
            if isinstance(result, Coroutine):
                import asyncio

                result = asyncio.run(result)
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}
        return {"text": result} if isinstance(result, str) else result

    return answer


def _conversation(parts: dict[str, Any]) -> Conversation:
    return Conversation(
        agent=parts["agent"],
        model=parts["model"],
        instructions=parts["instructions"],
        messages=tuple(_message(message) for message in parts["messages"]),
        tools=tuple(parts["tools"]),
    )


def _message(parts: dict[str, Any]) -> Message:
    calls = tuple(ScriptedToolCall(tool=call["tool"], input=call["input"]) for call in parts.get("toolCalls", ()))
    text = parts["output"] if parts["role"] == "tool" else parts["text"]
    return Message(parts["role"], text, calls, parts.get("tool"), parts.get("failed", False))
