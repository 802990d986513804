"""Infra only: your own loop decides, our sandbox runs what it decided. Compute is billed, tokens are not: the model is
yours.

It starts a control plane in this process. With THEAZO_BASE_URL and THEAZO_API_KEY set it uses that server.
"""

from theazo import Theazo

MODULE = """
import statistics

def summary(prices):
    return {'lowest': min(prices), 'median': statistics.median(prices), 'highest': max(prices)}
"""
"""A module of your own, as your backend would bring it along."""

PROGRAM = """
import json, sys
sys.path.insert(0, '/workspace')
from pricing import summary

prices = [float(line) for line in open('/data/prices.txt')]
report = summary(prices)
json.dump(report, open('/workspace/report.json', 'w'))
print(json.dumps(report))
"""
"""The program imports what was uploaded, reads what was uploaded, and leaves a file."""


def main() -> None:
    with Theazo.connect() as theazo:
        session = theazo.sessions.for_user("user_123")
        agent = session.agents.create(browser=False)
        print(f"sandbox     {agent.id} on {agent.provider}")

        # Your loop: LangGraph, an agent framework, or a few lines like these.
        agent.files.write("pricing.py", MODULE)
        agent.files.write("/data/prices.txt", "12.5\n9.9\n15.0\n")
        first = agent.exec("python", PROGRAM)
        print(f"python      exit code {first.exit_code}: {first.stdout.strip()}")

        # A program that fails is an answer, not an error: the loop reads why and goes on.
        failed = agent.exec("python", "import pricing_tools")
        print(f"failure     exit code {failed.exit_code}: {failed.stderr.splitlines()[-1]}")

        # Files stay between programs, whatever they are written in.
        second = agent.exec("shell", "wc -c < /workspace/report.json")
        print(f"shell       report.json has {second.stdout.strip()} bytes")
        print(f"report      {agent.files.read('report.json').decode()}")
        agent.terminate()

        usage = session.usage()
        print(f"compute     {usage.compute_cost.amount} cents for {usage.compute_minutes:.4f} minutes")
        print(f"models      {usage.model_cost.amount} cents")
        session.terminate()


if __name__ == "__main__":
    main()
