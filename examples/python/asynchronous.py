"""asyncio: many users at once through one client, a stream, and what leaving early does.

It starts a control plane in this process. With THEAZO_BASE_URL and THEAZO_API_KEY set it uses that server.
"""

import asyncio

from theazo import AsyncTheazo
from theazo.types import DoneEvent, TextEvent


async def main() -> None:
    async with AsyncTheazo.connect() as theazo:
        # Each user has a session, and all of them run at the same time.
        sessions = await asyncio.gather(*(theazo.sessions.for_user(f"user_{number}") for number in range(5)))
        results = await asyncio.gather(*(session.run("researcher", "analyze pricing") for session in sessions))
        print(f"at once     {len(results)} runs, {sum(result.cost.amount for result in results)} cents")

        agent = await sessions[0].agents.create(browser=False)
        async with agent.stream("summarize what you found") as events:
            async for event in events:
                match event:
                    case TextEvent(text=text):
                        print(text, end="", flush=True)
                    case DoneEvent(duration=duration):
                        print(f"\nstream      done in {duration}")
                    case other:
                        print(f"\n[{other.type}]")

        # Whatever ends the wait ends the call: a timeout, a task that is cancelled, a task group that fails.
        try:
            await asyncio.wait_for(agent.exec("python", "import time; time.sleep(60)"), timeout=0.5)
        except asyncio.TimeoutError:
            print("timeout     the program was left after half a second")
        await agent.terminate()

        async for session in theazo.sessions.list(limit=2):
            print(f"session     {session.id} of {session.user_id}")


if __name__ == "__main__":
    asyncio.run(main())
