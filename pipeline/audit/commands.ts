// `weir audit ls|verify`.

import {
  type DeclareCommands,
  type GatewayOptions,
  wholeNumber,
  withGateway,
} from '../feature/command-line.js'
import type { ListAuditArguments } from './audit-command.js'

type ListOptions = GatewayOptions & Omit<ListAuditArguments, 'gateway' | 'json'>

const load = () => import('./audit-command.js')

export const auditCommands: DeclareCommands = (program, line) => {
  const audit = program
    .command('audit')
    .description('who did what, when and why, and whether that was tampered with')

  const ls = audit
    .command('ls')
    .description('the entries, the newest first')
    .option('--act <name>', 'an act, or its beginning with *: "key.*"')
    .option('--by <key>', 'id or name of a key, or weir')
    .option('--object-kind <kind>', 'such as key, billing_run, approval')
    .option('--object <id>', 'what it was done to')
    .option('--since <instant>', 'RFC 3339 instant')
    .option('--until <instant>', 'RFC 3339 instant')
    .option('--before <sequence>', 'entries before this one', wholeNumber)
    .option('--limit <count>', 'at most so many (default 100)', wholeNumber)
  withGateway(ls, 'print the entries as JSON').action((options: ListOptions) =>
    line.run(async () =>
      (await load()).listAuditCommand({ ...options, ...(await line.gateway(options)) }, line.io),
    ),
  )

  const verify = audit
    .command('verify')
    .description('read every entry again, in the stream and in ClickHouse; exit 1 if any was tampered with')
    .option('--anchor <sequence:hash>', 'a head that was written down before, which must still be there')
  withGateway(verify, 'print what was found as JSON').action(
    (options: GatewayOptions & { readonly anchor?: string }) =>
      line.run(async () =>
        (await load()).verifyAuditCommand({ ...options, ...(await line.gateway(options)) }, line.io),
      ),
  )
}
