// Declares `weir explain` and its options. The work is in explain-command.ts.

import { type DeclareCommands, type GatewayOptions, withGateway } from '../feature/command-line.js'

type ExplainOptions = GatewayOptions & { readonly charge?: string }

export const explainCommands: DeclareCommands = (program, line) => {
  const explain = program
    .command('explain')
    .description('what became of an event, station by station; or which events a charge is made of')
    .argument('[source]', "the event's source")
    .argument('[id]', "the event's id")
    .option(
      '--charge <id>',
      'list the events of this charge, how it was billed, posted and delivered, and what it deferred',
    )
  withGateway(explain, 'print the answer of the API as JSON').action(
    (source: string | undefined, id: string | undefined, options: ExplainOptions) =>
      line.run(async () => {
        const { explainCommand } = await import('./explain-command.js')
        return explainCommand(
          { ...(await line.gateway(options)), source, id, charge: options.charge },
          line.io,
        )
      }),
  )
}
