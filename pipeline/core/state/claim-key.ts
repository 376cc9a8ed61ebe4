// The key under which a customer's event is known where it waits, was taken back or was amended.
// Invariant: what one customer says of an identity never touches the event of another under the same identity.

import { compositeKey } from '../../../schemas/identifiers.js'

/** `eventKey`: composite key of source and id. `customerId`: the customer that the event was sent for. */
export function claimKey(customerId: string, eventKey: string): string {
  return compositeKey(customerId, eventKey)
}
