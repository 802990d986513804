// Builds the two native parts with cargo into `native/`: `theazo.node`, the client, and `theazo-plane.node`, the same with the
// control plane. Arguments go on to cargo, for example `--release`; `--only=client` and `--only=plane` build one of them.

import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = dirname(dirname(fileURLToPath(import.meta.url)));

const only = process.argv.find((argument) => argument.startsWith('--only='))?.slice('--only='.length);
const more = process.argv.slice(2).filter((argument) => !argument.startsWith('--only='));

// While one works on it the client is built beside the server, which it does not have in it: so both parts are made of the same
// builds of all crates that they share, and the second one takes seconds. What is published is built by itself, to be small.
const isForWork = !more.includes('--release') && !more.includes('--profile');
const isPublished = valueAfter('--profile') === 'dist';
const beside = isForWork ? ['--package', 'theazo-server'] : [];
const PARTS = {
  plane: { file: 'theazo-plane.node', arguments: ['--package', 'theazo-node', ...withProfile('dist-plane')] },
  client: { file: 'theazo.node', arguments: ['--package', 'theazo-node', ...beside, '--no-default-features', ...more] },
};
for (const name of only ? [only] : Object.keys(PARTS)) build(name);

function build(name) {
  const part = PARTS[name];
  if (!part) throw new Error(`there is no native part \`${name}\`; there are ${Object.keys(PARTS).join(', ')}`);
  forgetOther(name, part.arguments);
  const library = cargo(part.arguments);
  writeFileSync(`${library}.part`, name);
  // Put in place at once: a process that has the old file loaded keeps it.
  const target = join(FOLDER, 'native', part.file);
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(library, `${target}.new`);
  renameSync(`${target}.new`, target);
}

/** Runs cargo and gives the library that it made. */
function cargo(given) {
  const build = spawnSync('cargo', ['build', '--lib', '--message-format=json-render-diagnostics', ...given], {
    cwd: FOLDER,
    stdio: ['inherit', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
    env: isPublished
      ? { ...process.env, CARGO_ENCODED_RUSTFLAGS: flagsOfWhatIsPublished().join('\u001f') }
      : process.env,
  });
  if (build.status !== 0) process.exit(build.status ?? 1);
  const library = build.stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .filter((message) => message.reason === 'compiler-artifact' && message.target.name === 'theazo_node')
    .flatMap((message) => message.filenames)
    .find((file) => /\.(so|dylib|dll)$/.test(file));
  if (!library) throw new Error('cargo built no library of theazo-node');
  return library;
}

/** The flags of what is published: it names no folder of the machine that built it, and is small. */
function flagsOfWhatIsPublished() {
  const flags = (process.env.RUSTFLAGS ?? '').split(' ').filter((flag) => flag !== '');
  // The sources must be there to be named.
  const fetch = spawnSync('cargo', ['fetch', '--locked'], { cwd: FOLDER, stdio: 'inherit' });
  if (fetch.status !== 0) process.exit(fetch.status ?? 1);
  const sources = join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'registry', 'src');
  for (const registry of readdirSync(sources)) flags.push(`--remap-path-prefix=${join(sources, registry)}=crates`);
  // Functions that are the same are there once, as the linker of Windows does it by itself: no code in Rust relies on two having
  // different addresses. Rust brings the linker that knows this for one target.
  const isGnu = process.report.getReport().header.glibcVersionRuntime !== undefined;
  if (process.platform === 'linux' && process.arch === 'x64' && isGnu && valueAfter('--target') === undefined) {
    flags.push('-Clink-arg=-Wl,--icf=all');
  }
  return flags;
}

/**
 * Removes the library of the other part. Both have one name in cargo's folder, and cargo takes whichever is there for the one
 * that it built last with the same features.
 */
function forgetOther(name, given) {
  const metadata = spawnSync('cargo', ['metadata', '--no-deps', '--format-version', '1'], {
    cwd: FOLDER,
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
  });
  const target = JSON.parse(metadata.stdout).target_directory;
  const profile = given.includes('--release') ? 'release' : (valueAfter('--profile', given) ?? 'debug');
  const triple = valueAfter('--target') ?? '';
  const file = { linux: 'libtheazo_node.so', darwin: 'libtheazo_node.dylib', win32: 'theazo_node.dll' }[
    process.platform
  ];
  const library = join(target, triple, profile, file);
  const marker = `${library}.part`;
  const last = existsSync(marker) ? readFileSync(marker, 'utf8') : undefined;
  if (last === name) return;
  for (const stale of [library, join(target, triple, profile, 'deps', file)]) rmSync(stale, { force: true });
}

/** The arguments from outside, where what is published has this profile. */
function withProfile(profile) {
  return isPublished ? more.map((argument) => (argument === 'dist' ? profile : argument)) : more;
}

function valueAfter(option, given = more) {
  const index = given.indexOf(option);
  return index === -1 ? undefined : given[index + 1];
}
