#!/usr/bin/env node
// The command line: the list of the commands. Each feature declares its own in its `commands.ts`; the work of a command is
// loaded when it is asked for.

import { CommanderError } from 'commander'
import { benchCommands } from '../../bench/commands.js'
import { approvalsCommands } from '../approvals/commands.js'
import { auditCommands } from '../audit/commands.js'
import { billingCommands } from '../billing/commands.js'
import { catalogCommands } from '../catalog/commands.js'
import { deliveriesCommands } from '../deliveries/commands.js'
import { demoCommands } from '../demo/commands.js'
import { schemasCommands } from '../event-schemas/commands.js'
import { exceptionsCommands } from '../exceptions/commands.js'
import { explainCommands } from '../explain/commands.js'
import type { DeclareCommands } from '../feature/command-line.js'
import { flowCommands } from '../flow/commands.js'
import { gatesCommands } from '../gates/commands.js'
import { identitiesCommands } from '../identities/commands.js'
import { importCommands } from '../import/commands.js'
import { keysCommands } from '../keys/commands.js'
import { kpiCommands } from '../kpi/commands.js'
import { postingsCommands } from '../postings/commands.js'
import { privacyCommands } from '../privacy/commands.js'
import { rebuildCommands } from '../rebuild/commands.js'
import { reconcileCommands } from '../reconcile/commands.js'
import { replayCommands } from '../replay/commands.js'
import { retentionCommands } from '../retention/commands.js'
import { simulateCommands } from '../simulate/commands.js'
import { sourcesCommands } from '../sources/commands.js'
import { systemsOfRecordCommands } from '../sources/owners/commands.js'
import { exitCodes } from '../terminal/io.js'
import { Exit, line, program } from './command-line.js'
import { startCommands, validateCommands } from './commands.js'
import { jobsCommands } from './jobs-commands.js'

/** In the order in which `weir --help` lists them. */
const commands: readonly DeclareCommands[] = [
  startCommands,
  demoCommands,
  simulateCommands,
  validateCommands,
  reconcileCommands,
  kpiCommands,
  explainCommands,
  billingCommands,
  postingsCommands,
  flowCommands,
  exceptionsCommands,
  sourcesCommands,
  schemasCommands,
  identitiesCommands,
  importCommands,
  gatesCommands,
  systemsOfRecordCommands,
  deliveriesCommands,
  retentionCommands,
  jobsCommands,
  replayCommands,
  catalogCommands,
  rebuildCommands,
  keysCommands,
  privacyCommands,
  approvalsCommands,
  auditCommands,
  benchCommands,
]

// `weir simulate … | head` ends when its reader does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit()
  throw error
})

/** Commander answers `--help` before it has looked whether the command exists. */
async function refuseUnknownCommand(args: readonly string[]): Promise<void> {
  let command = program
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at]!
    if (arg === '--config' || arg === '--data-dir') at += 1
    else if (!arg.startsWith('-')) {
      const next = command.commands.find(one => one.name() === arg)
      if (next === undefined && command.commands.length > 0 && arg !== 'help') {
        const { nearestHint } = await import('../../schemas/nearest-name.js')
        const names = command.commands.map(one => one.name())
        command.error(`error: there is no command '${arg}'${nearestHint(arg, names)}`)
      }
      if (next === undefined) return
      command = next
    }
  }
}

try {
  for (const declare of commands) declare(program, line)
  await refuseUnknownCommand(process.argv.slice(2))
  await program.parseAsync()
} catch (error) {
  if (error instanceof Exit) process.exitCode = error.code
  else if (error instanceof CommanderError)
    process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  else {
    line.io.stderr.write(`weir: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = exitCodes.failed
  }
}
