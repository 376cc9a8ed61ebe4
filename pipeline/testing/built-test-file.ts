// Where the built JavaScript of a child process lies that only tests start: what tests need is not in dist.

import { packageRoot } from '../../schemas/package-root.js'

/** Made by `npm run build`, from tsconfig.json. */
export function builtTestFile(pathInPackage: string): URL {
  return new URL(`.cache/testing/${pathInPackage}`, packageRoot)
}
