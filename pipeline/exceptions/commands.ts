// `weir exceptions …`.

import type { DeclareCommands } from '../feature/command-line.js'
import { declareRedrive } from './redrive/commands.js'

export const exceptionsCommands: DeclareCommands = (program, line) => {
  const exceptions = program.command('exceptions').description('what failed: mend it, send it again')
  declareRedrive(exceptions, line)
}
