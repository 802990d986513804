// `theazo/sandbox` for `import`.

export * from './sandbox.js';
