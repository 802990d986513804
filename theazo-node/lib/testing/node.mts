// `theazo/testing/node` for `import`.

export * from './node.js';
