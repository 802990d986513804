// Runs the tests of `theazo/testing/vitest` against the package as it was built.

import { defineConfig } from 'vitest/config';

export default defineConfig({ test: { include: ['*.test.mts'] } });
