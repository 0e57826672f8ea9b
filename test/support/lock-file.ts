/** package-lock.json and npm's record of what it installed, as far as tests read them. */

export type LockedPackage = {
  readonly version?: string | undefined;
  readonly resolved?: string | undefined;
  readonly integrity?: string | undefined;
  readonly license?: string | undefined;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
  /** Only building and testing need it. */
  readonly dev?: boolean;
  readonly optional?: boolean;
};

export type Lock = { readonly packages: Readonly<Record<string, LockedPackage>> };

/**
 * Whether what is installed would run a program as its own lock file would: each locked package lies at its path with
 * its hash, and no other one lies in between, where a package would find it first. Optional packages may be missing:
 * they are other machines'.
 */
export function isSatisfied(wanted: Lock, installed: Lock): boolean {
  const { packages: found } = installed;
  const locked = Object.entries(wanted.packages).filter(([path]) => path !== '');
  const isThere = locked.every(([path, { integrity, optional = false }]) => {
    const own = found[path];
    return own === undefined ? optional : own.integrity === integrity;
  });
  return isThere && Object.keys(found).every((path) => path in wanted.packages || !isInside(path, wanted));
}

/** In a locked package's own node_modules. */
function isInside(path: string, { packages }: Lock): boolean {
  const at = path.lastIndexOf('/node_modules/');
  return at !== -1 && path.slice(0, at) in packages;
}

export function toLock(text: string): Lock {
  return JSON.parse(text) as Lock;
}
