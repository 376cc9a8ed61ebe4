// The environment of the process and the version of the program. No other file reads the environment; it is
// apart from `main.ts` because every command needs it and most need nothing else.

import { readFileSync } from 'node:fs'
import { packageRoot } from '../schemas/package-root.js'

export const version: string = JSON.parse(readFileSync(new URL('package.json', packageRoot), 'utf8')).version

/** The environment of the process, for the parts that a command calls: `WEIR_*`, PATH and the terminal's. */
export function environment(): NodeJS.ProcessEnv {
  return process.env
}
