// Where the package lies on disk, whether the code runs from the sources or from dist.
// Everything that is a file and not an import (built entry points, SQL, golden files) is found from here.

import { existsSync } from 'node:fs'

/** The folder that holds package.json, as a `file:` URL with a trailing slash. */
export const packageRoot: URL = findPackageRoot(new URL('./', import.meta.url))

/** The built JavaScript of a source file; threads and child processes always run the built one. */
export function builtFile(pathInPackage: string): URL {
  return new URL(`dist/${pathInPackage}`, packageRoot)
}

function findPackageRoot(folder: URL): URL {
  if (existsSync(new URL('package.json', folder))) return folder
  return findPackageRoot(new URL('../', folder))
}
