// The package `theazo` for edge runtimes and browsers: the same surface through `fetch`, without anything of Node's.

import { anywhere } from './fetch/platform.js';
import { providePlatform } from './native.js';

providePlatform(anywhere);

export * from './index.js';
