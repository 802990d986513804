// The platforms that have a native part: one list, from which the packages, the release workflow and the loader's hints are made.

/** A platform as npm, Rust and the release workflow call it. */
export interface PlatformNames {
  os: string;
  cpu: string;
  libc?: 'glibc' | 'musl';
  /** Rust's name of it. */
  target: string;
  /** The machine of the release workflow that builds it. */
  runner: string;
}

/** Every platform by the name that {@link ownPlatform} puts together. */
export const PLATFORMS: Record<string, PlatformNames> = {
  'linux-x64-gnu': {
    os: 'linux',
    cpu: 'x64',
    libc: 'glibc',
    target: 'x86_64-unknown-linux-gnu',
    runner: 'ubuntu-24.04',
  },
  'linux-arm64-gnu': {
    os: 'linux',
    cpu: 'arm64',
    libc: 'glibc',
    target: 'aarch64-unknown-linux-gnu',
    runner: 'ubuntu-24.04-arm',
  },
  'linux-x64-musl': {
    os: 'linux',
    cpu: 'x64',
    libc: 'musl',
    target: 'x86_64-unknown-linux-musl',
    runner: 'ubuntu-24.04',
  },
  'linux-arm64-musl': {
    os: 'linux',
    cpu: 'arm64',
    libc: 'musl',
    target: 'aarch64-unknown-linux-musl',
    runner: 'ubuntu-24.04-arm',
  },
  'darwin-x64': { os: 'darwin', cpu: 'x64', target: 'x86_64-apple-darwin', runner: 'macos-15-intel' },
  'darwin-arm64': { os: 'darwin', cpu: 'arm64', target: 'aarch64-apple-darwin', runner: 'macos-15' },
  'win32-x64': { os: 'win32', cpu: 'x64', target: 'x86_64-pc-windows-msvc', runner: 'windows-2025' },
};

/** The package with the native part of a platform. */
export function packageOf(platform: string): string {
  return `@theazo/node-${platform}`;
}

/** The platform of this process. */
export function ownPlatform(): string {
  const libc = process.platform === 'linux' ? (isMusl() ? '-musl' : '-gnu') : '';
  return `${process.platform}-${process.arch}${libc}`;
}

/** Node says which glibc it runs on; on musl it says nothing. */
function isMusl(): boolean {
  const { header } = process.report.getReport() as unknown as { header?: { glibcVersionRuntime?: string } };
  return !header?.glibcVersionRuntime;
}
