// What the process finds around it: its environment and its own version. The only file that reads the environment; it is
// apart from `main.ts` because every command needs it and most need nothing else.

import { readFileSync } from 'node:fs'
import { packageRoot } from '../schemas/package-root.js'

export const version: string = JSON.parse(readFileSync(new URL('package.json', packageRoot), 'utf8')).version

/** `WEIR_*`, PATH and what the terminal wants, for whoever is asked by a command. */
export function environment(): NodeJS.ProcessEnv {
  return process.env
}
