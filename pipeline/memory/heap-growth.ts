// How much the heap of each thread grows before V8 collects it.
//
// Left alone, V8 lets a heap grow to several times of what lives in it before it marks it: the threads of a process that has
// seen a large billing run held twice the memory that they needed. A heap that grows by a part of itself is collected more
// often, which costs time: where usage is counted some 5 % of the CPU time for the space for new objects (bench/RESULTS.md).

import { setFlagsFromString } from 'node:v8'

/** Percent of what lived after the last collection. */
const growthPercent = 40
/** Half of what V8 would take. Each thread has two such spaces for new objects, and they stay resident once used. */
const semiSpaceMb = 8

/** Of all threads of this process. To be called before they begin; the thread that calls it keeps its space for new objects. */
export function boundHeapGrowth(): void {
  setFlagsFromString(`--heap-growing-percent=${growthPercent}`)
  setFlagsFromString(`--max-semi-space-size=${semiSpaceMb}`)
}
