"""An unmodified LangGraph graph that runs inside a sandbox: your graph, our infrastructure.

The graph below is a program as it stands in LangGraph's documentation, and knows nothing of Theazo. Local sandboxes get
the virtual environment that this program runs in, where LangGraph is installed, to read. With THEAZO_BASE_URL and
THEAZO_API_KEY set it uses that server, whose operator decides what its sandboxes have.
"""

import json
import os
import sys

from theazo import Theazo

GRAPH = """
import json
from typing import Annotated, TypedDict
import operator

from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    question: str
    notes: Annotated[list[str], operator.add]
    answer: str


def plan(state: State) -> dict:
    return {"notes": [f"plan: look up {state['question']}"]}


def look_up(state: State) -> dict:
    prices = dict(line.split(",") for line in open("/data/prices.csv").read().split())
    return {"notes": [f"{name} costs {price}" for name, price in sorted(prices.items())]}


def enough(state: State) -> str:
    return "write" if len(state["notes"]) >= 3 else "look_up"


def write(state: State) -> dict:
    return {"answer": "; ".join(state["notes"][1:])}


graph = StateGraph(State)
graph.add_node("plan", plan)
graph.add_node("look_up", look_up)
graph.add_node("write", write)
graph.add_edge(START, "plan")
graph.add_edge("plan", "look_up")
graph.add_conditional_edges("look_up", enough, ["look_up", "write"])
graph.add_edge("write", END)

result = graph.compile().invoke({"question": "competitor pricing", "notes": [], "answer": ""})
print(json.dumps(result))
"""


def connected() -> Theazo:
    if os.environ.get("THEAZO_BASE_URL") or os.environ.get("THEAZO_API_KEY"):
        return Theazo()
    folders = {os.path.realpath(folder) for folder in (sys.prefix, sys.base_prefix)}
    outside = [folder for folder in folders if not folder.startswith("/usr/") and folder != "/usr"]
    return Theazo.embedded(sandbox_python=sys.executable, sandbox_read_only=outside)


def main() -> None:
    with connected() as theazo:
        session = theazo.sessions.for_user("user_123", limits={"max_compute_minutes": 10})
        agent = session.agents.create(browser=False)
        agent.files.write("/data/prices.csv", "competitor-a,12\ncompetitor-b,15\n")

        done = agent.exec("python", GRAPH, timeout="60s")
        if done.exit_code != 0:
            raise SystemExit(f"the graph failed: {done.stderr}")
        result = json.loads(done.stdout)
        for note in result["notes"]:
            print(f"note        {note}")
        print(f"answer      {result['answer']}")
        assert result["answer"] == "competitor-a costs 12; competitor-b costs 15"
        agent.terminate()

        usage = session.usage()
        print(f"compute     {usage.compute_cost.amount} cents for {usage.compute_minutes:.4f} minutes")
        session.terminate()


if __name__ == "__main__":
    main()
