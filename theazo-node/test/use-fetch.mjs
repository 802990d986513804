// Loaded before tests that are to go through `fetch`: they are the same tests that the native part passes.

process.env.THEAZO_TRANSPORT = 'fetch';
