// A record that was sent under another prefix than the settings have now is found, at each receiver whose keys have one; and its
// amount goes there with all its digits, also where no double has them.

import { expect, test } from 'vitest'
import type { ConnectorKind } from './connector-kind.js'
import { intacctKind } from './intacct/kind.js'
import { startFake as intacctFake } from './intacct/testing/fake.js'
import { netsuiteKind } from './netsuite/kind.js'
import { startFake as netsuiteFake } from './netsuite/testing/fake.js'
import { oracleFusionKind } from './oracle-fusion/kind.js'
import { startFake as oracleFusionFake } from './oracle-fusion/testing/fake.js'
import { quickbooksKind } from './quickbooks/kind.js'
import { startFake as quickbooksFake } from './quickbooks/testing/fake.js'
import { sapS4Kind } from './sap-s4/kind.js'
import { startFake as sapS4Fake } from './sap-s4/testing/fake.js'
import type { StartFake } from './testing/fake-of-kind.js'
import { journalRecord } from './testing/journal-record.js'
import { openConnector } from './testing/open-connector.js'
import { xeroKind } from './xero/kind.js'
import { startFake as xeroFake } from './xero/testing/fake.js'

const { signal } = new AbortController()
const mostDigits = '99999999999999999999999999.99'
const kinds: readonly (readonly [string, ConnectorKind, StartFake])[] = [
  ['netsuite', netsuiteKind as ConnectorKind, netsuiteFake],
  ['sap_s4', sapS4Kind as ConnectorKind, sapS4Fake],
  ['intacct', intacctKind as ConnectorKind, intacctFake],
  ['oracle_fusion', oracleFusionKind as ConnectorKind, oracleFusionFake],
  ['quickbooks', quickbooksKind as ConnectorKind, quickbooksFake],
  ['xero', xeroKind as ConnectorKind, xeroFake],
]

test.each(kinds)(
  '%s: a prefix that was changed while a record is unclear hides nothing that was sent under the old one',
  async (_name, kind, startFake) => {
    const { fake, connection, secrets, mapping = '' } = await startFake(0)
    try {
      const open = (prefix: string) =>
        openConnector(kind, { ...connection, prefix }, { secrets, mapping, nowMs: Date.now, rate: {} })
      const [before, after] = [await open('OLD'), await open('NEW')]
      const record = journalRecord(1, { amount: mostDigits })
      const placed = await before.place!(record)
      expect(placed).toEqual({ kind: 'placed', place: { prefix: 'OLD' } })
      const sent = { ...record, place: { prefix: 'OLD' } }
      fake.fail('500_after_commit')
      expect(await before.put([sent], signal)).toMatchObject([{ kind: 'unclear' }])
      const said = [...fake.sent.map(({ body }) => body), JSON.stringify(fake.booked())].join() // Oracle's file is packed
      expect(said).toContain(mostDigits)
      expect(await after.find(sent, signal)).toMatchObject({ kind: 'there' })
      expect(await after.find(record, signal)).toEqual({ kind: 'absent' })
      // Sent again by somebody's word it is still the same document there.
      const [again] = await after.put([sent], signal)
      expect(again).not.toMatchObject({ kind: 'stopped' })
      const keys = fake.booked().map(({ key }) => key)
      expect(new Set(keys).size).toBe(1)
    } finally {
      await fake.close()
    }
  },
)
