"""The main job of Theazo, end to end: a session with limits, a run, an agent of its own, files, a stream, the bill.

It needs nothing but the package: the control plane starts inside this process. To use a server instead, set
THEAZO_BASE_URL and THEAZO_API_KEY.
"""

from theazo import Cost, CostLimit, SessionLimits, Theazo
from theazo.types import DoneEvent, ErrorEvent, TextEvent, ToolCallEvent, ToolResultEvent

PROGRAM = """
import json, math, platform
print(json.dumps({"python": platform.python_version(), "area": round(math.pi * 2 ** 2, 2)}))
"""


def main() -> None:
    with Theazo.connect() as theazo:
        session = theazo.sessions.for_user(
            "user_123", limits=SessionLimits(max_cost=CostLimit(amount=500, period="day"), max_agents=3)
        )
        print(f"session {session.id} of {session.user_id} is {session.status}")

        print("\n# A run: a sandbox is created, the model works, its tools run in the sandbox, the sandbox goes")
        result = session.run("researcher", "analyze competitor pricing")
        print(f"output: {result.output}")
        print(f"cost: {money(result.cost)}, duration: {result.duration}")
        for call in result.tool_calls:
            print(f"tool {call.tool}: {call.input} -> {call.output.strip()}")

        print("\n# An agent that lives until it is terminated")
        agent = session.agents.create(browser=False)
        kept_apart = agent.isolation.level if agent.isolation else "nothing"
        print(f"agent {agent.id} runs on {agent.provider}, kept apart by {kept_apart}")
        done = agent.exec("python", PROGRAM)
        print(f"exec: exit code {done.exit_code}, {done.stdout.strip()}")

        agent.files.write("notes/prices.txt", "competitor A: 12\ncompetitor B: 15\n")
        print(f"read: {agent.files.read('notes/prices.txt').decode()!r}")
        for entry in agent.files.list("notes"):
            print(f"list: {entry.name}, {entry.size} bytes")

        with agent.stream("summarize the prices in notes/prices.txt") as events:
            for event in events:
                if isinstance(event, TextEvent):
                    print(event.text, end="", flush=True)
                elif isinstance(event, ToolCallEvent):
                    print(f"\n[calls {event.tool}: {event.input}]")
                elif isinstance(event, ToolResultEvent):
                    print(f"[{event.tool} returned: {event.output.strip()}]")
                elif isinstance(event, DoneEvent):
                    print(f"\n[done in {event.duration} for {money(event.cost)}]")
                elif isinstance(event, ErrorEvent):
                    raise SystemExit(f"the run failed: {event.error.message}")
        agent.terminate()
        print(f"agent {agent.id} is {agent.data.status}")

        print("\n# What happened, and what it cost")
        for log in theazo.logs.query(session_id=session.id):
            print(f"{log.timestamp:%H:%M:%S} {log.level} {log.source}: {log.message}")
        usage = session.usage()
        parts = [usage.compute_cost, usage.model_cost, usage.orchestration_cost]
        print(f"compute {money(usage.compute_cost)}, model {money(usage.model_cost)}")
        print(f"orchestration {money(usage.orchestration_cost)}, in all {money(usage.cost)}")
        assert sum(exact(part) for part in parts) == exact(usage.cost), "the parts do not add up"
        limits = session.limits()
        if limits.max_cost and limits.max_agents:
            spent, agents = limits.max_cost, limits.max_agents
            print(f"spent {spent.used} of {spent.limit} cents today, {agents.used} of {agents.limit} agents")


def money(cost: Cost) -> str:
    """Cents for people, with the exact amount beside them."""
    return f"{cost.amount} {'cent' if cost.amount == 1 else 'cents'} ({exact(cost)} micro-cents)"


def exact(cost: Cost) -> int:
    return cost.micro_cents if cost.micro_cents is not None else cost.amount * 1_000_000


if __name__ == "__main__":
    main()
