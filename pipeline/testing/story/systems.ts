// The systems around Weir, as fakes that outlive it, and a started Weir that is connected to them: Salesforce by the Pub/Sub API and
// REST, Stripe by webhooks and invoice items, NetSuite by journal entries, and the CRM's account, to which is written back.

import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SupervisedWeir } from '../../../bench/measure/supervised-weir.js'
import { NetsuiteFake, secrets as netsuiteSecrets } from '../../../sinks/netsuite/testing/fake.js'
import { salesforceKind } from '../../../sinks/salesforce/kind.js'
import { SalesforceFake, secrets as salesforceSecrets } from '../../../sinks/salesforce/testing/fake.js'
import { StripeFake, secrets as stripeSecrets } from '../../../sinks/stripe/testing/fake.js'
import { allAllowed } from '../../../sinks/testing/open-connector.js'
import { TestOrg } from '../../sources/salesforce/testing/test-org.js'
import { calendars, catalog, quoteMapping } from './deal.js'

export const webhookSecret = 'whsec_of_the_story'
/** What the CRM is told: its fields by ours. */
const toldFields = {
  ...{ Weir_Standing__c: 'standing_id', Weir_As_Of__c: 'as_of', Weir_Outstanding__c: 'EUR.outstanding' },
  ...{ Weir_Overdue__c: 'EUR.overdue', Weir_Dunning__c: 'dunning', Weir_Exceptions__c: 'open_exceptions' },
  Weir_Note__c: 'correlation_id',
}
/** Loopback needs no sparing. */
const rate = { per_second: 1_000, concurrent: 8 }
const mappings = {
  'stripe.yaml': '{}\n',
  'netsuite.yaml': `accounts: { "1200": "1200", "2400": "2400", "4000": "4000", "4010": "4010", "4090": "4090" }
currency: { EUR: "4" }
subsidiary: { de: "3" }
`,
}

export class Systems {
  readonly org: TestOrg
  readonly account: SalesforceFake
  readonly stripe: StripeFake
  readonly netsuite: NetsuiteFake
  readonly weir: SupervisedWeir
  readonly #ends: readonly (() => Promise<unknown>)[]

  private constructor(parts: Parts, weir: SupervisedWeir, ends: readonly (() => Promise<unknown>)[]) {
    this.org = parts.org
    this.account = parts.account
    this.stripe = parts.stripe
    this.netsuite = parts.netsuite
    this.weir = weir
    this.#ends = ends
  }

  static async start(): Promise<Systems> {
    const ends: (() => Promise<unknown>)[] = []
    try {
      const authorization = await NetsuiteFake.authorizationServer()
      ends.push(() => authorization.stop())
      const parts = {
        org: await TestOrg.start(),
        account: await new SalesforceFake({ fields: toldFields }).start(0),
        stripe: await new StripeFake().start(0),
        netsuite: await new NetsuiteFake({ authorization }).start(0),
      }
      const { org, ...fakes } = parts
      ends.push(() => org.stop(), ...Object.values(fakes).map(one => () => one.close()))
      const folder = await mkdtemp(join(tmpdir(), 'weir-story-'))
      ends.push(() => rm(folder, { recursive: true, force: true }))
      const weir = await startWeir(folder, parts)
      ends.push(() => weir.stop())
      await weir.ready()
      return new Systems(parts, weir, ends)
    } catch (error) {
      await endAll(ends)
      throw error
    }
  }

  stop(): Promise<void> {
    return endAll(this.#ends)
  }
}

type Parts = Pick<Systems, 'org' | 'account' | 'stripe' | 'netsuite'>

async function endAll(ends: readonly (() => Promise<unknown>)[]): Promise<void> {
  for (const end of ends.toReversed()) await end()
}

async function startWeir(folder: string, parts: Parts): Promise<SupervisedWeir> {
  const files = {
    ...mappings,
    'catalog.yaml': catalog,
    'quotes.yaml': quoteMapping,
    'calendars.yaml': calendars,
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  const config = join(folder, 'weir.yaml')
  await writeFile(config, JSON.stringify(settingsOf(parts)))
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const env = {
    ...{ ...netsuiteSecrets, ...stripeSecrets, ...salesforceSecrets },
    ...{ ORG_KEY: pem, HOOK: webhookSecret, WEIR_CONFIG: config, WEIR_PARTITIONS: '1', WEIR_WORKERS: '1' },
  }
  return SupervisedWeir.start({ env })
}

function settingsOf({ org, account, stripe, netsuite }: Parts): object {
  const login = {
    client_id: 'weir',
    user: 'weir@acme.example',
    private_key: { variable: 'ORG_KEY' },
    url: org.url,
  }
  const crm = {
    ...{ name: 'crm', kind: 'salesforce', instance_url: org.url, login, mapping: 'quotes.yaml' },
    ...{ pubsub_url: `http://127.0.0.1:${org.bus.port}`, requests_per_second: 1_000 },
    ...{ ids: { customer: 'table' }, own_writes: { fields: Object.keys(toldFields) } },
  }
  const payments = {
    name: 'payments',
    kind: 'stripe',
    secrets: [{ variable: 'HOOK' }],
    ids: { customer: 'table' },
  }
  return {
    catalog: ['catalog.yaml'],
    erp: { calendars: 'calendars.yaml' },
    write_back: { every_seconds: 1 },
    sources: [crm, payments],
    connections: [
      { name: 'stripe', kind: 'stripe', mapping: 'stripe.yaml', rate, ...stripe.settings() },
      { name: 'netsuite', kind: 'netsuite', mapping: 'netsuite.yaml', rate, ...netsuite.settings() },
      { name: 'salesforce', kind: 'salesforce', rate, ...allAllowed(salesforceKind, account.settings()) },
    ],
  }
}
