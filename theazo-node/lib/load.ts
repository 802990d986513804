// What Node has: the native parts, found and loaded when they are first used.
//
// There are two, made of the same sources: the client, and the client with the control plane, which is several times as large. A
// process that only makes calls loads the first; one that starts a plane or keeps a recording loads the second and uses it for
// everything from then on, since it can all that the first can. Only a process that made a client first and started a plane
// later has both.

import { existsSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { misconfigured, type TheazoError } from './errors.js';
import { type ClientPart, type PlanePart, type Platform, providePlatform } from './native.js';
import { ownPlatform, PLATFORMS, packageOf } from './platforms.js';

const CLIENT = 'theazo.node';
const PLANE = 'theazo-plane.node';

const require_ = createRequire(__filename);

let client: ClientPart | undefined;
let plane: PlanePart | undefined;

const node: Platform = {
  clientPart() {
    client ??= plane ?? chooseClient();
    return client;
  },
  planePart() {
    if (plane === undefined) {
      const found = find([PLANE]);
      if ('problem' in found) throw missing('the control plane', found);
      plane = found.part as PlanePart;
      client = plane;
    }
    return plane;
  },
  variable: (name) => process.env[name],
};

providePlatform(node);

function chooseClient(): ClientPart {
  const transport = process.env.THEAZO_TRANSPORT?.trim() || undefined;
  if (transport === 'fetch') return fetchPart();
  if (transport !== undefined && transport !== 'native') {
    throw misconfigured(`THEAZO_TRANSPORT is \`${transport}\`, which is neither \`native\` nor \`fetch\``);
  }
  const found = find([CLIENT, PLANE]);
  if ('part' in found) return found.part;
  // Who asked for the native part by name wants no other.
  if (transport === 'native' || process.env.THEAZO_NATIVE_PATH) throw missing('the native part', found);
  const { message, hint } = missing('the native part', found);
  // A platform that never had one has nothing to mend.
  if (PLATFORMS[ownPlatform()]) {
    process.emitWarning(`${message}; calls go through \`fetch\`, which is slower. ${hint ?? ''}`, {
      type: 'TheazoWarning',
      code: 'THEAZO_FETCH',
    });
  }
  return fetchPart();
}

/** Loaded when it is needed, which on most machines is never. */
function fetchPart(): ClientPart {
  const { FetchClient } = require_('./fetch/client.js') as typeof import('./fetch/client.js');
  return { NativeClient: FetchClient };
}

/** A part that was loaded, or what stood in the way: nothing was found, or what was found does not load. */
type Found = { part: ClientPart } | { problem: string; isBroken: boolean };

function find(files: string[]): Found {
  const tried: string[] = [];
  for (const candidate of candidates(files)) {
    const file = candidate.isPackage ? resolved(candidate.name) : candidate.name;
    if (file === undefined || !existsSync(file)) {
      tried.push(candidate.name);
      continue;
    }
    try {
      const part: ClientPart & Partial<PlanePart> = require_(file);
      // One that was named by its file can be either of the two.
      if (files.includes(CLIENT) || part.NativePlane) return { part };
      tried.push(`${file} (the client alone)`);
    } catch (error) {
      return { problem: `${file} does not load: ${error instanceof Error ? error.message : error}`, isBroken: true };
    }
  }
  return { problem: `there is none of ${tried.join(', ')}`, isBroken: false };
}

function* candidates(files: string[]): Generator<{ name: string; isPackage?: boolean }> {
  const named = process.env.THEAZO_NATIVE_PATH;
  if (named) {
    if (existsSync(named) && statSync(named).isDirectory()) for (const file of files) yield { name: join(named, file) };
    else yield { name: named };
    return;
  }
  for (const file of files) yield { name: join(__dirname, '..', 'native', file) };
  // Last, because asking for the platform's C library takes longer than loading.
  const platform = packageOf(ownPlatform());
  for (const file of files) yield { name: `${platform}/${file}`, isPackage: true };
}

function resolved(specifier: string): string | undefined {
  try {
    return require_.resolve(specifier);
  } catch {
    return undefined;
  }
}

/** Why a part is not there, and what to do about it. */
function missing(what: string, found: { problem: string; isBroken: boolean }): TheazoError {
  const platform = ownPlatform();
  const glibc = (process.report.getReport() as { header?: { glibcVersionRuntime?: string } }).header
    ?.glibcVersionRuntime;
  const libc = process.platform === 'linux' ? `, ${glibc ? `glibc ${glibc}` : 'musl'}` : '';
  const place = `${platform} (Node ${process.version}${libc})`;
  return misconfigured(
    `${what} of theazo cannot be loaded on ${place}: ${found.problem}`,
    hintFor(platform, found.isBroken),
  );
}

function hintFor(platform: string, isBroken: boolean): string {
  const { version } = require_('../package.json') as { version: string };
  const own = 'set THEAZO_NATIVE_PATH to a folder with native parts that you built';
  if (!PLATFORMS[platform]) {
    const known = Object.keys(PLATFORMS).join(', ');
    return `there are native parts for ${known}; elsewhere use a server, through \`fetch\`, or ${own}`;
  }
  if (isBroken) return `reinstall \`${packageOf(platform)}@${version}\`, or ${own}`;
  return (
    `install \`${packageOf(platform)}@${version}\`: a lockfile that was written on another platform, or ` +
    '`--omit=optional`, leaves it out, so remove `node_modules` and the lockfile and install again, ' +
    `or ${own}; in the repository it is \`npm run build:native\``
  );
}
