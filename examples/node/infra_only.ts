// Infra only: your own loop decides, our sandbox runs what it decided. Compute is billed, tokens are not: the model is yours.
//
// It starts a control plane in this process. With THEAZO_BASE_URL and THEAZO_API_KEY set it uses that server.

import { Theazo } from 'theazo';

/** A module of your own, as your backend would bring it along. */
const MODULE = `
import statistics

def summary(prices):
    return {'lowest': min(prices), 'median': statistics.median(prices), 'highest': max(prices)}
`;

/** The program imports what was uploaded, reads what was uploaded, and leaves a file. */
const PROGRAM = `
import json, sys
sys.path.insert(0, '/workspace')
from pricing import summary

prices = [float(line) for line in open('/data/prices.txt')]
report = summary(prices)
json.dump(report, open('/workspace/report.json', 'w'))
print(json.dumps(report))
`;

const theazo = await Theazo.connect();
const session = await theazo.sessions.forUser('user_123');
const agent = await session.agents.create();
console.log(`sandbox     ${agent.id} on ${agent.provider}`);

// Your loop: LangGraph, an agent framework, or a few lines like these.
await agent.files.write('pricing.py', MODULE);
await agent.files.write('/data/prices.txt', '12.5\n9.9\n15.0\n');
const first = await agent.exec('python', PROGRAM);
console.log(`python      exit code ${first.exitCode}: ${first.stdout.trim()}`);

// A program that fails is an answer, not an error: the loop reads why and goes on.
const failed = await agent.exec('python', 'import pricing_tools');
console.log(`failure     exit code ${failed.exitCode}: ${failed.stderr.trim().split('\n').at(-1)}`);

// Files stay between programs, whatever they are written in.
const second = await agent.exec('shell', 'wc -c < /workspace/report.json');
console.log(`shell       report.json has ${second.stdout.trim()} bytes`);
console.log(`report      ${(await agent.files.read('report.json')).toString()}`);
await agent.terminate();

const usage = await session.usage();
console.log(`compute     ${usage.computeCost.microCents} micro-cents for ${usage.computeMinutes.toFixed(4)} minutes`);
console.log(`models      ${usage.modelCost.microCents} micro-cents`);
await session.terminate();
await theazo.close();
