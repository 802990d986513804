// `theazo/testing` for `import`.

export * from './testing.js';
