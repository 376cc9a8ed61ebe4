// Declares `weir schemas` and its options. The work is in schemas-command.ts.

import { type DeclareCommands, type GatewayOptions, withGateway } from '../feature/command-line.js'

interface FileOptions extends GatewayOptions {
  readonly type?: string
  readonly from?: string
}

const load = () => import('./schemas-command.js')

export const schemasCommands: DeclareCommands = (program, line) => {
  const schemas = program.command('schemas').description('JSON Schemas of types of events')
  const ofFile = (name: 'publish' | 'check', description: string) => {
    const command = schemas
      .command(name)
      .description(description)
      .argument('<file>', 'JSON Schema 2020-12 of the data, as JSON or YAML')
      .option('--type <type>', "the type of event (default: the file's name without its ending)")
    if (name === 'publish')
      command.option('--from <instant>', 'judges events that arrive from here on (default: in a minute)')
    withGateway(command, 'print the verdict as JSON').action((file: string, options: FileOptions) =>
      line.run(async () => {
        const { type, from } = options
        const { sendSchema } = await load()
        return sendSchema(
          { ...(await line.gateway(options)), file, type, from, isDryRun: name === 'check' },
          line.io,
        )
      }),
    )
  }
  ofFile('publish', 'publish the next version of a schema')
  ofFile('check', 'tell what a schema would break, and publish nothing')
  withGateway(schemas.command('ls').description('published schemas'), 'print them as JSON').action(
    (options: GatewayOptions) =>
      line.run(async () => (await load()).listSchemas(await line.gateway(options), line.io)),
  )
  withGateway(
    schemas
      .command('show')
      .description('a schema as it is published')
      .argument('<type>')
      .argument('[version]', 'default: the newest'),
    'print all of it as JSON',
  ).action((type: string, version: string | undefined, options: GatewayOptions) =>
    line.run(async () =>
      (await load()).showSchema({ ...(await line.gateway(options)), type, version }, line.io),
    ),
  )
}
