// The package `theazo` for `import`: the same one instance that `require` gives, so that `instanceof` holds across both.

export * from './node.js';
