// Locates the built JavaScript of a child process that only tests start; test support is not in dist.

import { packageRoot } from '../../schemas/package-root.js'

/** Made by `npm run build`, from tsconfig.json. */
export function builtTestFile(pathInPackage: string): URL {
  return new URL(`.cache/testing/${pathInPackage}`, packageRoot)
}
