"""Limits: a user reaches the cap and stands still, the cap is raised, and the same run goes on to its end.

It uses a test plane, whose model answers from a script with as many tokens as the script says, so that every amount
here is known before it is printed.
"""

from theazo import Cost, CostLimit, Session, SessionLimits
from theazo.errors import SessionLimitExceededError
from theazo.testing import TestPlane
from theazo.types import ScriptedTurn


def main() -> None:
    with TestPlane.start() as plane:
        # 10,000 tokens at 300 cents a million and ten percent: 3.3 cents an answer.
        plane.script("researcher", [answer("the first report"), answer("the second report")])

        theazo = plane.client()
        session = theazo.sessions.for_user("user_123", limits=at_most(5))
        first = session.run("researcher", "write a report")
        print(f"first       {first.output} for {cents(first.cost)}")
        show_limit(session)

        # What the next answer may cost does not fit any more, so it is never asked for: nothing is overshot.
        try:
            session.run("researcher", "write another report")
        except SessionLimitExceededError as error:
            print(f"stopped     {error}")
            run = theazo.runs.get(error.details["runId"])
        else:
            raise SystemExit("the cap did not hold")
        print(f"run         {run.id} is {run.data.status}")

        session.update_limits({"max_cost": {"amount": 10, "period": "day"}})
        second = run.wait()
        print(f"raised      {second.output} for {cents(second.cost)}, the same run: {second.run_id == run.id}")
        show_limit(session)

        for charge in plane.charges():
            print(f"charge      {charge.kind} {cents(charge.cost)}")


def answer(text: str) -> ScriptedTurn:
    return ScriptedTurn(text=text, input_tokens=10_000, output_tokens=0)


def at_most(amount: int) -> SessionLimits:
    return SessionLimits(max_cost=CostLimit(amount=amount, period="day"))


def show_limit(session: Session) -> None:
    limit = session.limits().max_cost
    if limit is not None:
        print(f"limit       {limit.used} of {limit.limit} cents used today")


def cents(cost: Cost) -> str:
    exact = cost.micro_cents if cost.micro_cents is not None else cost.amount * 1_000_000
    return f"{cost.amount} cents ({exact} micro-cents)"


if __name__ == "__main__":
    main()
