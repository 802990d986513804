// Limits: a user reaches the cap and stands still, the cap is raised, and the same run goes on to its end.
//
// It uses a test plane, whose model answers from a script with as many tokens as the script says, so that every amount here is
// known before it is printed.

import { type Session, TheazoError } from 'theazo';
import { TestPlane } from 'theazo/testing';

const plane = await TestPlane.start();
// 10,000 tokens at 300 cents a million and ten percent: 3.3 cents an answer.
await plane.script('researcher', [
  { text: 'the first report', inputTokens: 10_000, outputTokens: 0 },
  { text: 'the second report', inputTokens: 10_000, outputTokens: 0 },
]);

const theazo = plane.client();
const session = await theazo.sessions.forUser('user_123', { limits: atMost(5) });
const first = await session.run('researcher', 'write a report');
console.log(`first       ${first.output} for ${first.cost.microCents} micro-cents`);
await showLimit(session);

// What the next answer may cost does not fit any more, so it is never asked for: nothing is overshot.
const error = await session.run('researcher', 'write another report').then(
  (result) => Promise.reject(new Error(`the cap did not hold: ${result.output}`)),
  (error) => error,
);
if (!(error instanceof TheazoError) || error.code !== 'session_limit_exceeded') throw error;
console.log(`stopped     ${error.message}; ${error.hint}`);
const run = await theazo.runs.get(String(error.details.runId));
console.log(`run         ${run.id} is ${run.status}`);

await session.updateLimits(atMost(10));
const second = await run.wait();
console.log(`raised      ${second.output}, the same run: ${second.runId === run.id}`);
await showLimit(session);

for (const charge of await plane.charges()) console.log(`charge      ${charge.kind} ${charge.cost.microCents}`);
await plane.close();

function atMost(amount: number) {
  return { maxCost: { amount, period: 'day' } };
}

async function showLimit(session: Session): Promise<void> {
  const { maxCost } = await session.limits();
  console.log(
    `limit       ${maxCost?.used} of ${maxCost?.limit} cents used today, ${maxCost?.reservedMicroCents} reserved`,
  );
}
