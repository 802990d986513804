// Makes what is published: the package `theazo`, and a package for each platform with the native parts of it.
//
//   node scripts/pack.mjs main OUT                      theazo-VERSION.tgz, which asks for the packages of the platforms
//   node scripts/pack.mjs platform NAME NATIVE OUT      the package of one platform; NATIVE is the folder with its native parts
//   node scripts/pack.mjs platforms                     the platforms as JSON, for the matrix of the release workflow
//
// `dist` must be there: `npm run build:ts`. The packages of the platforms are no dependencies in the repository, where they do
// not exist before a release; they are written into what is published. No package has an install script.

import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = dirname(dirname(fileURLToPath(import.meta.url)));
const { PLATFORMS, packageOf } = createRequire(import.meta.url)('../dist/platforms.js');
const manifest = JSON.parse(readFileSync(join(FOLDER, 'package.json'), 'utf8'));
const { version, license, homepage, repository, engines } = manifest;

const [command, ...rest] = process.argv.slice(2);
if (command === 'main') console.log(packMain(...rest));
else if (command === 'platform') console.log(packPlatform(...rest));
else if (command === 'platforms') {
  console.log(JSON.stringify(Object.entries(PLATFORMS).map(([name, platform]) => ({ name, ...platform }))));
} else {
  throw new Error('say `main OUT`, `platform NAME NATIVE OUT` or `platforms`');
}

/** The package that users install. */
function packMain(out) {
  const optionalDependencies = Object.fromEntries(Object.keys(PLATFORMS).map((name) => [packageOf(name), version]));
  const { devDependencies: _, scripts: __, ...published } = manifest;
  return staged(out, { ...published, files: ['dist'], optionalDependencies }, (stage) => {
    cpSync(join(FOLDER, 'dist'), join(stage, 'dist'), { recursive: true });
    copyFileSync(join(FOLDER, 'README.md'), join(stage, 'README.md'));
  });
}

/** The package with the native parts of a platform; npm installs it where `os`, `cpu` and `libc` fit. */
function packPlatform(name, native, out) {
  const platform = PLATFORMS[name];
  if (platform === undefined) throw new Error(`there is no platform \`${name}\`: ${Object.keys(PLATFORMS).join(', ')}`);
  const files = ['theazo.node', 'theazo-plane.node'];
  for (const file of files) {
    if (!existsSync(join(native, file))) throw new Error(`${join(native, file)} does not exist: build it first`);
  }
  const { os, cpu, libc } = platform;
  const published = {
    name: packageOf(name),
    version,
    description: `The native parts of theazo for ${name}`,
    license,
    homepage,
    repository,
    engines,
    os: [os],
    cpu: [cpu],
    ...(libc && { libc: [libc] }),
    files,
    preferUnplugged: true,
  };
  return staged(out, published, (stage) => {
    for (const file of files) copyFileSync(join(native, file), join(stage, file));
    writeFileSync(join(stage, 'README.md'), `# ${published.name}\n\n${published.description}. Install \`theazo\`.\n`);
  });
}

/** Packs a folder that is made for it, and gives the path of the tarball. */
function staged(out, published, fill) {
  const stage = mkdtempSync(join(tmpdir(), 'theazo-pack-'));
  try {
    writeFileSync(join(stage, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
    for (const file of ['LICENSE-APACHE', 'LICENSE-MIT']) copyFileSync(join(FOLDER, '..', file), join(stage, file));
    fill(stage);
    mkdirSync(out, { recursive: true });
    const pack = spawnSync('npm', ['pack', '--json', '--loglevel=error', '--pack-destination', resolve(out)], {
      cwd: stage,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
      shell: process.platform === 'win32',
    });
    if (pack.status !== 0) throw new Error(`npm pack of ${published.name} failed`);
    const name = published.name.replace('@', '').replace('/', '-');
    return join(resolve(out), `${name}-${version}.tgz`);
  } finally {
    rmSync(stage, { recursive: true });
  }
}
