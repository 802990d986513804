// The declarations are true: each class and member that is declared is there, and nothing that is there is undeclared.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';

const DIST = join(__dirname, '..', 'dist');

interface Declared {
  name: string;
  methods: Set<string>;
  statics: Set<string>;
  fields: Set<string>;
}

/** The modules whose classes and functions users meet. What the transports are made of inside is theirs. */
function modules(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return entry.name === 'fetch' ? [] : modules(path);
      return entry.name.endsWith('.d.ts') && existsAsModule(path) ? [path] : [];
    })
    .sort();
}

function existsAsModule(declaration: string): boolean {
  const code = readFileSync(declaration.replace(/\.d\.ts$/, '.js'), 'utf8');
  return code.includes('exports.');
}

/** The classes that a declaration file declares, with their members. Declarations have one member to a line. */
function classesOf(file: string): Declared[] {
  const text = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const found: Declared[] = [];
  for (const [, name = '', body = ''] of text.matchAll(
    /^export (?:declare )?(?:abstract )?class (\w+).*\{\n([\s\S]*?)^\}/gm,
  )) {
    const declared: Declared = { name, methods: new Set(), statics: new Set(), fields: new Set() };
    for (const line of body.split('\n')) {
      const member =
        /^ {4}((?:(?:static|readonly|protected|abstract|get|set|private|declare) )*)(\w+)(\??: |<|\()/.exec(line);
      if (member === null || member[2] === 'constructor') continue;
      const [, modifiers = '', memberName = '', opening] = member;
      if (/abstract|private/.test(modifiers)) continue;
      if (modifiers.includes('static')) declared.statics.add(memberName);
      else if (modifiers.includes('get ') || opening !== ': ') declared.methods.add(memberName);
      else declared.fields.add(memberName);
    }
    found.push(declared);
  }
  return found;
}

test('each class that is declared is there with all of its members, and has no others', () => {
  const wrong: string[] = [];
  let members = 0;
  for (const file of modules(DIST)) {
    const module_ = require(file.replace(/\.d\.ts$/, '.js'));
    for (const { name, methods, statics } of classesOf(file)) {
      const where = `${relative(DIST, file)} ${name}`;
      const made = module_[name];
      if (typeof made !== 'function') {
        wrong.push(`${where} is declared only`);
        continue;
      }
      const there = Object.getOwnPropertyNames(made.prototype).filter((member) => member !== 'constructor');
      for (const member of methods) if (!there.includes(member)) wrong.push(`${where}.${member} is declared only`);
      for (const member of there) if (!methods.has(member)) wrong.push(`${where}.${member} is not declared`);
      for (const member of statics) if (!(member in made)) wrong.push(`${where}.${member} is declared only, as static`);
      members += there.length;
    }
  }

  assert.deepEqual(wrong, []);
  assert.ok(members > 350, `only ${members} members were seen`);
});

test('the parts of the client and of its handles are there as declared', () => {
  const surface = join(DIST, 'generated', 'surface.d.ts');
  const module_ = require(surface.replace(/\.d\.ts$/, '.js'));
  const { Caller } = require(join(DIST, 'caller.js'));
  const caller = new Caller({});
  let parts = 0;
  for (const { name, fields } of classesOf(surface)) {
    const made = new module_[name](caller, { id: 'x' });
    for (const field of fields) {
      parts += 1;
      assert.ok(field in made, `${name}.${field} is declared only`);
    }
  }
  assert.ok(parts > 35, `only ${parts} parts were seen`);
});

test('each value that the package declares is exported, and no other', () => {
  for (const [entry, least] of [
    ['index', 50],
    ['testing', 3],
    ['sandbox', 6],
  ] as const) {
    const text = readFileSync(join(DIST, `${entry}.d.ts`), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
    const declared = new Set<string>();
    for (const [, names = ''] of text.matchAll(/^export \{([^}]*)\}/gm)) {
      for (const name of names.split(',').map((name) => name.trim())) {
        if (name !== '' && !name.startsWith('type ')) declared.add(name.split(' as ').at(-1) as string);
      }
    }
    for (const [, from = ''] of text.matchAll(/^export \* from '(.*)';/gm)) {
      for (const name of Object.keys(require(join(DIST, from)))) declared.add(name);
    }
    for (const [, name = ''] of text.matchAll(
      /^export declare (?:abstract )?(?:class|const|function|async function) (\w+)/gm,
    )) {
      declared.add(name);
    }

    const exported = Object.keys(require(join(DIST, `${entry}.js`)));

    assert.deepEqual(exported.sort(), [...declared].sort(), entry);
    assert.ok(exported.length >= least, `${entry} exports only ${exported.length}`);
  }
});
