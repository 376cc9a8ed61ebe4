// `weir jobs ls|show|watch|report|start|pause|resume|cancel`.

import { Option } from 'commander'
import { type DeclareCommands, type GatewayOptions, withGateway } from '../feature/command-line.js'

interface ListOptions extends GatewayOptions {
  readonly kind?: string
  readonly state?: string
}

const load = () => import('../jobs/jobs-command.js')

export const jobsCommands: DeclareCommands = (program, line) => {
  const jobs = program.command('jobs').description('long work: redrives, replays, rebuilds')

  const ls = jobs
    .command('ls')
    .description('all jobs, the newest first')
    .option('--kind <kind>', 'of one kind alone')
    .addOption(new Option('--state <state>', 'in one state alone'))
  withGateway(ls, 'print the jobs as JSON').action((options: ListOptions) =>
    line.run(async () =>
      (await load()).listJobsCommand({ ...options, ...(await line.gateway(options)) }, line.io),
    ),
  )

  const show = jobs.command('show').description('one job: its state and how far it is').argument('<id>')
  withGateway(show, 'print the job as JSON').action((id: string, options: GatewayOptions) =>
    line.run(async () => (await load()).showJobCommand({ id, ...(await line.gateway(options)) }, line.io)),
  )

  const watch = jobs
    .command('watch')
    .description('follow a job to its end; exit code 0 when it is done')
    .argument('<id>')
  withGateway(watch, 'print the job as JSON at its end').action((id: string, options: GatewayOptions) =>
    line.run(async () => (await load()).watchJobCommand({ id, ...(await line.gateway(options)) }, line.io)),
  )

  const report = jobs.command('report').description('what became of it, as JSON').argument('<id>')
  withGateway(report, 'the same').action((id: string, options: GatewayOptions) =>
    line.run(async () => (await load()).reportJobCommand({ id, ...(await line.gateway(options)) }, line.io)),
  )

  const acts = [
    ['start', 'start a job that was previewed'],
    ['pause', 'stop after the step under way, and keep the position'],
    ['resume', 'go on from the position'],
    ['cancel', 'end it for good; what it has done stays'],
  ] as const
  for (const [act, description] of acts) {
    const command = jobs.command(act).description(description).argument('<id>')
    withGateway(command, 'print the job as JSON').action((id: string, options: GatewayOptions) =>
      line.run(async () =>
        (await load()).actOnJobCommand({ id, act, ...(await line.gateway(options)) }, line.io),
      ),
    )
  }
}
