// Memoizes a function of an immutable object (a price, a model) by the object's identity, as long as the object lives.

export function oncePer<K extends object, V extends {}>(derive: (from: K) => V): (from: K) => V {
  const known = new WeakMap<K, V>()
  return from => {
    let value = known.get(from)
    if (value === undefined) {
      value = derive(from)
      known.set(from, value)
    }
    return value
  }
}
