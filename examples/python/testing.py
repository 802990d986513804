"""Testing your own code: the control plane is the real one, with fakes at its edges only. Scripts and functions say
what models answer, the clock moves when the test moves it, faults happen where the test injects them.

In a test of your own each line that prints would be an assertion, and the plane a fixture: `def test_it(theazo_plane)`.
"""

from datetime import timedelta

from theazo import Cost, Theazo
from theazo.testing import Conversation, TestPlane
from theazo.types import ScriptedToolCall, ScriptedTurn


def report(theazo: Theazo, user: str) -> str:
    """Some code of yours: it gives a user a session and asks for a report."""
    session = theazo.sessions.for_user(user, limits={"max_cost": {"amount": 100, "period": "day"}})
    return session.run("researcher", "competitor pricing").output


def researcher(conversation: Conversation) -> ScriptedTurn | str:
    """What stands in for the model: it writes a file first, and then says what the tool said."""
    if conversation.turn == 1:
        write = ScriptedToolCall(tool="write_file", input={"path": "prices.csv", "content": "a,12\nb,15\n"})
        return ScriptedTurn(tool_calls=[write])
    return f"{conversation.task}: prices went up"


def main() -> None:
    with TestPlane.start() as plane:
        theazo = plane.client()

        # The agent calls a tool and then answers. The tool is real, its sandbox is simulated.
        plane.script("researcher", researcher)
        output = report(theazo, "ada")
        assert output == "competitor pricing: prices went up"
        print(f"function    {output}")

        # The response is lost after the server has acted: the SDK asks again with the same key, and it happens once.
        plane.script("researcher", [{"text": "once"}])
        plane.fail_next(operation="RunInSession", kind="reset_after")
        output = report(theazo, "ada")
        assert output == "once"
        runs = [request for request in plane.requests() if request.operation == "RunInSession"]
        print(f"fault       the run was asked for {len(runs) - 1} times and ran once")

        # It is tomorrow: timers fire on the way, and daily budgets are new.
        print(f"clock       {plane.advance(timedelta(days=1)).now:%Y-%m-%d}")

        charges = plane.charges()
        print(f"charges     {len(charges)} of them, {sum(exact(charge.cost) for charge in charges)} micro-cents in all")


def exact(cost: Cost) -> int:
    return cost.micro_cents if cost.micro_cents is not None else cost.amount * 1_000_000


if __name__ == "__main__":
    main()
