// Why bytes are not taken as a usage batch. decodeUsageBatch turns both into a rejection; no other file catches them.

/** Thrown when bytes are not a usage batch; the producer sees its message as the reason. */
export class ArrowFault extends Error {
  override readonly name = 'ArrowFault'
}

/** Thrown when a usage batch holds more than one may hold. */
export class TooLarge extends Error {
  override readonly name = 'TooLarge'
}
