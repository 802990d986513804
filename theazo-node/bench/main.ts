// The benchmarks of the Node package, which `cargo xtask bench node` runs. Arguments choose parts of it: calls, embedded, streams,
// startup, memory, sizes.

import { calls, embedded } from './calls.js';
import { memory } from './memory.js';
import { sizes, startup } from './process.js';
import { startServer } from './server.js';
import { streams } from './streams.js';

async function main(): Promise<void> {
  const chosen = process.argv.slice(2);
  const isChosen = (...names: string[]) => chosen.length === 0 || names.some((name) => chosen.includes(name));
  if (isChosen('calls', 'streams', 'startup')) {
    const server = await startServer();
    try {
      if (isChosen('calls')) await calls(server);
      if (isChosen('streams')) await streams(server);
      if (isChosen('startup')) startup(server);
    } finally {
      server.stop();
    }
  }
  if (isChosen('embedded')) await embedded();
  if (isChosen('memory')) await memory();
  if (isChosen('sizes')) sizes();
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
