// `weir approvals ls|show|approve|reject|flags`.

import { Option } from 'commander'
import { approvalKinds } from '../../schemas/approvals/approval-kind.js'
import { type DeclareCommands, type GatewayOptions, withGateway } from '../feature/command-line.js'

const load = () => import('./approvals-command.js')

export const approvalsCommands: DeclareCommands = (program, line) => {
  const approvals = program
    .command('approvals')
    .description('what rules hold back until a second person releases it')

  const ls = approvals
    .command('ls')
    .description('what waits, or what was decided')
    .addOption(
      new Option('--state <state>', 'default: waiting').choices(['waiting', 'approved', 'rejected', 'all']),
    )
    .addOption(new Option('--kind <kind>', 'of one kind alone').choices([...approvalKinds]))
  withGateway(ls, 'print the approvals as JSON').action(
    (options: GatewayOptions & { readonly state?: string; readonly kind?: string }) =>
      line.run(async () =>
        (await load()).listApprovalsCommand({ ...options, ...(await line.gateway(options)) }, line.io),
      ),
  )

  const show = approvals
    .command('show')
    .description('the rules that hold it, and the evidence')
    .argument('<id>')
  withGateway(show, 'print the approval as JSON').action((id: string, options: GatewayOptions) =>
    line.run(async () =>
      (await load()).showApprovalCommand({ id, ...(await line.gateway(options)) }, line.io),
    ),
  )

  const approve = approvals
    .command('approve')
    .description('release it; whoever asked for it cannot')
    .argument('<id>')
    .option('--reason <text>')
  withGateway(approve, 'print the approval as JSON').action(
    (id: string, options: GatewayOptions & { readonly reason?: string }) =>
      line.run(async () => {
        const { decideCommand } = await load()
        return decideCommand({ ...options, id, act: 'approve', ...(await line.gateway(options)) }, line.io)
      }),
  )

  const reject = approvals
    .command('reject')
    .description('say that it must never go out')
    .argument('<id>')
    .requiredOption('--reason <text>')
  withGateway(reject, 'print the approval as JSON').action(
    (id: string, options: GatewayOptions & { readonly reason: string }) =>
      line.run(async () => {
        const { decideCommand } = await load()
        return decideCommand({ ...options, id, act: 'reject', ...(await line.gateway(options)) }, line.io)
      }),
  )

  const flags = approvals.command('flags').description('red flags: patterns that ought to be looked at')
  withGateway(flags, 'print the red flags as JSON').action((options: GatewayOptions) =>
    line.run(async () => (await load()).flagsCommand(await line.gateway(options), line.io)),
  )
}
