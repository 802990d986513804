// The main job of Theazo, end to end: a user's session with limits, a run, an agent of its own, files, a stream, the bill.
//
// It needs nothing but the package: the control plane starts inside this process. To use a server instead, set
// THEAZO_BASE_URL and THEAZO_API_KEY.

import { type Cost, Theazo } from 'theazo';

const PROGRAM = `
import json, math, platform
print(json.dumps({"python": platform.python_version(), "area": round(math.pi * 2 ** 2, 2)}))
`;

const theazo = await Theazo.connect();
const session = await theazo.sessions.forUser('user_123', {
  limits: { maxCost: { amount: 500, period: 'day' }, maxAgents: 3 },
});
console.log(`session ${session.id} of ${session.userId} is ${session.status}`);

console.log('\n# A run: a sandbox is created, the model works, its tools run in the sandbox, the sandbox goes');
const result = await session.run('researcher', 'analyze competitor pricing');
console.log(`output: ${result.output}`);
console.log(`cost: ${money(result.cost)}, duration: ${result.duration}`);
for (const call of result.toolCalls)
  console.log(`tool ${call.tool}: ${JSON.stringify(call.input)} -> ${call.output.trim()}`);

console.log('\n# An agent that lives until it is terminated');
const agent = await session.agents.create({ browser: false });
console.log(`agent ${agent.id} runs on ${agent.provider}, kept apart by ${agent.isolation?.level}`);
const exec = await agent.exec('python', PROGRAM);
console.log(`exec: exit code ${exec.exitCode}, ${exec.stdout.trim()}`);

await agent.files.write('notes/prices.txt', 'competitor A: 12\ncompetitor B: 15\n');
console.log(`read: ${JSON.stringify((await agent.files.read('notes/prices.txt')).toString())}`);
for (const entry of await agent.files.list('notes')) console.log(`list: ${entry.name}, ${entry.size} bytes`);

for await (const event of agent.stream('summarize the prices in notes/prices.txt')) {
  if (event.type === 'text') process.stdout.write(event.text);
  else if (event.type === 'tool_call') console.log(`\n[calls ${event.tool}: ${JSON.stringify(event.input)}]`);
  else if (event.type === 'tool_result') console.log(`[${event.tool} returned: ${event.output.trim()}]`);
  else if (event.type === 'done') console.log(`\n[done in ${event.duration} for ${money(event.cost)}]`);
  else if (event.type === 'error') throw new Error(event.error.message);
}
await agent.terminate();
console.log(`agent ${agent.id} is ${agent.currentStatus}`);

console.log('\n# What happened, and what it cost');
for await (const entry of theazo.logs.query({ sessionId: session.id })) {
  console.log(`${entry.timestamp} ${entry.level} ${entry.source}: ${entry.message}`);
}
const usage = await session.usage();
const parts = [usage.computeCost, usage.modelCost, usage.orchestrationCost];
console.log(`compute ${money(usage.computeCost)}, model ${money(usage.modelCost)}`);
console.log(`orchestration ${money(usage.orchestrationCost)}, in all ${money(usage.cost)}`);
const sum = parts.reduce((total, part) => total + exact(part), 0);
if (sum !== exact(usage.cost))
  throw new Error(`the parts come to ${sum} micro-cents, the whole to ${exact(usage.cost)}`);
const { maxCost, maxAgents } = await session.limits();
console.log(
  `spent ${maxCost?.used} of ${maxCost?.limit} cents today, ${maxAgents?.used} of ${maxAgents?.limit} agents`,
);

await theazo.close();

/** Cents for people, with the exact amount beside them. */
function money(cost: Cost): string {
  return `${cost.amount} ${cost.amount === 1 ? 'cent' : 'cents'} (${exact(cost)} micro-cents)`;
}

function exact(cost: Cost): number {
  return cost.microCents ?? cost.amount * 1_000_000;
}
