// The rules that `promtool check metrics` holds, over the text of /metrics: help, type, names, base units, labels. The tool
// itself is 48 MB and would be fetched for each run of the suite.

interface Family {
  readonly name: string
  readonly help: string
  readonly type: string
}

const types = ['counter', 'gauge', 'histogram', 'summary', 'untyped']
/** Words for units that are none of the base units, and their abbreviations. */
const oddUnits = new Set([
  ...[
    'ms',
    'us',
    'ns',
    's',
    'sec',
    'secs',
    'milliseconds',
    'microseconds',
    'nanoseconds',
    'minutes',
    'hours',
    'days',
  ],
  ...['kb', 'mb', 'gb', 'kib', 'mib', 'gib', 'kilobytes', 'megabytes', 'gigabytes', 'bits', 'percent'],
])
const snakeCase = /^[a-z][a-z0-9]*(?:_[a-z0-9]+)*$/

/** What breaks a rule, a sentence each. */
export function metricFaults(text: string): string[] {
  const families = familiesOf(text)
  const known = new Set(families.map(({ name }) => name))
  const unnamed = samplesOf(text)
    .map(({ name }) => name)
    .filter(name => !known.has(name) && !known.has(name.replace(/_(?:bucket|sum|count)$/, '')))
  return [
    ...families.flatMap(family => nameFaults(family).map(fault => `${family.name} ${fault}`)),
    ...[...new Set(unnamed)].map(name => `${name} has no HELP and TYPE`),
    ...labelFaults(text, families),
  ]
}

function familiesOf(text: string): Family[] {
  const typeOf = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name!, type!]))
  const helpOf = new Map([...text.matchAll(/^# HELP (\S+) ?(.*)$/gm)].map(([, name, help]) => [name!, help!]))
  const names = new Set([...typeOf.keys(), ...helpOf.keys()])
  return [...names].map(name => ({ name, help: helpOf.get(name) ?? '', type: typeOf.get(name) ?? '' }))
}

function nameFaults({ name, help, type }: Family): string[] {
  const words = name.split('_')
  const isTotal = name.endsWith('_total')
  const isDistribution = type === 'histogram' || type === 'summary'
  return [
    ...(help.trim() === '' ? ['has no help'] : []),
    ...(types.includes(type) ? [] : ['has no type']),
    ...(snakeCase.test(name) && name.startsWith('weir_') ? [] : ['is not weir_ in snake case']),
    ...(type === 'counter' && !isTotal ? ['is a counter and does not end in _total'] : []),
    ...(type !== 'counter' && isTotal ? ['ends in _total and is no counter'] : []),
    ...(!isDistribution && /_(?:bucket|sum|count)$/.test(name) ? ['ends as a part of a histogram'] : []),
    ...(isDistribution && !/_(?:seconds|bytes)$/.test(name) ? ['does not end in its unit'] : []),
    ...words.filter(word => types.includes(word)).map(word => `has its type ${word} in its name`),
    ...words.filter(word => oddUnits.has(word)).map(word => `has the unit ${word}, which is no base unit`),
  ]
}

interface Sample {
  readonly name: string
  readonly labels: readonly string[]
}

function samplesOf(text: string): Sample[] {
  return [...text.matchAll(/^([^\s#{]+)(?:\{(.*)\})? \S+$/gm)].map(([, name, labels = '']) => ({
    name: name!,
    labels: [...labels.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g)].map(([, label]) => label!),
  }))
}

function labelFaults(text: string, families: readonly Family[]): string[] {
  const distributions = families.filter(({ type }) => type === 'histogram' || type === 'summary')
  const faults = samplesOf(text).flatMap(({ name, labels }) => {
    const isPart = distributions.some(family => name.startsWith(`${family.name}_`) || name === family.name)
    return labels
      .filter(label => !snakeCase.test(label) || (!isPart && (label === 'le' || label === 'quantile')))
      .map(label => `${name} has the label ${label}`)
  })
  return [...new Set(faults)]
}
