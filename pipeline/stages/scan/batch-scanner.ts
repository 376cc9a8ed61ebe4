// The rows of a batch in Arrow, as events of a scan: what the columns hold is used where it stands, and `data` is walked
// like that of any other event.
// Invariants: the rows are those of parseMessage, in number and order; a row that is plain reads here as validateEvent and
// the hashes read it. A row has no bytes of its own: `from` and `until` are 0.

import * as eventHash from '../../../schemas/event-hash.js'
import { decodeUsageBatch, type UsageRows } from '../../../schemas/usage-batch.js'
import { NullTexts, PlainTexts, type TextValues } from '../../../schemas/usage-batch-columns.js'
import * as wordHash from '../../../schemas/word-hash.js'
import type { Columns } from './columns.js'
import * as columnLayout from './columns.js'
import type { JsonWalk } from './json-walk.js'
import { field } from './key-tree.js'
import { valueKinds } from './scanned-events.js'
import { TimeReader } from './time.js'

// An imported binding is looked up at every use; a constant of the module is compiled in.
const { finishObject, hashIdentityBytes, hashKey } = eventHash
const { hashSpan, lanes, seeds } = wordHash
const { contentWords, identityWords } = columnLayout
const { hashFirst, hashSecond, slot: slotField } = field
const { missing } = valueKinds

/** An attribute of more bytes might have too many characters. */
const maxAttributeBytes = 256
const openObject = 123
/** `weir` as a word. */
const wordWeir = 0x72696577
const point = 46

/** Columns by place. The first four are names: not empty. What comes before `hashedFrom` is not content. */
const names = ['id', 'source', 'type', 'subject', 'correlationid', 'traceparent', 'time', 'data'] as const
const [id, source, type, subject, correlationid, traceparent, time, data] = names.keys().toArray?.() ?? [
  0, 1, 2, 3, 4, 5, 6, 7,
]
