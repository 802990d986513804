// The package `theazo` for Node.

import './load.js';

export * from './index.js';
